// One physical CPU: its domains, their clock, the loop that runs them. Runs on a thread of its own or on the caller's.

import { BugError, ConfigError, VmError } from '../base/index.js';
import type { BlockStore } from '../host/index.js';
import {
  createMachine,
  createMachinePart,
  dealOut,
  MAX_TRACE_KEEP,
  type Machine,
  type MachineMedia,
  picture,
  type StepResult,
  screenshot,
} from '../machine/index.js';
import type { Engine } from '../vmx/index.js';
import { checkDomainConfig, type DomainConfig, type MediaFiles, VIRTUAL_WALL_CLOCK_MS } from './config.js';
import { ConsoleRing } from './console-ring.js';
import { PcpuPart } from './parts.js';
import { AccessLog, loadPolicy, type ModuleLoader } from './policy.js';
import type {
  CreatedDomain,
  DeviceInput,
  DomainOutcome,
  DomainStat,
  DomainState,
  Frame,
  PcpuCommand,
  PcpuEvent,
  PcpuReply,
  PcpuRequest,
  PcpuStat,
} from './protocol.js';
import { toPlainError } from './protocol.js';
import {
  type Dispatch,
  type Entity,
  realTimeline,
  type Schedulable,
  Scheduler,
  type SchedulingStats,
  type Timeline,
  VirtualTimeline,
} from './scheduler.js';
import { type ScriptAction, ScriptRunner } from './script.js';
import { CpuTimeline } from './timeline.js';

/** Makes engines; the only thing that `apps` must hand in. */
export type EngineFactories = Readonly<Partial<Record<'software' | 'kvm', () => Promise<Engine>>>>;

/** An open image file. */
export type OpenDisk = BlockStore & { close(): void };
/** What a physical CPU needs of its host for media and pictures. */
export interface PcpuServices {
  /** Opens an image file; without it there are no media. */
  readonly openDisk?: (path: string, readOnly: boolean) => OpenDisk;
  /** Makes a zlib stream, for PNG files. */
  readonly deflate?: (data: Uint8Array) => Uint8Array;
  /** Imports an ES module; without it there are no policy modules. */
  readonly loadModule?: ModuleLoader;
}

export interface PcpuOptions extends PcpuServices {
  readonly cpu: number;
  readonly engines: EngineFactories;
  /** Host monotonic clock, nanoseconds. */
  readonly nowNs: () => number;
  /** Host wall clock, milliseconds since 1970. */
  readonly wallClockMs: () => number;
  readonly emit: (event: PcpuEvent) => void;
  /** Keeps idle virtual time from running ahead of the host's. */
  readonly pace?: boolean;
  /** Stands still once every script of this CPU is over, so that a scripted run ends at the same instant every time. */
  readonly holdAfterScripts?: boolean;
}

/** What to do after `run`: come back at once, or wait for the doorbell until a host time (null: without end). */
export type RunState = { readonly kind: 'busy' } | { readonly kind: 'wait'; readonly untilHostNs: number | null };

/** Output room that a domain needs before it may run. */
const MIN_OUTPUT_ROOM = 4096;
/** Virtual time that lags the host by more than this does not catch up. */
const PACE_SLACK_NS = 100_000_000;
const INPUT_CHUNK = 256;
const S = 1e9;

/** A word that another thread can write; a copy of unshared memory would be of no use there. */
const shareable = (word: Int32Array | null): Int32Array | null =>
  typeof SharedArrayBuffer !== 'undefined' && word?.buffer instanceof SharedArrayBuffer ? word : null;

const NO_SCHEDULING: SchedulingStats = { ranNs: 0, dispatches: 0, misses: 0, overruns: 0, maxLatencyNs: 0 };

/** Bytes of one `readMemory` or `writeMemory`. */
export const MAX_MEMORY_BYTES = 16 << 20;
/** Scan codes that wait for the keyboard at most. */
const MAX_KEYS = 4096;
/** What the keyboard itself is given to hold. */
const KEYBOARD_BYTES = 64;

