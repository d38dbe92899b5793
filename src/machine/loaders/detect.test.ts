// Tests of telling kernel images apart.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kernelKind } from './detect.js';
import { fakeBzImage, fakeElf, putMultibootHeader } from './testing.js';

test('Linux and multiboot images are recognised', () => {
  assert.equal(kernelKind(fakeBzImage()), 'linux');
  assert.equal(kernelKind(fakeElf(64, (v) => putMultibootHeader(v, 0x60, 0))), 'multiboot');
});

test('other files are refused with what they are', () => {
  assert.throws(() => kernelKind(new Uint8Array(), 'x'), { code: 'KERNEL_FORMAT', message: /'x'.*is empty/ });
  assert.throws(() => kernelKind(fakeElf(32)), { code: 'KERNEL_FORMAT', message: /ELF image without a multiboot/ });
  assert.throws(() => kernelKind(new Uint8Array([0x23, 0x21, 0x2f, 0x62, 0x69, 0x6e])), {
    code: 'KERNEL_FORMAT',
    message: /starts with 23 21 2f 62/,
  });
});
