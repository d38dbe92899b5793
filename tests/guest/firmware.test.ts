// Machines that start at the reset vector: SeaBIOS and what it boots from CD-ROM, floppy disk and hard disk, judged by
// the text of the screen; U-Boot by its console. In virtual time, in which a port access takes as long as on a PC.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createSoftwareEngine, ensureImage } from '../../src/apps/testing.js';
import { ConfigError } from '../../src/base/index.js';
import type { BlockStore } from '../../src/host/index.js';
import {
  createMachine,
  type Machine,
  type MachineConfig,
  type MachineMedia,
  screenLines,
  screenshot,
} from '../../src/machine/index.js';
import { MIB } from '../support/guests.js';

const STEP_NS = 10_000_000;
/** Guest time. */
const LIMIT_S = 240;
/** For guests that wait by their TSC: a slow one counts their seconds with fewer instructions. */
const SLOW_TSC_HZ = 20_000_000;

/** The bytes of an image, or null with the reason for skipping. */
let skip: string | false = false;
async function image(name: string): Promise<{ name: string; data: Uint8Array }> {
  try {
    return { name, data: new Uint8Array(readFileSync((await ensureImage(name)).path)) };
  } catch (error) {
    if (error instanceof ConfigError && error.code === 'IMAGE_UNKNOWN') throw error;
    skip ||= error instanceof Error ? error.message : String(error);
    return { name, data: new Uint8Array(0) };
  }
}
const bios = await image('seabios');
const vgaBios = await image('vgabios');
const withBios = skip;

function store(data: Uint8Array, sectorBytes = 512): BlockStore & { written: number } {
  const copy = data.slice();
  const s = {
    sectorBytes,
    sectors: copy.length / sectorBytes,
    readOnly: false,
    written: 0,
    read: (sector: number, into: Uint8Array) =>
      into.set(copy.subarray(sector * sectorBytes, sector * sectorBytes + into.length)),
    write(sector: number, from: Uint8Array) {
      s.written++;
      copy.set(from, sector * sectorBytes);
    },
    flush: () => {},
  };
  return s;
}

/** A firmware machine, its debug port and console as text. */
class Pc {
  debug = '';
  console = '';
  #now = 0;
  private constructor(readonly machine: Machine) {}

  static async make(media: MachineMedia, config: Partial<MachineConfig> = {}): Promise<Pc> {
    let pc: Pc | null = null;
    const machine = await createMachine(
      {
        name: 'firmware',
        memoryBytes: 64 * MIB,
        boot: { kind: 'firmware', bios, vgaBios },
        time: 'virtual',
        ...config,
      },
      {
        engine: await createSoftwareEngine(),
        nowNs: () => performance.now() * 1e6,
        wallClockMs: Date.UTC(2026, 0, 1),
        console: {
          write: (byte) => {
            if (pc) pc.console += String.fromCharCode(byte);
          },
        },
        firmwareDebug: {
          write: (byte) => {
            if (pc) pc.debug += String.fromCharCode(byte);
          },
        },
        media,
      },
    );
    pc = new Pc(machine);
    return pc;
  }

