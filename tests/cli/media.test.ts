// Firmware boot, media, screenshots and tiny multiboot guests by the command line program.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { inflateSync } from 'node:zlib';
import { ensureImage } from '../../src/apps/testing.js';
import { tinyMultiboot } from '../../src/machine/testing.js';
import { repository } from '../support/guests.js';

const work = mkdtempSync(join(tmpdir(), 'pcanel-media-'));
after(() => rmSync(work, { recursive: true, force: true }));
const file = (name: string, data: Uint8Array): string => {
  const path = join(work, name);
  writeFileSync(path, data);
  return path;
};
function pcanel(...args: string[]): { code: number | null; out: string; err: string } {
  const r = spawnSync(process.execPath, [join(repository, 'bin/pcanel.js'), ...args], {
    cwd: work,
    encoding: 'utf8',
    env: { ...process.env, XDG_RUNTIME_DIR: work },
    input: '',
    timeout: 60_000,
  });
  return { code: r.status, out: r.stdout, err: r.stderr };
}
let skip: string | false = false;
try {
  for (const name of ['seabios', 'vgabios']) await ensureImage(name);
} catch (error) {
  skip = error instanceof Error ? error.message : String(error);
}

/** A multiboot guest of this code at 1 MiB + 32. */
function guest(name: string, code: readonly number[]): string {
  const data = new Uint8Array(32 + code.length + 32);
  data.set(tinyMultiboot().data.subarray(0, 32));
  data.set(code, 32);
  return file(name, data);
}

test('writes of 8, 16 and 32 bits to port 0xf4 give the exit status', () => {
  const exits: [string, number[], number][] = [
    ['out8', [0xb0, 0x21, 0xe6, 0xf4], 0x43],
    ['out16', [0x66, 0xb8, 0x05, 0, 0x66, 0xe7, 0xf4], 0x0b],
    ['out32', [0xb8, 0, 0, 0, 0, 0xe7, 0xf4], 1],
  ];
  for (const [name, code, status] of exits) {
    const r = pcanel('run', '--multiboot', guest(name, code), '--exit-device', 'isa-debug-exit', '--timeout', '20');
    assert.equal(r.code, status, `${name}: ${r.err}`);
  }
});

test('the serial line is on standard output as it is; --initrd is the first module', () => {
  // mov ecx,[ebx+20]; mov esi,[ebx+24]; mov esi,[esi]; mov dx,3f8; lodsb; out dx,al (twice); mov eax,ecx; out f4,eax
  const code = [0x8b, 0x4b, 20, 0x8b, 0x73, 24, 0x8b, 0x36, 0x66, 0xba, 0xf8, 3, 0xac, 0xee, 0xac, 0xee];
  const kernel = guest('modules', [...code, 0x89, 0xc8, 0xe7, 0xf4]);
  const first = file('first', Buffer.from('ok'));
  const second = file('second', Buffer.from('no'));
  const r = pcanel('run', '--multiboot', kernel, '--module', second, '--initrd', first, '--timeout', '20');
  assert.deepEqual([r.code, r.out], [5, 'ok'], r.err);
});

test('media that are missing or of a wrong size', () => {
  const odd = file('odd.img', new Uint8Array(1000));
  const half = file('half.iso', new Uint8Array(2048 + 512));
  for (const [args, words] of [
    [['--disk', 'none.img'], /FILE_MISSING: 'none.img' does not exist, expected hard disk image/],
    [['--cdrom', work], /FILE_MISSING: '.*' is a folder, expected CD-ROM image/],
    [
      ['--floppy', odd],
      /MEDIA_SIZE: floppy disk image '.*odd.img' has 1000 bytes, expected a positive multiple of 512/,
    ],
    [['--cdrom', half], /MEDIA_SIZE: CD-ROM image '.*' has 2560 bytes, expected a positive multiple of 2048/],
    [['--disk', odd, '--boot', 'tape'], /RUN_OPTION: --boot: /],
    [['--bios', odd, '--kernel', odd], /RUN_BOOT: --kernel and --bios given/],
    [['--multiboot', odd, '--boot', 'disk'], /RUN_BOOT: --boot goes with firmware/],
  ] as const) {
    const r = pcanel('run', ...args);
    assert.equal(r.code, 2, r.err);
    assert.match(r.err, words);
    assert.equal(r.err.split('\n').length, 2, r.err);
  }
  assert.match(pcanel('screenshot', 'pc', 'x.png').err, /NOT_RUNNING/);
});

