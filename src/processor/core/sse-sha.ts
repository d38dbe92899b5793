// SHA-1 and SHA-256 rounds and message schedules. FIPS 180-4; Intel SDM Vol. 2B, SHA1RNDS4, SHA1NEXTE, SHA1MSG1, SHA1MSG2,
// SHA256RNDS2, SHA256MSG1, SHA256MSG2. Pointers are host addresses of 16-byte slots; dst may be src.

/** Doubleword 3 is bits 127:96. */
function put_words(dst: usize, w3: u32, w2: u32, w1: u32, w0: u32): void {
  store<u32>(dst, w0);
  store<u32>(dst, w1, 4);
  store<u32>(dst, w2, 8);
  store<u32>(dst, w3, 12);
}

/** FIPS 180-4 6.1: f and K of the rounds 20 * kind to 20 * kind + 19. */
function sha1_f(kind: u32, b: u32, c: u32, d: u32): u32 {
  if (kind == 0) return (b & c) ^ (~b & d);
  if (kind == 2) return (b & c) ^ (b & d) ^ (c & d);
  return b ^ c ^ d;
}
function sha1_k(kind: u32): u32 {
  if (kind == 0) return 0x5a827999;
  if (kind == 1) return 0x6ed9eba1;
  return kind == 2 ? 0x8f1bbcdc : 0xca62c1d6;
}
/** E of the first round is in the source already (SHA1NEXTE). */
export function sse_sha1rnds4(dst: usize, src: usize, imm: u32): void {
  const kind = imm & 3;
  const k = sha1_k(kind);
  const w1 = load<u32>(src, 8);
  const w2 = load<u32>(src, 4);
  const w3 = load<u32>(src);
  let word = load<u32>(src, 12);
  let a = load<u32>(dst, 12);
  let b = load<u32>(dst, 8);
  let c = load<u32>(dst, 4);
  let d = load<u32>(dst);
  let e: u32 = 0;
  for (let round = 0; round < 4; round++) {
    const next = sha1_f(kind, b, c, d) + rotl<u32>(a, 5) + word + e + k;
    e = d;
    d = c;
    c = rotl<u32>(b, 30);
    b = a;
    a = next;
    word = round == 0 ? w1 : round == 1 ? w2 : w3;
  }
  put_words(dst, a, b, c, d);
}
export function sse_sha1nexte(dst: usize, src: usize): void {
  const e = rotl<u32>(load<u32>(dst, 12), 30);
  put_words(dst, load<u32>(src, 12) + e, load<u32>(src, 8), load<u32>(src, 4), load<u32>(src));
}
export function sse_sha1msg1(dst: usize, src: usize): void {
  const w0 = load<u32>(dst, 12);
  const w1 = load<u32>(dst, 8);
  const w2 = load<u32>(dst, 4);
  const w3 = load<u32>(dst);
  const w4 = load<u32>(src, 12);
  const w5 = load<u32>(src, 8);
  put_words(dst, w2 ^ w0, w3 ^ w1, w4 ^ w2, w5 ^ w3);
}
export function sse_sha1msg2(dst: usize, src: usize): void {
  const w16 = rotl<u32>(load<u32>(dst, 12) ^ load<u32>(src, 8), 1);
  const w17 = rotl<u32>(load<u32>(dst, 8) ^ load<u32>(src, 4), 1);
  const w18 = rotl<u32>(load<u32>(dst, 4) ^ load<u32>(src), 1);
  const w19 = rotl<u32>(load<u32>(dst) ^ w16, 1);
  put_words(dst, w16, w17, w18, w19);
}

/** `wk`: XMM0's low quadword, W + K of two rounds. */
export function sse_sha256rnds2(dst: usize, src: usize, wk: u64): void {
  let a = load<u32>(src, 12);
  let b = load<u32>(src, 8);
  let c = load<u32>(dst, 12);
  let d = load<u32>(dst, 8);
  let e = load<u32>(src, 4);
  let f = load<u32>(src);
  let g = load<u32>(dst, 4);
  let h = load<u32>(dst);
  for (let round = 0; round < 2; round++) {
    const choose = (e & f) ^ (~e & g);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    const sum0 = rotr<u32>(a, 2) ^ rotr<u32>(a, 13) ^ rotr<u32>(a, 22);
    const sum1 = rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25);
    const t = choose + sum1 + (wk as u32) + h;
    h = g;
    g = f;
    f = e;
    e = t + d;
    d = c;
    c = b;
    b = a;
    a = t + majority + sum0;
    wk >>= 32;
  }
  put_words(dst, a, b, e, f);
}
function sigma0(x: u32): u32 {
  return rotr<u32>(x, 7) ^ rotr<u32>(x, 18) ^ (x >> 3);
}
function sigma1(x: u32): u32 {
  return rotr<u32>(x, 17) ^ rotr<u32>(x, 19) ^ (x >> 10);
}
export function sse_sha256msg1(dst: usize, src: usize): void {
  const w0 = load<u32>(dst);
  const w1 = load<u32>(dst, 4);
  const w2 = load<u32>(dst, 8);
  const w3 = load<u32>(dst, 12);
  const w4 = load<u32>(src);
  put_words(dst, w3 + sigma0(w4), w2 + sigma0(w3), w1 + sigma0(w2), w0 + sigma0(w1));
}
export function sse_sha256msg2(dst: usize, src: usize): void {
  const w16 = load<u32>(dst) + sigma1(load<u32>(src, 8));
  const w17 = load<u32>(dst, 4) + sigma1(load<u32>(src, 12));
  const w18 = load<u32>(dst, 8) + sigma1(w16);
  const w19 = load<u32>(dst, 12) + sigma1(w17);
  put_words(dst, w19, w18, w17, w16);
}
