// Format, lint, types (pure rooms without DOM and Node types, then everything) and import arrows, in one command.
import { spawnSync } from 'node:child_process';

/** Remembers what was checked in the output folder. */
const dist = process.env.PCANEL_DIST ?? 'dist';
const incremental = (name) => ['--incremental', '--tsBuildInfoFile', `${dist}/.tsc-${name}.json`];
const steps = [
  ['biome', ['node_modules/@biomejs/biome/bin/biome', 'ci', '--colors=off']],
  ['architecture table', ['scripts/architecture.mjs']],
  ['tsc (pure rooms)', ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.pure.json']],
  ['tsc (all)', ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json']],
  ['tsc (browser)', ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.browser.json', ...incremental('browser')]],
  [
    'dependency-cruiser',
    [
      'node_modules/dependency-cruiser/bin/dependency-cruise.mjs',
      '--config',
      '.dependency-cruiser.cjs',
      'src',
      'tests',
      'bench',
    ],
  ],
];
let failed = false;
for (const [name, args] of steps) {
  const start = performance.now();
  const result = spawnSync(process.execPath, args, { encoding: 'utf8' });
  const ok = result.status === 0;
  console.log(`check: ${name} ${ok ? 'ok' : 'FAILED'} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
  if (!ok) {
    failed = true;
    console.log(result.stdout + result.stderr);
  }
}
process.exit(failed ? 1 : 0);
