// The reader of the real-time kernel's latency table, fed in pieces of every size.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LatencyReader } from './latency.js';
import type { LatencyView } from './schemas.js';

const TABLE = `rtos> lat\r
tPeriodic: period 999.8 us, 1946 runs, missed ticks 97\r
clock: 2042 edges, 1956 interrupts, 95 lost, 9 late\r
timer to ISR:  min 0.0 avg 126.4 max 952.4 us\r
timer to task: min 28.9 avg 190.0 max 9297.1 us\r
percentiles: p50 123 p99 2560 p99.9 7680 us\r
      from us        to us        count  percent\r
           32           64         1020   52.415 ########################################\r
         8192        16384          926   47.585 #####################################\r
rtos> `;

test('the table is read, whatever the pieces are', () => {
  for (const size of [1, 7, 64, TABLE.length]) {
    const seen: LatencyView[] = [];
    const reader = new LatencyReader(
      (table) => seen.push(table),
      () => new Date(0),
    );
    for (let i = 0; i < TABLE.length; i += size) reader.feed(Buffer.from(TABLE.slice(i, i + size)));
    assert.equal(seen.length, 1, `pieces of ${size}`);
    assert.deepEqual(seen[0], {
      ...{ measuredAt: '1970-01-01T00:00:00.000Z', periodUs: 999.8, runs: 1946, missedTicks: 97 },
      toIsrUs: { min: 0, avg: 126.4, max: 952.4 },
      toTaskUs: { min: 28.9, avg: 190, max: 9297.1 },
      ...{ p50Us: 123, p99Us: 2560, p999Us: 7680 },
      buckets: [
        { fromUs: 32, toUs: 64, count: 1020 },
        { fromUs: 8192, toUs: 16384, count: 926 },
      ],
    });
  }
});

test('half a table, or none, is no table', () => {
  const reader = new LatencyReader(() => assert.fail('no table was complete'));
  reader.feed(Buffer.from('# cat /proc/cpuinfo\r\nmodel name: x\r\n'));
  reader.feed(Buffer.from(TABLE.slice(0, TABLE.indexOf('percentiles'))));
  reader.feed(Buffer.from('panic!\r\nrtos> '));
  assert.equal(reader.last, null);
});
