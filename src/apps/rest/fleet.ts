// The domains of one server: definitions, what has been made of them, and what their consoles and logs have said.

import { ConfigError, VmError } from '../../base/index.js';
import type { Domain, DomainConfig, DomainOutcome, Pcanel } from '../../domains/index.js';
import { hasMedia } from '../cli/domain-entry.js';
import type { DomainEntry } from '../cli/domain-file.js';
import { parseSize } from '../cli/values.js';
import { History } from './history.js';
import { LatencyReader } from './latency.js';
import type { DomainEvent } from './messages.js';
import type { Action, DomainView, LatencyView, LogLine } from './schemas.js';

/** What is kept of a console. */
export const HISTORY_BYTES = 64 << 10;
export const LOG_LINES = 1000;
const LATENCY_TIMEOUT_MS = 10_000;

/** A definition as stored. */
export interface StoredDomain {
  readonly entry: DomainEntry;
  readonly autostart: boolean;
}
/** Where definitions outlive the process. */
export interface DomainStore {
  load(): readonly StoredDomain[];
  save(domain: StoredDomain): void;
  remove(name: string): void;
  close(): void;
}

export interface FleetOptions {
  readonly pcanel: Pcanel;
  /** Reads the files of an entry. */
  readonly resolve: (entry: DomainEntry, progress: (line: string) => void) => Promise<DomainConfig>;
  readonly store?: DomainStore | null;
  /** Domains at most; 64 by default. */
  readonly maxDomains?: number;
  /** RAM of all loaded domains together; by default without limit. */
  readonly maxMemoryBytes?: number;
}

type Listener<A extends unknown[]> = (...args: A) => void;
const adder =
  <A extends unknown[]>(set: Set<Listener<A>>) =>
  (listener: Listener<A>): (() => void) => {
    set.add(listener);
    return () => void set.delete(listener);
  };

const outcomeView = (o: DomainOutcome | null): DomainView['outcome'] => o;
const isFirmware = (e: DomainEntry): boolean =>
  e.image === undefined && e.kernel === undefined && e.multiboot === undefined;

/** What a definition boots, in words. */
export function bootsWhat(e: DomainEntry): string {
  const file = (path: string): string => path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
  if (e.image !== undefined) return `image ${e.image}`;
  if (e.kernel !== undefined) return `kernel ${file(e.kernel)}`;
  if (e.multiboot !== undefined) return `multiboot ${file(e.multiboot)}`;
  const medium = [e.cdrom, e.disk, e.floppy].flat().find((f) => f !== undefined);
  const firmware = e.bios === undefined ? 'SeaBIOS' : file(e.bios);
  return hasMedia(e) && medium !== undefined ? `${firmware}, ${file(medium)}` : firmware;
}

