// Builds the dashboard into dist/web (or PCANEL_DIST/web): everything in one script and one style sheet, nothing from outside.
//   npx vite web        a development server; it passes /api on to `pcanel serve` on port 7373
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('.', import.meta.url));
const dist = resolve(root, '..', process.env.PCANEL_DIST ?? 'dist');
const server = 'http://127.0.0.1:7373';

// Vite asks for a default export.
// biome-ignore lint/style/noDefaultExport: the form that Vite reads
export default {
  root,
  base: '/',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: { outDir: `${dist}/web`, emptyOutDir: true, target: 'es2022', chunkSizeWarningLimit: 1200 },
  server: { proxy: { '/api': { target: server, ws: true, changeOrigin: true } } },
};