/** A line of the debug port is cut here. */
const MAX_DEBUG_LINE = 1024;

/** A domain on its physical CPU. */
class PcpuDomain implements Schedulable {
  state_: DomainState = 'created';
  outcome: DomainOutcome | null = null;
  entity: Entity<Task> | null = null;
  script: ScriptRunner | null = null;
  scriptTold = false;
  /** Output that did not fit into the ring. */
  readonly overflow: number[] = [];
  typed: number[] = [];
  /** Scan codes that the keyboard has not taken yet. */
  keys: number[] = [];
  readonly accesses = new AccessLog();
  /** Its open image files. */
  disks: readonly OpenDisk[] = [];
  debugLine = '';
  lastScheduling: SchedulingStats = NO_SCHEDULING;
  machine!: Machine;

  constructor(
    readonly id: number,
    readonly config: DomainConfig,
    readonly engineName: string,
    readonly output: ConsoleRing,
    readonly input: ConsoleRing,
    readonly onScriptDone: (domain: PcpuDomain) => void,
  ) {}

  get name(): string {
    return this.config.name;
  }
  get state(): StepResult['state'] {
    return this.outcome === null ? this.machine.state : 'stopped';
  }

  put(byte: number): void {
    if (this.overflow.length > 0 || !this.output.push(byte)) this.overflow.push(byte);
    this.script?.feed(byte);
  }
  /** A byte from the firmware's debug port; the whole line at its end, else null. */
  debug(byte: number): string | null {
    if (byte !== 0x0a) this.debugLine += String.fromCharCode(byte);
    if (byte !== 0x0a && this.debugLine.length < MAX_DEBUG_LINE) return null;
    const line = this.debugLine;
    this.debugLine = '';
    return line;
  }
  /** Moves what did not fit into the ring; true when the domain may run. */
  drain(): boolean {
    if (this.overflow.length > 0) this.overflow.splice(0, this.output.write(this.overflow));
    if (this.#hasRoom()) {
      this.output.setWaiting(false);
      return true;
    }
    this.output.setWaiting(true);
    // The reader may have emptied the ring just before it could see that we wait.
    return this.#hasRoom();
  }
  #hasRoom(): boolean {
    return this.overflow.length === 0 && this.output.room >= Math.min(MIN_OUTPUT_ROOM, this.output.capacity / 2);
  }

  /** Hands typed bytes and the manager's input to the guest; true when it got some. */
  receive(): boolean {
    let got = this.#pressKeys();
    if (this.typed.length === 0 && this.input.length === 0) return got;
    // Before the guest listens, what is typed waits here: setting up the port, it would throw it away.
    if (!this.machine.chipset.com[0]?.queries.listens()) return got;
    const room = this.machine.consoleRoom();
    if (this.typed.length > 0 && room > 0) {
      this.typed.splice(0, this.machine.receiveConsole(this.typed.slice(0, room)));
      got = true;
    }
    if (this.input.length > 0 && this.typed.length === 0) {
      const bytes = this.input.read(Math.min(INPUT_CHUNK, this.machine.consoleRoom()));
      if (bytes.length > 0) this.machine.receiveConsole(bytes);
      got ||= bytes.length > 0;
    }
    return got;
  }

  #pressKeys(): boolean {
    if (this.keys.length === 0) return false;
    const { keyboard } = this.machine.chipset;
    const room = KEYBOARD_BYTES - keyboard.state.keyboard.queue.length;
    if (room <= 0) return false;
    keyboard.inputs.key(this.keys.splice(0, room));
    return true;
  }

  /** What people do at its devices. */
  use(input: DeviceInput): void {
    if (input.kind === 'mouse') {
      const { inputs } = this.machine.chipset.keyboard;
      if (input.dx !== 0 || input.dy !== 0) inputs.move(input.dx, input.dy);
      inputs.buttons(input.buttons);
    } else if (this.keys.length + input.codes.length > MAX_KEYS) {
      const message = `'${this.name}' does not read its keyboard, expected at most ${MAX_KEYS} scan codes to wait`;
      throw new ConfigError('KEYBOARD_FULL', message, { domain: this.name });
    } else {
      this.keys.push(...input.codes);
      this.#pressKeys();
    }
  }

  step(nowNs: number, budgetNs: number): StepResult {
    this.#runScript(nowNs);
    if (this.outcome !== null) return { usedNs: 0, state: 'stopped', nextDeadlineNs: null };
    const result = this.machine.step(nowNs, budgetNs);
    const end = nowNs + result.usedNs;
    if (this.machine.outcome !== null) this.#ended(this.machine.outcome);
    else this.#runScript(end);
    const { limitS } = this.config;
    if (this.outcome === null && limitS !== undefined && this.machine.clockNs() >= limitS * S) {
      this.outcome = {
        kind: 'error',
        code: 'LIMIT_TIME',
        message: `domain '${this.name}' ran for its limit of ${limitS} s`,
      };
    }
    return { usedNs: result.usedNs, state: this.state, nextDeadlineNs: this.nextDeadlineNs() };
  }

  nextDeadlineNs(): number | null {
    if (this.outcome !== null) return null;
    const machine = this.machine.nextDeadlineNs();
    const script = this.script?.nextNs() ?? null;
    if (machine === null || script === null) return machine ?? script;
    return Math.min(machine, script);
  }

  #runScript(nowNs: number): void {
    const { script } = this;
    if (script === null || script.over) return;
    for (;;) {
      const action = script.poll(nowNs);
      if (action === null) break;
      this.#act(action);
      if (script.over) break;
    }
    this.receive();
  }

  #act(action: ScriptAction): void {
    if (action.kind === 'send') this.typed.push(...action.bytes);
    else if (action.kind === 'failed') this.outcome = { kind: 'scriptFailed', message: action.message };
    else {
      if (action.kind === 'stop') this.outcome = { kind: 'stopped', by: 'script' };
      this.#scriptDone();
    }
  }

  #scriptDone(): void {
    if (this.scriptTold) return;
    this.scriptTold = true;
    this.onScriptDone(this);
  }

  #ended(outcome: DomainOutcome): void {
    this.outcome = outcome;
    const action = this.script?.guestEnded() ?? null;
    if (action?.kind === 'failed') {
      // What the machine did wrong says more than what the script missed.
      if (outcome.kind !== 'error' && outcome.kind !== 'tripleFault') {
        this.outcome = { kind: 'scriptFailed', message: action.message };
      }
    } else if (action?.kind === 'done') this.#scriptDone();
  }
}

