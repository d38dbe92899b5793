// `pcanel run --profile` and `pcanel profile NAME` end to end, with the real-time kernel and its ELF symbols.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { repository, rtosFile } from '../support/guests.js';

const rtos = await rtosFile();
const work = mkdtempSync(join(tmpdir(), 'pcanel-profile-'));
after(() => rmSync(work, { recursive: true, force: true }));
const program = join(repository, 'bin/pcanel.js');
const elf = join(repository, 'guests/rtos/build/rtos.elf');
const env = { ...process.env, XDG_RUNTIME_DIR: work };
const pcanel = (args: readonly string[], input = '') =>
  spawnSync(process.execPath, [program, ...args], { cwd: repository, encoding: 'utf8', env, input, timeout: 120_000 });

test('run --profile writes folded stacks and lists the busiest functions', { skip: rtos.skip }, () => {
  const file = join(work, 'rtos.folded');
  const profile = ['--profile', file, '--profile-every', '20000', '--symbols', elf];
  const r = pcanel(['run', '--multiboot', elf, '--name', 'rtos', ...profile, '--timeout', '100'], 'poweroff\n');
  assert.equal(r.status, 1, r.stderr);
  assert.match(r.stderr, /^rtos: \d+ samples over \d+\.\d million ticks$/m);
  assert.match(r.stderr, /^ +\d+\.\d% {2}clockCalibrate$/m);
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  for (const line of lines) assert.match(line, /^rtos;kernel;\S+ \d+$/);
  assert.ok(lines.some((l) => /;clockCalibrate \d+$/.test(l)));
});

test('profile looks on at a running domain, also when it ends meanwhile', { skip: rtos.skip }, async () => {
  const args = ['run', '--multiboot', elf, '--name', 'busy', '--time', 'real', '--timeout', '100'];
  const host: ChildProcess = spawn(process.execPath, [program, ...args], { cwd: repository, env, stdio: 'pipe' });
  try {
    let seen = '';
    await new Promise<void>((resolve, reject) => {
      host.on('exit', () => reject(new Error(seen)));
      host.stdout?.on('data', (bytes) => {
        seen += bytes;
        if (seen.includes('rtos> ')) resolve();
      });
    });
    host.stdin?.write('fp\n');
    const live = pcanel(['profile', 'busy', '--seconds', '1', '--every', '1000', '--symbols', elf]);
    assert.equal(live.status, 0, live.stderr);
    assert.match(live.stdout, /^busy;kernel;[A-Za-z]\w* \d+$/m);
    assert.match(live.stderr, /^busy: \d+ samples/m);
    const ending = spawn(process.execPath, [program, 'profile', 'busy', '--seconds', '60', '--every', '1000'], { env });
    let folded = '';
    ending.stdout.on('data', (bytes) => {
      folded += bytes;
    });
    const ended = new Promise((resolve) => ending.on('close', resolve));
    await new Promise((resolve) => ending.stderr.once('data', resolve)); // 'profile of ...': it has begun
    host.stdin?.write('fp\npoweroff\n');
    assert.equal(await ended, 0);
    assert.match(folded, /^busy;kernel;\S+ \d+$/m);
  } finally {
    host.removeAllListeners('exit');
    host.kill();
  }
});

test('values out of range, unknown domains and useless symbol files are errors that say what was expected', () => {
  const every = pcanel(['run', '--multiboot', elf, '--profile', join(work, 'x'), '--profile-every', '5']);
  assert.equal(every.status, 2);
  assert.match(every.stderr, /--every is '5', expected a number from 1000 to/);
  const alone = pcanel(['run', '--multiboot', elf, '--symbols', elf]);
  assert.equal(alone.status, 2);
  assert.match(alone.stderr, /--symbols need --profile FILE/);
  const symbols = pcanel(['profile', 'nobody', '--symbols', join(repository, 'package.json')]);
  assert.equal(symbols.status, 2);
  assert.match(symbols.stderr, /package\.json' holds no function, expected an ELF file/);
  const nobody = pcanel(['profile', 'nobody']);
  assert.equal(nobody.status, 2);
  assert.match(nobody.stderr, /NOT_RUNNING/);
});
