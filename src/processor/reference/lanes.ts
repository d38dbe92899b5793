// SIMD operations of the reference evaluator: WebAssembly's vector instructions by name, lane by lane on bigints.
// WebAssembly Core Specification 2.0, "Vector Instructions", "Numerics".

const lowMask = (bits: number): bigint => (1n << BigInt(bits)) - 1n;
const signed = (v: bigint, bits: number): bigint => BigInt.asIntN(bits, v);
const clamp = (v: bigint, low: bigint, high: bigint): bigint => (v < low ? low : v > high ? high : v);
const saturate = (v: bigint, bits: number, isSigned: boolean): bigint =>
  isSigned ? clamp(v, -(1n << BigInt(bits - 1)), (1n << BigInt(bits - 1)) - 1n) : clamp(v, 0n, lowMask(bits));

/** Lanes of a 128-bit value, lane 0 first, unsigned. */
export function lanesOf(v: bigint, laneBits: number): bigint[] {
  return Array.from({ length: 128 / laneBits }, (_, i) => (v >> BigInt(i * laneBits)) & lowMask(laneBits));
}
export function fromLanes(lanes: readonly bigint[], laneBits: number): bigint {
  let v = 0n;
  lanes.forEach((lane, i) => {
    v |= (lane & lowMask(laneBits)) << BigInt(i * laneBits);
  });
  return v;
}

const bitsOfShape = (shape: string): number => Number(/^i(\d+)x/.exec(shape)?.[1]);
const truth = (b: boolean, bits: number): bigint => (b ? lowMask(bits) : 0n);
const abs = (v: bigint): bigint => (v < 0n ? -v : v);

/** Operations lane by lane; x and y unsigned. */
const LANEWISE: Record<string, (x: bigint, y: bigint, bits: number) => bigint> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  neg: (x) => -x,
  abs: (x, _y, n) => abs(signed(x, n)),
  eq: (x, y, n) => truth(x === y, n),
  ne: (x, y, n) => truth(x !== y, n),
  lt_s: (x, y, n) => truth(signed(x, n) < signed(y, n), n),
  lt_u: (x, y, n) => truth(x < y, n),
  le_s: (x, y, n) => truth(signed(x, n) <= signed(y, n), n),
  le_u: (x, y, n) => truth(x <= y, n),
  gt_s: (x, y, n) => truth(signed(x, n) > signed(y, n), n),
  gt_u: (x, y, n) => truth(x > y, n),
  ge_s: (x, y, n) => truth(signed(x, n) >= signed(y, n), n),
  ge_u: (x, y, n) => truth(x >= y, n),
  min_s: (x, y, n) => (signed(x, n) <= signed(y, n) ? x : y),
  min_u: (x, y) => (x < y ? x : y),
  max_s: (x, y, n) => (signed(x, n) > signed(y, n) ? x : y),
  max_u: (x, y) => (x > y ? x : y),
  avgr_u: (x, y) => (x + y + 1n) >> 1n,
  add_sat_s: (x, y, n) => saturate(signed(x, n) + signed(y, n), n, true),
  add_sat_u: (x, y, n) => saturate(x + y, n, false),
  sub_sat_s: (x, y, n) => saturate(signed(x, n) - signed(y, n), n, true),
  sub_sat_u: (x, y, n) => saturate(x - y, n, false),
  q15mulr_sat_s: (x, y, n) => saturate((signed(x, n) * signed(y, n) + 0x4000n) >> 15n, n, true),
  popcnt: (x) => BigInt(x.toString(2).replaceAll('0', '').length),
};

function bitwise(op: string, args: readonly bigint[]): bigint {
  const [a = 0n, b = 0n, c = 0n] = args;
  switch (op) {
    case 'and':
      return a & b;
    case 'or':
      return a | b;
    case 'xor':
      return a ^ b;
    case 'not':
      return ~a & lowMask(128);
    case 'andnot':
      return a & ~b & lowMask(128);
    case 'bitselect':
      return (a & c) | (b & ~c & lowMask(128));
    case 'any_true':
      return a === 0n ? 0n : 1n;
    default:
      throw new RangeError(`the evaluator has no SIMD operation v128.${op}`);
  }
}

