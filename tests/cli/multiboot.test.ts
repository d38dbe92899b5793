// `pcanel run --multiboot` as test suites use it: the serial line alone on standard output, messages on standard error,
// the guest's status as exit code, and an exit code of its own for every other end.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { tinyMultiboot } from '../../src/machine/testing.js';
import { gcc, repository } from '../support/guests.js';
import { buildKit } from '../support/multiboot-kit.js';

const work = mkdtempSync(join(tmpdir(), 'pcanel-multiboot-'));
after(() => rmSync(work, { recursive: true, force: true }));
const file = (name: string, data: Uint8Array | string): string => {
  writeFileSync(join(work, name), data);
  return name;
};
const EXIT = ['--exit-device', 'isa-debug-exit', '--timeout', '30'];
function run(...args: string[]): { code: number | null; out: string; err: string } {
  const r = spawnSync(process.execPath, [join(repository, 'bin/pcanel.js'), 'run', ...args], {
    cwd: work,
    encoding: 'utf8',
    env: { ...process.env, XDG_RUNTIME_DIR: work },
    input: '',
    timeout: 60_000,
  });
  return { code: r.status, out: r.stdout, err: r.stderr };
}
/** A multiboot image (address fields) of this code. */
function image(name: string, ...code: number[]): string {
  const data = new Uint8Array(32 + code.length);
  data.set(tinyMultiboot().data.subarray(0, 32));
  data.set(code, 32);
  return file(name, data);
}
const { skip } = await gcc();

test('an ELF64 image with processors, words, modules: serial line and status, nothing else', { skip }, () => {
  const kernel = file('kit.elf', buildKit({ bits: 64 }));
  const words = 'smp=4 mib=128 modules=2 exit=23 last';
  const first = file('env', 'A=1');
  const more = ['--module', `${file('second', 'x')} with words`, '--memory', '128M', '--smp', '4'];
  const r = run('--multiboot', kernel, '--cmdline', words, '--initrd', first, ...more, ...EXIT);
  assert.equal(r.code, 47, r.out + r.err);
  assert.equal(r.err, 'pcanel: kit.elf: ended with debug-exit status 47\n');
  assert.match(r.out, /^ok magic\n/);
  assert.doesNotMatch(r.out, /FAIL|pcanel/);
  assert.ok(r.out.includes(`\ncmdline=kit.elf ${words}\nmodule=env|A=1\n`), r.out);
});

test('ends without a status', () => {
  const ends: [name: string, code: number[], plain: number, asked: number, said: RegExp][] = [
    ['hlt', [0xfa, 0xf4], 0, 4, /^pcanel: hlt: halted at 0x1000\d\d with interrupts off\n$/],
    ['ud2', [0x0f, 0x0b], 1, 4, /^pcanel: ud2: triple fault at 0x100020\n$/],
  ];
  for (const [name, code, plain, asked, said] of ends) {
    const kernel = image(name, ...code);
    const r = run('--multiboot', kernel, '--timeout', '30');
    assert.equal(r.code, plain, r.err);
    const with_ = run('--multiboot', kernel, ...EXIT);
    assert.deepEqual([with_.code, with_.out], [asked, ''], with_.err);
    assert.match(with_.err, said);
  }
  const reset = image('reset', 0xba, 0xf9, 0x0c, 0, 0, 0xb0, 6, 0xee, 0xf4); // mov edx,cf9; mov al,6; out dx,al
  const r = run('--multiboot', reset, '--no-reboot', ...EXIT);
  assert.deepEqual([r.code, r.out], [0, '']);
});

test('a guest that loops, and one that waits, end at the time-out', () => {
  const loops = run('--multiboot', image('loop', 0xeb, 0xfe), '--exit-device', 'isa-debug-exit', '--timeout', '1');
  assert.deepEqual([loops.code, loops.out, loops.err], [124, '', 'pcanel: TIMEOUT: loop still ran after 1 s\n']);
});

test('the exit device and the test device can be left out', () => {
  const exits = image('exits', 0xb0, 0x10, 0xe6, 0xf4, 0xfa, 0xf4); // mov al,10; out f4,al; cli; hlt
  assert.equal(run('--multiboot', exits, ...EXIT).code, 0x21);
  assert.equal(run('--multiboot', exits, '--exit-device', 'none', '--timeout', '30').code, 0);
  // mov al,5; out e0,al; in al,e0; out f4,al
  const tests = image('tests', 0xb0, 5, 0xe6, 0xe0, 0xe4, 0xe0, 0xe6, 0xf4);
  assert.equal(run('--multiboot', tests, ...EXIT).code, 11);
  assert.equal(run('--multiboot', tests, '--test-device', 'none', ...EXIT).code, 255);
});

test('images and options that are refused', () => {
  const elf = Uint8Array.from({ length: 8 }, (_, i) => [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0][i] ?? 0);
  const cases: [args: string[], code: string, words: RegExp][] = [
    [['--multiboot', file('empty', '')], 'KERNEL_FORMAT', /'empty' is no multiboot image/],
    [['--multiboot', file('cut', elf)], 'KERNEL_FORMAT', /'cut' is no multiboot image/],
    [['--multiboot', 'none'], 'FILE_MISSING', /'none' does not exist, expected a multiboot image/],
    [
      ['--multiboot', 'empty', '--module', 'none'],
      'FILE_MISSING',
      /'none' does not exist, expected a multiboot module/,
    ],
    [['--multiboot', 'empty', '--smp', 'two'], 'NUMBER', /--smp is 'two', expected a number from 1 to 16/],
    [['--multiboot', 'empty', '--smp', '1.5'], 'RUN_OPTION', /--smp/],
    [['--multiboot', 'empty', '--exit-device', 'x'], 'USAGE', /'x' is invalid.*isa-debug-exit/],
    [['--multiboot', 'empty', '--test-device', 'x'], 'USAGE', /'x' is invalid.*pc-testdev/],
    [['--multiboot', 'empty', '--display', 'x'], 'USAGE', /'x' is invalid.*vga/],
    [['--multiboot', 'empty', '--time', 'x'], 'USAGE', /'x' is invalid.*virtual/],
    [['--multiboot', 'empty', '--memory', '1M'], 'MEMORY_SIZE', /1048576 bytes/],
    [['--multiboot', 'empty', '--name', 'a b'], 'RUN_OPTION', /--name/],
  ];
  for (const [args, code, words] of cases) {
    const r = run(...args);
    assert.deepEqual([r.code, r.out], [2, ''], `${args}: ${r.err}`);
    assert.ok(r.err.startsWith(`pcanel: ${code}: `), r.err);
    assert.match(r.err, words);
    assert.equal(r.err.split('\n').length, 2, r.err);
  }
});