/** One domain of a fleet; it may not be loaded. */
export class FleetDomain {
  readonly name: string;
  readonly history = new History(HISTORY_BYTES);
  readonly log: LogLine[] = [];
  readonly latency: LatencyReader;
  domain: Domain | null = null;
  busy = false;
  loading = false;
  removed = false;
  error: { code: string; message: string } | null = null;
  readonly #onOutput = new Set<Listener<[bytes: Uint8Array]>>();
  readonly #onChange = new Set<Listener<[]>>();
  readonly #onLatency = new Set<Listener<[table: LatencyView]>>();
  /** Console output as it comes. */
  readonly onOutput = adder(this.#onOutput);
  /** State, error or existence have changed. */
  readonly onChange = adder(this.#onChange);
  readonly onLatency = adder(this.#onLatency);

  constructor(
    readonly entry: DomainEntry,
    readonly autostart: boolean,
    readonly stored: boolean,
    readonly tell: (event: DomainEvent) => void,
  ) {
    this.name = entry.name;
    this.latency = new LatencyReader((table) => {
      for (const l of [...this.#onLatency]) l(table);
    });
  }

  get state(): DomainView['state'] {
    if (this.loading) return 'loading';
    return this.domain?.state ?? 'defined';
  }

  view(): DomainView {
    const { entry, domain } = this;
    const rt = entry.realtime;
    return {
      name: this.name,
      state: this.state,
      outcome: outcomeView(domain?.outcome ?? null),
      error: this.error,
      boots: bootsWhat(entry),
      engine: domain === null ? null : domain.engine,
      time: entry.time ?? (isFirmware(entry) ? 'real' : 'virtual'),
      memoryBytes: parseSize(entry.memory, `memory of '${this.name}'`),
      cpus: entry.cpus,
      cpu: entry.cpu,
      realtime: rt ? { priority: rt.priority, periodUs: rt.periodUs, budgetUs: rt.budgetUs ?? rt.periodUs } : null,
      display: (entry.display ?? (isFirmware(entry) ? 'vga' : 'none')) === 'vga',
      scripted: entry.script !== undefined,
      autostart: this.autostart,
      stored: this.stored,
    };
  }

  /** Takes a loaded domain in and listens to it. */
  attach(domain: Domain): void {
    this.domain = domain;
    domain.onOutput((bytes) => {
      this.history.push(bytes);
      this.latency.feed(bytes);
      for (const l of [...this.#onOutput]) l(bytes);
    });
    domain.onState(() => this.changed());
    domain.onLog((text) => this.note('device', text));
    domain.onDebug((text) => this.note('firmware', text));
  }

  /** Adds a line to the log. */
  note(source: LogLine['source'], text: string): void {
    const line = { at: new Date().toISOString(), source, text: text.slice(0, 2000) };
    this.log.push(line);
    if (this.log.length > LOG_LINES) this.log.shift();
    this.tell({ kind: 'log', name: this.name, line });
  }

  changed(): void {
    if (!this.removed) this.tell({ kind: 'domain', domain: this.view() });
    for (const l of [...this.#onChange]) l();
  }

  /** The loaded domain, or an error that says what it lacks. */
  live(what: string): Domain {
    if (this.domain !== null) return this.domain;
    const message = `'${this.name}' is ${this.state}, expected it to have been started: ${what}`;
    throw new ConfigError('DOMAIN_STATE', message, { domain: this.name, state: this.state });
  }

  /** Types into the serial console. */
  type(bytes: Uint8Array): void {
    const domain = this.live('nobody reads its console');
    if (domain.state === 'stopped') {
      throw new ConfigError('DOMAIN_STATE', `'${this.name}' has stopped: nobody reads its console`, {
        domain: this.name,
      });
    }
    if (!domain.write(bytes)) {
      throw new ConfigError('CONSOLE_FULL', `'${this.name}' does not read its console: too much input waits`, {
        domain: this.name,
      });
    }
  }

  /** Types `lat` and waits for the table; null when none comes in time. */
  async measureLatency(timeoutMs = LATENCY_TIMEOUT_MS): Promise<LatencyView | null> {
    let off = (): void => {};
    let timer: NodeJS.Timeout | undefined;
    const table = new Promise<LatencyView | null>((resolve) => {
      off = this.onLatency(resolve);
      timer = setTimeout(() => resolve(null), timeoutMs);
    });
    try {
      this.type(new TextEncoder().encode('lat\r'));
      return await table;
    } finally {
      off();
      clearTimeout(timer);
    }
  }
}

/** All domains of a server. */
export class Fleet {
  readonly pcanel: Pcanel;
  readonly #o: FleetOptions;
  readonly #domains = new Map<string, FleetDomain>();
  readonly #onEvent = new Set<Listener<[event: DomainEvent]>>();
  readonly onEvent = adder(this.#onEvent);

  constructor(options: FleetOptions) {
    this.#o = options;
    this.pcanel = options.pcanel;
    for (const { entry, autostart } of options.store?.load() ?? []) this.#add(entry, autostart, true);
  }

  readonly #tell = (event: DomainEvent): void => {
    for (const l of [...this.#onEvent]) l(event);
  };
  #add(entry: DomainEntry, autostart: boolean, stored: boolean): FleetDomain {
    const d = new FleetDomain(entry, autostart, stored, this.#tell);
    this.#domains.set(entry.name, d);
    return d;
  }

  get maxDomains(): number {
    return this.#o.maxDomains ?? 64;
  }
  get domains(): readonly FleetDomain[] {
    return [...this.#domains.values()];
  }
  get(name: string): FleetDomain {
    const d = this.#domains.get(name);
    if (d !== undefined) return d;
    throw new ConfigError('DOMAIN_UNKNOWN', `there is no domain '${name}'`, { domain: name });
  }

  /** Starts those that are to run whenever the server does; what fails is in their `error`. */
  async autostart(): Promise<void> {
    for (const d of this.domains) if (d.autostart) await this.act(d, 'start').catch(() => {}); // noted in the domain
  }

  define(entry: DomainEntry, autostart: boolean): FleetDomain {
    if (this.#domains.has(entry.name)) {
      const message = `there is already a domain '${entry.name}', expected another name`;
      throw new ConfigError('DOMAIN_EXISTS', message, { domain: entry.name });
    }
    if (this.#domains.size >= this.maxDomains) {
      throw new ConfigError('DOMAIN_LIMIT', `there are ${this.maxDomains} domains, which is the limit`);
    }
    const store = this.#o.store ?? null;
    store?.save({ entry, autostart });
    const d = this.#add(entry, autostart, store !== null);
    d.changed();
    return d;
  }

  /** Takes in a domain that somebody else has loaded. */
  adopt(entry: DomainEntry, domain: Domain): FleetDomain {
    const d = this.#add(entry, false, false);
    d.attach(domain);
    d.changed();
    return d;
  }

  /** Ends and forgets a domain. */
  async remove(d: FleetDomain): Promise<void> {
    await this.#alone(d, async () => {
      if (d.domain !== null) await this.pcanel.destroy(d.domain);
      if (d.stored) this.#o.store?.remove(d.name);
      this.#domains.delete(d.name);
      d.removed = true;
      d.domain = null;
    });
    this.#tell({ kind: 'removed', name: d.name });
    d.changed();
  }

  async act(d: FleetDomain, action: Action): Promise<void> {
    if (action === 'start') return this.#start(d);
    const domain = d.live(`it cannot ${action === 'powerButton' ? 'have its power button pressed' : action}`);
    const needs = { pause: 'running', resume: 'paused', powerButton: 'running' } as const;
    const wanted = action in needs ? needs[action as keyof typeof needs] : null;
    if (wanted !== null && domain.state !== wanted) {
      const message = `'${d.name}' is ${domain.state}, expected ${wanted} for '${action}'`;
      throw new ConfigError('DOMAIN_STATE', message, { domain: d.name, state: domain.state });
    }
    const calls = {
      pause: () => domain.pause(),
      resume: () => domain.resume(),
      stop: () => domain.stop(),
      reset: () => domain.reset(),
      powerButton: () => domain.pressPowerButton(),
    };
    await this.#alone(d, calls[action]);
  }

  async #start(d: FleetDomain): Promise<void> {
    await this.#alone(d, async () => {
      if (d.domain === null) await this.#load(d);
      const domain = d.live('it could not be loaded');
      if (domain.state === 'stopped') await domain.reset();
      else if (domain.state === 'created') await domain.start();
      else {
        throw new ConfigError('DOMAIN_STATE', `'${d.name}' is ${domain.state}, expected a domain that does not run`, {
          domain: d.name,
          state: domain.state,
        });
      }
    });
  }

  async #load(d: FleetDomain): Promise<void> {
    d.error = null;
    d.loading = true;
    d.changed();
    try {
      const config = await this.#o.resolve(d.entry, (line) => d.note('pcanel', line));
      this.#checkMemory(d.name, config.memoryBytes);
      d.attach(await this.pcanel.createDomain(config));
    } catch (error) {
      const code = error instanceof VmError ? error.code : 'INTERNAL';
      d.error = { code, message: error instanceof Error ? error.message : String(error) };
      d.note('pcanel', `${code}: ${d.error.message}`);
      throw error;
    } finally {
      d.loading = false;
      d.changed();
    }
  }

  #checkMemory(name: string, wantedBytes: number): void {
    const { maxMemoryBytes } = this.#o;
    if (maxMemoryBytes === undefined) return;
    const used = this.domains.reduce((sum, d) => sum + (d.domain === null ? 0 : d.view().memoryBytes), 0);
    if (used + wantedBytes <= maxMemoryBytes) return;
    const mib = (n: number): number => Math.floor(n / 2 ** 20);
    const message = `'${name}' needs ${mib(wantedBytes)} MiB, of ${mib(maxMemoryBytes)} MiB for guests ${mib(used)} MiB are in use`;
    throw new ConfigError('MEMORY_LIMIT', message, { domain: name });
  }

  /** One action on a domain at a time. */
  async #alone(d: FleetDomain, work: () => Promise<void>): Promise<void> {
    if (d.busy || d.removed) {
      const message = `'${d.name}' is ${d.removed ? 'gone' : 'busy with another request'}, expected to be asked later`;
      throw new ConfigError('DOMAIN_BUSY', message, { domain: d.name });
    }
    d.busy = true;
    try {
      await work();
    } finally {
      d.busy = false;
    }
  }
}
