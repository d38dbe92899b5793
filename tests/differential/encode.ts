// Random machine code for an operand form, made from its declaration (not from the decoder's tables), and random numbers
// that can be repeated. Intel SDM Vol. 2A, "Instruction Format".
import { Decoded, type Decoder, type Encoding, type Form, parseOpcode } from '../../src/isa/index.js';

/** xorshift64*: the same seed gives the same cases. */
export class Random {
  private state: bigint;
  constructor(seed: number) {
    this.state = BigInt(seed) * 0x9e3779b97f4a7c15n + 0x1234567n;
    this.state = BigInt.asUintN(64, this.state) || 1n;
    this.u64();
    this.u64();
  }
  u64(): bigint {
    let s = this.state;
    s ^= s >> 12n;
    s = BigInt.asUintN(64, s ^ (s << 25n));
    s ^= s >> 27n;
    this.state = s;
    return BigInt.asUintN(64, s * 0x2545f4914f6cdd1dn);
  }
  u32(): number {
    return Number(this.u64() >> 32n);
  }
  /** 0 <= result < n. */
  below(n: number): number {
    return this.u32() % n;
  }
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
  /** A 64-bit value of a kind that finds mistakes. */
  interesting(): bigint {
    switch (this.below(8)) {
      case 0:
        return BigInt(this.below(256));
      case 1:
        return BigInt.asUintN(64, -BigInt(this.below(256)));
      case 2: {
        const bit = 1n << BigInt(this.below(64));
        return BigInt.asUintN(64, this.pick([bit, bit - 1n, -bit, bit + 1n]));
      }
      case 3:
        return BigInt(this.u32());
      case 4:
        return this.pick([
          0n,
          1n,
          0x80n,
          0x7fn,
          0xffn,
          0x8000n,
          0x7fffn,
          0xffffn,
          0x80000000n,
          0x7fffffffn,
          0xffffffffn,
          1n << 63n,
          (1n << 63n) - 1n,
          (1n << 64n) - 1n,
        ]);
      default:
        return this.u64();
    }
  }
}

/** Where memory operands may point, as effective addresses. */
export interface Places {
  readonly codeBits: 16 | 32 | 64;
  /** Effective address for a memory operand of about `bytes` bytes. */
  target(bytes: number): bigint;
  /** RIP of the instruction. */
  readonly rip: bigint;
  /** Never as base, index or explicit register (native runs keep their stack pointer). */
  readonly avoid?: ReadonlySet<number>;
  /** Displacement of a branch. */
  branch?(bytes: number): number;
  /** No segment, address-size and LOCK prefixes, no RIP-relative or absolute addresses. */
  readonly plain?: boolean;
}
export interface Encoded {
  readonly bytes: Uint8Array;
  /** Registers that must have these values for the memory operand to be where it was asked for. */
  readonly registers: ReadonlyMap<number, bigint>;
  /** Effective address of the memory operand, -1 if none. */
  readonly address: bigint;
}

const IMMEDIATE: Record<string, (opBits: number) => number> = {
  b: () => 1,
  w: () => 2,
  d: () => 4,
  q: () => 8,
  sb: () => 1,
  z: (opBits) => (opBits === 16 ? 2 : 4),
  v: (opBits) => opBits / 8,
};
function immediateBytes(encoding: Encoding, opBits: number): number[] {
  const sizes: number[] = [];
  for (const spec of encoding.operands) {
    if (spec.method === 'I') sizes.push((IMMEDIATE[spec.type] as (n: number) => number)(opBits));
    if (spec.method === 'J') sizes.push(-(spec.type === 'b' ? 1 : opBits === 16 ? 2 : 4));
    if (spec.method === 'A') sizes.push(opBits === 16 ? 2 : 4, 2);
  }
  return sizes;
}
const little = (v: bigint, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, i) => Number((v >> BigInt(8 * i)) & 0xffn));
const PREFIX_BYTES = [0, 0x66, 0xf3, 0xf2];
const SEGMENT_PREFIX = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
const BASE16 = [3, 3, 5, 5, 6, 7, 5, 3];
const INDEX16 = [6, 7, 6, 7, -1, -1, -1, -1];

