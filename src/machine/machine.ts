// One guest computer: memory, processor, chip set and clock put together; run in steps by whoever owns the thread.
// Sources: DESIGN of this project, "Life of a VM exit"; SDM 3A "Time-Stamp Counter"; SDM 3C "VMX-Preemption Timer".

import { type CpuFeature, cpuidSignature } from '../arch/index.js';
import { BugError, ConfigError, VmError } from '../base/index.js';
import { PcChipset, PciPlace, pciAddress, type VgaState, VIDEO_MEMORY_BYTES, vga } from '../devices/index.js';
import {
  AccessPolicy,
  type AccessPolicyOptions,
  allTracers,
  CpuidPolicy,
  cpuModel,
  DEFAULT_CPU_MODEL,
  type ExitStatistic,
  ExitTrace,
  type ExitTraceOptions,
  estimatedNs,
  type StopReason,
  VcpuMonitor,
} from '../vmm/index.js';
import {
  type CpuState,
  type Engine,
  type EngineStatistics,
  type EngineVm,
  PAUSE_TICKS,
  resetState,
  type TimeMode,
  type Vcpu,
} from '../vmx/index.js';
import {
  boardBus,
  boardInterrupts,
  boardLocalApic,
  connectEngineChip,
  engineInterrupts,
  loadFirmwareTables,
  machineBoard,
  passApicMsrs,
  placeTestDevice,
} from './board.js';
import type { BoardMap } from './board-map.js';
import { type BootSource, entryCpuState, loadBoot } from './boot.js';
import { addStatistics, type EngineTime, EngineTimes } from './engine-time.js';
import { BoardMemory, checkFirmware, extraBytesFor, placeConfiguration, placeFirmware } from './firmware/index.js';
import { type MemoryMap, memoryMap } from './loaders/e820.js';
import { checkMedia, type MachineMedia, placeFloppy, placeIde } from './media.js';
import { HomePart, type PartStop } from './parallel/home.js';
import type { MachineShare } from './parallel/part.js';
import type { Placement } from './parallel/placement.js';
import { MAX_PROCESSORS, Processor, Processors, SLICE_NS } from './processors.js';
import { type ProfileBatch, type ProfileOptions, Profiler } from './profile/profiler.js';

/** TSC frequency unless configured: one tick per nanosecond. */
export const DEFAULT_TSC_HZ = 1_000_000_000;
/** Bus clock of the local APIC timer. */
const APIC_BUS_HZ = 1_000_000_000;

/** A machine as configured. Plain data. */
export interface MachineConfig {
  readonly name: string;
  /** RAM; a multiple of 4096. */
  readonly memoryBytes: number;
  readonly boot: BootSource;
  readonly time: TimeMode;
  /** TSC ticks per second; 1 GHz by default. */
  readonly tscHz?: number;
  /** Processors, 1 to 16; 1 by default. */
  readonly cpus?: number;
  /** CPU model by name. */
  readonly cpuModel?: string;
  /** A triple fault resets the machine, as on a PC, or stops it (default). */
  readonly onTripleFault?: 'reset' | 'stop';
  /** A reset asked for by the guest starts it anew (default) or stops it. */
  readonly onReset?: 'reset' | 'stop';
  /** Port by which a guest ends its run, as QEMU's isa-debug-exit; null for none (default: 0xf4). */
  readonly debugExitPort?: number | null;
  /** Who models 8259, 8254 and APICs: the board (default), or the engine where it can: faster, but not portable. */
  readonly interruptChip?: 'board' | 'engine';
  /** A VGA display adapter; by default where firmware boots. */
  readonly display?: 'vga' | 'none';
  /** A device by which system tests steer the board; by default where a multiboot image boots. */
  readonly testDevice?: 'pc-testdev' | 'none';
}

/** What a machine needs of its surroundings. */
export interface MachineHost {
  readonly engine: Engine;
  /** Host monotonic clock in nanoseconds. */
  readonly nowNs: () => number;
  /** Wall-clock time at power-on, milliseconds since 1970. */
  readonly wallClockMs: number;
  /** Bytes that the guest sends on COM1. */
  readonly console: { write(byte: number): void };
  /** The guest has made room for console input. */
  readonly consoleRoom?: () => void;
  readonly log?: (text: string) => void;
  /** Disks, by default none. */
  readonly media?: MachineMedia;
  /** Bytes that firmware writes to its debug port. */
  readonly firmwareDebug?: { write(byte: number): void };
  /** Features that the engine implements; by default the engine's own list, else the whole CPU model. */
  readonly cpuFeatures?: ReadonlySet<CpuFeature>;
  readonly policy?: AccessPolicyOptions;
  /** Where the processors live when not all live on the caller's thread. Real time only. */
  readonly placement?: Placement;
}

