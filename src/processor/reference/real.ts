// Real functions in bigint fixed point, slow and obvious: plain Taylor series. Used by the float oracle and to print the
// tables of the numerics procedures. Source: the series as in Abramowitz and Stegun, ch. 4.
// A fixed-point number with P fraction bits is the bigint floor(value * 2^P).

/** Fraction bits of every intermediate. */
export const P = 400;
const ONE = 1n << BigInt(P);

export const fixedMul = (a: bigint, b: bigint): bigint => (a * b) >> BigInt(P);
export const fixedDiv = (a: bigint, b: bigint): bigint => (a << BigInt(P)) / b;

/** Integer square root, rounded down. */
export function integerSqrt(n: bigint): bigint {
  if (n < 2n) return n;
  let x = 1n << BigInt((n.toString(2).length + 1) >> 1);
  for (;;) {
    const next = (x + n / x) >> 1n;
    if (next >= x) return x;
    x = next;
  }
}

/** sin(x) / x as a function of x, |x| <= 1. */
export function sinKernel(x: bigint): bigint {
  const z = fixedMul(x, x);
  let term = ONE;
  let sum = 0n;
  for (let n = 1n; term !== 0n; n += 2n) {
    sum += term;
    term = -fixedMul(term, z) / ((n + 1n) * (n + 2n));
  }
  return sum;
}
export function cosine(x: bigint): bigint {
  const z = fixedMul(x, x);
  let term = ONE;
  let sum = 0n;
  for (let n = 0n; term !== 0n; n += 2n) {
    sum += term;
    term = -fixedMul(term, z) / ((n + 1n) * (n + 2n));
  }
  return sum;
}
/** (e^x - 1) / x, |x| <= 1. */
export function expm1Kernel(x: bigint): bigint {
  let term = ONE;
  let sum = 0n;
  for (let n = 2n; term !== 0n && term !== -1n; n++) {
    sum += term;
    term = fixedMul(term, x) / n;
  }
  return sum;
}
/** atanh(s) / s, |s| < 1/2. */
function atanhKernel(s: bigint): bigint {
  const z = fixedMul(s, s);
  let power = ONE;
  let sum = 0n;
  for (let n = 1n; power !== 0n; n += 2n) {
    sum += power / n;
    power = fixedMul(power, z);
  }
  return sum;
}
/** log(1 + u) / u, -1/2 < u <= 1: 2 atanh(u / (2 + u)) / u. */
export function log1pKernel(u: bigint): bigint {
  return fixedDiv(2n * atanhKernel(fixedDiv(u, 2n * ONE + u)), 2n * ONE + u);
}
/** atan(q) / q, 0 <= q <= 1; twice halves the angle: atan q = 2 atan(q / (1 + sqrt(1 + q^2))). */
export function atanKernel(q: bigint): bigint {
  let scale = ONE;
  let x = q;
  for (let i = 0; i < 3; i++) {
    const root = integerSqrt((ONE + fixedMul(x, x)) << BigInt(P));
    x = fixedDiv(x, ONE + root);
    scale = fixedDiv(2n * scale, ONE + root);
  }
  const z = fixedMul(x, x);
  let power = ONE;
  let sum = 0n;
  for (let n = 1n; power !== 0n && power !== -1n; n += 2n) {
    sum += power / n;
    power = -fixedMul(power, z);
  }
  return fixedMul(sum, scale);
}
export const PI = 4n * atanKernel(ONE);
export const LN2 = log1pKernel(ONE);
/** log2 of a fixed-point value in (1/2, 2]. */
export function log2(x: bigint): bigint {
  const u = x - ONE;
  return fixedDiv(fixedMul(u, log1pKernel(u)), LN2);
}
/** 2^x for |x| <= 1. */
export function exp2(x: bigint): bigint {
  const y = fixedMul(x, LN2);
  return ONE + fixedMul(y, expm1Kernel(y));
}
