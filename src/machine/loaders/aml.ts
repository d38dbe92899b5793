// A small assembler for ACPI Machine Language: the terms that a PC's DSDT needs, each returning its bytes.
// Source: ACPI Specification 6.4, "ACPI Machine Language (AML) Specification" and "Resource Data Types for ACPI".

import { BugError } from '../../base/index.js';
import { ByteWriter, latin1 } from './bytes.js';

export type Aml = Uint8Array;

const join = (...parts: readonly ArrayLike<number>[]): Aml => {
  const out = new ByteWriter();
  for (const part of parts) out.bytes(part);
  return out.done();
};
const EXT_OP = 0x5b;

/** "PkgLength Encoding": the length counts its own bytes. */
export function pkgLength(contentBytes: number): Aml {
  if (contentBytes + 1 < 0x40) return Uint8Array.of(contentBytes + 1);
  for (const more of [1, 2, 3]) {
    const total = contentBytes + 1 + more;
    if (total >= 2 ** (4 + 8 * more)) continue;
    const out = [(more << 6) | (total & 0x0f)];
    for (let i = 0; i < more; i++) out.push((total >> (4 + 8 * i)) & 0xff);
    return Uint8Array.from(out);
  }
  throw new BugError('ACPI_AML', `an AML package of ${contentBytes} bytes is too long`);
}
const packaged = (op: readonly number[], ...content: readonly ArrayLike<number>[]): Aml => {
  const body = join(...content);
  return join(op, pkgLength(body.length), body);
};

/** "Name Objects Encoding" of text such as "_S5_", "\\_SB_.PCI0", "^LNKA". */
export function namePath(path: string): Aml {
  const prefix = /^(\\|\^*)/.exec(path)?.[0] ?? '';
  const rest = path.slice(prefix.length);
  const segments = rest === '' ? [] : rest.split('.');
  for (const s of segments) {
    if (!/^[A-Z_][A-Z0-9_]{0,3}$/.test(s)) throw new BugError('ACPI_AML', `'${s}' is no AML name segment`);
  }
  const text = segments.map((s) => s.padEnd(4, '_')).join('');
  const lead = segments.length === 0 ? [0] : segments.length === 1 ? [] : [0x2e];
  if (segments.length > 2) lead.splice(0, 1, 0x2f, segments.length);
  return join(latin1(prefix), lead, latin1(text));
}

/** The shortest encoding of an integer. */
export function integer(value: number | bigint): Aml {
  const v = BigInt(value);
  if (v === 0n || v === 1n) return Uint8Array.of(Number(v));
  const out = new ByteWriter();
  if (v < 0x100n) return out.u8(0x0a).u8(Number(v)).done();
  if (v < 0x10000n) return out.u8(0x0b).u16(Number(v)).done();
  if (v < 0x1_0000_0000n) return out.u8(0x0c).u32(Number(v)).done();
  return out.u8(0x0e).u64(v).done();
}
export const text = (value: string): Aml => join([0x0d], latin1(value), [0]);
export const buffer = (data: ArrayLike<number>): Aml => packaged([0x11], integer(data.length), data);
export const pkg = (...elements: readonly Aml[]): Aml => packaged([0x12], [elements.length], ...elements);
export const name = (path: string, value: Aml): Aml => join([0x08], namePath(path), value);
export const scope = (path: string, ...terms: readonly Aml[]): Aml => packaged([0x10], namePath(path), ...terms);
export const device = (path: string, ...terms: readonly Aml[]): Aml =>
  packaged([EXT_OP, 0x82], namePath(path), ...terms);
export const method = (path: string, args: number, ...terms: readonly Aml[]): Aml =>
  packaged([0x14], namePath(path), [args & 7], ...terms);
export const returns = (value: Aml): Aml => join([0xa4], value);
export const store = (value: Aml, target: Aml): Aml => join([0x70], value, target);
export const arg = (n: number): Aml => Uint8Array.of(0x68 + n);

/** "EISAID": a seven-character id such as "PNP0A03" as an integer. */
export function eisaId(id: string): Aml {
  if (!/^[A-Z]{3}[0-9A-F]{4}$/.test(id)) throw new BugError('ACPI_AML', `'${id}' is no EISA id`);
  const letter = (i: number): number => id.charCodeAt(i) - 0x40;
  const vendor = (letter(0) << 10) | (letter(1) << 5) | letter(2);
  const product = Number.parseInt(id.slice(3), 16);
  return Uint8Array.of(0x0c, vendor >> 8, vendor & 0xff, product >> 8, product & 0xff);
}

// ---- resource descriptors ----

/** "I/O Port Descriptor", 16-bit decode. */
export const io = (port: number, sizeBytes: number): Aml =>
  new ByteWriter().u8(0x47).u8(1).u16(port).u16(port).u8(1).u8(sizeBytes).done();
/** "IRQ Descriptor": edge, active high, exclusive. */
export const irq = (line: number): Aml =>
  new ByteWriter()
    .u8(0x22)
    .u16(1 << line)
    .done();
/** "32-Bit Fixed Memory Range Descriptor", writable. */
export const memory32Fixed = (gpa: number, sizeBytes: number): Aml =>
  new ByteWriter().u8(0x86).u16(9).u8(1).u32(gpa).u32(sizeBytes).done();

const AddressType = { MEMORY: 0, IO: 1, BUS: 2 } as const;
/** General flags of a producer with fixed ends (minimum and maximum), positive decode. */
const FIXED_PRODUCER = 0x0c;
const wordSpace = (type: number, typeFlags: number, low: number, high: number): Aml =>
  new ByteWriter()
    .u8(0x88)
    .u16(13)
    .u8(type)
    .u8(FIXED_PRODUCER)
    .u8(typeFlags)
    .u16(0)
    .u16(low)
    .u16(high)
    .u16(0)
    .u16(high - low + 1)
    .done();
/** "Word Address Space Descriptor" for bus numbers; ends inclusive. */
export const busRange = (low: number, high: number): Aml => wordSpace(AddressType.BUS, 0, low, high);
/** "Word Address Space Descriptor" for ports of a bridge (entire range); ends inclusive. */
export const ioRange = (low: number, high: number): Aml => wordSpace(AddressType.IO, 3, low, high);
/** "DWord Address Space Descriptor" for memory of a bridge, read/write; ends inclusive. */
export const memoryRange = (low: number, high: number, cacheable: boolean): Aml =>
  new ByteWriter()
    .u8(0x87)
    .u16(23)
    .u8(AddressType.MEMORY)
    .u8(FIXED_PRODUCER)
    .u8(cacheable ? 3 : 1)
    .u32(0)
    .u32(low)
    .u32(high)
    .u32(0)
    .u32(high - low + 1)
    .done();
/** A ResourceTemplate buffer of descriptors with its end tag (checksum byte 0: "treat as good"). */
export const resources = (...descriptors: readonly Aml[]): Aml => buffer(join(...descriptors, [0x79, 0]));
