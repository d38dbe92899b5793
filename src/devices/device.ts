// The device framework: a device is a table of registers and a plain state; interrupt lines and deadlines are functions
// of that state. Source: docs of this room (README.md); no chip is described here.

import { BugError, ConfigError, hex, SnapshotError } from '../base/index.js';
import type { Clock } from '../host/index.js';

/** Widths of one access in bytes. Wider accesses are split by the caller. */
export type AccessSize = 1 | 2 | 4;
/** The two address spaces of a PC. */
export type Space = 'pio' | 'mmio';
/** Receives the level of a line whenever it changes. */
export type LineSink = (level: boolean) => void;

/** What a handler gets beside its state: the time of the access and the ports given at placement. */
export type Ctx<P> = P & {
  /** Nanoseconds of the domain's clock at this access or event, an integer. */
  readonly nowNs: number;
};

/** Reads and writes of one register. Rows are tried in order; the first whose `when` holds answers. */
export interface RegisterRow<S, P> {
  /** Offset in the region. */
  readonly at: number;
  /** The data sheet's name. */
  readonly name: string;
  /** Width in bytes; 1 unless given. */
  readonly size?: AccessSize;
  /** Selects a bank; absent means always. */
  readonly when?: (s: S) => boolean;
  readonly read?: (s: S, ctx: Ctx<P>) => number;
  readonly write?: (s: S, value: number, ctx: Ctx<P>) => void;
  /** Plain storage in this numeric field of the state; used where `read` or `write` is absent. */
  readonly field?: keyof S & string;
  /** What the other bytes of a narrower write are: the register's present ones, or zero (write-one-to-clear). */
  readonly partial?: 'merge' | 'zero';
}

/** Answers a whole region by offset, for devices whose registers are computed. `size` is 1, 2 or 4. */
export interface RegionHandlers<S, P> {
  read(s: S, offset: number, size: AccessSize, ctx: Ctx<P>): number;
  write(s: S, offset: number, size: AccessSize, value: number, ctx: Ctx<P>): void;
}

export interface RegionSpec {
  readonly space: Space;
  readonly sizeBytes: number;
}

type Fn = (...args: never[]) => unknown;
/** Methods seen from the device's side: state and context first. At most three arguments. */
export type Bound<S, P, I> = {
  readonly [K in keyof I]: I[K] extends (...args: infer A) => infer R ? (s: S, ctx: Ctx<P>, ...args: A) => R : never;
};
/** Makes `inputs` and `queries` required exactly where the device declares some. */
type IfAny<I, Field extends string, T> = keyof I extends never
  ? { readonly [K in Field]?: undefined }
  : { readonly [K in Field]: T };

/** Declaration of a device. `S` state, `P` ports, `I` inputs (change state), `Q` queries (do not). */
export type DeviceSpec<S extends object, P extends object, I extends object, Q extends object> = {
  readonly name: string;
  /** Version of the state's shape. */
  readonly version: number;
  /** The state after power-on: plain data that JSON carries unchanged. */
  readonly state: () => S;
  /** Copies what survives a reset (battery-backed storage) from the old state. */
  readonly retain?: (fresh: S, old: S) => void;
  readonly regions: Readonly<Record<string, RegionSpec>>;
  /** Lines by name, pure functions of state. */
  readonly lines?: Readonly<Record<string, (s: S) => boolean>>;
  /** When the device next acts by itself, in domain nanoseconds; a function of state. */
  readonly deadline?: (s: S) => number | null;
  /** Acts on a deadline that has passed; must move it. */
  readonly elapse?: (s: S, ctx: Ctx<P>) => void;
  /** True for devices that look at `nowNs` without having a deadline. */
  readonly timed?: boolean;
  readonly registers?: Readonly<Record<string, readonly RegisterRow<S, P>[]>>;
  readonly handlers?: Readonly<Record<string, RegionHandlers<S, P>>>;
  /** State of an older version to this one. */
  readonly migrate?: (old: unknown, version: number) => unknown;
} & IfAny<I, 'inputs', Bound<S, P, I>> &
  IfAny<Q, 'queries', Bound<S, P, Q>>;

