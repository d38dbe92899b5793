// Places of regions: what happens when there are no more.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Interpreter, Procedures } from '../modules.js';
import { RECORD, REGION } from '../state-layout.js';
import { StateView } from '../state-view.js';
import { MAX_REGIONS, REGION_TABLE_BYTES, RegionTable } from './region-table.js';

const AREA = 0;
const TABLE = 1 << 20;
const RECORDS = TABLE + REGION_TABLE_BYTES;

/** A table whose regions are known by number, as those that were dropped. */
function makeTable() {
  const buffer = new ArrayBuffer(RECORDS + (MAX_REGIONS + 2) * RECORD.sizeBytes);
  const memory = new StateView(buffer, 0);
  const functions: unknown[] = [];
  const dropped: number[] = [];
  const procedures = {
    region_mark: () => {},
    region_link: () => {},
    region_unlink: () => {},
    region_drop: (place: number) => {
      memory.setU32(place + REGION.valid, 0);
      dropped.push(memory.u32(place + REGION.record));
    },
  };
  const table = {
    get length() {
      return functions.length;
    },
    grow: (count: number) => (functions.length += count),
    set: (slot: number, run: unknown) => {
      functions[slot] = run;
    },
  };
  const regions = new RegionTable(
    buffer,
    new StateView(buffer, AREA),
    TABLE,
    procedures as unknown as Procedures,
    { table } as unknown as Interpreter,
  );
  const recordOf = (n: number): number => RECORDS + n * RECORD.sizeBytes;
  const install = (n: number): number => regions.install(recordOf(n), () => 0, 1, []);
  return { regions, install, recordOf, dropped, memory };
}

test('when all places are taken the half that was installed first makes room', () => {
  const { regions, install, recordOf, dropped } = makeTable();
  const places = Array.from({ length: MAX_REGIONS }, (_, n) => install(n));
  assert.equal(regions.count, MAX_REGIONS);
  assert.deepEqual(dropped, []);
  const last = install(MAX_REGIONS);
  assert.equal(regions.count, MAX_REGIONS / 2 + 1);
  assert.deepEqual(
    dropped,
    Array.from({ length: MAX_REGIONS / 2 }, (_, n) => recordOf(n)),
  );
  assert.ok(regions.isValid(last));
  assert.ok(regions.isValid(places[MAX_REGIONS - 1] as number));
});

test('places of regions whose code was overwritten are taken before that', () => {
  const { regions, install, dropped, memory } = makeTable();
  const places = Array.from({ length: MAX_REGIONS }, (_, n) => install(n));
  const gone = places.filter((_, n) => n % 8 === 0);
  for (const place of gone) memory.setU32(place + REGION.valid, 0);
  install(MAX_REGIONS);
  assert.equal(regions.count, MAX_REGIONS - gone.length + 1);
  assert.equal(dropped.length, gone.length);
});

test('a region in the place of another one has looked at none of its pages', () => {
  const { regions, install, memory } = makeTable();
  const place = install(0);
  memory.setU32(place + REGION.checked, 2);
  regions.remove(place);
  assert.equal(install(1), place);
  assert.equal(memory.u32(place + REGION.checked), 0);
});
