// Puts examples/browser together as a folder of static files: page, pcanel/browser, guest images from the cache.
//   node scripts/build-browser-example.mjs [FOLDER]     (default dist/browser-example)
// Then: node examples/browser/serve.mjs [FOLDER]

import { copyFileSync, cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = process.env.PCANEL_DIST ?? 'dist';
const out = resolve(process.argv[2] ?? join(root, dist, 'browser-example'));
process.chdir(root);
const say = (text) => console.error(`browser example: ${text}`);
const { busyboxInitramfs, ensureImage } = await import(
  pathToFileURL(join(root, dist, 'src/apps/images/index.js')).href
);

const rtos = 'guests/rtos/build/rtos.elf';
if (!existsSync(rtos)) {
  say(`'${rtos}' does not exist, expected it to be built by 'npm run build' (needs gcc and make)`);
  process.exit(1);
}
try {
  const kernel = await ensureImage('linux-cloud-amd64', { progress: say });
  const initramfs = await busyboxInitramfs({ progress: say, hostname: 'linux' });
  rmSync(out, { recursive: true, force: true });
  mkdirSync(join(out, 'guests'), { recursive: true });
  copyFileSync(kernel.path, join(out, 'guests/linux'));
  writeFileSync(join(out, 'guests/initramfs.cpio'), initramfs);
  copyFileSync(rtos, join(out, 'guests/rtos.elf'));
} catch (error) {
  say(error.message);
  process.exit(1);
}
await build({
  entryPoints: ['examples/browser/main.ts'],
  outdir: out,
  bundle: true,
  splitting: true,
  minify: true,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  logLevel: 'warning',
  alias: { 'pcanel/browser': `./${dist}/browser/index.js` },
});
copyFileSync('examples/browser/index.html', join(out, 'index.html'));
// beside the page's own bundle: there the library looks for them
cpSync(`${dist}/browser`, out, { recursive: true, filter: (f) => !/(\.map|browser[\\/]index\.js)$/.test(f) });
say(`${out} is ready: node examples/browser/serve.mjs ${process.argv[2] ?? ''}`);