export type Device<S extends object, P extends object, I extends object, Q extends object> = DeviceSpec<S, P, I, Q>;

// biome-ignore lint/complexity/noBannedTypes: "no ports" is exactly the empty object
type None = {};

/** Declares a device. */
export function device<S extends object, P extends object = None, I extends object = None, Q extends object = None>(
  spec: DeviceSpec<S, P, I, Q>,
): Device<S, P, I, Q> {
  for (const name of [...Object.keys(spec.registers ?? {}), ...Object.keys(spec.handlers ?? {})]) {
    if (!(name in spec.regions))
      throw new BugError('DEVICE_REGION', `${spec.name} has registers for no region ${name}`);
  }
  if ((spec.deadline === undefined) !== (spec.elapse === undefined)) {
    throw new BugError('DEVICE_DEADLINE', `${spec.name} must declare deadline and elapse together`);
  }
  return spec;
}

/** A device's state as it goes into a snapshot. */
export interface SavedDevice {
  readonly device: string;
  readonly version: number;
  readonly state: unknown;
}

/** What an instance needs from the set it lives in. */
export interface DeviceHome {
  readonly clock: Clock;
  /** One line of text for the domain's log. */
  readonly log: (text: string) => void;
  /** Called when an instance's deadline has changed. */
  readonly deadlineChanged: () => void;
}

/** A range's answer on a bus. */
export interface BusTarget {
  readonly name: string;
  read(offset: number, size: AccessSize): number;
  write(offset: number, size: AccessSize, value: number): void;
}

/** All ones in `size` bytes. */
export const allOnes = (size: AccessSize): number => (size === 1 ? 0xff : size === 2 ? 0xffff : 0xffffffff);

interface Lines<S> {
  readonly names: readonly string[];
  readonly fns: readonly ((s: S) => boolean)[];
  readonly values: boolean[];
  readonly sinks: LineSink[][];
}

const MAX_EVENTS_AT_ONCE = 1_000_000;

/** A placed device. */
export class DeviceInstance<S extends object, P extends object, I extends object, Q extends object> {
  state: S;
  /** Next deadline in domain nanoseconds; Infinity when there is none. */
  deadlineNs = Number.POSITIVE_INFINITY;
  /** Accesses that no register answered. */
  unclaimed = 0;
  /** Events into the device; each is followed by re-evaluation. */
  readonly inputs: I;
  /** Questions that change nothing. */
  readonly queries: Q;
  readonly regions: Readonly<Record<string, Region<S, P, I, Q>>>;
  readonly ctx: { nowNs: number } & P;
  readonly #lines: Lines<S>;
  readonly #logged = new Set<string>();
  readonly #timed: boolean;

