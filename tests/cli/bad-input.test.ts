// Bad input to the command line program: one line on standard error that names the value, exit code 2 (the user's to
// mend) or 3 (the host's), and nothing half-written in the cache.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { linuxFiles, repository, rtosFile } from '../support/guests.js';

const work = mkdtempSync(join(tmpdir(), 'pcanel-bad-input-'));
const cache = join(work, 'cache');
const file = (name: string, data: string | Uint8Array): string => {
  const path = join(work, name);
  writeFileSync(path, data);
  return path;
};

interface Said {
  readonly code: number | null;
  readonly lines: readonly string[];
}
function pcanel(args: readonly string[], env: NodeJS.ProcessEnv = {}): Said {
  const r = spawnSync(process.execPath, [join(repository, 'bin/pcanel.js'), ...args], {
    cwd: work,
    encoding: 'utf8',
    env: { ...process.env, PCANEL_CACHE: cache, XDG_RUNTIME_DIR: work, ...env },
    input: '',
    timeout: 60_000,
  });
  return { code: r.status, lines: r.stderr.split('\n').filter((l) => l !== '') };
}
/** Exactly one line, with the error's code and everything in `words`. */
function refuses(said: Said, exit: 2 | 3, code: string, ...words: readonly (string | RegExp)[]): void {
  assert.equal(said.lines.length, 1, said.lines.join('\n'));
  const [line = ''] = said.lines;
  assert.ok(line.startsWith(`pcanel: ${code}: `), line);
  for (const w of words)
    assert.ok(typeof w === 'string' ? line.includes(w) : w.test(line), `'${w}' is not in: ${line}`);
  assert.equal(said.code, exit, line);
}
const kernel = (path: string, ...more: string[]): Said => pcanel(['run', '--kernel', path, '--timeout', '20', ...more]);
const domains = (...lines: string[]): Said => pcanel(['up', file('domains.yaml', `domains:\n${lines.join('\n')}\n`)]);

const linux = await linuxFiles();
const rtos = await rtosFile();

test('a kernel file that does not exist', () => {
  refuses(kernel('no/such/vmlinuz'), 2, 'FILE_MISSING', "'no/such/vmlinuz'", 'does not exist', 'bzImage');
  refuses(kernel(work), 2, 'FILE_MISSING', `'${work}'`, 'is a folder');
});

test('a file that is no kernel', () => {
  refuses(kernel(file('notes.txt', 'hello\n')), 2, 'KERNEL_FORMAT', 'notes.txt', '6 bytes', 'bzImage');
  refuses(kernel(file('empty', '')), 2, 'KERNEL_FORMAT', 'empty', '0 bytes');
  refuses(kernel(file('noise', new Uint8Array(100_000).fill(0x55))), 2, 'KERNEL_FORMAT', 'noise', '100000 bytes');
  const multiboot = pcanel(['run', '--multiboot', file('notes.elf', '\x7fELF nothing more')]);
  refuses(multiboot, 2, 'KERNEL_FORMAT', 'notes.elf', /multiboot/i);
});

test('a bzImage that is cut short or damaged', { skip: linux.skip }, () => {
  assert.ok(linux.value);
  const { data } = linux.value.kernel;
  refuses(kernel(file('short', data.subarray(0, 5_000_000))), 2, 'KERNEL_CORRUPT', 'short', '5000000');
  refuses(kernel(file('stub', data.subarray(0, 0x260))), 2, 'KERNEL_FORMAT', 'stub');
  const old = Uint8Array.from(data);
  new DataView(old.buffer).setUint16(0x206, 0x0105, true); // boot protocol 1.5
  refuses(kernel(file('old', old)), 2, 'KERNEL_FORMAT', 'old', '0x105');
});

test('an RTOS image that is cut short', { skip: rtos.skip }, () => {
  assert.ok(rtos.value);
  const short = file('rtos-short.elf', rtos.value.data.subarray(0, 9000));
  refuses(pcanel(['run', '--multiboot', short]), 2, 'KERNEL_CORRUPT', 'rtos-short.elf');
});

test('too little memory', { skip: linux.skip || rtos.skip }, () => {
  assert.ok(linux.value && rtos.value);
  const vmlinuz = file('vmlinuz', linux.value.kernel.data);
  refuses(kernel(vmlinuz, '--memory', '16M'), 2, 'MEMORY_TOO_SMALL', '16 MiB', 'vmlinuz');
  const elf = file('rtos.elf', rtos.value.data);
  refuses(pcanel(['run', '--multiboot', elf, '--memory', '4K']), 2, 'MEMORY_SIZE', '4096');
});

