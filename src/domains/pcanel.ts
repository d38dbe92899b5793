// The manager: many domains on several physical CPUs. Lives on the main thread and never blocks.

import { ConfigError, HostError } from '../base/index.js';
import {
  abandonPart,
  type ExitBatch,
  type ExitTraceOptions,
  type MachineShare,
  type ProfileBatch,
  type ProfileOptions,
  SharedBoard,
} from '../machine/index.js';
import { checkDomainConfig, type DomainConfig, homeCpu } from './config.js';
import { ConsoleRing } from './console-ring.js';
import { joinParts } from './parts.js';
import type { AccessBatch } from './policy.js';
import {
  type CreatedDomain,
  type DeviceInput,
  type DomainOutcome,
  type DomainStat,
  type DomainState,
  type Frame,
  fromPlainError,
  type MemoryBytes,
  type PcpuEvent,
  type PcpuLink,
  type PcpuReply,
  type PcpuRequest,
  type PcpuSpawner,
  type PcpuStat,
  type Screenshot,
} from './protocol.js';
import type { TimelineBatch } from './timeline.js';

type Listener<A extends unknown[]> = (...args: A) => void;

/** Calls everyone who asked, in order. */
class Listeners<A extends unknown[]> {
  readonly #all = new Set<Listener<A>>();
  add(listener: Listener<A>): () => void {
    this.#all.add(listener);
    return () => void this.#all.delete(listener);
  }
  tell(...args: A): void {
    for (const listener of [...this.#all]) listener(...args);
  }
}

/** A record of single VM exits of one domain, for one reader. */
export interface ExitReader {
  /** What has been recorded since the last `read`, at most `max` records. */
  read(max?: number): Promise<ExitBatch>;
  /** Changes what is recorded. */
  configure(options: ExitTraceOptions): Promise<void>;
  close(): Promise<void>;
}

/** A record of who runs when on one physical CPU, for one reader. */
export interface TimelineReader {
  read(): Promise<TimelineBatch>;
  close(): Promise<void>;
}

/** Console input that waits in the manager at most. */
const MAX_PENDING_INPUT = 1 << 20;

interface Cpu {
  readonly index: number;
  readonly link: PcpuLink;
  readonly pending: Map<number, { resolve(value: PcpuReply): void; reject(error: Error): void }>;
  crashed: Error | null;
  /** Who looks at its timeline. */
  timelineReaders: number;
}

/** A running profile of a domain. */
export interface ProfileReader {
  /** Everything found since the start; kernel addresses get names from the guest's own table, which may take a second. */
  read(): Promise<ProfileBatch>;
  close(): Promise<void>;
}

/** A domain as its user sees it. */
export class Domain {
  state: DomainState = 'created';
  outcome: DomainOutcome | null = null;
  scriptDone = false;
  readonly #cpu: Cpu;
  readonly #send: (request: PcpuRequest) => Promise<PcpuReply>;
  readonly #output = ConsoleRing.create();
  readonly #input = ConsoleRing.create();
  readonly #onOutput = new Listeners<[bytes: Uint8Array]>();
  readonly #onState = new Listeners<[state: DomainState, outcome: DomainOutcome | null]>();
  readonly #onScript = new Listeners<[]>();
  readonly #onLog = new Listeners<[text: string]>();
  readonly #onDebug = new Listeners<[text: string]>();
  #pendingInput: number[] = [];
  #held = false;
  #traceKeys = 0;
  #kickWord: Int32Array | null = null;
  /** What processors on other CPUs share with the domain; null when there are none. */
  #share: MachineShare | null = null;
  engine = '';

  /** Use `Pcanel.createDomain`. */
  constructor(
    readonly id: number,
    readonly name: string,
    readonly cpuIndex: number,
    cpu: Cpu,
    send: (request: PcpuRequest) => Promise<PcpuReply>,
    /** Other CPUs with processors of the domain. */
    readonly others: readonly Cpu[] = [],
    private readonly stats: () => Promise<PcpuStat[]> = async () => [],
  ) {
    this.#cpu = cpu;
    this.#send = send;
  }
  get share(): MachineShare | null {
    return this.#share;
  }

  /** Called by the manager only. */
  async create(config: DomainConfig): Promise<void> {
    const rings = { output: this.#output.shared, input: this.#input.shared };
    const bells = [this.#cpu, ...this.others].flatMap((c) => c.link.bell ?? []);
    const created = (await this.#send({ kind: 'create', id: this.id, config, rings, bells })) as CreatedDomain;
    this.#share = created.share ?? null;
    this.engine = created.engine;
    this.#kickWord = created.kickWord;
  }

  async start(): Promise<void> {
    await this.#send({ kind: 'start', ids: [this.id] });
  }
  pause(): Promise<void> {
    return this.#control('pause');
  }
  resume(): Promise<void> {
    return this.#control('resume');
  }
  /** Ends the domain at once. */
  stop(): Promise<void> {
    return this.#control('stop');
  }
  /** Starts the guest anew; also brings a stopped domain back. */
  reset(): Promise<void> {
    return this.#control('reset');
  }
  pressPowerButton(): Promise<void> {
    return this.#control('powerButton');
  }

  /** Types into the guest's console; false when too much waits already. */
  write(bytes: ArrayLike<number>): boolean {
    if (this.#pendingInput.length + bytes.length > MAX_PENDING_INPUT) return false;
    for (let i = 0; i < bytes.length; i++) this.#pendingInput.push(bytes[i] as number);
    this.pumpInput();
    return true;
  }

  /** Bytes that the guest sends. Each listener gets every chunk; returns the function that ends it. */
  onOutput(listener: (bytes: Uint8Array) => void): () => void {
    return this.#onOutput.add(listener);
  }
  onState(listener: (state: DomainState, outcome: DomainOutcome | null) => void): () => void {
    return this.#onState.add(listener);
  }
  /** The script has come to its end. */
  onScriptDone(listener: () => void): () => void {
    return this.#onScript.add(listener);
  }
  /** Lines for the domain's log: unclaimed accesses and the like. */
  onLog(listener: (text: string) => void): () => void {
    return this.#onLog.add(listener);
  }

  /** Lines that firmware writes to its debug port; needs `debugPort`. */
  onDebug(listener: (text: string) => void): () => void {
    return this.#onDebug.add(listener);
  }

  /** The screen as a PNG file, also of a domain that has stopped. */
  async screenshot(): Promise<Uint8Array> {
    return ((await this.#send({ kind: 'screenshot', id: this.id })) as Screenshot).png;
  }
  /** The screen as dots; `rgba` is null when it is still the picture that `known` names. */
  async frame(known = 0): Promise<Frame> {
    return (await this.#send({ kind: 'frame', id: this.id, known })) as Frame;
  }
  /** Keyboard and mouse. */
  async use(input: DeviceInput): Promise<void> {
    await this.#send({ kind: 'input', id: this.id, input });
  }
  /** Bytes of guest-physical memory. */
  async readMemory(gpa: number, sizeBytes: number): Promise<Uint8Array> {
    return ((await this.#send({ kind: 'readMemory', id: this.id, gpa, sizeBytes })) as MemoryBytes).bytes;
  }
  /** Writes guest-physical memory, ROM too; code that the guest has run from there is decoded anew. */
  async writeMemory(gpa: number, bytes: Uint8Array): Promise<void> {
    await this.#send({ kind: 'writeMemory', id: this.id, gpa, bytes });
  }
  /** Records single VM exits until closed; costs the guest about 10 us for each one recorded. */
  async traceExits(options: ExitTraceOptions = {}): Promise<ExitReader> {
    const key = ++this.#traceKeys;
    const { id } = this;
    const configure = async (o: ExitTraceOptions | null): Promise<void> => {
      await this.#send({ kind: 'trace', id, key, options: o });
    };
    await configure(options);
    let since = 0;
    return {
      configure,
      read: async (max = Number.MAX_SAFE_INTEGER) => {
        const batch = (await this.#send({ kind: 'exits', id, key, since, max })) as ExitBatch;
        since = batch.next;
        return batch;
      },
      close: () => configure(null),
    };
  }
  /** Samples where the guest is until closed; a domain has one profile, the next call starts it anew. */
  async profile(options: ProfileOptions = {}): Promise<ProfileReader> {
    const { id } = this;
    await this.#send({ kind: 'profile', id, options });
    return {
      read: async () => (await this.#send({ kind: 'samples', id })) as ProfileBatch,
      close: async () => {
        await this.#send({ kind: 'profile', id, options: null });
      },
    };
  }
  /** Accesses that the policy's rules matched, from number `since` on. */
  async accesses(since = 0): Promise<AccessBatch> {
    return (await this.#send({ kind: 'accesses', id: this.id, since })) as AccessBatch;
  }
  async stat(): Promise<DomainStat> {
    const all = this.others.length > 0 ? await this.stats() : [(await this.#send({ kind: 'stat' })) as PcpuStat];
    const mine = all.flatMap((c) => c.domains).find((d) => d.name === this.name);
    if (mine === undefined) throw new ConfigError('DOMAIN_GONE', `domain '${this.name}' is gone`);
    return mine;
  }

  /** While held, output stays in the ring and, once that is full, the guest waits. */
  holdOutput(on: boolean): void {
    this.#held = on;
    if (!on) this.#drain();
  }

  /** Moves waiting input into the ring; true when some still waits. Called by the manager. */
  pumpInput(): boolean {
    if (this.#pendingInput.length > 0) {
      this.#pendingInput.splice(0, this.#input.write(this.#pendingInput));
      this.#cpu.link.ring();
    }
    return this.#pendingInput.length > 0;
  }

  /** Called by the manager. */
  hear(event: PcpuEvent): void {
    if (event.kind === 'output') this.#drain();
    else if (event.kind === 'log') this.#onLog.tell(event.text);
    else if (event.kind === 'debug') this.#onDebug.tell(event.text);
    else if (event.kind === 'scriptDone') {
      this.scriptDone = true;
      this.#onScript.tell();
    } else if (event.kind === 'state') {
      this.#drain();
      this.state = event.state;
      this.outcome = event.outcome;
      this.#onState.tell(event.state, event.outcome);
    }
  }

  #drain(): void {
    if (this.#held) return;
    this.#output.acknowledge();
    for (let bytes = this.#output.read(); bytes.length > 0; bytes = this.#output.read()) {
      this.#onOutput.tell(bytes);
      if (this.#held) break;
    }
    if (this.#output.waiting) this.#cpu.link.ring();
    if (this.#pendingInput.length > 0) this.pumpInput();
  }

  async #control(kind: 'pause' | 'resume' | 'stop' | 'reset' | 'powerButton'): Promise<void> {
    // The thread looks for commands between entries; the kick ends the one that is going on.
    const sent = this.#send({ kind, id: this.id });
    if (this.#kickWord !== null && this.state === 'running') Atomics.store(this.#kickWord, 0, 1);
    await sent;
  }
}

export interface PcanelOptions {
  /** Makes the threads that are physical CPUs. */
  readonly spawn: PcpuSpawner;
}

/** A host of domains. */
export class Pcanel {
  readonly #spawn: PcpuSpawner;
  readonly #cpus = new Map<number, Cpu>();
  readonly #domains = new Map<number, Domain>();
  #nextId = 1;
  #nextRequest = 1;

  constructor(options: PcanelOptions) {
    this.#spawn = options.spawn;
  }

  get domains(): readonly Domain[] {
    return [...this.#domains.values()];
  }
  /** The domain of that name, or undefined. */
  domain(name: string): Domain | undefined {
    return this.domains.find((d) => d.name === name);
  }

  /** Loads a domain; it does not run until started. */
  async createDomain(config: DomainConfig): Promise<Domain> {
    checkDomainConfig(config);
    if (this.domain(config.name) !== undefined) {
      throw new ConfigError('DOMAIN_EXISTS', `there is already a domain '${config.name}', expected another name`, {
        domain: config.name,
      });
    }
    const cpu = this.#cpu(homeCpu(config));
    const others = (config.pcpus ?? []).slice(1).map((index) => this.#cpu(index));
    if (others.some((c) => c.link.bell === undefined)) {
      const message = `domain '${config.name}' has several 'pcpus', expected one: physical CPUs share a thread here`;
      throw new ConfigError('DOMAIN_PCPUS', message, { domain: config.name });
    }
    const id = this.#nextId++;
    const send = (request: PcpuRequest): Promise<PcpuReply> => this.#request(cpu, request);
    const domain = new Domain(id, config.name, cpu.index, cpu, send, others, () => this.stat());
    this.#domains.set(id, domain);
    try {
      await domain.create(config);
      await this.#attach(domain, config);
    } catch (error) {
      this.#domains.delete(id);
      throw error;
    }
    return domain;
  }

  /** Hands processors of a domain to the other CPUs that run them; all or none. */
  async #attach(domain: Domain, { weight }: DomainConfig): Promise<void> {
    const { id, share, others } = domain;
    if (share === null) return;
    const common = { kind: 'attach', id, share, ...(weight !== undefined && { weight }) } as const;
    try {
      await Promise.all(others.map((cpu, i) => this.#request(cpu, { ...common, part: i + 1 })));
    } catch (error) {
      await this.#detach(domain);
      await this.#request(this.#cpu(domain.cpuIndex), { kind: 'destroy', id }).catch(() => null);
      throw error;
    }
  }
  /** CPUs that have failed have nothing to give back. */
  async #detach({ id, others }: Domain): Promise<void> {
    const live = others.filter((cpu) => cpu.crashed === null);
    await Promise.all(live.map((cpu) => this.#request(cpu, { kind: 'detach', id }).catch(() => null)));
  }

  /** Starts domains; those of one physical CPU at the same instant of its time. */
  async start(domains: readonly Domain[] = this.domains): Promise<void> {
    const byCpu = new Map<number, number[]>();
    for (const d of domains) byCpu.set(d.cpuIndex, [...(byCpu.get(d.cpuIndex) ?? []), d.id]);
    await Promise.all([...byCpu].map(([index, ids]) => this.#request(this.#cpu(index), { kind: 'start', ids })));
  }

  /** Statistics of every physical CPU and its domains. */
  async stat(): Promise<PcpuStat[]> {
    const live = [...this.#cpus.values()].filter((c) => c.crashed === null);
    return joinParts(await Promise.all(live.map(async (c) => (await this.#request(c, { kind: 'stat' })) as PcpuStat)));
  }

  /** Records who runs when on a physical CPU, until all its readers are closed. */
  async traceCpu(index: number): Promise<TimelineReader> {
    const cpu = this.#cpus.get(index);
    if (cpu === undefined) {
      const known = [...this.#cpus.keys()].join(', ') || 'none';
      throw new ConfigError('CPU_UNKNOWN', `no domain is on cpu ${index}, expected one of: ${known}`, { cpu: index });
    }
    if (++cpu.timelineReaders === 1) await this.#request(cpu, { kind: 'timeline', on: true });
    let since = 0;
    let open = true;
    return {
      read: async () => {
        const batch = (await this.#request(cpu, { kind: 'slices', since })) as TimelineBatch;
        since = batch.next;
        return batch;
      },
      close: async () => {
        if (!open) return;
        open = false;
        if (--cpu.timelineReaders === 0) await this.#request(cpu, { kind: 'timeline', on: false });
      },
    };
  }

  /** Null when every physical CPU answers, else why one does not; waits for their answers. */
  async health(): Promise<string | null> {
    const failed = [...this.#cpus.values()].find((c) => c.crashed !== null);
    if (failed?.crashed != null) return failed.crashed.message;
    await this.stat();
    return null;
  }

  /** Forgets a domain and gives its memory back. */
  async destroy(domain: Domain): Promise<void> {
    const cpu = this.#cpu(domain.cpuIndex);
    if (cpu.crashed === null) await this.#request(cpu, { kind: 'destroy', id: domain.id });
    await this.#detach(domain);
    this.#domains.delete(domain.id);
  }

  /** Ends all domains and threads. */
  async close(): Promise<void> {
    const all = [...this.#cpus.values()];
    this.#cpus.clear();
    this.#domains.clear();
    await Promise.all(all.map((c) => c.link.close()));
  }

  #cpu(index: number): Cpu {
    const present = this.#cpus.get(index);
    if (present !== undefined) return present;
    const cpu: Cpu = {
      index,
      pending: new Map(),
      crashed: null,
      timelineReaders: 0,
      link: this.#spawn(
        index,
        (event) => this.#hear(index, event),
        (error) => this.#crashed(index, error),
      ),
    };
    this.#cpus.set(index, cpu);
    return cpu;
  }

  #request(cpu: Cpu, request: PcpuRequest): Promise<PcpuReply> {
    if (cpu.crashed !== null) return Promise.reject(cpu.crashed);
    const requestId = this.#nextRequest++;
    return new Promise((resolve, reject) => {
      cpu.pending.set(requestId, { resolve, reject });
      cpu.link.send({ requestId, request });
    });
  }

  #hear(index: number, event: PcpuEvent): void {
    if (event.kind === 'reply' || event.kind === 'refused') {
      const cpu = this.#cpus.get(index);
      const waiting = cpu?.pending.get(event.requestId);
      cpu?.pending.delete(event.requestId);
      if (event.kind === 'reply') waiting?.resolve(event.value);
      else waiting?.reject(fromPlainError(event.error));
      return;
    }
    this.#domains.get(event.id)?.hear(event);
  }

  /** A thread has gone: its domains are at their end, the others go on. */
  #crashed(index: number, error: Error): void {
    const cpu = this.#cpus.get(index);
    if (cpu === undefined) return;
    const message = `cpu ${index} failed: ${error.message}`;
    const crash = new HostError('PCPU_CRASHED', message, { cpu: index }, { cause: error });
    cpu.crashed = crash;
    for (const waiting of cpu.pending.values()) waiting.reject(cpu.crashed);
    cpu.pending.clear();
    for (const d of this.domains) {
      if (d.others.includes(cpu)) {
        if (d.share !== null) abandonPart(d.share, d.others.indexOf(cpu) + 1);
        // its home part decides, and stops the others
        const home = this.#cpu(d.cpuIndex);
        const error = crash.toJSON();
        if (home.crashed === null) void this.#request(home, { kind: 'fail', id: d.id, error }).catch(() => null);
      }
      if (d.cpuIndex === index && d.share !== null) {
        new SharedBoard(d.share.board).setGone();
        void this.#detach(d);
      }
      if (d.cpuIndex !== index || d.state === 'stopped') continue;
      d.hear({ kind: 'state', id: d.id, state: 'stopped', outcome: { kind: 'error', code: 'PCPU_CRASHED', message } });
    }
  }
}