  constructor(
    readonly spec: DeviceSpec<S, P, I, Q>,
    readonly name: string,
    ports: P,
    readonly home: DeviceHome,
  ) {
    this.state = spec.state();
    this.ctx = Object.assign({ nowNs: 0 }, ports);
    this.#timed = spec.timed ?? spec.deadline !== undefined;
    const names = Object.keys(spec.lines ?? {});
    this.#lines = {
      names,
      fns: Object.values(spec.lines ?? {}),
      values: names.map(() => false),
      sinks: names.map(() => []),
    };
    this.inputs = this.#bind<I>(spec.inputs as Bound<S, P, I> | undefined, true);
    this.queries = this.#bind<Q>(spec.queries as Bound<S, P, Q> | undefined, false);
    this.regions = Object.fromEntries(
      Object.entries(spec.regions).map(([key, r]) => [key, new Region<S, P, I, Q>(this, key, r)]),
    );
    this.enter();
    this.settle();
  }

  #bind<T extends object>(table: object | undefined, changes: boolean): T {
    const bound = Object.entries((table ?? {}) as Record<string, Fn>).map(([key, fn]) => {
      const call = fn as (s: S, ctx: unknown, a: unknown, b: unknown, c: unknown) => unknown;
      const wrapped = changes
        ? (a: unknown, b: unknown, c: unknown) => {
            this.enter();
            const result = call(this.state, this.ctx, a, b, c);
            this.settle();
            return result;
          }
        : (a: unknown, b: unknown, c: unknown) => {
            if (this.#timed) this.ctx.nowNs = this.home.clock.nowNs();
            return call(this.state, this.ctx, a, b, c);
          };
      return [key, wrapped] as const;
    });
    return Object.fromEntries(bound) as T;
  }

  /** Brings the time of the context, and the device, up to now. */
  enter(): void {
    if (!this.#timed) return;
    const now = this.home.clock.nowNs();
    this.ctx.nowNs = now;
    if (now >= this.deadlineNs) this.runUntil(now);
  }

  /** Re-evaluates lines and deadline; reports what has changed. */
  settle(): void {
    const { fns, values, sinks } = this.#lines;
    for (let i = 0; i < fns.length; i++) {
      const level = fns[i]!(this.state);
      if (level !== values[i]) {
        values[i] = level;
        const to = sinks[i]!;
        for (let k = 0; k < to.length; k++) to[k]!(level);
      }
    }
    if (this.spec.deadline !== undefined) {
      const at = this.spec.deadline(this.state) ?? Number.POSITIVE_INFINITY;
      if (at !== this.deadlineNs) {
        this.deadlineNs = at;
        this.home.deadlineChanged();
      }
    }
  }

  /** Runs one event that is due. */
  step(nowNs: number): void {
    this.ctx.nowNs = nowNs;
    this.spec.elapse?.(this.state, this.ctx as Ctx<P>);
    this.settle();
  }

  /** Runs every event due at or before `nowNs`. */
  runUntil(nowNs: number): void {
    for (let n = 0; this.deadlineNs <= nowNs; n++) {
      if (n === MAX_EVENTS_AT_ONCE) {
        throw new BugError('DEVICE_STUCK', `${this.name} does not move its deadline ${this.deadlineNs} ns`);
      }
      this.step(nowNs);
    }
  }

  /** Current level of a line. */
  line(name: string): boolean {
    return this.#lines.values[this.#lineIndex(name)]!;
  }

  /** Adds a receiver of a line and tells it the present level when that is high. */
  connect(name: string, sink: LineSink): void {
    const i = this.#lineIndex(name);
    this.#lines.sinks[i]!.push(sink);
    if (this.#lines.values[i]) sink(true);
  }

  #lineIndex(name: string): number {
    const i = this.#lines.names.indexOf(name);
    if (i < 0) {
      throw new ConfigError(
        'DEVICE_LINE',
        `${this.name} has no line '${name}', expected one of: ${this.#lines.names.join(', ') || 'none'}`,
      );
    }
    return i;
  }

  /** Back to the power-on state, keeping what the device retains. Receivers of lines hear of changes. */
  reset(): void {
    this.resetSilently();
    this.settle();
  }

  /** As `reset`, but lines are not reported: the whole board is being reset, see `driveLines`. */
  resetSilently(): void {
    const fresh = this.spec.state();
    this.spec.retain?.(fresh, this.state);
    this.state = fresh;
    if (this.#timed) this.ctx.nowNs = this.home.clock.nowNs();
  }

  /** Tells every receiver the present level of every line. */
  driveLines(): void {
    const { fns, values, sinks } = this.#lines;
    for (let i = 0; i < fns.length; i++) {
      const level = fns[i]!(this.state);
      values[i] = level;
      for (const sink of sinks[i]!) sink(level);
    }
    this.settle();
  }

  save(): SavedDevice {
    return { device: this.spec.name, version: this.spec.version, state: JSON.parse(JSON.stringify(this.state)) };
  }

  /** Restores a saved state. Lines follow silently: their receivers restore their own view. */
  load(saved: SavedDevice): void {
    const { name, version } = this.spec;
    if (saved.device !== name) {
      throw new SnapshotError(
        'SNAPSHOT_DEVICE',
        `${this.name}: saved state is of '${saved.device}', expected '${name}'`,
      );
    }
    let state: unknown = JSON.parse(JSON.stringify(saved.state));
    if (saved.version !== version) {
      if (this.spec.migrate === undefined || !(saved.version < version)) {
        throw new SnapshotError(
          'SNAPSHOT_VERSION',
          `${this.name}: saved state has version ${saved.version}, expected ${version}`,
          { device: name, version: saved.version },
        );
      }
      state = this.spec.migrate(state, saved.version);
    }
    const wrong = shapeDifference(this.spec.state(), state, 'state');
    if (wrong !== null) throw new SnapshotError('SNAPSHOT_SHAPE', `${this.name}: ${wrong}`, { device: name });
    this.state = state as S;
    if (this.#timed) this.ctx.nowNs = this.home.clock.nowNs();
    const { fns, values } = this.#lines;
    for (let i = 0; i < fns.length; i++) values[i] = fns[i]!(this.state);
    if (this.spec.deadline !== undefined) {
      this.deadlineNs = this.spec.deadline(this.state) ?? Number.POSITIVE_INFINITY;
      this.home.deadlineChanged();
    }
  }

  /** Counts an access that no register answers; logs it once per offset. */
  unclaimedAccess(region: string, offset: number, write: boolean): void {
    this.unclaimed++;
    const key = `${region}+${offset}${write ? 'w' : 'r'}`;
    if (this.#logged.has(key)) return;
    this.#logged.add(key);
    this.home.log(`${this.name}: ${write ? 'write to' : 'read of'} unclaimed offset ${hex(offset)} of ${region}`);
  }
}

/** First difference in shape between a fresh state and a saved one, or null. */
function shapeDifference(fresh: unknown, saved: unknown, path: string): string | null {
  if (fresh === null || saved === null) return null;
  if (Array.isArray(fresh)) {
    if (!Array.isArray(saved)) return `${path} is ${typeof saved}, expected an array`;
    if (fresh.length === 0) return null;
    for (let i = 0; i < saved.length; i++) {
      const wrong = shapeDifference(fresh[Math.min(i, fresh.length - 1)], saved[i], `${path}[${i}]`);
      if (wrong !== null) return wrong;
    }
    return null;
  }
  if (typeof fresh !== typeof saved) return `${path} is ${typeof saved}, expected ${typeof fresh}`;
  if (typeof fresh !== 'object') return null;
  const a = fresh as Record<string, unknown>;
  const b = saved as Record<string, unknown>;
  for (const key of Object.keys(a)) {
    if (!(key in b)) return `${path}.${key} is missing`;
    const wrong = shapeDifference(a[key], b[key], `${path}.${key}`);
    if (wrong !== null) return wrong;
  }
  for (const key of Object.keys(b)) if (!(key in a)) return `${path}.${key} is unknown`;
  return null;
}

interface CompiledRow<S, P> {
  readonly at: number;
  readonly size: AccessSize;
  readonly when: ((s: S) => boolean) | undefined;
  readonly read: ((s: S, ctx: Ctx<P>) => number) | undefined;
  readonly write: ((s: S, value: number, ctx: Ctx<P>) => void) | undefined;
  readonly mergeZero: boolean;
}

function compileRow<S, P>(row: RegisterRow<S, P>): CompiledRow<S, P> {
  const { field } = row;
  const size = row.size ?? 1;
  const load = field === undefined ? undefined : (s: S) => (s as Record<string, number>)[field]!;
  const store =
    field === undefined
      ? undefined
      : (s: S, v: number) => {
          (s as Record<string, number>)[field] = v;
        };
  return {
    at: row.at,
    size,
    when: row.when,
    read: row.read ?? load,
    write: row.write ?? store,
    mergeZero: row.partial === 'zero',
  };
}

/** One region of a placed device: turns accesses by offset into register reads and writes. */
export class Region<S extends object, P extends object, I extends object, Q extends object> implements BusTarget {
  readonly #rows: (readonly CompiledRow<S, P>[] | undefined)[];
  readonly #handlers: RegionHandlers<S, P> | undefined;
  readonly name: string;

  constructor(
    readonly instance: DeviceInstance<S, P, I, Q>,
    readonly key: string,
    readonly spec: RegionSpec,
  ) {
    this.name = instance.name;
    this.#handlers = instance.spec.handlers?.[key];
    const rows: CompiledRow<S, P>[][] = Array.from({ length: this.#handlers ? 0 : spec.sizeBytes }, () => []);
    // A row answers at each byte it covers, so that narrower accesses inside a wide register find it.
    for (const row of instance.spec.registers?.[key] ?? []) {
      const compiled = compileRow(row);
      for (let b = 0; b < compiled.size; b++) rows[row.at + b]?.push(compiled);
    }
    this.#rows = rows;
  }

  read(offset: number, size: AccessSize): number {
    const d = this.instance;
    d.enter();
    const value =
      this.#handlers !== undefined
        ? this.#handlers.read(d.state, offset, size, d.ctx as Ctx<P>)
        : this.#readRows(offset, size);
    d.settle();
    return value;
  }

  write(offset: number, size: AccessSize, value: number): void {
    const d = this.instance;
    d.enter();
    if (this.#handlers !== undefined) this.#handlers.write(d.state, offset, size, value, d.ctx as Ctx<P>);
    else this.#writeRows(offset, size, value);
    d.settle();
  }

  #find(offset: number, forWrite: boolean): CompiledRow<S, P> | undefined {
    const rows = this.#rows[offset];
    if (rows === undefined) return undefined;
    const s = this.instance.state;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!;
      if ((forWrite ? row.write : row.read) !== undefined && (row.when === undefined || row.when(s))) return row;
    }
    return undefined;
  }

  #readRows(offset: number, size: AccessSize): number {
    const d = this.instance;
    const row = this.#find(offset, false);
    const ctx = d.ctx as Ctx<P>;
    if (row !== undefined && row.at === offset && row.size === size) return row.read!(d.state, ctx);
    if (size === 1) {
      if (row === undefined) {
        d.unclaimedAccess(this.key, offset, false);
        return 0xff;
      }
      return (row.read!(d.state, ctx) >>> (8 * (offset - row.at))) & 0xff;
    }
    // Wider than the register, or across registers: piece by piece, low address first.
    let value = 0;
    for (let done = 0; done < size; ) {
      const r = this.#find(offset + done, false);
      const fits = r !== undefined && r.at === offset + done && done + r.size <= size;
      const piece: AccessSize = fits ? r.size : 1;
      const part = this.#readRows(offset + done, piece);
      value += part * 2 ** (8 * done);
      done += piece;
    }
    return value;
  }

  #writeRows(offset: number, size: AccessSize, value: number): void {
    const d = this.instance;
    const row = this.#find(offset, true);
    const ctx = d.ctx as Ctx<P>;
    if (row !== undefined && row.at === offset && row.size === size) {
      row.write!(d.state, value >>> 0, ctx);
      return;
    }
    if (size === 1) {
      if (row === undefined) {
        d.unclaimedAccess(this.key, offset, true);
        return;
      }
      const shift = 8 * (offset - row.at);
      const present = row.mergeZero || row.read === undefined ? 0 : row.read(d.state, ctx);
      row.write!(d.state, ((present & ~(0xff << shift)) | ((value & 0xff) << shift)) >>> 0, ctx);
      return;
    }
    if (row !== undefined && row.at <= offset && offset + size <= row.at + row.size) {
      const shift = 8 * (offset - row.at);
      const mask = (allOnes(size) << shift) >>> 0;
      const present = row.mergeZero || row.read === undefined ? 0 : row.read(d.state, ctx);
      row.write!(d.state, ((present & ~mask) | ((value << shift) & mask)) >>> 0, ctx);
      return;
    }
    for (let done = 0; done < size; ) {
      const r = this.#find(offset + done, true);
      const fits = r !== undefined && r.at === offset + done && done + r.size <= size;
      const piece: AccessSize = fits ? r.size : 1;
      this.#writeRows(offset + done, piece, (value >>> (8 * done)) & allOnes(piece));
      done += piece;
    }
  }
}