/** The operand-size prefixes that lead to the form; none: the mode cannot encode it. */
export function sizePrefixes(form: Form, codeBits: 16 | 32 | 64): { has66: boolean; rexW: boolean }[] {
  const { encoding } = form.row;
  const { prefix, rexW: wanted } = parseOpcode(encoding, form.instruction.name);
  const long = codeBits === 64;
  const found: { has66: boolean; rexW: boolean }[] = [];
  for (const has66 of [false, true])
    for (const rexW of long ? [false, true] : [false]) {
      if ((prefix === 0 && has66) || (prefix === 1 && !has66)) continue;
      if (wanted >= 0 && (wanted === 1) !== rexW) continue;
      const legacy = (codeBits === 32) !== has66 ? 32 : 16;
      const inLong = rexW || encoding.f64 === true ? 64 : has66 ? 16 : encoding.d64 === true ? 64 : 32;
      if ((encoding.opBits ?? (long ? inLong : legacy)) === form.opBits) found.push({ has66, rexW });
    }
  return found;
}

/** One random encoding of the form, or null when this draw does not decode to it. */
function draw(form: Form, random: Random, places: Places, decoder: Decoder, decoded: Decoded): Encoded | null {
  const { encoding } = form.row;
  const pattern = parseOpcode(encoding, form.instruction.name);
  const long = places.codeBits === 64;
  const prefixes: number[] = [];
  let has67 = false;
  if (!places.plain) {
    if (random.chance(12)) prefixes.push(random.pick(SEGMENT_PREFIX));
    has67 = random.chance(15);
    if (has67) prefixes.push(0x67);
    if (encoding.lock === true && form.mem && random.chance(25)) prefixes.push(0xf0);
  }
  if (encoding.rep === true && random.chance(60)) prefixes.push(random.pick([0xf2, 0xf3]));
  const sizes_ = sizePrefixes(form, places.codeBits);
  if (sizes_.length === 0) return null;
  // prefixes that do nothing are rarer
  const fewest = sizes_.filter((p) => !p.has66 && !p.rexW);
  const { has66: need66, rexW } = random.pick(
    fewest.length > 0 && (places.plain === true || random.chance(70)) ? fewest : sizes_,
  );
  if (need66) prefixes.push(0x66);
  if (pattern.prefix > 1) prefixes.push(PREFIX_BYTES[pattern.prefix] as number);
  for (let i = prefixes.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [prefixes[i], prefixes[j]] = [prefixes[j] as number, prefixes[i] as number];
  }
  let rex = 0;
  if (long) {
    if (random.chance(50)) rex = 0x40 | random.below(8);
    if (rexW) rex |= 0x48;
    if (pattern.rexB0) rex &= ~1;
    if (rex === 0 && random.chance(5)) rex = 0x40;
  }
  const addrBits = long ? (has67 ? 32 : 64) : (places.codeBits === 32) !== has67 ? 32 : 16;
  const out: number[] = [...prefixes];
  if (rex !== 0) out.push(rex);
  if (pattern.map > 0) out.push(0x0f);
  if (pattern.map > 1) out.push(pattern.map === 2 ? 0x38 : 0x3a);
  const opcodeRegister = random.below(8);
  out.push(pattern.opcodeRegister ? pattern.opcode + opcodeRegister : pattern.opcode);

  const sizes = immediateBytes(encoding, form.opBits);
  const tail = sizes.reduce((n, s) => n + Math.abs(s), 0);
  const registers = new Map<number, bigint>();
  const width = BigInt(addrBits);
  const wrap = (v: bigint): bigint => BigInt.asUintN(Number(width), v);
  let address = -1n;
  let fixDisp = -1; // where the displacement of a RIP-relative operand goes
  const bytesOf = Math.max(1, ...form.operands.filter((o) => o.kind === 'mem').map((o) => o.bits / 8));
  const avoid = (r: number): boolean => places.avoid?.has(r) === true;
  if (pattern.modrm) {
    const reg = pattern.digit >= 0 ? pattern.digit : random.below(8);
    if (pattern.low >= 0) out.push(pattern.low + random.below(pattern.high - pattern.low + 1));
    else if (!form.mem) {
      const mod = pattern.mod === 'ignored' ? random.below(4) : 3;
      out.push((mod << 6) | (reg << 3) | random.below(8));
    } else {
      address = wrap(places.target(bytesOf));
      let mod = random.below(3);
      const rm = random.below(8);
      if (addrBits === 16) {
        if (mod === 0 && rm === 6) out.push((reg << 3) | 6, ...little(address, 2));
        else {
          const disp = mod === 0 ? 0n : mod === 1 ? BigInt(random.below(256) - 128) : BigInt(random.below(65536));
          out.push((mod << 6) | (reg << 3) | rm, ...little(disp, mod));
          const base = BASE16[rm] as number;
          const index = INDEX16[rm] as number;
          let rest = address - disp;
          if (index >= 0) {
            const value = BigInt(random.below(65536));
            registers.set(index, value);
            rest -= value;
          }
          registers.set(base, wrap(rest));
        }
      } else {
        if (places.plain && mod === 0 && rm === 5) mod = 1;
        const rexB = (rex & 1) << 3;
        const dispBytes = mod === 1 ? 1 : mod === 2 ? 4 : 0;
        let disp = mod === 1 ? BigInt(random.below(256) - 128) : mod === 2 ? BigInt(random.u32() | 0) : 0n;
        if (places.plain && mod === 2) disp = BigInt(random.below(0x20000) - 0x10000);
        if (rm === 4) {
          const scale = random.below(4);
          const indexLow = random.below(8);
          let baseLow = random.below(8);
          if (places.plain && mod === 0 && baseLow === 5) baseLow = 3;
          const index = indexLow | ((rex & 2) << 2);
          const noBase = baseLow === 5 && mod === 0;
          const base = baseLow | rexB;
          if (avoid(base) || (index !== 4 && avoid(index))) return null;
          let rest = address;
          const hasIndex = index !== 4;
          if (noBase) {
            if (hasIndex) {
              const value = BigInt(random.below(1 << 16));
              registers.set(index, value);
              rest -= value << BigInt(scale);
            }
            disp = BigInt.asIntN(32, rest);
            out.push((mod << 6) | (reg << 3) | 4, (scale << 6) | (indexLow << 3) | baseLow, ...little(disp, 4));
          } else {
            rest -= disp;
            if (hasIndex && index === base) {
              const factor = 1n + (1n << BigInt(scale));
              const value = rest / factor;
              registers.set(base, wrap(value));
              address = wrap(value * factor + disp);
            } else {
              if (hasIndex) {
                const value = BigInt(random.below(1 << 16));
                registers.set(index, value);
                rest -= value << BigInt(scale);
              }
              registers.set(base, wrap(rest));
            }
            out.push((mod << 6) | (reg << 3) | 4, (scale << 6) | (indexLow << 3) | baseLow, ...little(disp, dispBytes));
          }
        } else if (rm === 5 && mod === 0) {
          out.push((reg << 3) | 5);
          fixDisp = out.length;
          out.push(...little(BigInt.asIntN(32, address), 4));
        } else {
          const base = rm | rexB;
          if (avoid(base)) return null;
          registers.set(base, wrap(address - disp));
          out.push((mod << 6) | (reg << 3) | rm, ...little(disp, dispBytes));
        }
      }
    }
  }
  if (encoding.operands.some((o) => o.method === 'O')) {
    address = wrap(places.target(bytesOf));
    out.push(...little(address, addrBits / 8));
  }
  if (fixDisp >= 0 && long) {
    const next = places.rip + BigInt(out.length + tail);
    out.splice(fixDisp, 4, ...little(BigInt.asIntN(32, address - next), 4));
  }
  for (const size of sizes) {
    if (size > 0) out.push(...little(random.interesting(), size));
    else {
      const displacement = places.branch?.(-size) ?? random.u32();
      out.push(...little(BigInt(displacement), -size));
    }
  }
  const bytes = Uint8Array.from(out);
  if (bytes.length > 15) return null;
  const length = decoder.decode(bytes, 0, bytes.length, { codeBits: places.codeBits }, decoded);
  if (length !== bytes.length || decoded.form !== form || decoded.invalid) return null;
  if (places.avoid !== undefined) {
    for (let i = 0; i < decoded.operandCount; i++) {
      const o = decoded.operands[i];
      if (o !== undefined && o.kind === 1 && o.high === 0 && avoid(o.register)) return null;
    }
  }
  return { bytes, registers, address };
}

/** A random encoding of the form; null when a mode cannot encode it. */
export function encode(
  form: Form,
  random: Random,
  places: Places,
  decoder: Decoder,
  decoded = new Decoded(),
): Encoded | null {
  for (let tries = 0; tries < 60; tries++) {
    const found = draw(form, random, places, decoder, decoded);
    if (found !== null) return found;
  }
  return null;
}
