// Turns a module that imports shared memory into one that imports unshared memory, for hosts without SharedArrayBuffer.
// Source: WebAssembly Core Specification, "Import Section", "Limits"; Threads proposal (shared limits, atomics).

const HEADER_BYTES = 8;
const IMPORT_SECTION = 2;
const EXTERNAL = { function: 0, table: 1, memory: 2, global: 3, tag: 4 } as const;
/** Bits of a limits flag. */
const HAS_MAXIMUM = 1;
const SHARED = 2;

/** Reads LEB128 numbers and names one after the other. */
class Reader {
  constructor(
    readonly bytes: Uint8Array,
    public at: number,
  ) {}
  byte(): number {
    const value = this.bytes[this.at++];
    if (value === undefined) throw new RangeError(`wasm module of ${this.bytes.length} bytes ends inside a section`);
    return value;
  }
  u32(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }
  skipName(): void {
    const length = this.u32();
    this.at += length;
  }
  skipLimits(): void {
    const flags = this.byte();
    this.u32();
    if ((flags & HAS_MAXIMUM) !== 0) this.u32();
  }
}

/**
 * The same module with every imported memory unshared. Atomic instructions stay: they are valid on unshared memory. The
 * input is not changed.
 */
export function withUnsharedMemory(module: Uint8Array): Uint8Array {
  const bytes = module.slice();
  for (const reader = new Reader(bytes, HEADER_BYTES); reader.at < bytes.length; ) {
    const id = reader.byte();
    const sizeBytes = reader.u32();
    const end = reader.at + sizeBytes;
    if (id === IMPORT_SECTION) unshareImports(reader);
    reader.at = end;
  }
  return bytes;
}

function unshareImports(reader: Reader): void {
  for (let left = reader.u32(); left > 0; left--) {
    reader.skipName();
    reader.skipName();
    const kind = reader.byte();
    if (kind === EXTERNAL.function) reader.u32();
    else if (kind === EXTERNAL.table) {
      reader.byte();
      reader.skipLimits();
    } else if (kind === EXTERNAL.memory) {
      const flags = reader.bytes[reader.at] as number;
      if ((flags & SHARED) !== 0) reader.bytes[reader.at] = flags & ~SHARED;
      reader.skipLimits();
    } else if (kind === EXTERNAL.global) reader.at += 2;
    else if (kind === EXTERNAL.tag) {
      reader.byte();
      reader.u32();
    } else throw new RangeError(`wasm import of kind ${kind}, expected 0 to 4`);
  }
}
