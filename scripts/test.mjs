// Builds, then runs every test file with node's own test runner.
//   node scripts/test.mjs [name-part ...]    only files whose path contains one of the parts
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const build = spawnSync(process.execPath, ['scripts/build.mjs'], { stdio: 'inherit' });
if (build.status !== 0) process.exit(build.status ?? 1);
const parts = process.argv.slice(2);
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
const run = spawnSync(process.execPath, ['--test', '--test-concurrency=2', '--enable-source-maps', ...chosen], {
  stdio: 'inherit',
});
process.exit(run.status ?? 1);
