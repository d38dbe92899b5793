// x87 and SSE state through an XSAVE area: tags from contents, ST order from TOP.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { finitFpu } from '../vmx/index.js';
import { readFpu, writeFpu } from './fpu.js';

const area = (): DataView => new DataView(new ArrayBuffer(4096));
const ONE = 0x3fff_8000_0000_0000_0000n;
const INFINITY = 0x7fff_8000_0000_0000_0000n;

test('registers lie in stack order, tags are found again from their contents', () => {
  const fpu = finitFpu();
  fpu.fsw = 6 << 11; // TOP is 6: ST(0) is R6
  fpu.registers[6] = ONE;
  fpu.registers[7] = 0n;
  fpu.registers[0] = INFINITY;
  fpu.ftw = 0b01_00_11_11_11_11_11_10; // R7 zero, R6 valid, R0 special, the others empty
  fpu.xmm[15] = 0x1122_3344_5566_7788_99aa_bbcc_ddee_ff00n;
  const v = area();
  writeFpu(v, fpu);
  assert.equal(v.getBigUint64(32, true), ONE & 0xffff_ffff_ffff_ffffn, 'ST(0)');
  assert.equal(v.getUint16(32 + 2 * 16 + 8, true), 0x7fff, 'exponent of ST(2)');
  assert.equal(v.getUint8(4), 0b1100_0001, 'abridged tag word');
  assert.equal(v.getBigUint64(512, true) & 3n, 3n, 'x87 and SSE are in the area');
  assert.deepEqual(readFpu(v), fpu);
});

test('a denormal and an unnormal number are special', () => {
  const fpu = finitFpu();
  fpu.registers[0] = 1n;
  fpu.registers[1] = 0x3fff_0000_0000_0000_0001n;
  fpu.ftw = 0xfff0;
  const v = area();
  writeFpu(v, fpu);
  assert.equal(readFpu(v).ftw, 0xfffa);
});

test('upper halves of YMM registers come and go with the AVX part', () => {
  const v = area();
  const fpu = { ...finitFpu(), ymmHigh: Array.from({ length: 16 }, (_, i) => (BigInt(i + 1) << 64n) | 7n) };
  writeFpu(v, fpu);
  assert.equal(v.getBigUint64(512, true), 7n);
  assert.equal(v.getBigUint64(576 + 16 + 8, true), 2n, 'YMM1');
  assert.deepEqual(readFpu(v), fpu);
  writeFpu(v, finitFpu());
  assert.equal(v.getBigUint64(512, true), 3n, 'AVX is in its initial state');
  assert.equal(readFpu(v).ymmHigh, undefined);
});

test('other components of the area stay as they are', () => {
  const v = area();
  v.setBigUint64(512, 0xe0n, true); // AVX-512
  v.setBigUint64(1088, 0x1234n, true);
  writeFpu(v, finitFpu());
  assert.equal(v.getBigUint64(512, true), 0xe3n);
  assert.equal(v.getBigUint64(1088, true), 0x1234n);
});