/** The display adapter as screenshots see it. */
export interface Display {
  readonly state: () => VgaState;
  readonly video: Uint8Array;
  readonly setTextMode: () => void;
}

/** How a machine ended. */
export type MachineOutcome =
  | { readonly kind: 'powerOff' }
  /** The debug-exit port was written; `status` is (value << 1) | 1. */
  | { readonly kind: 'exit'; readonly status: number }
  /** A reset with `onReset: 'stop'`. */
  | { readonly kind: 'reset'; readonly message: string }
  /** HLT with interrupts off: nothing can wake the processor. */
  | { readonly kind: 'halted'; readonly message: string }
  | { readonly kind: 'tripleFault'; readonly message: string }
  /** The monitor cannot go on, or a limit was reached. */
  | { readonly kind: 'error'; readonly code: string; readonly message: string };

export interface StepResult {
  /** Domain time used. */
  readonly usedNs: number;
  readonly state: 'running' | 'halted' | 'stopped';
  /** When the machine next wants to run though halted, on the caller's clock; null: never by itself. */
  readonly nextDeadlineNs: number | null;
}

export interface MachineStats {
  readonly state: StepResult['state'];
  /** Domain time since power-on. */
  readonly clockNs: number;
  readonly instructions: number;
  readonly exits: readonly ExitStatistic[];
  readonly exitsTotal: number;
  /** External interrupts and NMIs delivered. */
  readonly interrupts: number;
  readonly resets: number;
  /** Steps and VM-monitor runs. */
  readonly steps: number;
  readonly runs: number;
  /** Host time inside `step`, and the part of it that handled exits (from sampled exits). */
  readonly hostNs: number;
  readonly hostExitNs: number;
  /** Accesses that no device answered. */
  readonly unclaimed: number;
  readonly consoleBytesOut: number;
  readonly consoleBytesIn: number;
  readonly rip: string;
  /** What the engine counts about itself, all processors together. */
  readonly engine: EngineStatistics;
  /** Where the host time goes, estimated; null where the engine does not translate or too little has run. */
  readonly engineTime: EngineTime | null;
}

const romOf = (config: MachineConfig): Uint8Array | null =>
  config.boot.kind === 'firmware' ? config.boot.bios.data : null;
const videoBytesOf = (config: MachineConfig): number =>
  (config.display ?? (config.boot.kind === 'firmware' ? 'vga' : 'none')) === 'vga' ? VIDEO_MEMORY_BYTES : 0;

/** The text buffer as `setTextMode` leaves it. */
const TEXT_SCREEN = { gpa: 0xb8000, columns: 80, rows: 25 } as const;

/** A step that makes no progress this often in a row is a mistake of ours. */
const MAX_IDLE_RUNS = 1_000_000;

