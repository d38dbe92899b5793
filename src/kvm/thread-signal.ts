// How a thread that sits in KVM_RUN is brought back: one signal, blocked on the thread and let in by KVM_RUN alone, so that
// none is lost. Linux api.rst, "KVM_SET_SIGNAL_MASK"; timer_create(2) with SIGEV_THREAD_ID.
import type { Libc } from './libc.js';

/** A real-time signal that neither Node nor the C library uses. */
export const KICK_SIGNAL = 62;
const CLOCK_MONOTONIC = 1;
const SIGEV_THREAD_ID = 4;
const NS = 1_000_000_000n;

/** What another thread needs to kick: plain data that crosses threads. */
export interface KickTarget {
  readonly pid: number;
  readonly tid: number;
  /** Non-zero: the next `enter` returns `kick`. */
  readonly word: Int32Array;
}

/** Makes a thread's `enter` return soon with exit `kick`; callable from any thread of the process. */
export function kickThread(libc: Libc, target: KickTarget): void {
  Atomics.store(target.word, 0, 1);
  libc.tgkill(target.pid, target.tid, KICK_SIGNAL);
}

/** The kick signal and the entry timer of the calling thread. */
export class ThreadSignal {
  readonly tid: number;
  readonly #libc: Libc;
  readonly #set = new BigUint64Array([1n << BigInt(KICK_SIGNAL - 1)]);
  readonly #zero = new BigInt64Array(2);
  /** itimerspec: interval, value; seconds and nanoseconds each. */
  readonly #spec = new BigInt64Array(4);
  readonly #timer: number;
  /** When the timer goes off, on performance.now()'s clock in nanoseconds; infinity: not armed. */
  #dueNs = Number.POSITIVE_INFINITY;

  constructor(libc: Libc) {
    this.#libc = libc;
    this.tid = libc.gettid();
    libc.sigprocmask(0, this.#set);
    const sigevent = new Uint8Array(64);
    const view = new DataView(sigevent.buffer);
    view.setInt32(8, KICK_SIGNAL, true);
    view.setInt32(12, SIGEV_THREAD_ID, true);
    view.setInt32(16, this.tid, true);
    const id = new Int32Array(1);
    libc.timerCreate(CLOCK_MONOTONIC, sigevent, id);
    this.#timer = id[0] as number;
  }

  /** KVM's form of the mask that holds during KVM_RUN: nothing blocked. */
  static readonly runMask = Uint8Array.from([8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

  /** The signal comes at `dueNs` at the latest (now: `nowNs`, same clock). An earlier one that is set already may stay. */
  arm(dueNs: number, nowNs: number): void {
    if (this.#dueNs <= dueNs && this.#dueNs > nowNs) return;
    this.#dueNs = dueNs;
    const ns = BigInt(Math.max(1, Math.round(dueNs - nowNs)));
    this.#spec[2] = ns / NS;
    this.#spec[3] = ns % NS;
    this.#libc.timerSettime(this.#timer, 0, this.#spec);
  }
  /** Takes what has come. */
  drain(): void {
    this.#dueNs = Number.POSITIVE_INFINITY;
    while (this.#libc.takeSignal(this.#set, this.#zero)) {
      // several may have queued
    }
  }
}

let ofThisThread: ThreadSignal | null = null;
/** The one of the calling thread: every thread has its own instance of this module. */
export function threadSignal(libc: Libc): ThreadSignal {
  ofThisThread ??= new ThreadSignal(libc);
  return ofThisThread;
}
