// SHA-1 and SHA-256 of "abc", computed by a guest with the SHA extensions. FIPS 180-4; the known answers are those of NIST's
// "Examples with Intermediate Values". Intel SDM Vol. 2B, SHA1RNDS4, SHA256RNDS2 and the like.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CODE, DATA, Guest, imageOf, modeState } from '../differential/machine.js';

const guest = await Guest.create('off');

/** The words of a 128-bit register, highest first. */
const vector = (w3: number, w2: number, w1: number, w0: number): bigint =>
  [w3, w2, w1, w0].reduce((v, w) => (v << 32n) | BigInt(w >>> 0), 0n);
const wordsOf = (v: bigint): number[] => [96n, 64n, 32n, 0n].map((at) => Number((v >> at) & 0xffff_ffffn));
const hex = (words: readonly number[]): string => words.map((w) => (w >>> 0).toString(16).padStart(8, '0')).join('');
const add = (a: number, b: number): number => (a + b) >>> 0;
const addVectors = (a: bigint, b: bigint): bigint => {
  const [x, y] = [wordsOf(a), wordsOf(b)];
  const sum = x.map((w, n) => add(w, y[n] as number));
  return vector(sum[0] as number, sum[1] as number, sum[2] as number, sum[3] as number);
};

/** One instruction on XMM1 and XMM2 (and XMM0); what XMM1 holds then. */
function run(code: readonly number[], xmm1: bigint, xmm2: bigint, xmm0 = 0n): bigint {
  const image = imageOf('long3');
  image.set(code, CODE);
  const state = modeState('long3');
  state.rip = BigInt(CODE);
  [xmm0, xmm1, xmm2].forEach((v, n) => {
    state.fpu.xmm[n] = v;
  });
  guest.load(image, state, 0xffff_ffff);
  const result = guest.run(1, 1);
  assert.equal(result.instructions, 1);
  assert.equal(result.state.rip, BigInt(CODE + code.length));
  assert.equal(result.state.fpu.xmm[2], xmm2, 'the source');
  return result.state.fpu.xmm[1] as bigint;
}
const REGISTERS = 0xca; // XMM1, XMM2
const two = (opcode: number) => (a: bigint, b: bigint, xmm0?: bigint) =>
  run([0x0f, 0x38, opcode, REGISTERS], a, b, xmm0);
const sha1nexte = two(0xc8);
const sha1msg1 = two(0xc9);
const sha1msg2 = two(0xca);
const sha256rnds2 = two(0xcb);
const sha256msg1 = two(0xcc);
const sha256msg2 = two(0xcd);
const sha1rnds4 = (a: bigint, b: bigint, imm: number): bigint => run([0x0f, 0x3a, 0xcc, REGISTERS, imm], a, b);

/** "abc", padded to one block. */
const BLOCK = [0x61626380, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 24];
const block = (n: number): [number, number, number, number] =>
  BLOCK.slice(n, n + 4) as [number, number, number, number];

test('SHA-1 of "abc" with SHA1RNDS4, SHA1NEXTE, SHA1MSG1 and SHA1MSG2', () => {
  const start = vector(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476);
  const lastE = 0xc3d2e1f0;
  const words = [0, 4, 8, 12].map((n) => vector(...block(n)));
  for (let n = 4; n < 20; n++) {
    const [a, b, c, d] = words.slice(n - 4, n) as [bigint, bigint, bigint, bigint];
    words.push(sha1msg2(sha1msg1(a, b) ^ c, d));
  }
  let state = start;
  let before = 0n;
  words.forEach((w, n) => {
    const operand = n === 0 ? addVectors(w, vector(lastE, 0, 0, 0)) : sha1nexte(before, w);
    before = state;
    state = sha1rnds4(state, operand, Math.floor(n / 5));
  });
  const e = sha1nexte(before, vector(lastE, 0, 0, 0));
  assert.equal(
    hex([...wordsOf(addVectors(state, start)), wordsOf(e)[0] as number]),
    'a9993e364706816aba3e25717850c26c9cd0d89d',
  );
});

/** The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
function sha256Constants(): number[] {
  const primes: number[] = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p !== 0)) primes.push(n);
  return primes.map((p) => {
    // the integer cube root of p * 2^96
    const target = BigInt(p) << 96n;
    let root = 0n;
    for (let bit = 35n; bit >= 0n; bit--) if ((root | (1n << bit)) ** 3n <= target) root |= 1n << bit;
    return Number(root & 0xffff_ffffn);
  });
}

test('SHA-256 of "abc" with SHA256RNDS2, SHA256MSG1 and SHA256MSG2', () => {
  const k = sha256Constants();
  assert.equal(k[0], 0x428a2f98);
  // word 0 of a vector is the lowest
  const reversed = (n: number): bigint => vector(...(block(n).reverse() as [number, number, number, number]));
  const words = [0, 4, 8, 12].map(reversed);
  for (let n = 4; n < 16; n++) {
    const [a, b, c, d] = words.slice(n - 4, n) as [bigint, bigint, bigint, bigint];
    const w7 = (c >> 32n) | ((d & 0xffff_ffffn) << 96n);
    words.push(sha256msg2(addVectors(sha256msg1(a, b), w7), d));
  }
  const abef = vector(0x6a09e667, 0xbb67ae85, 0x510e527f, 0x9b05688c);
  const cdgh = vector(0x3c6ef372, 0xa54ff53a, 0x1f83d9ab, 0x5be0cd19);
  let [x, y] = [abef, cdgh];
  words.forEach((w, n) => {
    const [k0, k1, k2, k3] = k.slice(4 * n, 4 * n + 4) as [number, number, number, number];
    const wk = addVectors(w, vector(k3, k2, k1, k0));
    y = sha256rnds2(y, x, wk);
    x = sha256rnds2(x, y, wk >> 64n);
  });
  const [a, b, e, f] = wordsOf(addVectors(x, abef)) as [number, number, number, number];
  const [c, d, g, h] = wordsOf(addVectors(y, cdgh)) as [number, number, number, number];
  assert.equal(hex([a, b, c, d, e, f, g, h]), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});

test('a SHA operand in memory must be aligned on 16 bytes', () => {
  for (const [address, faults] of [
    [DATA, false],
    [DATA + 8, true],
  ] as const) {
    const image = imageOf('long3');
    image.set([0x0f, 0x38, 0xc8, 0x0e], CODE); // sha1nexte xmm1, [rsi]
    const state = modeState('long3');
    state.rip = BigInt(CODE);
    state.gpr[6] = BigInt(address);
    guest.load(image, state, 0xffff_ffff);
    const result = guest.run(1, 1);
    assert.equal(result.exits.join().includes('"vector":13'), faults, result.exits.join());
  }
});
