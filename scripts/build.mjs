// Builds everything that runs: TypeScript to dist/ (esbuild, no bundling), the generated layout, the AssemblyScript
// procedures, the interpreter module and the RTOS guest. Each step is skipped when its inputs have not changed.
//   node scripts/build.mjs [--quiet] [--force]

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
process.chdir(root);
const quiet = process.argv.includes('--quiet');
const force = process.argv.includes('--force');
const say = (text) => {
  if (!quiet) console.error(text);
};

/** All files below `folder` whose name passes `keep`. */
function files(folder, keep) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile() && keep(e.name))
    .map((e) => join(e.parentPath ?? e.path, e.name))
    .sort();
}

// Several builds of one checkout can live side by side: PCANEL_DIST names the output folder (default dist).
const dist = process.env.PCANEL_DIST ?? 'dist';
const stampFile = `${dist}/.stamps.json`;
const stamps = !force && existsSync(stampFile) ? JSON.parse(readFileSync(stampFile, 'utf8')) : {};

/** Runs `work` unless the content of `inputs` is what it was at the last success and `outputs` exist. */
async function step(name, inputs, outputs, work) {
  const hash = createHash('sha256');
  for (const file of inputs) hash.update(file).update(readFileSync(file));
  const digest = hash.digest('hex');
  if (stamps[name] === digest && outputs.every((o) => existsSync(o))) return;
  const start = performance.now();
  if (!quiet) process.stderr.write(`build: ${name} ... `);
  await work();
  say(`${((performance.now() - start) / 1000).toFixed(1)} s`);
  stamps[name] = digest;
  mkdirSync(dist, { recursive: true });
  writeFileSync(stampFile, JSON.stringify(stamps, null, 1));
}

function run(command, args, hint) {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
  if (result.error || result.status !== 0) {
    console.error(`\nbuild: '${command} ${args.join(' ').slice(0, 200)}' failed${hint ? ` (${hint})` : ''}`);
    console.error(result.error?.message ?? `${result.stdout}${result.stderr}`);
    process.exit(1);
  }
}

const isTs = (n) => n.endsWith('.ts') && !n.endsWith('.d.ts');
const sources = ['src', 'tests', 'bench']
  .flatMap((f) => files(f, isTs))
  .filter((f) => !f.startsWith('src/processor/core/'));
await step('typescript', ['scripts/build.mjs', ...sources], [`${dist}/src`], async () => {
  const { build } = await import('esbuild');
  const wanted = new Set(sources.map((f) => join(dist, f.replace(/\.ts$/, '.js'))));
  for (const folder of ['src', 'tests', 'bench'])
    for (const f of files(join(dist, folder), (n) => n.endsWith('.js'))) if (!wanted.has(f)) rmSync(f);
  await build({
    entryPoints: sources,
    outdir: dist,
    outbase: '.',
    format: 'esm',
    platform: 'neutral',
    target: 'es2022',
    sourcemap: 'linked',
    logLevel: 'warning',
  });
});

// AssemblyScript procedures: constants first (from the one state table), then the module itself.
const layoutScript = `${dist}/src/processor/print-layout.js`;
if (existsSync(layoutScript)) {
  await step(
    'layout',
    files(`${dist}/src/processor`, (n) => n.endsWith('.js')).concat(
      files(`${dist}/src/arch`, (n) => n.endsWith('.js')),
      files(`${dist}/src/vmx`, (n) => n.endsWith('.js')),
    ),
    ['src/processor/core/generated/layout.ts'],
    async () => {
      const { printLayout } = await import(join(root, layoutScript));
      mkdirSync('src/processor/core/generated', { recursive: true });
      writeFileSync('src/processor/core/generated/layout.ts', printLayout());
    },
  );
}
const core = files('src/processor/core', isTs);
if (existsSync('src/processor/core/index.ts')) {
  await step('procedures.wasm', core, [`${dist}/procedures.wasm`], async () => {
    run('node', [
      'node_modules/assemblyscript/bin/asc.js',
      'src/processor/core/index.ts',
      '-o',
      `${dist}/procedures.wasm`,
      '-O3',
      '--runtime',
      'stub',
      '--noAssert',
      '--importMemory',
      '--sharedMemory',
      '--initialMemory',
      '1',
      '--maximumMemory',
      '65536',
      '--enable',
      'simd,threads',
      '--use',
      'abort=',
      '--memoryBase',
      '1024',
    ]);
  });
}
const generator = `${dist}/src/processor/generate-interpreter.js`;
if (existsSync(generator)) {
  await step(
    'interpreter.wasm',
    ['src/isa', 'src/processor', 'src/arch'].flatMap((f) => files(f, isTs)).filter((f) => !f.includes('/core/')),
    [`${dist}/interpreter.wasm`],
    async () => {
      const { generateInterpreter } = await import(join(root, generator));
      writeFileSync(`${dist}/interpreter.wasm`, generateInterpreter());
    },
  );
}
const modules = ['procedures.wasm', 'interpreter.wasm'];
// What regions are made by: those of another build are not found (src/apps/cli/code-folder.ts).
const identity = createHash('sha256')
  .update(`${stamps['procedures.wasm']} ${stamps['interpreter.wasm']}`)
  .digest('hex');
