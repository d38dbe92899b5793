// A small static file server for the example: nothing but files, byte ranges and two headers.
//   node examples/browser/serve.mjs [--plain] [--port N] [FOLDER]
// --plain leaves Cross-Origin-Opener-Policy and Cross-Origin-Embedder-Policy out: the page then runs on one thread.

import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, extname, join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.wasm': 'application/wasm',
};
/** What makes a page cross-origin isolated, so that it may share memory between its workers. */
const ISOLATION = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

/** Serves the files of `folder` on loopback; resolves with the server and its address. */
export function serve(folder, { isolated = true, port = 0 } = {}) {
  const root = resolve(folder);
  const server = createServer((request, response) => {
    const headers = isolated ? { ...ISOLATION } : {};
    const refuse = (status, text) => {
      response.writeHead(status, { ...headers, 'Content-Type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
    };
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(405, 'expected GET or HEAD');
    let file;
    let size;
    try {
      const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
      file = join(root, path.endsWith('/') ? `${path}index.html` : path);
      if (!file.startsWith(root + sep)) return refuse(403, 'outside the folder');
      const stat = statSync(file);
      if (!stat.isFile()) return refuse(404, 'no such file');
      size = stat.size;
    } catch {
      return refuse(404, 'no such file');
    }
    headers['Content-Type'] = TYPES[extname(file)] ?? 'application/octet-stream';
    headers['Accept-Ranges'] = 'bytes';
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    let [start, end, status] = [0, size - 1, 200];
    if (range !== null) {
      start = Number(range[1]);
      if (range[2] !== '') end = Math.min(end, Number(range[2]));
      if (start > end) return refuse(416, `range outside ${size} bytes`);
      headers['Content-Range'] = `bytes ${start}-${end}/${size}`;
      status = 206;
    }
    headers['Content-Length'] = size === 0 ? 0 : end - start + 1;
    response.writeHead(status, headers);
    if (request.method === 'HEAD' || size === 0) return response.end();
    createReadStream(file, { start, end }).pipe(response);
  });
  return new Promise((done, failed) => {
    server.on('error', failed);
    server.listen(port, '127.0.0.1', () => done({ server, url: `http://127.0.0.1:${server.address().port}/` }));
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const args = process.argv.slice(2);
  const plain = args.includes('--plain');
  const portAt = args.indexOf('--port');
  const port = portAt < 0 ? 8080 : Number(args[portAt + 1]);
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    console.error(`serve: port '${args[portAt + 1]}', expected 0 to 65535`);
    process.exit(2);
  }
  const here = dirname(fileURLToPath(import.meta.url));
  const named = args.filter((a, i) => !a.startsWith('--') && (portAt < 0 || i !== portAt + 1));
  const { url } = await serve(named[0] ?? join(here, '../../dist/browser-example'), { isolated: !plain, port });
  console.log(`${url}  (${plain ? 'without' : 'with'} COOP/COEP headers; Ctrl-C ends)`);
}