/** What is scheduled here. */
type Task = PcpuDomain | PcpuPart;

interface PcpuClock {
  readonly mode: 'real' | 'virtual';
  readonly timeline: Timeline;
  readonly scheduler: Scheduler<Task>;
}

export class PcpuRuntime {
  readonly #o: PcpuOptions;
  readonly #domains = new Map<number, PcpuDomain>();
  /** Processors of domains that live on other physical CPUs. */
  readonly #parts = new Map<number, PcpuPart>();
  readonly #engines = new Map<string, Promise<Engine>>();
  /** Made for the time mode of the first domain; all domains of a physical CPU share it. */
  #clock: PcpuClock | null = null;
  /** Who ran when, while somebody looks. */
  #timeline: CpuTimeline | null = null;
  #busyNs = 0;
  #startedHostNs: number | null = null;
  /** A host time and the virtual time that belongs to it. */
  #pace = { hostNs: 0, virtualNs: 0 };

  constructor(options: PcpuOptions) {
    this.#o = options;
  }

  /** Carries out a command and answers it. */
  async handle({ requestId, request }: PcpuCommand): Promise<void> {
    try {
      this.#o.emit({ kind: 'reply', requestId, value: await this.#carryOut(request) });
    } catch (error) {
      this.#o.emit({ kind: 'refused', requestId, error: toPlainError(error) });
    }
  }

