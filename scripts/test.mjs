// Builds, then runs every test file with node's own test runner.
//   node scripts/test.mjs [--deep] [--update] [name-part ...]    only files whose path contains one of the parts
// --update: golden tests write their fixtures anew.
// --deep (npm run test:deep): the random comparisons with evaluator and host processor (2,000 states of every form), and
// the fuzzer, at length; at the end it tells how many states were compared.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const build = spawnSync(process.execPath, ['scripts/build.mjs'], { stdio: 'inherit' });
if (build.status !== 0) process.exit(build.status ?? 1);
const deep = process.argv.includes('--deep');
const DEEP_FILES = [
  'tests/differential',
  'tests/native',
  'tests/fuzz',
  'core-numerics',
  'float-instructions',
  'isa/native',
  'guest/memtest',
];
const update = process.argv.includes('--update');
const named = process.argv.slice(2).filter((a) => a !== '--deep' && a !== '--update');
const parts = deep && named.length === 0 ? DEEP_FILES : named;
/** What the random tests read; a variable that is set already wins. */
const DEEP = { PCANEL_DEEP: '1', PCANEL_FLOAT_CASES: '2000', PCANEL_NATIVE_ROUNDS: '600' };
const dist = process.env.PCANEL_DIST ?? 'dist';
const found = [`${dist}/src`, `${dist}/tests`].flatMap((folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile() && e.name.endsWith('.test.js'))
    .map((e) => join(e.parentPath ?? e.path, e.name)),
);
const chosen = found.filter((f) => parts.length === 0 || parts.some((p) => f.includes(p))).sort();
if (chosen.length === 0) {
  console.error(`test: no test file matches ${parts.join(', ')}`);
  process.exit(1);
}
const folder = mkdtempSync(join(tmpdir(), 'pcanel-test-'));
const tally = join(folder, 'tally');
const run = spawnSync(process.execPath, ['--test', '--test-concurrency=2', '--enable-source-maps', ...chosen], {
  stdio: 'inherit',
  // each test says what it keeps between runs
  env: {
    PCANEL_CODE_CACHE: 'off',
    PCANEL_TALLY: tally,
    ...(deep && DEEP),
    ...process.env,
    ...(update && { PCANEL_UPDATE: '1' }),
  },
});
if (deep && existsSync(tally)) process.stdout.write(`compared:\n${readFileSync(tally, 'utf8')}`);
rmSync(folder, { recursive: true, force: true });
process.exit(run.status ?? 1);
