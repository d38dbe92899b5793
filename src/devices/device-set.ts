// The devices of one board: placement on the two buses, wiring of lines, deadlines, reset, save and load.

import { BugError, ConfigError, hex, SnapshotError } from '../base/index.js';
import type { Clock } from '../host/index.js';
import { Bus } from './bus.js';
import type { Device, LineSink, SavedDevice } from './device.js';
import { DeviceInstance } from './device.js';

/** Where a device's regions and lines go: a base address per region, a receiver (or several) per line. */
export type Wiring = Readonly<Record<string, number | LineSink | readonly LineSink[]>>;

/** The state of all devices, by instance name. */
export type SavedDevices = Readonly<Record<string, SavedDevice>>;

/** What the set, and a board, need to know of an instance of any device. */
export interface PlacedDevice {
  readonly name: string;
  readonly deadlineNs: number;
  readonly unclaimed: number;
  step(nowNs: number): void;
  line(name: string): boolean;
  connect(name: string, sink: LineSink): void;
  reset(): void;
  resetSilently(): void;
  driveLines(): void;
  save(): SavedDevice;
  load(saved: SavedDevice): void;
}

const MAX_EVENTS_AT_ONCE = 10_000_000;

/** All devices of one board. */
export class DeviceSet {
  readonly pio: Bus;
  readonly mmio: Bus;
  readonly #instances = new Map<string, PlacedDevice>();
  #timed: PlacedDevice[] = [];
  #next = Number.POSITIVE_INFINITY;
  #stale = false;

  constructor(
    readonly clock: Clock,
    readonly log: (text: string) => void = () => {},
  ) {
    this.pio = new Bus('pio', log);
    this.mmio = new Bus('mmio', log);
  }

  /** Makes an instance named `name`, claims its regions and connects its lines. */
  place<S extends object, P extends object, I extends object, Q extends object>(
    spec: Device<S, P, I, Q>,
    wiring: Wiring,
    ports: NoInfer<P>,
    name: string = spec.name,
  ): DeviceInstance<S, P, I, Q> {
    if (this.#instances.has(name)) {
      throw new ConfigError('DEVICE_NAME', `a device named '${name}' is already placed, expected another name`);
    }
    const instance = new DeviceInstance<S, P, I, Q>(spec, name, ports, {
      clock: this.clock,
      log: this.log,
      deadlineChanged: () => {
        this.#stale = true;
      },
    });
    for (const [key, to] of Object.entries(wiring)) {
      const region = instance.regions[key];
      if (typeof to === 'number') {
        if (region === undefined) {
          const known = Object.keys(instance.regions).join(', ');
          throw new ConfigError(
            'DEVICE_REGION',
            `${name} has no region '${key}' (${hex(to)}), expected one of: ${known}`,
          );
        }
        this[region.spec.space].add(to, region.spec.sizeBytes, region);
      } else for (const sink of typeof to === 'function' ? [to] : to) instance.connect(key, sink);
    }
    this.#instances.set(name, instance);
    if (spec.deadline !== undefined) this.#timed.push(instance);
    this.#stale = true;
    return instance;
  }

  /** The instance placed as `name`. */
  get(name: string): PlacedDevice {
    const found = this.#instances.get(name);
    if (found === undefined) {
      throw new ConfigError(
        'DEVICE_NAME',
        `no device '${name}', expected one of: ${[...this.#instances.keys()].join(', ')}`,
      );
    }
    return found;
  }

  /** Names of all placed devices, in order of placement. */
  names(): string[] {
    return [...this.#instances.keys()];
  }

  /** Accesses that no device and no register answered. */
  unclaimed(): number {
    let n = this.pio.unclaimed + this.mmio.unclaimed;
    for (const i of this.#instances.values()) n += i.unclaimed;
    return n;
  }

  /** The earliest deadline in domain nanoseconds, or null when no device waits for time. */
  nextDeadlineNs(): number | null {
    if (this.#stale) {
      this.#stale = false;
      let next = Number.POSITIVE_INFINITY;
      const timed = this.#timed;
      for (let i = 0; i < timed.length; i++) {
        const at = timed[i]!.deadlineNs;
        if (at < next) next = at;
      }
      this.#next = next;
    }
    return this.#next === Number.POSITIVE_INFINITY ? null : this.#next;
  }

  /** Runs everything due at or before `nowNs`, earliest first, ties in order of placement. */
  runDeadlines(nowNs: number): void {
    for (let n = 0; ; n++) {
      const next = this.nextDeadlineNs();
      if (next === null || next > nowNs) return;
      const due = this.#timed.find((i) => i.deadlineNs === next);
      if (due === undefined || n === MAX_EVENTS_AT_ONCE) {
        throw new BugError(
          'DEADLINE_STUCK',
          `deadline ${next} ns does not move at ${nowNs} ns (${due?.name ?? 'nobody'})`,
        );
      }
      due.step(nowNs);
    }
  }

  /** Resets every device, then drives every line so that receivers agree with senders. */
  reset(): void {
    for (const i of this.#instances.values()) i.resetSilently();
    for (const i of this.#instances.values()) i.driveLines();
    this.#stale = true;
  }

  save(): SavedDevices {
    return Object.fromEntries([...this.#instances].map(([name, i]) => [name, i.save()]));
  }

  /** Restores all devices; the saved set must name exactly the placed ones. */
  load(saved: SavedDevices): void {
    for (const name of Object.keys(saved)) {
      if (!this.#instances.has(name)) {
        throw new SnapshotError('SNAPSHOT_DEVICE', `saved state has a device '${name}' that this board lacks`);
      }
    }
    const load = (): void => {
      for (const [name, instance] of this.#instances) {
        const state = saved[name];
        if (state === undefined) throw new SnapshotError('SNAPSHOT_DEVICE', `saved state lacks device '${name}'`);
        instance.load(state);
      }
    };
    // The wires between devices hold levels too: drive them from the loaded states, then undo what that did to receivers.
    load();
    for (const i of this.#instances.values()) i.driveLines();
    load();
    this.#stale = true;
  }
}