  /** Runs domains for about `hostBudgetNs` of host time. */
  run(hostBudgetNs: number): RunState {
    const clock = this.#clock;
    if (clock === null) return { kind: 'wait', untilHostNs: null };
    const begin = this.#o.nowNs();
    let state: RunState = { kind: 'busy' };
    do {
      const next = this.#turn(clock);
      if (next !== null) {
        state = next;
        break;
      }
    } while (this.#o.nowNs() - begin < hostBudgetNs);
    this.#busyNs += this.#o.nowNs() - begin;
    this.flush();
    return state;
  }

  /** Tells the manager of output that waits. */
  flush(): void {
    for (const d of this.#domains.values()) {
      if (d.overflow.length > 0) d.drain();
      if (d.output.signal()) this.#o.emit({ kind: 'output', id: d.id });
    }
  }

  // ---- the loop ----

  /** One dispatch; null when there may be more to do at once. */
  #turn(clock: PcpuClock): RunState | null {
    const { scheduler, timeline, mode } = clock;
    if (this.#o.holdAfterScripts && this.#scriptsOver()) {
      for (const d of this.#domains.values()) d.machine.standStill();
      return { kind: 'wait', untilHostNs: null };
    }
    let blocked = false;
    for (const d of this.#domains.values()) {
      if (d.entity === null || d.state_ !== 'running') continue;
      if (d.receive()) scheduler.changed();
      const full = !d.drain();
      if (full !== d.entity.suspended) {
        d.entity.suspended = full;
        if (full) d.machine.standStill();
        if (mode === 'real') scheduler.changed();
      }
      blocked ||= full;
    }
    // In virtual time a full console stops the clock of all, so that the reader's speed changes nothing.
    if (blocked && mode === 'virtual') return { kind: 'wait', untilHostNs: null };
    const d = scheduler.dispatch();
    if (d.kind === 'ran') {
      if (this.#timeline !== null) this.#note(this.#timeline, d, clock);
      const { task } = d.entity;
      if (task instanceof PcpuDomain && task.outcome !== null) this.#stopped(task);
      return null;
    }
    if (d.untilNs === null) return { kind: 'wait', untilHostNs: null };
    if (!(timeline instanceof VirtualTimeline)) return { kind: 'wait', untilHostNs: d.untilNs };
    if (this.#o.pace) {
      const due = this.#hostTimeOf(timeline.now(), d.untilNs);
      if (due > this.#o.nowNs()) return { kind: 'wait', untilHostNs: due };
    }
    timeline.jumpTo(d.untilNs);
    return null;
  }

  #note(record: CpuTimeline, d: Dispatch<Task> & { kind: 'ran' }, clock: PcpuClock): void {
    record.ran(d.entity.task.name, d.startNs, d.startNs + d.usedNs, d.charged);
    const now = clock.timeline.now();
    for (const { task, reservation, stats } of clock.scheduler.entities) {
      if (reservation !== null) record.note(now, { name: task.name, ...stats });
    }
  }

  /** There are scripts, and all of them are over. */
  #scriptsOver(): boolean {
    let scripts = 0;
    for (const d of this.#domains.values()) {
      if (d.config.script === undefined) continue;
      scripts++;
      if (d.outcome === null && d.script?.over !== true) return false;
    }
    return scripts > 0;
  }

  /** The host time before which virtual time `untilNs` must not come; now is virtual time `nowNs`. */
  #hostTimeOf(nowNs: number, untilNs: number): number {
    const host = this.#o.nowNs();
    const ideal = this.#pace.hostNs + (nowNs - this.#pace.virtualNs);
    if (host > ideal + PACE_SLACK_NS || host < ideal - PACE_SLACK_NS) {
      this.#pace = { hostNs: host, virtualNs: nowNs };
    }
    return this.#pace.hostNs + (untilNs - this.#pace.virtualNs);
  }

