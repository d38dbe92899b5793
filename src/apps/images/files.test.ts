// Tests of reading guest files by path.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readGuestFile, readGuestFileOrImage } from './index.js';

test('a file is read', async () => {
  const path = fileURLToPath(import.meta.url);
  assert.ok((await readGuestFileOrImage(path, 'kernel')).data.length > 0);
});

test('a missing file is a ConfigError that names it and the images', async () => {
  await assert.rejects(readGuestFile('/no/such/kernel', 'kernel'), {
    name: 'ConfigError',
    code: 'KERNEL_NOT_FOUND',
    message: /'\/no\/such\/kernel' does not exist.*linux-cloud-amd64/,
  });
  await assert.rejects(readGuestFile('/no/such/initrd', 'initrd'), { code: 'INITRD_NOT_FOUND' });
});

test('a folder is refused', async () => {
  await assert.rejects(readGuestFile('/', 'kernel'), { code: 'KERNEL_NOT_READABLE', message: /EISDIR/ });
});
