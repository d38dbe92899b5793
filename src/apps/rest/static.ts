// The dashboard's built files. Only files that were there when the server started can be had, so no path leads elsewhere.

import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.wasm': 'application/wasm',
  '.map': 'application/json',
};

const NOT_BUILT = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Pcanel</title>
<body><h1>Pcanel</h1><p>The server runs; its dashboard has not been built. Build it with
<code>npm run build</code> and start the server again.</p>
<p>The REST interface is there: <a href="/openapi.json">openapi.json</a>.</p></body></html>
`;

export interface StaticFile {
  readonly data: ArrayBuffer | string;
  readonly type: string;
  readonly cache: string;
}
export interface StaticFiles {
  /** Null: no such file. `path` is of a URL. */
  read(path: string): Promise<StaticFile | null>;
}

export function staticFiles(folder: string | null): StaticFiles {
  const built = folder !== null && existsSync(join(folder, 'index.html'));
  const files = new Map<string, string>();
  if (built) {
    for (const e of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (!e.isFile()) continue;
      const full = join(e.parentPath ?? e.path, e.name);
      files.set(`/${relative(folder, full).split(sep).join('/')}`, full);
    }
  }
  return {
    async read(path) {
      const name = path === '/' ? '/index.html' : path;
      if (!built && name === '/index.html') {
        return { data: NOT_BUILT, type: 'text/html; charset=utf-8', cache: 'no-store' };
      }
      const full = files.get(name);
      if (full === undefined) return null;
      const data = await readFile(full).catch(() => null);
      if (data === null) return null;
      // Files with a hash in their name never change.
      const cache = /-[A-Za-z0-9_-]{8,}\.\w+$/.test(name) ? 'public, max-age=31536000, immutable' : 'no-cache';
      const copy = data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength) as ArrayBuffer;
      return { data: copy, type: TYPES[extname(name)] ?? 'application/octet-stream', cache };
    },
  };
}
