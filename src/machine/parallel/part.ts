// The processors of a machine that live on another thread than its devices: their local APICs are here, every other access
// goes to the home part by mail. Real time only. Sources: docs/decisions/0007-parallel-vcpus.md; SDM 3A
// "Multiple-Processor (MP) Initialization", "Issuing Interprocessor Interrupts".

import { type CpuFeature, cpuidSignature } from '../../arch/index.js';
import { BugError, VmError } from '../../base/index.js';
import { type ApicReceiver, DeviceSet, type LocalApic, LocalApics, type PowerRequest } from '../../devices/index.js';
import { CpuidPolicy, cpuModel, DEFAULT_CPU_MODEL, type ExitStatistic, VcpuMonitor } from '../../vmm/index.js';
import type { Engine, Vcpu, VmShare } from '../../vmx/index.js';
import { boardInterrupts, boardLocalApic, type ProcessorBoard } from '../board.js';
import { Processor, Processors, SLICE_NS } from '../processors.js';
import { type PartStop, publishApics } from './home.js';
import { type Placement, Waker } from './placement.js';
import { MailOperation, ProcessorStatus, remoteApic, SharedBoard } from './shared-board.js';

/** What a part is made from. Plain data that crosses threads. */
export interface MachineShare {
  readonly name: string;
  readonly cpus: number;
  readonly tscHz: number;
  readonly apicBusHz: number;
  readonly cpuModel?: string;
  readonly board: SharedArrayBuffer;
  readonly placement: Placement;
  readonly vm: VmShare;
}
export interface PartHost {
  readonly engine: Engine & { readonly cpuFeatures?: ReadonlySet<CpuFeature> };
  /** Host monotonic clock in nanoseconds, the same on all threads. */
  readonly nowNs: () => number;
}
export interface PartStats {
  readonly instructions: number;
  readonly exits: readonly ExitStatistic[];
  readonly interrupts: number;
  readonly steps: number;
  readonly runs: number;
  /** Host time inside `step`. */
  readonly hostNs: number;
}
export interface PartStepResult {
  readonly usedNs: number;
  readonly state: 'running' | 'halted';
  readonly nextDeadlineNs: number | null;
}

/** The board as the processors of a part see it: local APICs here, everything else by mail. */
class PartBoard implements ProcessorBoard {
  readonly devices: DeviceSet;
  readonly set: ProcessorBoard['set'];
  readonly #apics: LocalApics;
  request: PowerRequest | null = null;
  #cpu = 0;

