// Messages between the threads of one machine: nothing is lost, INIT comes before what was sent behind it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeliveryMode, MSG_ASSERT, MSG_LEVEL } from '../../devices/index.js';
import { ProcessorStatus, SharedBoard } from './shared-board.js';

const taken = (board: SharedBoard, cpu: number): number[] => {
  const messages: number[] = [];
  board.take(cpu, (m) => messages.push(m));
  return messages;
};
const INIT = (DeliveryMode.INIT << 8) | MSG_ASSERT;
const SIPI = (DeliveryMode.STARTUP << 8) | 8;

test('fixed interrupts of one vector are one, level and edge keep their kind', () => {
  const board = SharedBoard.create(2);
  for (const m of [0x40, 0x40, 0xff, 0x31 | MSG_LEVEL]) board.post(1, m);
  assert.equal(board.attention(0), false);
  assert.equal(board.attention(1), true);
  assert.deepEqual(taken(board, 1), [0x31 | MSG_LEVEL, 0x40, 0xff]);
  assert.equal(board.attention(1), false);
  assert.deepEqual(taken(board, 1), []);
});

test('a start-up IPI sent right behind INIT is taken after it', () => {
  const board = SharedBoard.create(2);
  board.post(1, INIT);
  board.post(1, SIPI);
  assert.deepEqual(taken(board, 1), [INIT]);
  assert.equal(board.attention(1), true);
  assert.deepEqual(taken(board, 1), [SIPI]);
});

test('INIT takes back a start-up IPI sent before it; its de-assertion is nothing', () => {
  const board = SharedBoard.create(1);
  board.post(0, SIPI);
  board.post(0, INIT);
  board.post(0, (DeliveryMode.INIT << 8) | MSG_LEVEL);
  assert.deepEqual(taken(board, 0), [INIT]);
  assert.equal(board.attention(0), false);
});

test('who takes a message is busy', () => {
  const board = SharedBoard.create(1);
  board.setStatus(0, ProcessorStatus.DEAF);
  board.post(0, DeliveryMode.NMI << 8);
  assert.equal(board.status(0), ProcessorStatus.DEAF);
  assert.deepEqual(taken(board, 0), [DeliveryMode.NMI << 8]);
  assert.equal(board.status(0), ProcessorStatus.BUSY);
});

test('end-of-interrupt messages reach the home part once each', () => {
  const board = SharedBoard.create(1);
  board.postEoi(0x30);
  board.postEoi(0xff);
  const vectors: number[] = [];
  assert.ok(board.takeNews());
  board.takeEois((v) => vectors.push(v));
  board.takeEois((v) => vectors.push(v));
  assert.deepEqual(vectors, [0x30, 0xff]);
});
