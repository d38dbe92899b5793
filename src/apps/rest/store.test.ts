// Definitions outlive the process that made them, whatever ended it.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseDomainEntry } from '../cli/domain-file.js';
import { openStore } from './store.js';

const scratch = (t: TestContext): string => {
  const folder = mkdtempSync(join(tmpdir(), 'pcanel-store-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};
const entry = (name: string, more: object = {}) => parseDomainEntry({ name, kernel: 'k', ...more }, name);

test('what was saved is loaded again, in order; what was removed is not', (t) => {
  const folder = scratch(t);
  const first = openStore(folder);
  const rich = entry('b', {
    realtime: { priority: 5, periodUs: 1000 },
    policy: [{ kind: 'port', from: '0x60', do: 'deny' }],
  });
  first.save({ entry: rich, autostart: true });
  first.save({ entry: entry('a'), autostart: false });
  first.save({ entry: entry('c'), autostart: false });
  first.remove('c');
  first.close();
  const second = openStore(folder);
  t.after(() => second.close());
  assert.deepEqual(
    second.load().map((d) => [d.entry.name, d.autostart]),
    [
      ['b', true],
      ['a', false],
    ],
  );
  assert.deepEqual(second.load()[0]?.entry, rich);
});

test('locks that a killed process left are taken over, those of a live one are not', (t) => {
  const folder = scratch(t);
  openStore(folder).close();
  writeFileSync(join(folder, 'server.pid'), '999999999'); // beyond the largest process number
  mkdirSync(join(folder, 'domains.db.lock'));
  openStore(folder).close();
  writeFileSync(join(folder, 'server.pid'), '1');
  assert.throws(() => openStore(folder), { code: 'STORE_LOCKED' });
});

test('a store of a newer version, or no store at all, is refused', (t) => {
  const folder = scratch(t);
  writeFileSync(join(folder, 'domains.db'), 'this is not a database, however long it may be'.repeat(100));
  assert.throws(() => openStore(folder), { code: 'STORE_OPEN' });
  assert.throws(() => openStore('/dev/null/folder'), { code: 'STORE_OPEN' });
});