test('SeaBIOS boots a disk, whose boot sector writes to the file; the screen becomes a PNG file', { skip }, () => {
  // mov ax,0301; mov cx,0002; mov dx,0080; xor bx,bx; mov es,bx; mov bx,7c00; int 13; mov al,21; out f4,al; hlt
  const code = [
    0xb8, 1, 3, 0xb9, 2, 0, 0xba, 0x80, 0, 0x31, 0xdb, 0x8e, 0xc3, 0xbb, 0, 0x7c, 0xcd, 0x13, 0xb0, 0x21, 0xe6, 0xf4,
    0xf4,
  ];
  const image = new Uint8Array(1 << 20);
  image.set(code);
  image.set([0x55, 0xaa], 510);
  const disk = file('disk.img', image);
  const png = join(work, 'screen.png');
  const r = pcanel('run', '--disk', disk, '--memory', '32M', '--screenshot', png, '--debug-port', '--timeout', '40');
  assert.equal(r.code, 0x43, r.err);
  assert.match(r.err, /Found QEMU fw_cfg/);
  assert.match(r.out, /SeaBIOS \(version /);
  const picture = readFileSync(png);
  assert.deepEqual([...picture.subarray(0, 4)], [0x89, 0x50, 0x4e, 0x47]);
  assert.equal(picture.readUInt32BE(16), 720);
  assert.deepEqual([...readFileSync(disk).subarray(512, 516)], code.slice(0, 4));
});

/** Width, height and a pixel's red, green and blue of a PNG file without filters, 8 bits a channel. */
function decodePng(data: Buffer): { width: number; height: number; pixel: (x: number, y: number) => number[] } {
  assert.deepEqual([...data.subarray(0, 8)], [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const parts: Buffer[] = [];
  for (let at = 8; at < data.length; at += 12 + data.readUInt32BE(at)) {
    if (data.toString('latin1', at + 4, at + 8) === 'IDAT')
      parts.push(data.subarray(at + 8, at + 8 + data.readUInt32BE(at)));
  }
  const [width, height] = [data.readUInt32BE(16), data.readUInt32BE(20)];
  assert.deepEqual([data[24], data[25]], [8, 2]); // 8 bits, red green blue
  const rows = inflateSync(Buffer.concat(parts));
  assert.equal(rows.length, height * (1 + 3 * width));
  const pixel = (x: number, y: number): number[] => {
    const row = y * (1 + 3 * width);
    assert.equal(rows[row], 0); // no filter
    return [...rows.subarray(row + 1 + 3 * x, row + 4 + 3 * x)];
  };
  return { width, height, pixel };
}

test('pcanel screenshot takes the picture of a running domain', async () => {
  // mov dword [b8000],1fdb1fdb; jmp $: two full blocks, white on blue, and the rest of the screen as it was
  const code = [0xc7, 0x05, 0, 0x80, 0x0b, 0, 0xdb, 0x1f, 0xdb, 0x1f, 0xeb, 0xfe];
  const args = [
    'run',
    '--multiboot',
    guest('painter', code),
    '--name',
    'painter',
    '--display',
    'vga',
    '--timeout',
    '60',
  ];
  const env = { ...process.env, XDG_RUNTIME_DIR: work };
  const host = spawn(process.execPath, [join(repository, 'bin/pcanel.js'), ...args], { cwd: work, env });
  const ended = new Promise((resolve) => host.on('close', resolve));
  try {
    const white = [255, 255, 255];
    const file = join(work, 'painter.png');
    for (let i = 0; ; i++) {
      const r = pcanel('screenshot', 'painter', file);
      if (r.code === 0) {
        const { width, height, pixel } = decodePng(readFileSync(file));
        assert.deepEqual([width, height], [720, 400]);
        if (pixel(4, 8).join() === white.join()) {
          assert.deepEqual(pixel(13, 8), white);
          assert.deepEqual(pixel(100, 100), [0, 0, 0]);
          break;
        }
      } else assert.match(r.err, /NOT_RUNNING|DOMAIN_UNKNOWN/);
      assert.ok(i < 60, r.err);
      await setTimeout(200);
    }
    const unknown = pcanel('screenshot', 'panter', file);
    assert.deepEqual([unknown.code, /did you mean 'painter'/.test(unknown.err)], [2, true], unknown.err);
    assert.equal(pcanel('screenshot', 'painter', join(work, 'no/such/folder.png')).code, 3);
  } finally {
    host.kill('SIGTERM');
    await ended;
  }
});