  /** Runs until `done`; fails with the screen after the limit. */
  async until(what: string, done: () => boolean, limitS = LIMIT_S): Promise<void> {
    const end = this.#now + limitS * 1e9;
    while (!done()) {
      assert.equal(this.machine.outcome, null, `the machine ended before ${what}`);
      if (this.#now > end) {
        const screen = this.machine.display === null ? [] : screenLines(this.machine);
        assert.fail(`no ${what} in ${limitS} s:\n${screen.join('\n')}\n${this.debug}`);
      }
      const r = this.machine.step(this.#now, STEP_NS);
      this.#now += r.usedNs;
      if (r.state !== 'halted') continue;
      assert.ok(r.nextDeadlineNs !== null, `the machine sleeps for ever before ${what}`);
      this.#now = Math.max(this.#now, r.nextDeadlineNs);
    }
  }
  /** Presses and lets go a key: make and break codes of set 2. */
  key(make: readonly number[], release: readonly number[]): void {
    this.machine.chipset.keyboard.inputs.key(make);
    this.machine.chipset.keyboard.inputs.key(release);
  }
  /** Runs until the machine has ended. */
  async end(limitS = LIMIT_S): Promise<void> {
    await this.until('the end', () => this.machine.outcome !== null, limitS);
  }
  onScreen(what: RegExp, limitS?: number): Promise<void> {
    return this.until(`screen with ${what}`, () => what.test(screenLines(this.machine).join('\n')), limitS);
  }
}

test('SeaBIOS finds the board, shows its banner and has nothing to boot', { skip: withBios }, async () => {
  const pc = await Pc.make({});
  await pc.onScreen(/No bootable device/);
  assert.match(screenLines(pc.machine)[0] ?? '', /^SeaBIOS \(version /);
  for (const line of [
    /Found QEMU fw_cfg/,
    /qemu\/e820: addr 0x0+ len 0x0*4000000 \[RAM\]/,
    /ATA controller 1 at 1f0/,
    /Found 1 cpu\(s\)/,
    /table\(50434146\)=0x[0-9a-f]+ \(via xsdt\)/, // the FADT, installed from our files
    /VBE DISPI: lfb_addr=fd000000/,
    /PS2 keyboard initialized/,
  ])
    assert.match(pc.debug, line);
  const png = screenshot(pc.machine);
  assert.deepEqual([...png.subarray(1, 4)], [0x50, 0x4e, 0x47]);
  assert.equal(new DataView(png.buffer).getUint32(16), 720);
});

test('SeaBIOS finds all processors', { skip: withBios }, async () => {
  const pc = await Pc.make({}, { cpus: 2 });
  await pc.onScreen(/No bootable device/);
  assert.match(pc.debug, /Found 2 cpu\(s\) max supported 2 cpu\(s\)/);
});

test('SeaBIOS in virtual time takes the same instructions each time', { skip: withBios }, async () => {
  const run = async (): Promise<number> => {
    const pc = await Pc.make({});
    await pc.onScreen(/No bootable device/);
    return pc.machine.stats().instructions;
  };
  assert.equal(await run(), await run());
});

test('without a display SeaBIOS is on the serial line', { skip: withBios }, async () => {
  const pc = await Pc.make({}, { display: 'none', boot: { kind: 'firmware', bios } });
  await pc.until('banner on COM1', () => pc.console.includes('SeaBIOS (version '));
});

test('a boot sector on a hard disk runs, writes to the disk and ends the machine', { skip: withBios }, async () => {
  // mov ax,0301; mov cx,0002; mov dx,0080; xor bx,bx; mov es,bx; mov bx,7c00; int 13; mov al,21; out f4,al; hlt
  const code = [
    0xb8, 1, 3, 0xb9, 2, 0, 0xba, 0x80, 0, 0x31, 0xdb, 0x8e, 0xc3, 0xbb, 0, 0x7c, 0xcd, 0x13, 0xb0, 0x21, 0xe6, 0xf4,
    0xf4,
  ];
  const disk = new Uint8Array(4 * MIB);
  disk.set(code);
  disk.set([0x55, 0xaa], 510);
  const drive = store(disk);
  const pc = await Pc.make({ disks: [drive] });
  const { machine } = pc;
  let now = 0;
  for (let i = 0; i < 10_000 && machine.outcome === null; i++) {
    const r = machine.step(now, STEP_NS);
    now = Math.max(now + r.usedNs, r.state === 'halted' ? (r.nextDeadlineNs ?? 0) : 0);
  }
  assert.deepEqual(machine.outcome, { kind: 'exit', status: 0x43 });
  assert.equal(drive.written, 1);
  const sector = new Uint8Array(512);
  drive.read(1, sector);
  assert.deepEqual([...sector.subarray(0, 4)], code.slice(0, 4));
});

test('a guest started without firmware finds the display in text mode', async () => {
  // mov ax,b800; mov es,ax; mov word [es:0],1f48; mov word [es:2],1f69; hlt
  const code = [0xb8, 0, 0xb8, 0x8e, 0xc0, 0x26, 0xc7, 6, 0, 0, 0x48, 0x1f, 0x26, 0xc7, 6, 2, 0, 0x69, 0x1f, 0xf4];
  const kernel = { name: 'hi', data: Uint8Array.from(code) };
  const boot = { kind: 'flat', kernel, gpa: 0x7c00, mode: 'real' } as const;
  const pc = await Pc.make({}, { boot, display: 'vga' });
  pc.machine.step(0, STEP_NS);
  assert.equal(pc.machine.outcome?.kind, 'halted');
  assert.equal(screenLines(pc.machine)[0], 'Hi');
});

const grubCd = await image('grub-cdrom');
const grubFloppy = await image('grub-floppy');
const memtest = await image('memtest86+cdrom32');
const uBoot = await image('u-boot');
const isolinux = await image('isolinux');
const ldlinux = await image('ldlinux');
const menu = await image('menu.c32');
const libutil = await image('libutil.c32');
const withImages = skip;

test('GRUB shows its menu from a CD-ROM', { skip: withImages }, async () => {
  const pc = await Pc.make({ cdrom: store(grubCd.data, 2048) });
  await pc.onScreen(/GNU GRUB {2}version.*Memtest86\+.*Press enter to boot/s);
});

test('GRUB shows its menu from a floppy disk', { skip: withImages }, async () => {
  const pc = await Pc.make({ floppies: [store(grubFloppy.data)] });
  await pc.onScreen(/GNU GRUB {2}version.*Memtest86\+.*Press enter to boot/s);
});

test('GRUB shows its menu from the same image as a hard disk', { skip: withImages }, async () => {
  const pc = await Pc.make({ disks: [store(grubCd.data)] });
  await pc.onScreen(/GNU GRUB {2}version.*Memtest86\+.*Press enter to boot/s);
});

test('Memtest86+ starts from its CD-ROM and tests', { skip: withImages }, async () => {
  const pc = await Pc.make({ cdrom: store(memtest.data, 2048) }, { memoryBytes: 16 * MIB, tscHz: SLOW_TSC_HZ });
  await pc.onScreen(/Memtest86\+ v.*Test #.*Status: Testing/s);
  assert.match(screenLines(pc.machine).join('\n'), /Errors: 0/);
});

test('U-Boot in place of SeaBIOS comes to its prompt', { skip: withImages }, async () => {
  const pc = await Pc.make({}, { boot: { kind: 'firmware', bios: uBoot }, memoryBytes: 128 * MIB, tscHz: SLOW_TSC_HZ });
  await pc.until('prompt', () => /U-Boot 20.*\n=> $/s.test(pc.console));
});

const xorriso = spawnSync('xorriso', ['--version']).status === 0;
const noIso = withImages || (xorriso ? false : "no 'xorriso' found: apt-get install xorriso");
/** A CD-ROM with ISOLINUX, this configuration and these files. */
function isolinuxCd(config: string, files: Readonly<Record<string, Uint8Array>> = {}): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'pcanel-iso-'));
  try {
    const root = join(folder, 'root');
    mkdirSync(root);
    const all = { 'isolinux.bin': isolinux.data, 'ldlinux.c32': ldlinux.data, ...files };
    for (const [name, data] of Object.entries(all)) writeFileSync(join(root, name), data);
    writeFileSync(join(root, 'isolinux.cfg'), config);
    const iso = join(folder, 'cd.iso');
    const args = ['-as', 'mkisofs', '-quiet', '-o', iso, '-b', 'isolinux.bin', '-c', 'boot.cat'];
    const made = spawnSync('xorriso', [...args, '-no-emul-boot', '-boot-load-size', '4', '-boot-info-table', root]);
    assert.equal(made.status, 0, String(made.stderr));
    return new Uint8Array(readFileSync(iso));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test('ISOLINUX shows its prompt and its text from a CD-ROM', { skip: noIso }, async () => {
  const cd = isolinuxCd('PROMPT 1\nTIMEOUT 0\nSAY welcome from the CD\nLABEL a\nKERNEL a\n');
  const pc = await Pc.make({ cdrom: store(cd, 2048) });
  await pc.onScreen(/ISOLINUX .*welcome from the CD.*boot:/s);
});

test('the menu of SYSLINUX from a CD-ROM boots the entry that the keyboard picks', { skip: noIso }, async () => {
  // mov ax,b800; mov es,ax; mov word [es:0],1f59; mov al,2a; out f4,al; hlt: a boot sector that ends the machine
  const sector = new Uint8Array(512);
  sector.set([0xb8, 0, 0xb8, 0x8e, 0xc0, 0x26, 0xc7, 6, 0, 0, 0x59, 0x1f, 0xb0, 0x2a, 0xe6, 0xf4, 0xf4]);
  const config = [
    'UI menu.c32',
    'MENU TITLE Choose well',
    ...['first', 'second', 'third'].flatMap((name) => [
      `LABEL ${name}`,
      `MENU LABEL The ${name} entry`,
      name === 'second' ? 'KERNEL sector.bin' : 'LOCALBOOT 0x80',
    ]),
  ];
  const files = { 'menu.c32': menu.data, 'libutil.c32': libutil.data, 'sector.bin': sector };
  const pc = await Pc.make({ cdrom: store(isolinuxCd(`${config.join('\n')}\n`, files), 2048) });
  await pc.onScreen(/Choose well.*The first entry.*The second entry.*The third entry/s);
  pc.key([0xe0, 0x72], [0xe0, 0xf0, 0x72]); // cursor down
  pc.key([0x5a], [0xf0, 0x5a]); // Enter
  await pc.end();
  assert.deepEqual(pc.machine.outcome, { kind: 'exit', status: 0x55 });
});