test('a size that is none', () => {
  refuses(kernel('x', '--memory', '12Q'), 2, 'SIZE', "'12Q'", '256M');
  refuses(kernel('x', '--memory', '-1'), 2, 'SIZE', "'-1'");
  refuses(kernel('x', '--memory', '5000'), 2, 'SIZE', "'5000'", 'multiple of 4K');
});

test('an initial RAM disk that does not exist', { skip: linux.skip }, () => {
  assert.ok(linux.value);
  const vmlinuz = file('vmlinuz', linux.value.kernel.data);
  refuses(kernel(vmlinuz, '--initrd', 'nothing.cpio'), 2, 'FILE_MISSING', "'nothing.cpio'", 'initial RAM disk');
});

test('a domain file that does not exist, or is no YAML', () => {
  refuses(pcanel(['up', 'nothing.yaml']), 2, 'FILE_MISSING', "'nothing.yaml'");
  refuses(pcanel(['up', file('broken.yaml', 'domains: [\n')]), 2, 'CONFIG_YAML', 'broken.yaml', /line \d/);
  refuses(
    pcanel(['up', file('none.yaml', 'domains: []\n')]),
    2,
    'CONFIG_VALUE',
    'none.yaml',
    'domains',
    'at least one',
  );
  refuses(pcanel(['up', file('text.yaml', 'hello\n')]), 2, 'CONFIG_VALUE', 'text.yaml', 'hello');
});

test('unknown keys are answered with the nearest known one', () => {
  refuses(domains('- { name: a, memroy: 1G }'), 2, 'CONFIG_KEY', "'memroy'", "'memory'", 'domains[0] (a)');
  refuses(
    domains('- { name: a, multiboot: x, realtime: { priority: 1, perodUs: 10 } }'),
    2,
    'CONFIG_KEY',
    "'perodUs'",
    "'periodUs'",
  );
  refuses(domains('- { name: a, multiboot: x, script: [{ expct: x }] }'), 2, 'CONFIG_KEY', "'expct'", "'expect'");
});

test('values of a domain that make no sense', () => {
  refuses(domains('- { multiboot: x }'), 2, 'CONFIG_MISSING', 'domains[0].name');
  refuses(domains('- { name: a b, multiboot: x }'), 2, 'CONFIG_VALUE', 'a b');
  refuses(domains('- { name: a, multiboot: x, memory: lots }'), 2, 'SIZE', "'lots'");
  refuses(domains('- { name: a, multiboot: x, cpu: 99 }'), 2, 'CONFIG_VALUE', 'domains[0].cpu', '99');
  refuses(domains('- { name: a, multiboot: x, time: slow }'), 2, 'CONFIG_VALUE', 'domains[0].time', 'slow', 'virtual');
  refuses(domains('- { name: a }'), 2, 'CONFIG_BOOT', 'domains[0] (a)', 'image', 'kernel', 'multiboot');
});

test('a second domain with the same name', () => {
  refuses(
    domains('- { name: twin, multiboot: x }', '- { name: twin, multiboot: y }'),
    2,
    'DOMAIN_EXISTS',
    "'twin'",
    'domains[1]',
  );
});

test('two reservations that do not fit on one physical CPU', { skip: rtos.skip }, () => {
  assert.ok(rtos.value);
  const elf = file('rtos.elf', rtos.value.data);
  const one = (name: string): string =>
    `- { name: ${name}, multiboot: ${elf}, memory: 16M, realtime: { priority: 1, periodUs: 1000, budgetUs: 600 } }`;
  refuses(domains(one('a'), one('b')), 2, 'ADMISSION', "'b'");
});

test('options that make no sense', () => {
  refuses(pcanel(['run']), 2, 'RUN_BOOT', '--kernel');
  refuses(pcanel(['run', '--kernel', 'a', '--image', 'b']), 2, 'RUN_BOOT', '--kernel', '--image');
  refuses(pcanel(['run', '--kernel', 'a', '--smp', '17']), 2, 'NUMBER', "'17', expected a number from 1 to 16");
  refuses(pcanel(['run', '--kernel', 'a', '--engine', 'fast']), 2, 'USAGE', "'fast'", 'software');
  refuses(pcanel(['run', '--kernle', 'a']), 2, 'USAGE', '--kernle', '--kernel');
  refuses(pcanel(['ip', 'x.yaml']), 2, 'USAGE', "'ip'", 'up');
  refuses(pcanel(['up']), 2, 'USAGE', 'file');
});