  #setState(d: PcpuDomain, state: DomainState): void {
    d.state_ = state;
    this.#o.emit({ kind: 'state', id: d.id, state, outcome: d.outcome });
  }

  #stopped(d: PcpuDomain): void {
    if (d.entity !== null) {
      this.#clock?.scheduler.remove(d.entity);
      d.lastScheduling = d.entity.stats;
    }
    d.entity = null;
    d.machine.standStill();
    d.drain();
    if (d.output.signal()) this.#o.emit({ kind: 'output', id: d.id });
    this.#setState(d, 'stopped');
  }

  // ---- commands ----

  #find(id: number): PcpuDomain {
    const d = this.#domains.get(id);
    if (d === undefined) throw new BugError('DOMAIN_ID', `no domain ${id} on cpu ${this.#o.cpu}`);
    return d;
  }

  async #carryOut(request: PcpuRequest): Promise<PcpuReply> {
    switch (request.kind) {
      case 'create':
        return this.#create(request);
      case 'stat':
        return this.#stat();
      case 'attach':
        await this.#attach(request);
        return null;
      case 'detach': {
        const part = this.#parts.get(request.id);
        if (part?.entity) this.#clock?.scheduler.remove(part.entity as Entity<Task>);
        this.#parts.delete(request.id);
        return null;
      }
      case 'fail': {
        const d = this.#find(request.id);
        if (d.state_ === 'stopped') return null;
        d.outcome = { kind: 'error', code: request.error.code, message: request.error.message };
        this.#stopped(d);
        return null;
      }
      case 'screenshot':
        return { png: screenshot(this.#find(request.id).machine, this.#o.deflate) };
      case 'frame':
        return this.#frame(this.#find(request.id), request.known);
      case 'input':
        this.#find(request.id).use(request.input);
        this.#clock?.scheduler.changed();
        return null;
      case 'readMemory': {
        const memory = this.#memory(this.#find(request.id), request.gpa, request.sizeBytes);
        return { bytes: memory.expectBytes(request.gpa, request.sizeBytes) };
      }
      case 'writeMemory':
        this.#memory(this.#find(request.id), request.gpa, request.bytes.length).loadBytes(request.gpa, request.bytes);
        return null;
      case 'trace':
        this.#find(request.id).machine.trace(request.key, request.options);
        return null;
      case 'exits': {
        const max = Math.min(MAX_TRACE_KEEP, request.max);
        const trace = this.#find(request.id).machine.traceOf(request.key);
        if (trace === null) throw new ConfigError('TRACE_OFF', 'no such exit trace, expected one that was started');
        return trace.read(request.since, max);
      }
      case 'profile':
        this.#find(request.id).machine.profile(request.options);
        return null;
      case 'samples': {
        const batch = this.#find(request.id).machine.readProfile();
        if (batch === null) throw new ConfigError('PROFILE_OFF', 'no profile, expected one that was started');
        return batch;
      }
      case 'accesses':
        return this.#find(request.id).accesses.read(request.since);
      case 'timeline':
        this.#timeline = request.on ? (this.#timeline ?? new CpuTimeline()) : null;
        return null;
      case 'slices':
        if (this.#timeline === null)
          throw new ConfigError('TIMELINE_OFF', 'no timeline, expected one that was started');
        return this.#timeline.read(this.#o.cpu, this.#clock?.timeline.now() ?? 0, request.since);
      case 'start':
        for (const id of request.ids) this.#start(this.#find(id));
        return null;
      default:
        this.#control(request.kind, this.#find(request.id));
        return null;
    }
  }

  /** The memory of a domain, of which [gpa, gpa + sizeBytes) must be part. */
  #memory({ name, machine }: PcpuDomain, gpa: number, sizeBytes: number): Machine['vm']['memory'] {
    const { memory } = machine.vm;
    const valid = (n: number): boolean => Number.isSafeInteger(n) && n >= 0;
    const range = `${sizeBytes} bytes at 0x${gpa.toString(16)}`;
    if (!valid(gpa) || !valid(sizeBytes) || !memory.covers(gpa, sizeBytes)) {
      throw new ConfigError('MEMORY_RANGE', `${range} of '${name}' are not memory, expected an address in its RAM`);
    }
    if (sizeBytes > MAX_MEMORY_BYTES) {
      throw new ConfigError('MEMORY_RANGE', `${range} of '${name}' asked for, expected at most ${MAX_MEMORY_BYTES}`);
    }
    return memory;
  }

  #frame({ machine }: PcpuDomain, known: number): Frame {
    const { width, height, rgba } = picture(machine);
    const words = new Uint32Array(rgba.buffer, rgba.byteOffset, rgba.byteLength >> 2);
    // FNV-1a over the words; 0 is nobody's version.
    let hash = (0x811c9dc5 ^ (width * 65536 + height)) >>> 0;
    for (let i = 0; i < words.length; i++) hash = Math.imul(hash ^ (words[i] as number), 0x01000193);
    const version = hash >>> 0 || 1;
    return { version, width, height, rgba: version === known ? null : rgba };
  }

  async #create({ id, config, rings, bells }: Extract<PcpuRequest, { kind: 'create' }>): Promise<CreatedDomain> {
    checkDomainConfig(config);
    const { scheduler } = this.#clockFor(config);
    const engine = await this.#engine(config.engine ?? 'auto', config);
    const domain = new PcpuDomain(
      id,
      config,
      engine.name,
      new ConsoleRing(rings.output),
      new ConsoleRing(rings.input),
      (d) => this.#o.emit({ kind: 'scriptDone', id: d.id }),
    );
    const policy =
      config.policy === undefined
        ? null
        : await loadPolicy(config.policy, this.#o.loadModule, (access, verdict) =>
            domain.accesses.put(access, verdict, domain.machine.clockNs()),
          );
    const { disks, media } = this.#openMedia(config);
    domain.disks = disks;
    const pcpus = config.pcpus ?? [];
    const placement = pcpus.length > 1 ? { parts: dealOut(config.cpus ?? 1, pcpus.length), bells: bells ?? [] } : null;
    const machine = createMachine(config, {
      engine,
      ...(placement && { placement }),
      nowNs: this.#o.nowNs,
      wallClockMs: config.wallClockMs ?? (config.time === 'virtual' ? VIRTUAL_WALL_CLOCK_MS : this.#o.wallClockMs()),
      console: { write: (byte) => domain.put(byte) },
      log: (text) => this.#o.emit({ kind: 'log', id, text }),
      ...(media && { media }),
      ...(policy && { policy }),
      ...(config.debugPort && {
        firmwareDebug: {
          write: (byte: number) => {
            const text = domain.debug(byte);
            if (text !== null) this.#o.emit({ kind: 'debug', id, text });
          },
        },
      }),
    });
    try {
      domain.machine = await machine;
    } catch (error) {
      for (const disk of disks) disk.close();
      throw error;
    }
    try {
      domain.entity = this.#admit(scheduler, domain);
    } catch (error) {
      domain.machine.close();
      for (const disk of disks) disk.close();
      throw error;
    }
    this.#domains.set(id, domain);
    const { share } = domain.machine;
    return { engine: engine.name, kickWord: shareable(domain.machine.vcpu.kickWord), ...(share && { share }) };
  }

  async #attach({ id, share, part, weight }: Extract<PcpuRequest, { kind: 'attach' }>): Promise<void> {
    const { scheduler } = this.#clockFor({ name: share.name, time: 'real' });
    const engine = await this.#engine(share.vm.engine, { time: 'real' });
    const made = new PcpuPart(id, await createMachinePart(share, part, { engine, nowNs: this.#o.nowNs }));
    made.entity = scheduler.add(made, weight === undefined ? {} : { weight });
    this.#startedHostNs ??= this.#o.nowNs();
    this.#parts.set(id, made);
  }

  /** The thread ends: nothing of its domains runs on elsewhere. */
  close(): void {
    for (const d of this.#domains.values()) d.machine.standStill();
  }

  /** Opens the media of a domain; all or none. */
  #openMedia({ name, media }: DomainConfig): { disks: OpenDisk[]; media: MachineMedia | null } {
    const disks: OpenDisk[] = [];
    if (media === undefined) return { disks, media: null };
    const { openDisk } = this.#o;
    if (openDisk === undefined) {
      throw new ConfigError('DOMAIN_MEDIA', `domain '${name}' has media, expected none: this host opens no files`);
    }
    const open = ({ path, readOnly }: NonNullable<MediaFiles['cdrom']>, always = false): OpenDisk => {
      const disk = openDisk(path, always || (readOnly ?? false));
      disks.push(disk);
      return disk;
    };
    try {
      const opened = {
        disks: (media.disks ?? []).map((m) => open(m)),
        ...(media.cdrom && { cdrom: open(media.cdrom, true) }),
        floppies: (media.floppies ?? []).map((m) => open(m)),
      };
      return { disks, media: opened };
    } catch (error) {
      for (const disk of disks) disk.close();
      throw error;
    }
  }

  #admit(scheduler: PcpuClock['scheduler'], domain: PcpuDomain): Entity<Task> {
    const { realtime, weight } = domain.config;
    const entity = scheduler.add(domain, {
      reservation: realtime
        ? {
            priority: realtime.priority,
            periodNs: realtime.periodUs * 1000,
            budgetNs: (realtime.budgetUs ?? realtime.periodUs) * 1000,
          }
        : null,
      ...(weight !== undefined && { weight }),
    });
    entity.suspended = true;
    return entity;
  }

  #clockFor(config: Pick<DomainConfig, 'name' | 'time'>): PcpuClock {
    const mode = config.time;
    this.#clock ??= this.#makeClock(mode);
    if (this.#clock.mode !== mode) {
      const message = `domain '${config.name}' has ${mode} time on cpu ${this.#o.cpu} whose domains have ${this.#clock.mode} time, expected the same on one cpu`;
      throw new ConfigError('DOMAIN_TIME', message, { domain: config.name });
    }
    return this.#clock;
  }
  #makeClock(mode: 'real' | 'virtual'): PcpuClock {
    const timeline = mode === 'virtual' ? new VirtualTimeline() : realTimeline(this.#o.nowNs);
    return { mode, timeline, scheduler: new Scheduler<Task>(timeline) };
  }

  async #engine(
    name: 'software' | 'kvm' | 'auto',
    config: Pick<DomainConfig, 'time' | 'selfTest' | 'pcpus'>,
  ): Promise<Engine> {
    const make = (which: 'software' | 'kvm'): Promise<Engine> => {
      const factory = this.#o.engines[which];
      if (factory === undefined) {
        const known = Object.keys(this.#o.engines).join(', ');
        throw new ConfigError('ENGINE_MISSING', `engine '${which}' is not there, expected one of: ${known}`);
      }
      const made = this.#engines.get(which) ?? factory();
      this.#engines.set(which, made);
      return made;
    };
    if (name === 'auto') {
      // Hardware counts no instructions: virtual time is the software engine's. What `auto` takes never changes a run's result.
      const spread = (config.pcpus?.length ?? 0) > 1; // only the software engine's vCPUs go to several threads
      if (config.time === 'real' && !spread && this.#o.engines.kvm !== undefined) {
        const kvm = await make('kvm').catch(() => null);
        if (kvm !== null && (await kvm.probe()).usable) return kvm;
      }
      return make('software');
    }
    const engine = await make(name);
    const { checks } = await engine.probe();
    const failed = checks.find((c) => !c.ok && !(c.selfTest && config.selfTest === false));
    if (failed !== undefined) {
      const anyway = failed.selfTest ? "; 'selfTest: false' (--no-self-test) runs the guest all the same" : '';
      const message = `engine '${name}' cannot be used: ${failed.name}: ${failed.detail}${anyway}`;
      throw new ConfigError('ENGINE_UNUSABLE', message, { engine: name, check: failed.name });
    }
    return engine;
  }

  #start(d: PcpuDomain): void {
    const clock = this.#clock;
    if (d.state_ !== 'created' || d.entity === null || clock === null) return;
    const now = clock.timeline.now();
    if (this.#startedHostNs === null) {
      this.#startedHostNs = this.#o.nowNs();
      this.#pace = { hostNs: this.#startedHostNs, virtualNs: now };
    }
    d.script = d.config.script ? new ScriptRunner(d.config.script, now) : null;
    d.entity.suspended = false;
    clock.scheduler.changed();
    this.#setState(d, 'running');
  }

  #control(kind: 'pause' | 'resume' | 'stop' | 'reset' | 'powerButton' | 'destroy', d: PcpuDomain): void {
    const clock = this.#clock;
    if (clock === null) return;
    const now = clock.timeline.now();
    clock.scheduler.changed();
    switch (kind) {
      case 'pause':
        if (d.state_ !== 'running' || d.entity === null) return;
        d.machine.pause(now);
        d.entity.suspended = true;
        this.#setState(d, 'paused');
        return;
      case 'resume':
        if (d.state_ !== 'paused' || d.entity === null) return;
        d.machine.resume(now);
        d.entity.suspended = false;
        this.#setState(d, 'running');
        return;
      case 'stop':
        if (d.state_ === 'stopped') return;
        d.outcome = { kind: 'stopped', by: 'user' };
        this.#stopped(d);
        return;
      case 'powerButton':
        d.machine.pressPowerButton();
        return;
      case 'reset':
        this.#reset(clock.scheduler, d, now);
        return;
      case 'destroy':
        if (d.entity !== null) clock.scheduler.remove(d.entity);
        d.machine.close();
        for (const disk of d.disks) disk.close();
        this.#domains.delete(d.id);
    }
  }

  #reset(scheduler: PcpuClock['scheduler'], d: PcpuDomain, now: number): void {
    if (d.entity === null) d.entity = this.#admit(scheduler, d);
    d.outcome = null;
    try {
      d.machine.reset();
    } catch (error) {
      d.machine.fail(error);
      d.outcome = d.machine.outcome;
      this.#stopped(d);
      if (error instanceof VmError) throw error;
      return;
    }
    d.machine.resume(now);
    d.typed = [];
    d.keys = [];
    d.entity.suspended = false;
    this.#setState(d, 'running');
  }

  #stat(): PcpuStat {
    const domains = [...this.#domains.values()].map(
      (d): DomainStat => ({
        name: d.name,
        cpu: this.#o.cpu,
        state: d.state_,
        outcome: d.outcome,
        engine: d.engineName,
        time: d.config.time,
        memoryBytes: d.config.memoryBytes,
        machine: d.machine.stats(),
        scheduling: { ...(d.entity?.stats ?? d.lastScheduling) },
        script: d.script?.progress ?? null,
      }),
    );
    return {
      cpu: this.#o.cpu,
      timelineNs: this.#clock?.mode === 'virtual' ? this.#clock.timeline.now() : (this.#elapsedNs() ?? 0),
      busyNs: this.#busyNs,
      hostNs: this.#elapsedNs() ?? 0,
      domains,
      ...(this.#parts.size > 0 && {
        parts: [...this.#parts.values()].map((p) => ({ name: p.name, ...p.machine.stats() })),
      }),
    };
  }
  #elapsedNs(): number | null {
    return this.#startedHostNs === null ? null : this.#o.nowNs() - this.#startedHostNs;
  }
}
