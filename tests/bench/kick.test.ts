// The kick benchmark measures: every kick of another thread ends an entry of running translated code.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildKernels } from '../../bench/kernels.js';
import { kickLatencies } from '../../bench/kick.js';

const reason = buildKernels();
for (const time of ['virtual', 'real'] as const) {
  test(`kicks stop the kernels in ${time} time`, { skip: reason ?? false }, async () => {
    const latencies = await kickLatencies(time, 5);
    assert.equal(latencies.length, 5);
    // an entry's budget is 5 s: one that ran to its end would be no kick
    for (const us of latencies) assert.ok(us > 0 && us < 4_000_000, `${us} us`);
  });
}
