// What this room gives to tests: a clock that stands still until told, recorders, and the contract every device keeps.

import { BugError, SnapshotError } from '../base/index.js';
import type { Clock } from '../host/index.js';
import type { AccessSize, Device, DeviceHome, LineSink } from './device.js';
import { DeviceInstance } from './device.js';

/** A clock that a test moves. */
export class FakeClock implements Clock {
  constructor(public now = 0) {}
  nowNs(): number {
    return this.now;
  }
  /** Moves on by `ns`. */
  advance(ns: number): void {
    this.now += ns;
  }
}

/** Gathers what it is called with. */
export type Recorder<T> = ((value: T) => void) & { readonly seen: T[] };
export function recorder<T>(): Recorder<T> {
  const seen: T[] = [];
  return Object.assign((value: T) => void seen.push(value), { seen });
}

/** A line's receiver that remembers every level and counts rising edges. */
export function lineRecorder(): LineSink & { readonly seen: boolean[]; edges(): number } {
  const seen: boolean[] = [];
  return Object.assign((level: boolean) => void seen.push(level), {
    seen,
    edges: () => seen.filter((l) => l).length,
  });
}

/** A device on its own, outside any board. */
export interface Bench<S extends object, P extends object, I extends object, Q extends object> {
  readonly clock: FakeClock;
  readonly device: DeviceInstance<S, P, I, Q>;
  readonly log: string[];
  read(region: string, offset: number, size?: AccessSize): number;
  write(region: string, offset: number, value: number, size?: AccessSize): void;
  /** Moves the clock on to `ns` from now, running every deadline at its time. */
  run(ns: number): void;
}

export function bench<S extends object, P extends object, I extends object, Q extends object>(
  spec: Device<S, P, I, Q>,
  ports: NoInfer<P>,
  clock = new FakeClock(),
): Bench<S, P, I, Q> {
  const log: string[] = [];
  const home: DeviceHome = { clock, log: (text) => void log.push(text), deadlineChanged: () => {} };
  const device = new DeviceInstance<S, P, I, Q>(spec, spec.name, ports, home);
  const region = (name: string) => {
    const r = device.regions[name];
    if (r === undefined) throw new BugError('TEST_REGION', `${spec.name} has no region ${name}`);
    return r;
  };
  return {
    clock,
    device,
    log,
    read: (name, offset, size = 1) => region(name).read(offset, size),
    write: (name, offset, value, size = 1) => region(name).write(offset, size, value),
    run(ns) {
      const end = clock.now + ns;
      while (device.deadlineNs <= end) {
        clock.now = Math.max(clock.now, device.deadlineNs);
        device.runUntil(clock.now);
      }
      clock.now = end;
    },
  };
}

/** One rule of the contract; a test file hands it to its test runner. */
export interface ContractCase {
  readonly name: string;
  run(): void;
}

/** Fails the running test. */
function demand(ok: boolean, text: string): asserts ok {
  if (!ok) throw new BugError('DEVICE_CONTRACT', text);
}

/** Equality of plain data, where undefined and NaN equal nothing that JSON could carry. */
function same(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null) return a === b;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const x = a as Record<string, unknown>;
  const y = b as Record<string, unknown>;
  const keys = Object.keys(x);
  return keys.length === Object.keys(y).length && keys.every((k) => k in y && same(x[k], y[k]));
}

function refuses(what: string, load: () => void): void {
  let thrown: unknown = null;
  try {
    load();
  } catch (e) {
    thrown = e;
  }
  demand(thrown instanceof SnapshotError, `${what} is refused with a SnapshotError, got ${String(thrown)}`);
}

/** The rules every device keeps. `mutate` must bring the device into a state that differs from reset. */
export function deviceContract<S extends object, P extends object, I extends object, Q extends object>(
  spec: Device<S, P, I, Q>,
  ports: () => NoInfer<P>,
  mutate: (b: Bench<S, P, I, Q>) => void,
): readonly ContractCase[] {
  const fresh = (now = 0): Bench<S, P, I, Q> => bench(spec, ports(), new FakeClock(now));
  const mutated = (): Bench<S, P, I, Q> => {
    const b = fresh();
    mutate(b);
    return b;
  };
  const copyOf = (b: Bench<S, P, I, Q>): Bench<S, P, I, Q> => {
    const other = fresh(b.clock.now);
    other.device.load(JSON.parse(JSON.stringify(b.device.save())));
    return other;
  };
  const rules: Readonly<Record<string, () => void>> = {
    'mutate changes the state': () => {
      demand(!same(mutated().device.save(), fresh().device.save()), 'mutate leaves the reset state unchanged');
    },
    'reset is idempotent': () => {
      const b = mutated();
      b.device.reset();
      const once = b.device.save();
      b.device.reset();
      demand(same(b.device.save(), once), 'a second reset changes the state');
    },
    'save, load, save is equal and survives JSON': () => {
      const b = mutated();
      demand(same(copyOf(b).device.save(), b.device.save()), 'the loaded state differs from the saved one');
      demand(same(b.device.state, b.device.save().state), 'the live state holds something that JSON loses');
    },
    'load restores lines and deadline': () => {
      const b = mutated();
      const other = copyOf(b);
      for (const line of Object.keys(spec.lines ?? {})) {
        demand(other.device.line(line) === b.device.line(line), `line ${line} differs after load`);
      }
      demand(other.device.deadlineNs === b.device.deadlineNs, 'the deadline differs after load');
    },
    'a saved state is a copy': () => {
      const b = mutated();
      const before = JSON.stringify(b.device.save());
      const other = fresh(b.clock.now);
      other.device.load(b.device.save());
      mutate(other);
      demand(JSON.stringify(b.device.save()) === before, 'two instances share state');
    },
    'a wrong version, device or shape is refused': () => {
      const saved = mutated().device.save();
      const d = fresh().device;
      refuses('an unknown version', () => d.load({ ...saved, version: spec.version + 1 }));
      refuses('another device', () => d.load({ ...saved, device: 'other' }));
      refuses('a surplus field', () => d.load({ ...saved, state: { ...(saved.state as object), surplus: 1 } }));
      refuses('an empty state', () => d.load({ ...saved, state: {} }));
    },
    'every offset and width survives reads and writes': () => {
      const b = mutated();
      const check = (key: string, offset: number, size: AccessSize): void => {
        const v = b.read(key, offset, size);
        demand(Number.isInteger(v) && v >= 0 && v < 2 ** (8 * size), `${key}+${offset}, ${size} bytes, reads ${v}`);
      };
      for (const [key, region] of Object.entries(spec.regions)) {
        for (const size of [1, 2, 4] as const) {
          for (let offset = 0; offset + size <= Math.min(region.sizeBytes, 0x400); offset++) {
            check(key, offset, size);
            for (const value of [0, 0xffffffff, 0xa5a5a5a5]) b.write(key, offset, value % 2 ** (8 * size), size);
            b.clock.advance(1_000_003);
            check(key, offset, size);
          }
        }
      }
      copyOf(b);
    },
  };
  return Object.entries(rules).map(([rule, run]) => ({ name: `${spec.name} contract: ${rule}`, run }));
}
