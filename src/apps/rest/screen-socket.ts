// A screen over a WebSocket: a picture whenever it has changed and the client has taken the one before; keys and mouse back.

import { deflate } from 'node:zlib';
import type { WebSocket } from 'ws';
import type { Frame } from '../../domains/index.js';
import { keyCodes } from './app.js';
import type { FleetDomain } from './fleet.js';
import { parseMessage } from './live.js';
import {
  CloseCode,
  SCREEN_FORMAT_ZLIB_RGBA,
  SCREEN_HEADER_BYTES,
  SCREEN_MAGIC,
  screenRequestSchema,
} from './messages.js';

/** Between two looks at the screen. */
const FRAME_MS = 100;

const compress = (data: Uint8Array): Promise<Uint8Array> =>
  new Promise((resolve, reject) => {
    deflate(data, { level: 1 }, (error, out) => (error ? reject(error) : resolve(out)));
  });

/** Header and dots of a picture. */
export async function encodeFrame(frame: Frame & { readonly rgba: Uint8Array }): Promise<Uint8Array> {
  const dots = await compress(frame.rgba);
  const out = new Uint8Array(SCREEN_HEADER_BYTES + dots.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, SCREEN_MAGIC, true);
  view.setUint16(4, frame.width, true);
  view.setUint16(6, frame.height, true);
  view.setUint32(8, SCREEN_FORMAT_ZLIB_RGBA, true);
  view.setUint32(12, frame.version, true);
  out.set(dots, SCREEN_HEADER_BYTES);
  return out;
}

/** Serves one client of a screen. */
export function serveScreen(socket: WebSocket, d: FleetDomain): void {
  let known = 0;
  let looking = false;
  const look = async (): Promise<void> => {
    if (looking || socket.bufferedAmount > 0 || d.domain === null) return;
    looking = true;
    try {
      const frame = await d.domain.frame(known);
      const { rgba } = frame;
      if (rgba === null) return;
      const bytes = await encodeFrame({ ...frame, rgba });
      known = frame.version;
      if (socket.readyState === socket.OPEN) socket.send(bytes, { binary: true });
    } finally {
      looking = false;
    }
  };
  const timer = setInterval(() => void look().catch(() => {}), FRAME_MS); // a domain that has just gone; see onChange
  const offChange = d.onChange(() => {
    if (d.removed) socket.close(CloseCode.GONE, 'the domain has been removed');
  });
  socket.on('message', (data, isBinary) => {
    const r = isBinary ? null : parseMessage(screenRequestSchema, String(data));
    if (r === null) {
      socket.close(CloseCode.BAD_MESSAGE, 'a message that is not as declared');
      return;
    }
    const input =
      r.type === 'mouse'
        ? ({ kind: 'mouse', ...r.input } as const)
        : ({ kind: 'keys', codes: keyCodes(r.input) } as const);
    void d.domain?.use(input).catch(() => {}); // a keyboard that nobody reads: the keys are lost, as on any PC
  });
  socket.on('close', () => {
    clearInterval(timer);
    offChange();
  });
}
