// A console over a WebSocket. The guest never waits for a viewer: one that does not read is closed and told so.

import type { WebSocket } from 'ws';
import { VmError } from '../../base/index.js';
import type { FleetDomain } from './fleet.js';
import { CloseCode, type ConsoleMessage } from './messages.js';

/** What may wait for a client. */
const MAX_BACKLOG = 8 << 20;

/** Serves one client of a console; first comes what the guest has sent before. */
export function serveConsole(socket: WebSocket, d: FleetDomain): void {
  const tell = (message: ConsoleMessage): void => {
    if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(message));
  };
  const put = (bytes: Uint8Array): void => {
    if (socket.readyState !== socket.OPEN) return;
    if (socket.bufferedAmount > MAX_BACKLOG) {
      socket.close(CloseCode.TOO_SLOW, 'does not read');
      // The close frame would wait behind what is not read.
      setTimeout(() => socket.terminate(), 1000).unref();
    } else socket.send(bytes, { binary: true });
  };
  tell({ type: 'state', domain: d.view() });
  const before = d.history.bytes();
  if (before.length > 0) put(before);
  const offOutput = d.onOutput(put);
  const offChange = d.onChange(() => {
    if (d.removed) socket.close(CloseCode.GONE, 'the domain has been removed');
    else tell({ type: 'state', domain: d.view() });
  });
  socket.on('message', (data, isBinary) => {
    if (!isBinary) {
      socket.close(CloseCode.BAD_MESSAGE, 'text, expected bytes for the console');
      return;
    }
    try {
      d.type(bytesOf(data));
    } catch (error) {
      const code = error instanceof VmError ? error.code : 'INTERNAL';
      tell({ type: 'error', code, message: error instanceof Error ? error.message : String(error) });
    }
  });
  socket.on('close', () => {
    offOutput();
    offChange();
  });
}

/** What ws gives, as bytes. */
export function bytesOf(data: Buffer | ArrayBuffer | Buffer[]): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}
