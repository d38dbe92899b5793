// Runs one Linux guest in v86 with its COM1 on standard output: node v86-guest.js MODULE-FOLDER BIOS VGABIOS KERNEL INITRD MIB CMDLINE
// Source: v86.d.ts of the npm package v86.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The little of v86's interface that is used here. */
interface V86Module {
  readonly V86: new (
    options: Readonly<Record<string, unknown>>,
  ) => {
    add_listener(event: 'serial0-output-byte', listener: (byte: number) => void): void;
  };
}

const [folder, bios, vgaBios, kernel, initrd, mib, cmdline] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
  string,
  string,
];
const bytes = (path: string): { buffer: ArrayBuffer } => ({ buffer: new Uint8Array(readFileSync(path)).buffer });
const { V86 } = (await import(pathToFileURL(join(folder, 'build/libv86.mjs')).href)) as V86Module;
const emulator = new V86({
  wasm_path: join(folder, 'build/v86.wasm'),
  bios: bytes(bios),
  vga_bios: bytes(vgaBios),
  bzimage: bytes(kernel),
  initrd: bytes(initrd),
  cmdline,
  memory_size: Number(mib) << 20,
  vga_memory_size: 2 << 20,
  disable_keyboard: true,
  disable_mouse: true,
  disable_speaker: true,
  autostart: true,
});
let line = '';
emulator.add_listener('serial0-output-byte', (byte) => {
  line += String.fromCharCode(byte);
  if (byte !== 0x0a && line.length < 200) return;
  process.stdout.write(line, 'latin1');
  line = '';
});