  constructor(
    nowNs: () => number,
    cpus: number,
    elsewhere: ReadonlyMap<number, ApicReceiver>,
    onInterrupt: (cpu: number) => void,
    ask: (cpu: number, operation: number, address: number, size: number, value: number) => number,
    onEoi: (vector: number) => void,
  ) {
    const devices = new DeviceSet({ nowNs });
    this.devices = devices;
    this.#apics = new LocalApics({ set: devices, cpus, elsewhere, onInterrupt });
    this.#apics.bus.onEoi(onEoi);
    const { PORT_READ, PORT_WRITE, MMIO_READ, MMIO_WRITE } = MailOperation;
    this.set = {
      pio: {
        read: (address, size) => ask(this.#cpu, PORT_READ, address, size, 0),
        write: (address, size, value) => void ask(this.#cpu, PORT_WRITE, address, size, value),
      },
      mmio: {
        read: (address, size) =>
          devices.mmio.claims(address) ? devices.mmio.read(address, size) : ask(this.#cpu, MMIO_READ, address, size, 0),
        write: (address, size, value) => {
          if (devices.mmio.claims(address)) devices.mmio.write(address, size, value);
          else ask(this.#cpu, MMIO_WRITE, address, size, value);
        },
      },
    };
  }

  get localApics(): readonly LocalApic[] {
    return this.#apics.all;
  }
  apics(): LocalApic[] {
    return this.#apics.here();
  }
  selectCpu(cpu: number): void {
    this.#cpu = cpu;
    this.#apics.selectCpu(cpu);
  }
  moveLocalApicPage(gpa: number, present: boolean): void {
    this.#apics.movePage(gpa, present);
  }
  pendingInterrupt(cpu: number): boolean {
    return (this.localApics[cpu]?.queries.pendingVector() ?? -1) >= 0;
  }
  acknowledgeInterrupt(cpu: number): number {
    return this.localApics[cpu]?.inputs.acknowledge() ?? 0xff;
  }
  pendingSignal(cpu: number): 'nmi' | 'init' | 'sipi' | null {
    return this.#apics.pendingSignal(cpu);
  }
  reset(): void {
    this.devices.reset();
    this.#apics.resetPage();
  }
}

const MAX_IDLE_RUNS = 1_000_000;

export class MachinePart {
  readonly name: string;
  readonly processors: Processors;
  readonly #share: MachineShare;
  readonly #host: PartHost;
  readonly #board: PartBoard;
  readonly #shared: SharedBoard;
  readonly #waker: Waker;
  readonly #index: number;
  readonly #cpus: readonly number[];
  #generation = -1;
  #runEndNs = 0;
  #failed = false;
  #interrupts = 0;
  #steps = 0;
  #runs = 0;
  #hostNs = 0;

  constructor(share: MachineShare, index: number, host: PartHost, vcpus: readonly Vcpu[]) {
    this.name = share.name;
    this.#share = share;
    this.#host = host;
    this.#index = index;
    this.#cpus = share.placement.parts[index] ?? [];
    const shared = new SharedBoard(share.board);
    this.#shared = shared;
    const waker = new Waker(share.placement, share.vm);
    this.#waker = waker;
    const others = Array.from({ length: share.cpus }, (_, cpu) => cpu).filter((cpu) => !this.#cpus.includes(cpu));
    this.#board = new PartBoard(
      () => this.clockNs(),
      share.cpus,
      new Map(others.map((cpu) => [cpu, remoteApic(shared, cpu, (to) => waker.cpu(to))])),
      (cpu) => this.#wake(cpu),
      (cpu, operation, address, sizeBytes, value) => {
        const answer = shared.ask(cpu, () => waker.part(0), { operation, address, sizeBytes, value });
        return sizeBytes === 4 ? answer : answer & ((1 << (8 * sizeBytes)) - 1);
      },
      (vector) => {
        shared.postEoi(vector);
        waker.part(0);
      },
    );
    const model = cpuModel(share.cpuModel ?? DEFAULT_CPU_MODEL);
    const signature = cpuidSignature(model.family, model.model, model.stepping);
    const engineFeatures = host.engine.cpuFeatures ?? new Set<CpuFeature>(model.features);
    const { cpus, tscHz, apicBusHz } = share;
    const after = (): void => this.#afterAccess();
    const all = vcpus.map((vcpu) => {
      const cpu = vcpu.index;
      const monitor = new VcpuMonitor({
        vcpu,
        bus: this.#busOf(cpu, after),
        interrupts: boardInterrupts(this.#board, cpu, () => {
          this.#interrupts++;
        }),
        apic: boardLocalApic({ chipset: this.#board, cpu, vcpu, tscHz, nowNs: () => this.clockNs(), after }),
        cpuid: new CpuidPolicy({ model, engineFeatures, vcpus: cpus, apicId: cpu, tscHz, apicBusHz }),
        tscHz,
        time: 'real',
        hostNs: host.nowNs,
        ...(vcpus.length > 1 && { onPause: () => this.#pause() }),
      });
      return new Processor(vcpu, monitor);
    });
    this.processors = new Processors({
      all,
      chipset: this.#board,
      virtual: false,
      sliceTicks: this.#nsToTicks(SLICE_NS),
      signature,
      initBoot: null,
    });
  }

  /** Every access names its processor: mail is by processor. */
  #busOf(cpu: number, after: () => void) {
    const { set } = this.#board;
    return {
      read: (space: 'pio' | 'mmio', address: number, size: 1 | 2 | 4): number => {
        this.#board.selectCpu(cpu);
        const value = set[space].read(address, size);
        after();
        return value;
      },
      write: (space: 'pio' | 'mmio', address: number, size: 1 | 2 | 4, value: number): void => {
        this.#board.selectCpu(cpu);
        set[space].write(address, size, value);
        after();
      },
    };
  }

  /** Domain time in nanoseconds since power-on. */
  clockNs(): number {
    return Math.floor(this.#host.nowNs()) - this.#shared.originNs;
  }
  #nsToTicks(ns: number): number {
    const { tscHz } = this.#share;
    return tscHz === 1e9 ? Math.ceil(ns) : Math.ceil((ns * tscHz) / 1e9);
  }

  get state(): 'running' | 'halted' {
    const shared = this.#shared;
    if (!shared.running || this.#over) return 'halted';
    if (shared.generation !== this.#generation) return 'running';
    if (this.#cpus.some((cpu) => shared.attention(cpu))) return 'running';
    return this.processors.idle ? 'halted' : 'running';
  }
  /** It has failed; a reset brings it back. */
  get #over(): boolean {
    return this.#failed && this.#shared.generation === this.#generation;
  }
  /** When it wants to run though halted, on the caller's clock. */
  nextDeadlineNs(): number | null {
    if (!this.#shared.running || this.#over) return null;
    const next = this.#board.devices.nextDeadlineNs();
    return next === null ? null : next + this.#shared.originNs;
  }

  /** Runs its processors for at most `budgetNs`, while the home part lets it. */
  step(_nowNs: number, budgetNs: number): PartStepResult {
    const shared = this.#shared;
    const begin = this.#host.nowNs();
    this.#steps++;
    shared.setActive(this.#index, true);
    try {
      if (shared.running && !this.#over) this.#runUntil(this.clockNs() + budgetNs);
    } catch (error) {
      this.#fail(error);
    } finally {
      shared.setActive(this.#index, false);
    }
    const usedNs = Math.max(0, Math.floor(this.#host.nowNs() - begin));
    this.#hostNs += usedNs;
    return { usedNs, state: this.state, nextDeadlineNs: this.nextDeadlineNs() };
  }

  stats(): PartStats {
    return {
      instructions: this.processors.instructions,
      exits: this.processors.exits(),
      interrupts: this.#interrupts,
      steps: this.#steps,
      runs: this.#runs,
      hostNs: this.#hostNs,
    };
  }

  // ---- internals ----

  #fail(error: unknown): void {
    const code = error instanceof VmError ? error.code : 'MACHINE_BUG';
    const message = error instanceof Error ? error.message : String(error);
    this.#failed = true;
    this.#stopped({ kind: 'error', code, message });
  }
  /** Tells the home part, which decides. */
  #stopped(stop: PartStop): void {
    const message = stop.message.replace(/[^\x20-\x7e]/g, ' ').slice(0, 400);
    const text = JSON.stringify({ ...stop, message });
    this.#shared.ask(this.#cpus[0] ?? 0, () => this.#waker.part(0), { operation: MailOperation.STOPPED, text });
  }

  #reset(): void {
    this.#generation = this.#shared.generation;
    this.#failed = false;
    this.#board.reset();
    this.processors.reset(null, this.#shared.tscOffset);
  }

  #afterAccess(): void {
    publishApics(this.#shared, this.#board.apics());
    const next = this.#board.devices.nextDeadlineNs();
    if ((next !== null && next < this.#runEndNs) || !this.#shared.running) this.#return();
  }
  #return(): void {
    this.processors.current.monitor.requestReturn();
  }
  /** Something for processor `cpu` to take: another than the current one has its turn at once. */
  #wake(cpu: number): void {
    const { processors } = this;
    if (processors === undefined) return; // it is being made
    if (processors.signalled(cpu)) this.#return();
    if (processors.current.vcpu.index === cpu) return;
    processors.yield();
    this.#return();
  }
  #pause(): void {
    if (!this.processors.othersWant()) return;
    this.processors.yield();
    this.#return();
  }

  /** Takes what others have left. */
  #take(): void {
    const shared = this.#shared;
    if (shared.generation !== this.#generation) this.#reset();
    for (const cpu of this.#cpus) {
      if (!shared.attention(cpu)) continue;
      shared.take(cpu, (message) => this.#board.localApics[cpu]?.inputs.accept(message));
    }
  }

  #runUntil(endNs: number): void {
    const { processors } = this;
    const shared = this.#shared;
    for (let idleRuns = 0; shared.running; ) {
      this.#take();
      const now = this.clockNs();
      this.#board.devices.runDeadlines(now);
      processors.takeSignals();
      publishApics(shared, this.#board.apics());
      const processor = now >= endNs ? null : processors.next();
      if (processor === null) break;
      const { monitor, vcpu } = processor;
      shared.setStatus(vcpu.index, ProcessorStatus.BUSY);
      const deadline = this.#board.devices.nextDeadlineNs() ?? Number.POSITIVE_INFINITY;
      this.#runEndNs = Math.min(endNs, deadline);
      this.#runs++;
      const before = vcpu.counters.instructions;
      const budget = Math.max(1, Math.min(this.#nsToTicks(this.#runEndNs - now), processors.sliceLeft));
      const result = monitor.run(budget);
      this.#runEndNs = 0;
      processors.used(result.ticksUsed);
      if (result.next === 'stop') {
        const reason = monitor.stopReason;
        const kind = reason?.kind === 'requested' || reason === null ? 'internalError' : reason.kind;
        this.#failed = true; // until the next reset
        this.#stopped({ kind, code: '', message: reason?.message ?? 'the vCPU stopped without a reason' });
        return;
      }
      idleRuns = vcpu.counters.instructions === before ? idleRuns + 1 : 0;
      if (idleRuns > MAX_IDLE_RUNS) throw new BugError('MACHINE_STUCK', `'${this.name}' makes no progress`);
      processors.takeKick();
    }
    this.#tellStatus();
  }

  #tellStatus(): void {
    const shared = this.#shared;
    let news = false;
    for (const p of this.processors.all) {
      const cpu = p.vcpu.index;
      const status = p.deaf ? ProcessorStatus.DEAF : p.idle ? ProcessorStatus.IDLE : ProcessorStatus.BUSY;
      if (status === shared.status(cpu)) continue;
      shared.setStatus(cpu, status);
      news ||= status === ProcessorStatus.DEAF;
    }
    if (!news) return;
    shared.setNews();
    this.#waker.part(0);
  }
}

/** The thread of part `index` has died: nobody waits for it any more. Its machine must be stopped or reset. */
export function abandonPart({ board, placement, vm }: MachineShare, index: number): void {
  const words = [...vm.locks, ...(placement.parts[index] ?? []).flatMap((cpu) => vm.runningWords[cpu] ?? [])];
  for (const word of words) {
    Atomics.store(word, 0, 0);
    Atomics.notify(word, 0);
  }
  new SharedBoard(board).setActive(index, false);
}

/** Makes part `index` of a machine whose home part is on another thread. */
export async function createMachinePart(share: MachineShare, index: number, host: PartHost): Promise<MachinePart> {
  const { engine } = host;
  if (engine.attachVcpus === undefined)
    throw new BugError('PART_ENGINE', `engine '${engine.name}' cannot share the vCPUs of '${share.name}'`);
  const board = new SharedBoard(share.board);
  const clock = (): number => Math.floor(host.nowNs()) - board.originNs;
  const vcpus = await engine.attachVcpus(share.vm, share.placement.parts[index] ?? [], clock);
  return new MachinePart(share, index, host, vcpus);
}
