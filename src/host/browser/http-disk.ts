// A disk image behind a URL, read piece by piece as the guest asks for it; what the guest writes stays in memory.
// Sources: RFC 9110 "Range Requests"; WHATWG XMLHttpRequest (synchronous requests, allowed in workers).

import { HostError } from '../../base/index.js';
import { type ClosableStore, checkRange, memoryBlockStore, SECTOR_BYTES, sectorsOf } from './block-store.js';

/** Bytes `start` to `end` (exclusive) of a resource, and how long all of it is. */
export type HttpRange = (
  url: string,
  start: number,
  end: number,
) => { readonly bytes: Uint8Array; readonly totalBytes: number };

/** What is fetched and kept at once. */
const PIECE_SECTORS = 128;
const PIECE_BYTES = PIECE_SECTORS * SECTOR_BYTES;
/** Pieces kept that the guest has not written to: 16 MiB. */
const MAX_CLEAN_PIECES = 256;
const PARTIAL_CONTENT = 206;
const OK = 200;

/** Fetches a range while the thread waits; for Web Workers. A server without ranges gives the whole resource. */
export const synchronousRange: HttpRange = (url, start, end) => {
  const request = new XMLHttpRequest();
  request.open('GET', url, false);
  request.responseType = 'arraybuffer';
  request.setRequestHeader('Range', `bytes=${start}-${end - 1}`);
  try {
    request.send();
  } catch (cause) {
    throw new HostError('HOST_FETCH', `cannot fetch disk image '${url}': no answer`, { url }, { cause });
  }
  const bytes = new Uint8Array((request.response as ArrayBuffer | null) ?? new ArrayBuffer(0));
  if (request.status === OK) return { bytes, totalBytes: bytes.length };
  const total = /\/(\d+)$/.exec(request.getResponseHeader('Content-Range') ?? '')?.[1];
  if (request.status !== PARTIAL_CONTENT || total === undefined) {
    const message = `cannot fetch disk image '${url}': status ${request.status}, expected 200, or 206 with a length`;
    throw new HostError('HOST_FETCH', message, { url, status: request.status });
  }
  return { bytes, totalBytes: Number(total) };
};

/** Opens the image at `url`. Writes are kept in memory until `close` and never leave the page. */
export function httpBlockStore(url: string, readOnly = false, range: HttpRange = synchronousRange): ClosableStore {
  const first = range(url, 0, PIECE_BYTES);
  const sectors = sectorsOf(url, first.totalBytes);
  if (first.bytes.length === first.totalBytes) return memoryBlockStore(url, first.bytes, readOnly);
  const clean = new Map<number, Uint8Array>([[0, first.bytes]]);
  const written = new Map<number, Uint8Array>();
  const piece = (n: number): Uint8Array => {
    const present = written.get(n) ?? clean.get(n);
    if (present !== undefined) return present;
    const start = n * PIECE_BYTES;
    const end = Math.min(start + PIECE_BYTES, first.totalBytes);
    const { bytes } = range(url, start, end);
    if (bytes.length !== end - start) {
      const message = `disk image '${url}' gave ${bytes.length} bytes at ${start}, expected ${end - start}`;
      throw new HostError('HOST_FETCH', message, { url });
    }
    if (clean.size >= MAX_CLEAN_PIECES) clean.delete(clean.keys().next().value as number);
    clean.set(n, bytes);
    return bytes;
  };
  /** Walks the pieces that a transfer touches. */
  const each = (sector: number, length: number, move: (n: number, at: number, done: number, count: number) => void) => {
    for (let done = 0; done < length; ) {
      const from = sector * SECTOR_BYTES + done;
      const at = from % PIECE_BYTES;
      const count = Math.min(length - done, PIECE_BYTES - at);
      move((from - at) / PIECE_BYTES, at, done, count);
      done += count;
    }
  };
  return {
    sectorBytes: SECTOR_BYTES,
    sectors,
    readOnly,
    read(sector, into) {
      checkRange(sector, into, sectors);
      each(sector, into.length, (n, at, done, count) => into.set(piece(n).subarray(at, at + count), done));
    },
    write(sector, from) {
      checkRange(sector, from, sectors);
      if (readOnly) throw new HostError('HOST_READ_ONLY', `'${url}' was opened read-only`);
      each(sector, from.length, (n, at, done, count) => {
        const bytes = piece(n);
        clean.delete(n);
        written.set(n, bytes);
        bytes.set(from.subarray(done, done + count), at);
      });
    },
    flush: () => undefined,
    close: () => {
      clean.clear();
      written.clear();
    },
  };
}