test('time-outs that are none', { skip: rtos.skip }, () => {
  assert.ok(rtos.value);
  const elf = file('rtos.elf', rtos.value.data);
  for (const value of ['soon', '-5', '0', '', 'NaN', '1e99']) {
    refuses(pcanel(['run', '--multiboot', elf, `--timeout=${value}`]), 2, 'NUMBER', `'${value}'`, '--timeout');
  }
});

test('an engine that this computer does not have', { skip: rtos.skip }, () => {
  assert.ok(rtos.value);
  const elf = file('rtos.elf', rtos.value.data);
  const hidden = { PCANEL_KVM_DEVICE: '/nowhere/kvm' };
  refuses(pcanel(['run', '--multiboot', elf, '--engine', 'kvm'], hidden), 2, 'ENGINE_UNUSABLE', "'kvm'", 'device');
});

test('an image that nobody knows', () => {
  refuses(pcanel(['images', 'fetch', 'linux-cluod']), 2, 'IMAGE_UNKNOWN', "'linux-cluod'", 'linux-cloud-amd64');
  refuses(pcanel(['run', '--image', 'dos']), 2, 'IMAGE_UNKNOWN', "'dos'");
  assert.ok(!existsSync(join(cache, 'images')) || readdirSync(join(cache, 'images')).length === 0);
});

test('no domains run: stat and console say so', () => {
  refuses(pcanel(['stat']), 2, 'NOT_RUNNING', 'pcanel up');
  refuses(pcanel(['console', 'linux']), 2, 'NOT_RUNNING', 'pcanel up');
});

/** What a failed fetch may leave: no image, no staging folder, no lock. */
function isClean(folder: string): void {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  assert.deepEqual(
    names.filter((n) => n.startsWith('staging-') || n.endsWith('.lock')),
    [],
  );
  const images = join(folder, 'images');
  assert.deepEqual(existsSync(images) ? readdirSync(images) : [], []);
}

test('no apt', () => {
  const bin = join(work, 'bin'); // a PATH with nothing but node
  mkdirSync(bin, { recursive: true });
  if (!existsSync(join(bin, 'node'))) symlinkSync(process.execPath, join(bin, 'node'));
  const folder = join(work, 'no-apt');
  const said = pcanel(['images', 'fetch', 'busybox-amd64'], { PATH: bin, PCANEL_CACHE: folder });
  refuses(
    { ...said, lines: said.lines.filter((l) => !/^pcanel: busybox-amd64: /.test(l)) },
    2,
    'IMAGE_NO_APT',
    "'apt-",
    '--kernel',
  );
  isClean(folder);
});

test('a cache folder that cannot be made', () => {
  const folder = join(file('a-file', 'x'), 'cache');
  refuses(
    pcanel(['images', 'fetch', 'busybox-amd64'], { PCANEL_CACHE: folder }),
    2,
    'CACHE_FOLDER',
    folder,
    'PCANEL_CACHE',
  );
});

const mounted = join(work, 'small');
const mount = (): string | false => {
  if (process.getuid?.() !== 0) return 'mounting a small file system needs root';
  if (linux.skip) return linux.skip; // no apt
  mkdirSync(mounted, { recursive: true });
  const r = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', mounted], { encoding: 'utf8' });
  return r.status === 0 ? false : `cannot mount a tmpfs: ${r.stderr?.trim() ?? r.error?.message}`;
};
const noDisk = mount();
after(() => {
  if (noDisk === false) spawnSync('umount', [mounted]);
  rmSync(work, { recursive: true, force: true });
});

test('a full disk while fetching', { skip: noDisk }, () => {
  const said = pcanel(['images', 'fetch', 'busybox-amd64'], { PCANEL_CACHE: mounted });
  refuses(
    { ...said, lines: said.lines.filter((l) => !/^pcanel: busybox-amd64: /.test(l)) },
    3,
    'CACHE_FULL',
    mounted,
    /\d+ bytes/,
  );
  isClean(mounted);
});
