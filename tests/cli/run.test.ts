// The command line program end to end: boots, scripts, exit codes, statistics, consoles of a running host.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { linuxFiles, repository, rtosFile } from '../support/guests.js';

const linux = await linuxFiles();
const rtos = await rtosFile();
const work = mkdtempSync(join(tmpdir(), 'pcanel-run-'));
after(() => rmSync(work, { recursive: true, force: true }));

const program = join(repository, 'bin/pcanel.js');
const elf = join(repository, 'guests/rtos/build/rtos.elf');
const env = { ...process.env, XDG_RUNTIME_DIR: work };

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}
function pcanel(args: readonly string[], input = '', timeout = 120_000): Ran {
  const r = spawnSync(process.execPath, [program, ...args], {
    cwd: repository,
    encoding: 'utf8',
    env,
    input,
    timeout,
  });
  return { code: r.status, out: r.stdout, err: r.stderr };
}

test('examples/linux-and-rtos-scripted.yaml passes', { skip: linux.skip || rtos.skip }, () => {
  const r = pcanel(['up', 'examples/linux-and-rtos-scripted.yaml', '--stats', '--timeout', '110']);
  assert.equal(r.code, 0, r.out + r.err);
  assert.match(r.out, /^linux \| pcanel: linux is up$/m);
  assert.match(r.out, /^linux \| Linux linux \d.* x86_64 GNU\/Linux$/m);
  assert.match(r.out, /^linux \| 42 1$/m);
  assert.match(r.out, /^rtos {2}\| .*missed ticks 0$/m);
  assert.match(r.err, /^pcanel: linux: powered off$/m);
  assert.match(r.err, /^ {2}instructions {2}\d{9} /m);
  assert.match(r.err, /^ {4}ioInstruction +\d+ /m);
});

test('examples/linux-on-two-cpus-scripted.yaml passes', { skip: linux.skip }, () => {
  const r = pcanel(['up', 'examples/linux-on-two-cpus-scripted.yaml', '--timeout', '590'], '', 600_000);
  assert.equal(r.code, 0, r.out + r.err);
  assert.match(r.out, /^linux \| different:1$/m);
  assert.match(r.err, /^pcanel: linux: powered off$/m);
});

test('run boots Linux from a named image to its shell, which takes typed lines', { skip: linux.skip }, () => {
  const line = 'console=ttyS0 cryptomgr.notests quiet';
  const image = ['--image', 'linux-cloud-amd64', '--initrd', 'busybox', '--cmdline', line];
  const r = pcanel(['run', ...image, '--timeout', '110'], 'uname -a\necho $((6 * 7))\npoweroff\n');
  assert.equal(r.code, 0, r.out + r.err);
  assert.match(r.out, /^Linux linux-cloud-amd64 \d.* x86_64 GNU\/Linux\r$/m);
  assert.match(r.out, /^42\r$/m);
});

test("the guest's debug-exit status is the exit code of run", { skip: rtos.skip }, () => {
  const r = pcanel(['run', '--multiboot', elf, '--timeout', '60'], 'poweroff\n');
  assert.equal(r.code, 1, r.out + r.err); // QEMU's convention: (0 << 1) | 1
  assert.match(r.out, /poweroff: debug exit/);
});

test('a triple fault ends run with exit code 1 and one line', { skip: rtos.skip }, () => {
  const r = pcanel(['run', '--multiboot', elf, '--timeout', '60'], 'panic\n');
  assert.equal(r.code, 1);
  assert.match(r.err, /^pcanel: rtos\.elf: .*triple fault.*\n$/i);
});

test('a script that fails ends up with exit code 1 and says which step', { skip: rtos.skip }, () => {
  const file = join(work, 'fails.yaml');
  const script = "script: [{ expect: 'rtos> ', send: \"version\\n\" }, { expect: 'never said', timeout: 1 }]";
  writeFileSync(file, `domains:\n  - { name: rtos, multiboot: ${elf}, memory: 16M, ${script} }\n`);
  const r = pcanel(['up', file, '--timeout', '60']);
  assert.equal(r.code, 1, r.out + r.err);
  assert.match(r.err, /^pcanel: rtos: script step 2: 'never said' did not come within 1 s/m);
});

test('a time-out ends the run with exit code 124', { skip: rtos.skip }, () => {
  const r = pcanel(['run', '--multiboot', elf, '--timeout', '2']);
  assert.equal(r.code, 124, r.err);
  assert.match(r.err, /^pcanel: TIMEOUT: rtos\.elf still ran after 2 s\n$/);
});

const until = async (child: ChildProcess, text: RegExp): Promise<string> => {
  let seen = '';
  return new Promise((resolve, reject) => {
    child.stdout?.on('data', (data: Buffer) => {
      seen += data.toString();
      if (text.test(seen)) resolve(seen);
    });
    child.on('close', () => reject(new Error(`ended before it sent ${text}: ${seen}`)));
  });
};

test('stat and console reach a running host; SIGTERM ends it', { skip: rtos.skip }, async () => {
  const host = spawn(process.execPath, [program, 'up', 'examples/rtos.yaml', '--pace'], { cwd: repository, env });
  const ended = new Promise<number | null>((resolve) => host.on('close', resolve));
  try {
    await until(host, /rtos> |Pcanel RTOS/);
    assert.match(pcanel(['stat']).out, /^rtos: \w+, cpu 0, .* MIPS, .* exits, /);
    const [domain] = JSON.parse(pcanel(['stat', 'rtos', '--json']).out);
    assert.equal(domain.name, 'rtos');
    assert.ok(domain.machine.instructions > 0);
    const unknown = pcanel(['stat', 'rots']);
    assert.deepEqual(
      [unknown.code, unknown.err],
      [2, "pcanel: DOMAIN_UNKNOWN: no running domain is named 'rots', did you mean 'rtos'?\n"],
    );

    const console_ = spawn(process.execPath, [program, 'console', 'rtos'], { env });
    const answered = until(console_, /tick: \d+/);
    console_.stdin.write('tick\n');
    await answered;
    console_.kill('SIGINT');
    await new Promise((resolve) => console_.on('close', resolve));
  } finally {
    host.kill('SIGTERM');
  }
  assert.equal(await ended, 143);
  assert.match(pcanel(['stat']).err, /NOT_RUNNING/);
});

test('help and version', () => {
  assert.match(pcanel(['--version']).out, /^\d+\.\d+\.\d+\n$/);
  for (const command of ['up', 'run', 'images', 'stat', 'attach', 'serve']) {
    assert.match(pcanel(['--help']).out, new RegExp(`^  ${command}\\b`, 'm'));
    assert.equal(pcanel([command, '--help']).code, 0);
  }
});
