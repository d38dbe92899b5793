// WebAssembly code as indented text, one instruction a line: what golden tests compare. WebAssembly Core Specification 2.0,
// "Binary Format".
import { MEMORY_OP, OP, SIMD } from './wasm-opcodes.js';

const NAMES = new Map<number, string>(Object.entries(OP).map(([name, code]) => [code, name]));
const MEMORY_NAMES = new Map<number, string>(Object.entries(MEMORY_OP).map(([name, [code]]) => [code, name]));
const SIMD_NAMES = new Map<number, string>(Object.entries(SIMD).map(([name, code]) => [code, name]));
const BLOCKS = new Map([
  [0x02, 'block'],
  [0x03, 'loop'],
  [0x04, 'if'],
]);
/** Instructions with one index behind the opcode. */
const INDEXED = new Map([
  [0x0c, 'br'],
  [0x0d, 'br_if'],
  [0x10, 'call'],
  [0x20, 'local.get'],
  [0x21, 'local.set'],
  [0x22, 'local.tee'],
]);
const SIMD_MEMORY = /^v128\.(load|store)/;
const SIMD_LANE = /(extract|replace)_lane/;

class Reader {
  at = 0;
  constructor(private readonly bytes: Uint8Array) {}
  get more(): boolean {
    return this.at < this.bytes.length;
  }
  u8(): number {
    return this.bytes[this.at++] as number;
  }
  unsigned(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.u8();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }
  signed(): bigint {
    let value = 0n;
    for (let shift = 7n; ; shift += 7n) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << (shift - 7n);
      if (byte < 0x80) return BigInt.asIntN(Number(shift), value);
    }
  }
}

/** Lines of the code of one function; `call` and its kin name functions by `functionName`. Throws on an unknown opcode. */
export function listing(code: Uint8Array, functionName: (index: number) => string): string[] {
  const r = new Reader(code);
  const lines: string[] = [];
  let depth = 0;
  const memory = (): string => {
    r.unsigned();
    const offset = r.unsigned();
    return offset === 0 ? '' : ` offset=${offset}`;
  };
  const simd = (): string => {
    const op = r.unsigned();
    const name = SIMD_NAMES.get(op);
    if (name === undefined) throw new RangeError(`listing: no SIMD opcode ${op}`);
    if (SIMD_MEMORY.test(name)) return name + memory();
    if (SIMD_LANE.test(name)) return `${name} ${r.u8()}`;
    if (name !== 'v128.const' && name !== 'i8x16.shuffle') return name;
    const bytes = Array.from({ length: 16 }, () => r.u8());
    return `${name} ${name === 'v128.const' ? hexOf(bytes) : bytes.join(' ')}`;
  };
  const text = (op: number): string => {
    const indexed = INDEXED.get(op);
    if (indexed !== undefined) {
      const index = r.unsigned();
      return `${indexed} ${op === 0x10 ? functionName(index) : index}`;
    }
    if (op === 0x41) return `i32.const ${r.signed()}`;
    if (op === 0x42) return `i64.const ${r.signed()}`;
    if (op === 0xfd) return simd();
    const inMemory = MEMORY_NAMES.get(op);
    if (inMemory !== undefined) return inMemory + memory();
    if (op === 0xfe) {
      const atomic = r.unsigned();
      return `atomic ${atomic.toString(16)}${memory()}`;
    }
    const name = NAMES.get(op);
    if (name === undefined) throw new RangeError(`listing: no opcode ${op.toString(16)}H`);
    return name;
  };
  while (r.more) {
    const op = r.u8();
    const block = BLOCKS.get(op);
    if (op === 0x0b || op === 0x05) depth--;
    const line = block !== undefined ? block : op === 0x0b ? 'end' : op === 0x05 ? 'else' : text(op);
    if (block !== undefined) r.u8();
    lines.push('  '.repeat(Math.max(0, depth)) + line);
    if (block !== undefined || op === 0x05) depth++;
  }
  return lines;
}
const hexOf = (bytes: readonly number[]): string => bytes.map((b) => b.toString(16).padStart(2, '0')).join('');