writeFileSync(`${dist}/regions-identity`, identity);
// The machine code of the processor's modules, which takes V8 a second: for the program, and for scripts that use the package.
const compiler = `${dist}/src/apps/cli/compile-for-build.js`;
/** Says which Node.js it is for. */
const compiledBy = `${dist}/compiled/${process.version}`;
await step(
  'machine code',
  ['processor-modules', 'code-folder', 'machine-code', 'v8-flags', 'compile-for-build']
    .map((f) => `src/apps/cli/${f}.ts`)
    .concat(modules.map((m) => `${dist}/${m}`)),
  [compiledBy],
  async () => {
    rmSync(`${dist}/compiled`, { recursive: true, force: true });
    mkdirSync(`${dist}/compiled`);
    run(process.execPath, [compiler, 'program']);
    run(process.execPath, [compiler]);
    writeFileSync(compiledBy, '');
    // for other users of this computer too
    chmodSync(`${dist}/compiled`, 0o755);
    for (const file of files(`${dist}/compiled`, () => true)) chmodSync(file, 0o644);
  },
);
// The program as bin/pcanel.js starts it: one file per thread and command instead of hundreds, for a fast start. As deep in
// the output as the modules it is made of, which find the rest of the output by their own place.
const programFolder = `${dist}/program/apps/cli`;
/** zod's messages in one language instead of fifty. */
const englishZod = {
  name: 'english-zod',
  setup: ({ onLoad }) =>
    onLoad({ filter: /zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js';",
    })),
};
const programEntries = ['start', 'pcpu-worker', 'translator-worker'];
await step(
  'program',
  ['scripts/build.mjs', 'package-lock.json'].concat(
    sources.filter((f) => f.startsWith('src/') && !f.includes('.test.') && !/\/browser\//.test(f)),
  ),
  programEntries.map((f) => `${programFolder}/${f}.js`),
  async () => {
    const { build } = await import('esbuild');
    rmSync(`${dist}/program`, { recursive: true, force: true });
    await build({
      entryPoints: programEntries.map((f) => `src/apps/cli/${f}.ts`),
      outdir: programFolder,
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
      minifySyntax: true,
      minifyWhitespace: true,
      sourcemap: 'linked',
      sourcesContent: false,
      legalComments: 'linked',
      // Packages with files of their own beside their code.
      external: ['koffi', 'node-sqlite3-wasm'],
      plugins: [englishZod],
      // Packages in CommonJS ask for modules of Node.js by `require`.
      banner: {
        js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);",
      },
      logLevel: 'warning',
    });
  },
);
// The dashboard: bundled by vite into one script and one style sheet.
await step(
  'web',
  [...files('web', (n) => /\.(tsx?|css|html|mjs)$/.test(n)), ...sources.filter((f) => /^src\/(vmx|domains)\//.test(f))],
  [`${dist}/web/index.html`],
  async () => {
    const { build } = await import('vite');
    await build({ configFile: join(root, 'web/vite.config.mjs'), logLevel: 'warn' });
  },
);
// pcanel/browser: three bundles and the processor's modules, in one folder that any web server can serve.
const browserEntries = [
  'src/apps/browser/index.ts',
  'src/apps/browser/pcpu-worker.ts',
  'src/apps/browser/translator-worker.ts',
];
await step(
  'browser',
  sources.filter((f) => f.startsWith('src/') && !f.includes('.test.')).concat(modules.map((m) => `${dist}/${m}`)),
  ['index.js', 'pcpu-worker.js', 'translator-worker.js', ...modules].map((f) => `${dist}/browser/${f}`),
  async () => {
    const { build } = await import('esbuild');
    rmSync(`${dist}/browser`, { recursive: true, force: true });
    await build({
      entryPoints: browserEntries,
      outdir: `${dist}/browser`,
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: 'browser',
      target: 'es2022',
      sourcemap: 'linked',
      logLevel: 'warning',
    });
    for (const m of modules) copyFileSync(`${dist}/${m}`, `${dist}/browser/${m}`);
  },
);
if (existsSync('guests/rtos/Makefile')) {
  const gcc = spawnSync('gcc', ['--version']);
  if (gcc.error)
    say("build: the RTOS guest is not built: no 'gcc' found (apt-get install gcc make); everything else works");
  else
    await step(
      'rtos',
      files('guests/rtos', (n) => /\.(c|h|S|ld)$|^Makefile$/.test(n)).filter((f) => !f.includes('/build/')),
      ['guests/rtos/build/rtos.elf'],
      async () => {
        run('make', ['-s', '-C', 'guests/rtos'], 'the RTOS guest needs gcc and make');
      },
    );
}
