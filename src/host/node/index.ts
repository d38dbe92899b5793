// What Node.js gives: clocks, the terminal as a byte stream, a file as a block store. Source: Node.js documentation,
// "Process", "File system", "TTY".

import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { ConfigError, HostError } from '../../base/index.js';
import type { BlockStore, ByteSink, ByteStream, Clock, WallClock } from '../index.js';

/** The process's monotonic clock; zero is the moment of the call. */
export function monotonicClock(): Clock {
  const start = process.hrtime.bigint();
  return { nowNs: () => Number(process.hrtime.bigint() - start) };
}

export const wallClock: WallClock = { nowMs: () => Date.now() };

/** Gathers bytes and hands them to `write` in pieces, at the end of the present turn or when `limit` are there. */
export function bufferedSink(write: (bytes: Uint8Array) => void, limit = 4096): ByteSink & { flush(): void } {
  let bytes = new Uint8Array(limit);
  let used = 0;
  let scheduled = false;
  const flush = (): void => {
    scheduled = false;
    if (used === 0) return;
    const out = bytes.subarray(0, used);
    bytes = new Uint8Array(limit);
    used = 0;
    write(out);
  };
  return {
    flush,
    write(byte) {
      bytes[used++] = byte;
      if (used === limit) flush();
      else if (!scheduled) {
        scheduled = true;
        setImmediate(flush);
      }
    },
  };
}

/** Standard input and output of the process, raw when they are a terminal. `close` gives the terminal back. */
export function standardStream(): ByteStream & { readonly isTerminal: boolean; flush(): void; close(): void } {
  const { stdin, stdout } = process;
  const isTerminal = stdin.isTTY === true;
  if (isTerminal) stdin.setRawMode(true);
  const sink = bufferedSink((bytes) => void stdout.write(bytes));
  return {
    isTerminal,
    write: (byte) => sink.write(byte),
    flush: () => sink.flush(),
    onBytes(listener) {
      const onData = (data: Buffer): void => listener(data);
      stdin.on('data', onData);
      stdin.resume();
      return () => void stdin.off('data', onData);
    },
    pause: () => void stdin.pause(),
    resume: () => void stdin.resume(),
    close() {
      sink.flush();
      if (isTerminal) stdin.setRawMode(false);
      stdin.pause();
    },
  };
}

const SECTOR_BYTES = 512;

function hostError(what: string, path: string, cause: unknown): HostError {
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown';
  return new HostError('HOST_FILE', `cannot ${what} '${path}': ${code}`, { path, errno: code }, { cause });
}

/** A file of whole sectors as a disk. */
export function fileBlockStore(path: string, readOnly = false): BlockStore & { close(): void } {
  let fd: number;
  try {
    fd = openSync(path, readOnly ? 'r' : 'r+');
  } catch (cause) {
    throw hostError('open', path, cause);
  }
  const sizeBytes = fstatSync(fd).size;
  if (sizeBytes === 0 || sizeBytes % SECTOR_BYTES !== 0) {
    closeSync(fd);
    throw new ConfigError(
      'HOST_DISK_SIZE',
      `disk image '${path}' has ${sizeBytes} bytes, expected a positive multiple of ${SECTOR_BYTES}`,
    );
  }
  const sectors = sizeBytes / SECTOR_BYTES;
  const check = (sector: number, bytes: Uint8Array): void => {
    if (bytes.length % SECTOR_BYTES !== 0 || sector < 0 || sector + bytes.length / SECTOR_BYTES > sectors) {
      throw new HostError(
        'HOST_DISK_RANGE',
        `${bytes.length} bytes at sector ${sector}, expected a range inside ${sectors}`,
      );
    }
  };
  const each = (what: string, sector: number, total: number, move: (done: number, at: number) => number): void => {
    try {
      for (let done = 0; done < total; ) {
        const n = move(done, sector * SECTOR_BYTES + done);
        if (n === 0) throw new HostError('HOST_FILE', `'${path}' ended early at byte ${sector * SECTOR_BYTES + done}`);
        done += n;
      }
    } catch (cause) {
      throw cause instanceof HostError ? cause : hostError(what, path, cause);
    }
  };
  return {
    sectorBytes: SECTOR_BYTES,
    sectors,
    readOnly,
    read(sector, into) {
      check(sector, into);
      each('read', sector, into.length, (done, at) => readSync(fd, into, done, into.length - done, at));
    },
    write(sector, from) {
      check(sector, from);
      if (readOnly) throw new HostError('HOST_READ_ONLY', `'${path}' was opened read-only`);
      each('write', sector, from.length, (done, at) => writeSync(fd, from, done, from.length - done, at));
    },
    flush: () => fsyncSync(fd),
    close: () => closeSync(fd),
  };
}