/** One vector instruction with vector operands; results of reductions are plain integers. */
export function simdOp(name: string, args: readonly bigint[]): bigint {
  const [shape, op] = name.split('.') as [string, string];
  const [a = 0n, b = 0n] = args;
  if (shape === 'v128') return bitwise(op, args);
  const bits = bitsOfShape(shape);
  const x = lanesOf(a, bits);
  const y = lanesOf(b, bits);
  const lanewise = LANEWISE[op];
  if (lanewise !== undefined)
    return fromLanes(
      x.map((lane, i) => lanewise(lane, y[i] as bigint, bits)),
      bits,
    );
  if (op === 'bitmask') return x.reduce((mask, lane, i) => mask | ((lane >> BigInt(bits - 1)) << BigInt(i)), 0n);
  if (op === 'all_true') return x.every((lane) => lane !== 0n) ? 1n : 0n;
  if (op === 'swizzle')
    return fromLanes(
      y.map((i) => (i < 16n ? (x[Number(i)] as bigint) : 0n)),
      8,
    );
  const wide = op.endsWith('_s');
  const value = (v: bigint, n: number): bigint => (wide ? signed(v, n) : v);
  const narrow = /^narrow_i(\d+)x\d+_[su]$/.exec(op);
  if (narrow) {
    // The source is signed for both.
    const from = Number(narrow[1]);
    const all = [...lanesOf(a, from), ...lanesOf(b, from)];
    return fromLanes(
      all.map((v) => saturate(signed(v, from), bits, wide)),
      bits,
    );
  }
  const half = /^(extend|extmul)_(low|high)_i(\d+)x\d+_[su]$/.exec(op);
  if (half) {
    const from = Number(half[3]);
    const count = 128 / bits;
    const start = half[2] === 'low' ? 0 : count;
    const [p, q] = [lanesOf(a, from), lanesOf(b, from)];
    return fromLanes(
      Array.from({ length: count }, (_, i) => {
        const left = value(p[start + i] as bigint, from);
        return half[1] === 'extend' ? left : left * value(q[start + i] as bigint, from);
      }),
      bits,
    );
  }
  const pairwise = /^(extadd_pairwise|dot)_i(\d+)x\d+_[su]$/.exec(op);
  if (pairwise) {
    const from = Number(pairwise[2]);
    const [p, q] = [lanesOf(a, from), lanesOf(b, from)];
    const term = (i: number): bigint => {
      const left = value(p[i] as bigint, from);
      return pairwise[1] === 'dot' ? left * value(q[i] as bigint, from) : left;
    };
    return fromLanes(
      Array.from({ length: 128 / bits }, (_, i) => term(2 * i) + term(2 * i + 1)),
      bits,
    );
  }
  throw new RangeError(`the evaluator has no SIMD operation ${name}`);
}

/** Vector shift by one count, which must be below the lane width. */
export function simdShiftOp(name: string, v: bigint, count: number): bigint {
  const [shape, op] = name.split('.') as [string, string];
  const bits = bitsOfShape(shape);
  if (count >= bits) throw new RangeError(`${name} by ${count}: the caller must keep counts below ${bits}`);
  const n = BigInt(count);
  return fromLanes(
    lanesOf(v, bits).map((x) => (op === 'shl' ? x << n : op === 'shr_u' ? x >> n : signed(x, bits) >> n)),
    bits,
  );
}

/** i8x16.shuffle. */
export function shuffleOp(a: bigint, b: bigint, lanes: readonly number[]): bigint {
  const all = [...lanesOf(a, 8), ...lanesOf(b, 8)];
  return fromLanes(
    lanes.map((i) => all[i] as bigint),
    8,
  );
}
