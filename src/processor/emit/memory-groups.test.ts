// Which accesses may use a range that was checked before them.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Group, MemoryGroups, SPAN } from './memory-groups.js';

const ORIGIN = 7;
const MAPPING = 3;
const range = (isWrite: boolean): Group => ({
  local: 1,
  origin: ORIGIN,
  mapping: MAPPING,
  isWrite,
  block: 1,
  first: 0,
  min: 0,
  max: 8,
  minAt: 0,
  lengthAt: [],
});
function found(
  lasting: boolean,
  group: Group,
  delta: number,
  isWrite: boolean,
  block: number,
  mapping = MAPPING,
): boolean {
  const groups = new MemoryGroups(lasting);
  groups.add(group);
  return groups.find({ origin: ORIGIN, delta }, mapping, block, 8, isWrite) !== null;
}

describe('ranges that share a check', () => {
  it('grow up to their span, in either direction', () => {
    const group = range(false);
    assert.ok(found(true, group, 40, false, 1));
    assert.ok(found(true, group, -16, false, 1));
    assert.deepEqual([group.min, group.max], [-16, 48]);
    assert.ok(!found(true, group, SPAN - 16, false, 1));
  });
  it('serve reads by what can be written, not writes by what can be read', () => {
    assert.ok(found(true, range(true), 0, false, 1));
    assert.ok(!found(true, range(false), 0, true, 1));
  });
  it('are forgotten where addresses mean something else', () => {
    assert.ok(!found(true, range(true), 0, false, 1, MAPPING + 1));
  });
  it('are written in later blocks only where no other thread translates code', () => {
    assert.ok(found(true, range(true), 0, true, 2));
    assert.ok(!found(false, range(true), 0, true, 2));
    assert.ok(found(false, range(true), 0, true, 1));
    assert.ok(found(false, range(true), 0, false, 2));
  });
});
