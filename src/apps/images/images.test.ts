// Tests of named images with a stand-in for apt: fetching, cache, locks, errors that leave nothing behind.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { cachedImage, ensureImage, listImages } from './index.js';

const work = mkdtempSync(join(tmpdir(), 'pcanel-images-'));
const bin = join(work, 'bin');
const log = join(work, 'apt.log');
const path = process.env.PATH ?? '';
const hasDpkg = spawnSync('dpkg-deb', ['--version']).error === undefined;
const skip = hasDpkg ? false : "no 'dpkg-deb' found (a Debian program)";
let folder = '';
let run = 0;

/** Writes a shell script into the folder that comes first in PATH. */
const script = (name: string, body: string): void =>
  writeFileSync(join(bin, name), `#!/bin/sh\necho "${name} $*" >> '${log}'\n${body}\n`, { mode: 0o755 });
/** An apt-get that hands out the package that was built, after `failure` (shell commands). */
const fakeApt = (deb: string, failure = ''): void => {
  script(
    'apt-get',
    `for a; do case $a in Dir::State::lists=*) lists=\${a#*=};; esac; done
case "$*" in
*update*) mkdir -p "$lists/partial"; touch "$lists/x_Packages";;
*download*) ${failure || `cp '${deb}' .`};;
esac`,
  );
  script(
    'apt-cache',
    `case "$*" in
*depends*) echo "  Depends: linux-image-6.1.0-99-cloud-amd64";;
*show*) echo "Size: $(stat -c %s '${deb}')";;
esac`,
  );
};
/** Builds a .deb with the given files. */
const makeDeb = (name: string, files: Readonly<Record<string, Uint8Array | string>>): string => {
  const root = join(work, `${name}-root`);
  mkdirSync(join(root, 'DEBIAN'), { recursive: true });
  writeFileSync(
    join(root, 'DEBIAN', 'control'),
    `Package: ${name}\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: test\n`,
  );
  for (const [file, data] of Object.entries(files)) {
    mkdirSync(join(root, file, '..'), { recursive: true });
    writeFileSync(join(root, file), data);
  }
  const deb = join(work, `${name}_1_all.deb`);
  execFileSync('dpkg-deb', ['-Znone', '--root-owner-group', '--build', root, deb], { stdio: 'ignore' });
  return deb;
};
/** Nothing of an attempt is left: no staging folder, no lock, no image. */
const nothingLeft = (name: string): void => {
  assert.deepEqual(
    readdirSync(folder).filter((f) => f.startsWith('staging-') || f.endsWith('.lock')),
    [],
  );
  assert.equal(existsSync(join(folder, 'images', name)), false);
};

