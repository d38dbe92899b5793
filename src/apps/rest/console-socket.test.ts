// A console's viewer that does not read: it is closed, the guest and the other viewers are not held up.

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import type { WebSocket } from 'ws';
import type { Domain } from '../../domains/index.js';
import { parseDomainEntry } from '../cli/domain-file.js';
import { serveConsole } from './console-socket.js';
import { FleetDomain, HISTORY_BYTES } from './fleet.js';

/** A WebSocket that takes what is sent, or keeps it. */
class Viewer extends EventEmitter {
  readonly OPEN = 1;
  readyState = 1;
  bufferedAmount = 0;
  received = 0;
  closeCode = 0;
  constructor(readonly reads: boolean) {
    super();
  }
  send(data: string | Uint8Array): void {
    if (typeof data === 'string') return;
    if (this.reads) this.received += data.length;
    else this.bufferedAmount += data.length;
  }
  close(code: number): void {
    this.closeCode = code;
    this.readyState = 2;
    this.emit('close');
  }
  terminate(): void {}
}

test('a viewer that does not read is closed; others get everything; the guest is not held', () => {
  let put: (bytes: Uint8Array) => void = () => {};
  const nothing = (): (() => void) => () => {};
  const typed: number[] = [];
  const domain = {
    ...{ state: 'running', outcome: null, engine: 'software', onState: nothing, onLog: nothing, onDebug: nothing },
    onOutput: (listener: typeof put) => {
      put = listener;
      return () => {};
    },
    write: (bytes: Uint8Array) => typed.push(...bytes) > 0,
  } as unknown as Domain;
  const d = new FleetDomain(parseDomainEntry({ name: 'x', kernel: 'k' }, 'x'), false, false, () => {});
  d.attach(domain);
  put(new Uint8Array(100_000).fill(1));
  const [good, bad] = [new Viewer(true), new Viewer(false)];
  serveConsole(good as unknown as WebSocket, d);
  serveConsole(bad as unknown as WebSocket, d);
  assert.equal(good.received, HISTORY_BYTES); // the past
  const piece = new Uint8Array(1 << 20);
  for (let i = 0; i < 20; i++) put(piece);
  assert.equal(bad.closeCode, 4008);
  assert.ok(bad.bufferedAmount < 10 << 20);
  assert.equal(good.received, HISTORY_BYTES + 20 * piece.length);
  good.emit('message', Buffer.from('hi'), true);
  assert.deepEqual(typed, [0x68, 0x69]);
});
