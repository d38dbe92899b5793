// Tests of programs out of Debian packages with a stand-in for apt: fetched once, unpacked, nothing left of an attempt.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { ensureProgram } from './index.js';

const hasDpkg = spawnSync('dpkg-deb', ['--version']).error === undefined;
const skip = hasDpkg ? false : "no 'dpkg-deb' found (a Debian program)";
const work = mkdtempSync(join(tmpdir(), 'pcanel-program-'));
const bin = join(work, 'bin');
const log = join(work, 'apt.log');
const path = process.env.PATH ?? '';
const deb = join(work, 'greet_1_all.deb');
let folder = '';
let run = 0;

/** An apt-get that puts the package into the archives folder, after `failure` (shell commands). */
const fakeApt = (failure = ''): void =>
  writeFileSync(
    join(bin, 'apt-get'),
    `#!/bin/sh
echo "$*" >> '${log}'
for a; do case $a in Dir::Cache::archives=*) archives=\${a#*=};; Dir::State::lists=*) lists=\${a#*=};; esac; done
case "$*" in
*update*) mkdir -p "$lists/partial"; touch "$lists/x_Packages";;
*install*) ${failure || `cp '${deb}' "$archives"`};;
esac
`,
    { mode: 0o755 },
  );

before(() => {
  mkdirSync(bin);
  const root = join(work, 'root');
  mkdirSync(join(root, 'DEBIAN'), { recursive: true });
  mkdirSync(join(root, 'usr/bin'), { recursive: true });
  const control =
    'Package: greet\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: x\n';
  writeFileSync(join(root, 'DEBIAN/control'), control);
  writeFileSync(join(root, 'usr/bin/pcanel-greet'), '#!/bin/sh\necho hello\n', { mode: 0o755 });
  if (hasDpkg) execFileSync('dpkg-deb', ['-Znone', '--root-owner-group', '--build', root, deb], { stdio: 'ignore' });
});
beforeEach(() => {
  folder = join(work, `cache-${run++}`);
  process.env.PATH = `${bin}${delimiter}${path}`;
  writeFileSync(log, '');
});
after(() => {
  process.env.PATH = path;
  rmSync(work, { recursive: true });
});
const options = (): { folder: string; aboutBytes: number } => ({ folder, aboutBytes: 1 });

test('a program is unpacked once, with the packages that it needs, and then found', { skip }, async () => {
  fakeApt();
  const program = await ensureProgram('pcanel-greet', ['greet', 'greet-data'], options());
  assert.equal(program.path, join(folder, 'programs/pcanel-greet/usr/bin/pcanel-greet'));
  assert.equal(program.root, join(folder, 'programs/pcanel-greet'));
  assert.match(program.env.LD_LIBRARY_PATH ?? '', /programs\/pcanel-greet\/usr\/lib/);
  assert.equal(execFileSync(program.path, { encoding: 'utf8' }), 'hello\n');
  const words = readFileSync(log, 'utf8');
  assert.match(words, /--download-only install greet greet-data/);
  assert.ok(words.includes('Dir::State::status=/var/lib/dpkg/status'));
  writeFileSync(log, '');
  assert.deepEqual(await ensureProgram('pcanel-greet', ['greet', 'greet-data'], options()), program);
  assert.equal(readFileSync(log, 'utf8'), '');
});

test('an installed program is taken as it is', async () => {
  fakeApt();
  writeFileSync(join(bin, 'pcanel-here'), '#!/bin/sh\n', { mode: 0o755 });
  const program = await ensureProgram('pcanel-here', ['here'], options());
  assert.deepEqual(program, { path: join(bin, 'pcanel-here'), root: null, env: {} });
  assert.equal(readFileSync(log, 'utf8'), '');
});

test("packages without the program, and apt's refusal, say so and leave nothing", { skip }, async () => {
  fakeApt();
  await assert.rejects(
    ensureProgram('pcanel-other', ['greet'], options()),
    /packages 'greet' hold no program 'pcanel-other'/,
  );
  assert.deepEqual(readdirSync(join(folder, 'programs')), []);
  fakeApt('echo "E: Unable to locate package greet" >&2; exit 100');
  await assert.rejects(
    ensureProgram('pcanel-greet', ['greet'], options()),
    /cannot fetch packages 'greet': E: Unable to locate/,
  );
  assert.deepEqual(readdirSync(join(folder, 'programs')), []);
  assert.deepEqual(
    readdirSync(folder).filter((f) => f.startsWith('staging-') || f.endsWith('.lock')),
    [],
  );
});