let kernelDeb = '';
before(() => {
  mkdirSync(bin);
  if (hasDpkg) kernelDeb = makeDeb('kernel', { 'boot/vmlinuz-6.1.0-99-cloud-amd64': 'kernel', 'boot/config-6.1': 'x' });
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

test('an image is fetched once, then taken from the cache', { skip }, async () => {
  fakeApt(kernelDeb);
  const lines: string[] = [];
  const image = await ensureImage('linux-cloud-amd64', { folder, progress: (line) => lines.push(line) });
  assert.equal(image.path, join(folder, 'images', 'linux-cloud-amd64', 'vmlinuz-6.1.0-99-cloud-amd64'));
  assert.equal(readFileSync(image.path, 'utf8'), 'kernel');
  assert.equal(image.source, 'kernel_1_all.deb');
  assert.match(readFileSync(log, 'utf8'), /apt-get .*download linux-image-6\.1\.0-99-cloud-amd64/);
  assert.match(lines.join('\n'), /fetching package linux-image-6\.1\.0-99-cloud-amd64/);
  writeFileSync(log, '');
  assert.deepEqual(await ensureImage('linux-cloud-amd64', { folder }), image);
  assert.equal(readFileSync(log, 'utf8'), '');
  assert.equal((await listImages(folder)).find((i) => i.name === 'linux-cloud-amd64')?.cached, true);
  assert.equal((await listImages(folder)).find((i) => i.name === 'gnumach')?.cached, false);
});

test('a gzipped file is kept unpacked', { skip }, async () => {
  fakeApt(makeDeb('mach', { 'boot/gnumach-1.8-486.gz': gzipSync('mach') }));
  const image = await ensureImage('gnumach', { folder });
  assert.equal(readFileSync(image.path, 'utf8'), 'mach');
});

test('apt keeps its state in the cache folder and asks for the other architecture', { skip }, async () => {
  fakeApt(makeDeb('busybox', { 'bin/busybox': 'bb' }));
  await ensureImage('busybox-i386', { folder });
  const words = readFileSync(log, 'utf8');
  assert.ok(words.includes(`Dir::State=${join(folder, 'apt', 'state')}`));
  assert.ok(words.includes('APT::Architecture=i386'));
  assert.ok(words.includes(`Dir::State::lists=${join(folder, 'apt', 'lists-i386')}`));
});

test('fetches at the same time wait for each other and fetch once', { skip }, async () => {
  fakeApt(kernelDeb);
  const [a, b] = await Promise.all([
    ensureImage('linux-cloud-amd64', { folder }),
    ensureImage('linux-cloud-amd64', { folder }),
  ]);
  assert.deepEqual(a, b);
  assert.equal(readFileSync(log, 'utf8').match(/ download /g)?.length, 1);
});

test('the lock and the staging folder of a process that died are cleaned up', { skip }, async () => {
  fakeApt(kernelDeb);
  mkdirSync(join(folder, 'staging-dead'), { recursive: true });
  const dead = spawnSync('true').pid;
  writeFileSync(join(folder, 'fetch.lock'), `${dead} x\n`);
  await ensureImage('linux-cloud-amd64', { folder });
  assert.deepEqual(readdirSync(folder).sort(), ['apt', 'images']);
});

test('a cut file in the cache counts as missing and is fetched again', { skip }, async () => {
  fakeApt(kernelDeb);
  const image = await ensureImage('linux-cloud-amd64', { folder });
  writeFileSync(image.path, 'ker');
  assert.equal(await cachedImage('linux-cloud-amd64', folder), null);
  await ensureImage('linux-cloud-amd64', { folder });
  assert.equal(readFileSync(image.path, 'utf8'), 'kernel');
});

test('a full disk names the folder and the need, and leaves nothing', { skip }, async () => {
  fakeApt(kernelDeb, 'echo junk > part.deb; echo "E: Write error - write (28: No space left on device)" >&2; exit 100');
  await assert.rejects(ensureImage('linux-cloud-amd64', { folder }), (error: Error & { code?: string }) => {
    assert.equal(error.name, 'HostError');
    assert.equal(error.code, 'CACHE_FULL');
    assert.ok(error.message.includes(folder));
    assert.match(error.message, /about \d{7,} bytes are needed/);
    return true;
  });
  nothingLeft('linux-cloud-amd64');
});

test('a failed download gives the words of apt and leaves nothing', { skip }, async () => {
  fakeApt(kernelDeb, 'echo "E: Could not resolve deb.debian.org" >&2; exit 100');
  await assert.rejects(ensureImage('linux-cloud-amd64', { folder }), {
    code: 'IMAGE_FETCH',
    message: /Could not resolve deb\.debian\.org/,
  });
  nothingLeft('linux-cloud-amd64');
});

test('a package without the file is an error that says so', { skip }, async () => {
  fakeApt(makeDeb('empty', { 'usr/share/doc/x': 'x' }));
  await assert.rejects(ensureImage('linux-cloud-amd64', { folder }), { code: 'IMAGE_FETCH', message: /vmlinuz/ });
  nothingLeft('linux-cloud-amd64');
});

test('without apt the error names --kernel FILE', async () => {
  process.env.PATH = join(work, 'no-such-folder');
  await assert.rejects(ensureImage('linux-cloud-amd64', { folder }), {
    name: 'ConfigError',
    code: 'IMAGE_NO_APT',
    message: /--kernel FILE/,
  });
  nothingLeft('linux-cloud-amd64');
});

test('a package that apt does not know is the user’s to solve', { skip }, async () => {
  fakeApt(kernelDeb);
  script('apt-cache', 'exit 0');
  await assert.rejects(ensureImage('linux-rt-amd64', { folder }), {
    code: 'IMAGE_NO_PACKAGE',
    message: /'linux-image-rt-amd64'/,
  });
});

test('an unknown name lists the known ones', async () => {
  await assert.rejects(ensureImage('minix', { folder }), {
    code: 'IMAGE_UNKNOWN',
    message: /'minix', expected one of: linux-cloud-amd64, /,
  });
});

test('a cache folder that cannot be made is an error that names it', async () => {
  writeFileSync(join(work, 'file'), '');
  const below = join(work, 'file', 'cache');
  await assert.rejects(ensureImage('linux-cloud-amd64', { folder: below }), { code: 'CACHE_FOLDER' });
});