export class Machine {
  readonly config: MachineConfig;
  readonly chipset: PcChipset;
  readonly processors: Processors;
  /** The boot processor's. */
  readonly monitor: VcpuMonitor;
  readonly vcpu: Vcpu;
  readonly vm: EngineVm;
  readonly map: MemoryMap;
  outcome: MachineOutcome | null = null;
  readonly #host: MachineHost;
  readonly #tscHz: number;
  readonly #virtual: boolean;
  readonly #signature: number;
  /** Of a board whose memory layout changes; null on one with plain RAM. */
  readonly #boardMemory: BoardMemory | null;
  #display: Display | null = null;
  /** Caller's time minus domain time. */
  #originNs = 0;
  #started = false;
  #pausedAtNs: number | null = null;
  /** Virtual time: domain time and ticks when the current step began. */
  #anchorNs = 0;
  #anchorTicks = 0;
  /** Devices may not set a deadline before this while the guest runs: the run is ended instead. */
  #runEndNs = 0;
  #returnAsked = false;
  /** Traces of exits by the key of whoever looks. */
  readonly #traces = new Map<number, ExitTrace>();
  #profiler: Profiler | null = null;
  #resets = 0;
  #interrupts = 0;
  #steps = 0;
  #runs = 0;
  #hostNs = 0;
  readonly #engineTimes = new EngineTimes();
  #counted = { instructions: 0, exits: 0 };
  #bytesOut = 0;
  #bytesIn = 0;
  /** There when some processors live on other threads. */
  readonly #home: HomePart | null;
  /** A part has come to an end. */
  #partStop: PartStop | null = null;
  readonly #services = {
    read: (cpu: number, space: 'pio' | 'mmio', address: number, size: 1 | 2 | 4): number => {
      this.chipset.selectCpu(cpu);
      return this.chipset.set[space].read(address, size);
    },
    write: (cpu: number, space: 'pio' | 'mmio', address: number, size: 1 | 2 | 4, value: number): void => {
      this.chipset.selectCpu(cpu);
      this.chipset.set[space].write(address, size, value);
    },
    apic: (cpu: number) => this.chipset.localApics[cpu],
    eoi: (vector: number): void => this.chipset.ioApic?.inputs.eoi(vector),
    stopped: (stop: PartStop): void => {
      this.#partStop ??= stop;
    },
  };

  constructor(config: MachineConfig, host: MachineHost, vm: EngineVm, link: { machine: Machine | null }) {
    this.config = config;
    this.#host = host;
    this.vm = vm;
    this.#tscHz = vm.tscHz ?? config.tscHz ?? DEFAULT_TSC_HZ;
    this.#virtual = config.time === 'virtual';
    const cpus = config.cpus ?? 1;
    const { placement } = host;
    const here = placement?.parts[0]?.length ?? cpus;
    if (vm.vcpus.length !== here)
      throw new BugError(
        'MACHINE_VCPUS',
        `engine '${host.engine.name}' made ${vm.vcpus.length} vCPUs, expected ${here}`,
      );
    this.#home =
      placement !== undefined && vm.share !== undefined ? new HomePart({ cpus, placement, nowNs: host.nowNs }) : null;
    if (vm.share !== undefined) this.#home?.connect(vm.share);
    link.machine = this;
    if (!this.#virtual) {
      this.#originNs = Math.floor(host.nowNs());
      this.#pausedAtNs = this.#originNs; // domain time starts with the first step
    }
    this.map = memoryMap(machineBoard, config.memoryBytes);
    const rom = romOf(config);
    const videoBytes = videoBytesOf(config);
    if (extraBytesFor(rom, videoBytes) > 0) {
      const { extraOffset, memory } = vm;
      const ramOffset = memory.bufferOffsetOf(0);
      if (extraOffset === undefined)
        throw new BugError('MACHINE_EXTRA', `engine '${host.engine.name}' has no memory for ROMs`);
      this.#boardMemory = new BoardMemory({ memory, map: this.map, ramOffset, extraOffset, rom, videoBytes });
    } else this.#boardMemory = null;
    const silent = { tx: () => {} };
    this.chipset = new PcChipset({
      clock: { nowNs: () => this.clockNs() },
      log: host.log ?? (() => {}),
      cpus,
      ...(this.#home && { apicsElsewhere: this.#home.apicsElsewhere() }),
      memoryBytes: config.memoryBytes,
      wallClockMs: host.wallClockMs,
      onInterrupt: (cpu) => this.#wake(cpu),
      com: [
        {
          tx: (byte) => {
            this.#bytesOut++;
            host.console.write(byte);
          },
          rxRoom: () => host.consoleRoom?.(),
        },
        silent,
        silent,
        silent,
      ],
      debugExitPort: config.debugExitPort === undefined ? machineBoard.debugExitPort : config.debugExitPort,
      onA20: (open) => this.#boardMemory?.setA20(open),
      onShadow: () => this.#boardMemory?.update(),
    });
    const model = cpuModel(config.cpuModel ?? DEFAULT_CPU_MODEL);
    const engineFeatures = host.cpuFeatures ?? featuresOf(host.engine) ?? new Set<CpuFeature>(model.features);
    const all = vm.vcpus.map((vcpu) => {
      const cpuid = new CpuidPolicy({
        model,
        engineFeatures,
        vcpus: cpus,
        apicId: vcpu.index,
        tscHz: this.#tscHz,
        apicBusHz: APIC_BUS_HZ,
      });
      return new Processor(vcpu, this.#monitorOf(vcpu, cpuid));
    });
    this.#signature = cpuidSignature(model.family, model.model, model.stepping);
    this.processors = new Processors({
      all,
      chipset: this.chipset,
      virtual: this.#virtual,
      sliceTicks: this.#nsToTicks(SLICE_NS),
      signature: this.#signature,
      initBoot: config.boot.kind === 'firmware' ? () => resetState(this.#signature) : null,
    });
    const { first } = this.processors;
    this.vcpu = first.vcpu;
    this.monitor = first.monitor;
    if (vm.interruptChip !== undefined) connectEngineChip(this.chipset, vm.interruptChip);
    this.#placeOptional();
    this.#load();
  }

  #monitorOf(vcpu: Vcpu, cpuid: CpuidPolicy): VcpuMonitor {
    const { chipset, config } = this;
    const host = this.#host;
    const cpu = vcpu.index;
    const after = (): void => this.#afterAccess();
    const engineChip = this.vm.interruptChip !== undefined;
    const taken = (): void => {
      this.#interrupts++;
    };
    const monitor = new VcpuMonitor({
      vcpu,
      bus: boardBus(chipset, cpu, (ns) => this.#afterBusAccess(ns)),
      interrupts: engineChip ? engineInterrupts : boardInterrupts(chipset, cpu, taken),
      apic: engineChip
        ? null
        : boardLocalApic({ chipset, cpu, vcpu, tscHz: this.#tscHz, nowNs: () => this.clockNs(), after }),
      cpuid,
      tscHz: this.#tscHz,
      time: config.time,
      hostNs: host.nowNs,
      ...(host.policy && { policy: new AccessPolicy(host.policy) }),
      ...(this.vm.vcpus.length > 1 && { onPause: () => this.#pause() }),
    });
    if (engineChip) passApicMsrs(vcpu);
    return monitor;
  }

  /** The board as its tables describe it. */
  #board(): BoardMap {
    const present = videoBytesOf(this.config) > 0;
    return { ...machineBoard, vga: { ...machineBoard.vga, present } };
  }

  /** Devices that depend on the configuration. */
  #placeOptional(): void {
    const { chipset, config } = this;
    const boardMemory = this.#boardMemory;
    const { media } = this.#host;
    if (media !== undefined || config.boot.kind === 'firmware') placeIde(chipset, this.vm.memory, media ?? {});
    placeFloppy(chipset, this.vm.memory, media ?? {});
    if ((config.testDevice ?? (config.boot.kind === 'multiboot' ? 'pc-testdev' : 'none')) === 'pc-testdev')
      placeTestDevice(chipset);
    if (config.boot.kind !== 'firmware')
      placeConfiguration(chipset, { map: this.map, memory: this.vm.memory, cpus: config.cpus ?? 1 });
    if (boardMemory === null) return;
    if (config.boot.kind === 'firmware') {
      placeFirmware(chipset, {
        boot: config.boot,
        board: this.#board(),
        map: this.map,
        memory: this.vm.memory,
        cpus: config.cpus ?? 1,
        floppies: media?.floppies?.length ?? 0,
        serialConsole: config.boot.serialConsole ?? boardMemory.video.length === 0,
        debug: (byte) => this.#host.firmwareDebug?.write(byte),
      });
      const { gpa, sizeBytes, target } = boardMemory.shadowTarget();
      chipset.set.mmio.add(gpa, sizeBytes, target);
    }
    if (boardMemory.video.length > 0) {
      const { video } = boardMemory;
      const placed = chipset.set.place(
        vga,
        { ports: 0x3b0, dispi: 0x1ce, memory: machineBoard.vga.gpa },
        { video, clock: { nowNs: () => this.clockNs() } },
      );
      const place = new PciPlace(
        placed.inputs,
        () => placed.state.config,
        (bar, base) => bar === 0 && boardMemory.setVideoGpa(base),
      );
      chipset.addPci(pciAddress(2), place);
      this.#display = { state: () => placed.state, video, setTextMode: () => placed.inputs.setTextMode() };
    }
    boardMemory.start(() => chipset.hostBridge.queries.shadow());
    boardMemory.clear();
  }

  /** Domain time in nanoseconds since power-on. */
  clockNs(): number {
    if (!this.#virtual) return (this.#pausedAtNs ?? Math.floor(this.#host.nowNs())) - this.#originNs;
    const ticks = this.processors?.ticks ?? 0; // devices ask while the machine is being made
    return this.#anchorNs + this.#ticksToNs(ticks - this.#anchorTicks);
  }

  /** The display adapter; null when there is none. */
  get display(): Display | null {
    return this.#display;
  }

  get state(): StepResult['state'] {
    if (this.outcome !== null) return 'stopped';
    if (this.#home?.pending) return 'running';
    return this.processors.idle ? 'halted' : 'running';
  }

  /** Runs the guest for at most `budgetNs` of domain time; `nowNs` is the caller's time, which must not go back. */
  step(nowNs: number, budgetNs: number): StepResult {
    if (this.outcome !== null) return { usedNs: 0, state: 'stopped', nextDeadlineNs: null };
    const hostStart = this.#host.nowNs();
    this.#steps++;
    this.#bringTo(nowNs);
    const start = this.clockNs();
    try {
      this.#runUntil(start + budgetNs);
    } catch (error) {
      this.fail(error);
    }
    if (this.outcome !== null) this.standStill();
    const usedNs = Math.max(0, this.clockNs() - start);
    const hostNs = this.#host.nowNs() - hostStart;
    this.#hostNs += hostNs;
    this.#countEngine(hostNs);
    return { usedNs, state: this.state, nextDeadlineNs: this.nextDeadlineNs() };
  }

  #engineStatistics(): EngineStatistics {
    return addStatistics(this.vm.vcpus.map((v) => v.engineStatistics?.()));
  }
  /** Notes what a step that took `hostNs` has done. */
  #countEngine(hostNs: number): void {
    if (this.vcpu.translationTotals === undefined) return;
    const { instructions } = this.processors;
    // what the engine has answered takes time as instructions do
    let exits = 0;
    for (const { monitor } of this.processors.all) exits += monitor.statistics.handled;
    let retired = 0;
    let spentMs = 0;
    for (const vcpu of this.vm.vcpus) {
      const totals = vcpu.translationTotals?.();
      retired += totals?.retired ?? 0;
      spentMs += totals?.spentMs ?? 0;
    }
    const done = { instructions: instructions - this.#counted.instructions, exits: exits - this.#counted.exits };
    this.#counted = { instructions, exits };
    this.#engineTimes.add({ hostNs, ...done, retired, spentMs });
  }

  /** The next time, on the caller's clock, at which a halted machine wants to run; null when there is none. */
  nextDeadlineNs(): number | null {
    if (this.outcome !== null) return null;
    const next = this.chipset.nextDeadlineNs();
    return next === null ? null : next + this.#originNs;
  }

  /** Stops the domain's clock. */
  pause(nowNs: number): void {
    this.standStill();
    if (this.#pausedAtNs === null && this.#started) this.#pausedAtNs = nowNs;
  }
  /** Makes processors on other threads stop where they are until the next step. */
  standStill(): void {
    try {
      this.#home?.standStill(this.#services);
    } catch (error) {
      this.fail(error);
    }
  }
  /** What the other parts are made from; null when all processors are here. */
  get share(): MachineShare | null {
    const { config } = this;
    const { placement } = this.#host;
    if (this.#home === null || placement === undefined || this.vm.share === undefined) return null;
    return {
      name: config.name,
      cpus: config.cpus ?? 1,
      tscHz: this.#tscHz,
      apicBusHz: APIC_BUS_HZ,
      ...(config.cpuModel !== undefined && { cpuModel: config.cpuModel }),
      board: this.#home.board.shared,
      placement,
      vm: this.vm.share,
    };
  }
  /** Lets the domain's clock go on from where it stopped. */
  resume(nowNs: number): void {
    if (this.#pausedAtNs === null) return;
    this.#originNs += nowNs - this.#pausedAtNs;
    this.#pausedAtNs = null;
  }

  /** Hands bytes to COM1; tells how many were taken. */
  receiveConsole(bytes: ArrayLike<number>): number {
    const taken = this.chipset.com[0]?.inputs.receive(bytes) ?? 0;
    this.#bytesIn += taken;
    return taken;
  }
  /** Bytes that COM1 would take now. */
  consoleRoom(): number {
    return this.chipset.com[0]?.queries.room() ?? 0;
  }

  /** Presses the ACPI power button. */
  pressPowerButton(): void {
    this.chipset.acpi.inputs.pressPowerButton();
  }

  /** Records single exits for `key` from now on, or changes what is recorded; null ends it. */
  trace(key: number, options: ExitTraceOptions | null): void {
    const present = this.#traces.get(key);
    if (options === null) this.#traces.delete(key);
    else if (present !== undefined) present.configure(options);
    else this.#traces.set(key, new ExitTrace(this.#host.nowNs, () => this.clockNs(), options));
    const tracer = allTracers([...this.#traces.values()]);
    for (const { monitor } of this.processors.all) monitor.trace = tracer;
  }
  /** The trace that `key` has asked for. */
  traceOf(key: number): ExitTrace | null {
    return this.#traces.get(key) ?? null;
  }

  /** Samples from now on where the guest is, anew with every call; null ends it. */
  profile(options: ProfileOptions | null): void {
    this.#profiler = options === null ? null : new Profiler(this.vm.memory, options);
  }
  /** What `profile` has found so far; null where it is off. */
  readProfile(): ProfileBatch | null {
    return this.#profiler?.read() ?? null;
  }

  /** Back to power-on, with memory cleared and the guest loaded anew. */
  reset(): void {
    this.standStill();
    this.#resets++;
    this.outcome = null;
    this.#partStop = null;
    this.chipset.reset();
    this.vm.interruptChip?.reset();
    if (this.#boardMemory !== null) this.#boardMemory.clear();
    else for (const slot of this.vm.memory.slots) this.vm.memory.loadFill(slot.gpa, slot.sizeBytes, 0);
    this.#load();
  }

  /** Ends the machine because of an error. */
  fail(error: unknown): void {
    const code = error instanceof VmError ? error.code : 'MACHINE_BUG';
    const message = error instanceof Error ? error.message : String(error);
    this.#host.log?.(`${code}: ${error instanceof Error ? (error.stack ?? message) : message}`);
    this.outcome = { kind: 'error', code, message };
  }

  stats(): MachineStats {
    const exits = this.processors.exits();
    const hostExitNs = exits.reduce((sum, e) => sum + estimatedNs(e), 0);
    return {
      state: this.state,
      clockNs: this.clockNs(),
      instructions: this.processors.instructions,
      exits,
      exitsTotal: exits.reduce((sum, e) => sum + e.count, 0),
      interrupts: this.#interrupts,
      resets: this.#resets,
      steps: this.#steps,
      runs: this.#runs,
      hostNs: this.#hostNs,
      hostExitNs: Math.round(hostExitNs),
      unclaimed: this.chipset.set.unclaimed(),
      consoleBytesOut: this.#bytesOut,
      consoleBytesIn: this.#bytesIn,
      rip: `0x${this.vcpu.readRip().toString(16)}`,
      engine: this.#engineStatistics(),
      engineTime: this.#engineTimes.estimate(),
    };
  }

  /** Gives the engine's resources back. */
  close(): void {
    this.standStill();
    this.vm.close();
  }

  // ---- internals ----

  #ticksToNs(ticks: number): number {
    return this.#tscHz === 1e9 ? ticks : Math.floor((ticks * 1e9) / this.#tscHz);
  }
  #nsToTicks(ns: number): number {
    return this.#tscHz === 1e9 ? Math.ceil(ns) : Math.ceil((ns * this.#tscHz) / 1e9);
  }

  #entryState(): CpuState {
    const { boot } = this.config;
    if (boot.kind === 'firmware') return resetState(this.#signature);
    this.#display?.setTextMode();
    const { memory } = this.vm;
    const rsdpGpa = loadFirmwareTables(memory, this.#board(), this.config.cpus ?? 1, this.#signature);
    const screen = this.#display === null ? null : TEXT_SCREEN;
    return entryCpuState(loadBoot(memory, boot, { map: this.map, rsdpGpa, screen }));
  }

  /** Tables, guest image and entry state. */
  #load(): void {
    this.processors.reset(this.#entryState());
    this.#home?.reset(this.vcpu.controls.tscOffset);
  }

  /** Brings the domain's clock to the caller's time; in virtual time the TSC follows what others have used. */
  #bringTo(nowNs: number): void {
    if (!this.#started) {
      this.#started = true;
      if (this.#virtual) this.#originNs = nowNs;
      else this.resume(nowNs);
    }
    if (!this.#virtual) return;
    const before = this.clockNs();
    const now = Math.max(before, nowNs - this.#originNs);
    if (now > before) this.processors.jump(this.#nsToTicks(now - before));
    this.#anchorNs = now;
    this.#anchorTicks = this.processors.ticks;
  }

  /** In virtual time an access takes as long as on a PC: guests that wait by counting accesses wait no longer than there. */
  #afterBusAccess(ns: number): void {
    if (this.#virtual) {
      this.#spend(this.#nsToTicks(ns));
      if (this.clockNs() >= this.#runEndNs) this.#return();
    }
    this.#afterAccess();
  }

  /** Ticks pass while an exit of the current processor is handled. */
  #spend(ticks: number): void {
    this.processors.jump(ticks);
    this.processors.current.monitor.spend(ticks);
  }

  #afterAccess(): void {
    this.#publish();
    const next = this.chipset.nextDeadlineNs();
    if ((next !== null && next < this.#runEndNs) || this.chipset.request !== null) {
      this.#return();
    }
  }

  /** Tells other threads how to address the local APICs of this one. */
  #publish(): void {
    if (this.#home !== null) this.#home.publish(this.chipset.localApics.filter(() => true));
  }
  /** Does what other threads ask for; false when the machine has come to its end or to a reset. */
  #serve(): void {
    if (this.#home === null) return;
    this.#home.release(this.#originNs);
    this.#home.serve(this.#services);
    const stop = this.#partStop;
    this.#partStop = null;
    if (stop === null) return;
    if (stop.kind === 'error') this.outcome = { kind: 'error', code: stop.code, message: stop.message };
    else this.#stopBecause(stop.kind, stop.message);
  }

  /** Lets the current run end after the exit being handled. */
  #return(): void {
    this.#returnAsked = true;
    this.processors.current.monitor.requestReturn();
  }

  /** Something for processor `cpu` to take: another than the current one has its turn at once. */
  #wake(cpu: number): void {
    const { processors } = this;
    if (processors === undefined) return; // the chip set is being made
    if (processors.signalled(cpu)) this.#return();
    if (processors.current.vcpu.index === cpu) return;
    processors.yield();
    this.#return();
  }

  /** The current processor waits for another: gives way, and lets time pass. */
  #pause(): void {
    const { processors } = this;
    // one tick has passed with the instruction
    if (this.#virtual) this.#spend(PAUSE_TICKS - 1);
    if (processors.othersWant()) {
      processors.yield();
      this.#return();
    } else if (this.clockNs() >= this.#runEndNs) this.#return();
  }

  #runUntil(endNs: number): void {
    const { chipset, processors } = this;
    for (let idleRuns = 0; this.outcome === null; ) {
      this.#serve();
      const now = this.clockNs();
      chipset.runDeadlines(now);
      if (chipset.request !== null) {
        this.#handleRequest();
        continue;
      }
      processors.takeSignals();
      this.#publish();
      if (chipset.request !== null || this.outcome !== null) continue;
      const processor = now >= endNs ? null : processors.next();
      if (processor === null) break;
      const { monitor, vcpu } = processor;
      const deadline = chipset.nextDeadlineNs() ?? Number.POSITIVE_INFINITY;
      this.#runEndNs = Math.min(endNs, deadline);
      this.#runs++;
      const before = vcpu.counters.instructions;
      const ticks = Math.min(this.#nsToTicks(this.#runEndNs - now), processors.sliceLeft);
      const budget = Math.max(1, Math.min(ticks, this.#profiler?.left ?? ticks));
      this.#returnAsked = false;
      processors.sync();
      // with nobody to give way to, a PAUSE takes the same time without an exit
      if (this.#virtual && processors.several) monitor.exitOnPause(processors.othersWant());
      const result = monitor.run(budget);
      this.#runEndNs = 0;
      processors.used(result.ticksUsed);
      this.#profiler?.ran(vcpu, result.ticksUsed);
      if (result.next === 'stop') this.#handleStop(monitor);
      // (No device of this board raises NMIs by itself.)
      else if (result.next === 'halt') this.#checkDeaf();
      idleRuns = vcpu.counters.instructions === before ? idleRuns + 1 : 0;
      if (idleRuns > MAX_IDLE_RUNS) throw new BugError('MACHINE_STUCK', `'${this.config.name}' makes no progress`);
      // Ended early and not by a device: a kick. The caller has something to do.
      if (result.next === 'resume' && result.ticksUsed < budget && !this.#returnAsked) break;
      if (processors.takeKick()) break;
    }
    if (this.#home !== null && this.outcome === null) this.#checkDeaf();
  }
  /** Nothing can happen any more: the machine is at its end. */
  #checkDeaf(): void {
    if (!this.processors.deaf || this.#home?.deaf === false) return;
    const message = `halted at 0x${this.processors.current.vcpu.readRip().toString(16)} with interrupts off`;
    this.outcome = { kind: 'halted', message };
  }

  #handleRequest(): void {
    const { request } = this.chipset;
    if (request === null) return;
    if (request.kind === 'powerOff') this.outcome = { kind: 'powerOff' };
    else if (request.kind === 'exit') this.outcome = { kind: 'exit', status: request.status };
    else if (this.config.onReset === 'stop') {
      this.outcome = { kind: 'reset', message: `reset by ${request.by}` };
    } else this.reset();
  }

  #handleStop(monitor: VcpuMonitor): void {
    const reason = monitor.stopReason;
    this.#stopBecause(reason?.kind ?? 'internalError', reason?.message ?? 'the vCPU stopped without a reason');
  }
  #stopBecause(kind: StopReason['kind'], message: string): void {
    if (kind === 'tripleFault') {
      if (this.config.onTripleFault === 'reset') this.reset();
      else this.outcome = { kind: 'tripleFault', message };
      return;
    }
    const code = kind === 'entryFailure' ? 'VM_ENTRY_FAILED' : 'ENGINE_INTERNAL';
    this.outcome = { kind: 'error', code, message };
  }
}

/** Features that an engine lists under this name, where it does. */
const featuresOf = (engine: Engine): ReadonlySet<CpuFeature> | undefined =>
  (engine as Engine & { readonly cpuFeatures?: ReadonlySet<CpuFeature> }).cpuFeatures;

/** Refuses what does not go together with processors on several threads. */
function checkPlacement(config: MachineConfig, host: MachineHost): void {
  const refuse = (message: string): never => {
    throw new ConfigError('MACHINE_PLACEMENT', `'${config.name}' has several 'pcpus' ${message}`);
  };
  if (config.time !== 'real') refuse(`and 'time: ${config.time}', expected 'time: real'`);
  if (host.policy !== undefined) refuse(`and a 'policy', expected one of them`);
}

/** Builds a machine: memory and processor from the engine, the chip set, the guest loaded and ready to run. */
export async function createMachine(config: MachineConfig, host: MachineHost): Promise<Machine> {
  const cpus = config.cpus ?? 1;
  if (!Number.isInteger(cpus) || cpus < 1 || cpus > MAX_PROCESSORS) {
    const message = `'${config.name}' has ${cpus} processors, expected 1 to ${MAX_PROCESSORS}`;
    throw new ConfigError('MACHINE_CPUS', message);
  }
  const tscHz = config.tscHz ?? DEFAULT_TSC_HZ;
  if (!Number.isSafeInteger(tscHz) || tscHz < 1_000_000 || tscHz > 100_000_000_000) {
    throw new ConfigError('MACHINE_TSC', `TSC frequency is ${tscHz} Hz, expected 1000000 to 100000000000`);
  }
  if (config.boot.kind === 'firmware') checkFirmware(config.boot.bios);
  if (host.media !== undefined) checkMedia(host.media);
  if (host.placement !== undefined) checkPlacement(config, host);
  memoryMap(machineBoard, config.memoryBytes); // refuses sizes before the engine reserves memory
  const link: { machine: Machine | null } = { machine: null };
  const vm = await host.engine.createVm({
    memoryBytes: config.memoryBytes,
    pciHoleStart: machineBoard.pciHole.gpa,
    extraBytes: extraBytesFor(romOf(config), videoBytesOf(config)),
    vcpus: cpus,
    ...(host.placement && { residents: host.placement.parts[0] ?? [] }),
    features: new Set(cpuModel(config.cpuModel ?? DEFAULT_CPU_MODEL).features),
    time: config.time,
    tscHz,
    nowNs: () => link.machine?.clockNs() ?? 0,
    ...(config.interruptChip !== undefined && { interruptChip: config.interruptChip }),
  });
  try {
    if (config.interruptChip === 'engine' && vm.interruptChip === undefined) {
      const message = `engine '${host.engine.name}' has no interrupt controllers of its own, expected 'interruptChip: board'`;
      throw new ConfigError('MACHINE_IRQCHIP', message);
    }
    if (host.placement !== undefined && vm.share === undefined) {
      const message = `engine '${host.engine.name}' runs all processors of '${config.name}' on one physical CPU, expected 'pcpus' of one`;
      throw new ConfigError('MACHINE_PLACEMENT', message);
    }
    return new Machine(config, host, vm, link);
  } catch (error) {
    vm.close();
    throw error;
  }
}
