// The software engine: lays out a domain's memory, makes its vCPUs. See README.md, docs/decisions.
import { BugError, ConfigError } from '../base/index.js';
import { GuestMemory } from '../memory/index.js';
import type { Engine, EngineProbe, EngineVm, EngineVmOptions, TimeMode, Vcpu, VmShare } from '../vmx/index.js';
import { emptyControls, resetState } from '../vmx/index.js';
import { absentCr4, PROCESSOR_FEATURES, physicalBits } from './features.js';
import type { TierOptions } from './jit/options.js';
import { REGION_TABLE_BYTES } from './jit/region-table.js';
import { Tier } from './jit/tier.js';
import type { TranslationService } from './jit/translation-service.js';
import { type Interpreter, instantiate, type Procedures, type ProcessorModules, readDirectory } from './modules.js';
import { RecordBuilder } from './records.js';
import { SoftwareVcpu } from './software-vcpu.js';
import { AREA, at, BLOCK_HASH_ENTRIES, SHARED, SINGLE, SINGLES, SLOT, SLOT_COUNT } from './state-layout.js';
import { StateView } from './state-view.js';

const PAGE = 65536;
/** Static tables of procedures.wasm lie below. */
const FIRST_AREA = 0x40000;
const HASH_BYTES = BLOCK_HASH_ENTRIES * 4;
/** Decoded records of a vCPU: a 64-bit kernel's boot leaves about 20 MiB of them. */
const arenaBytes = (memoryBytes: number, vcpus: number): number =>
  memoryBytes < 64 << 20 ? 8 << 20 : vcpus > 4 ? 16 << 20 : 32 << 20;
/** A cut block is copied behind the arena. */
const CUT_BYTES = 4096;
const CROSSING_BYTES = SINGLE.offset + SINGLES * SINGLE.sizeBytes;
const DEFAULT_HOLE = 0xc000_0000;
const FOUR_GIB = 0x1_0000_0000;
/** As many as an 8-bit APIC id and the board's tables name comfortably. */
const MAX_VCPUS = 16;
const up = (n: number, to: number): number => Math.ceil(n / to) * to;

export class SoftwareEngine implements Engine {
  readonly name = 'software';
  /** What of CPUID's features it implements. */
  readonly cpuFeatures = PROCESSOR_FEATURES;
  constructor(
    private readonly modules: ProcessorModules,
    /** How code is translated; null: it is only interpreted. */
    private readonly jit: Partial<TierOptions> | null = {},
    /** Translates off the vCPUs' threads; without it they translate themselves. */
    private readonly service: TranslationService | null = null,
  ) {}

  async probe(): Promise<EngineProbe> {
    const available = typeof SharedArrayBuffer !== 'undefined';
    const detail = !this.modules.shared
      ? 'not used: memory stays in its thread'
      : `SharedArrayBuffer is ${available ? 'available' : 'missing'}`;
    const ok = available || !this.modules.shared;
    return { usable: ok, checks: [{ name: 'shared memory', ok, detail }] };
  }

  async createVm(options: EngineVmOptions): Promise<EngineVm> {
    const { memoryBytes } = options;
    if (!Number.isSafeInteger(memoryBytes) || memoryBytes <= 0 || memoryBytes % 4096 !== 0)
      throw new ConfigError('MEMORY_SIZE', `memory of ${memoryBytes} bytes: expected a positive multiple of 4096`);
    if (!Number.isInteger(options.vcpus) || options.vcpus < 1 || options.vcpus > MAX_VCPUS)
      throw new ConfigError('VCPU_COUNT', `${options.vcpus} vCPUs: expected 1 to ${MAX_VCPUS}`);
    const extraBytes = options.extraBytes ?? 0;
    // pages that code can be translated from: RAM, and ROMs behind it
    const ramPages = (memoryBytes + extraBytes) / 4096;
    let cursor = FIRST_AREA;
    const areas = Array.from({ length: options.vcpus }, () => {
      const area = cursor;
      cursor += AREA.sizeBytes;
      return area;
    });
    const take = (bytes: number): number => {
      const where = cursor;
      cursor += up(bytes, 4096);
      return where;
    };
    const codeMap = take(ramPages * 8);
    const shared = take(SHARED.sizeBytes);
    // each vCPU translates for itself; which lines hold code is known to all
    const caches = areas.map(() => {
      const blockHash = take(HASH_BYTES);
      const codeHead = take(ramPages * 4);
      const writeNotes = take(ramPages * 4);
      const crossing = take(CROSSING_BYTES);
      const staleMap = take(Math.ceil(ramPages / 64) * 8);
      const arena = take(arenaBytes(memoryBytes, areas.length));
      const arenaEnd = cursor;
      take(CUT_BYTES);
      const regionHead = take(ramPages * 4);
      const regions = this.jit === null ? 0 : take(REGION_TABLE_BYTES);
      return { blockHash, codeHead, writeNotes, crossing, staleMap, arena, arenaEnd, regionHead, regions };
    });
    const ram = up(cursor, PAGE);
    const total = ram + memoryBytes + extraBytes;
    // one page of slack: the last bytes of RAM may be read as 16 (code fetch across the end)
    const pages = Math.ceil((total + 16) / PAGE);
    if (pages > 65536)
      throw new ConfigError(
        'MEMORY_SIZE',
        `memory of ${memoryBytes} bytes: the software engine addresses less than 4 GiB in all`,
      );
    let memory: WebAssembly.Memory;
    try {
      memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: this.modules.shared });
    } catch (cause) {
      throw new ConfigError(
        'MEMORY_SIZE',
        `cannot allocate ${memoryBytes} bytes of guest memory`,
        { memoryBytes },
        { cause },
      );
    }
    const hole = options.pciHoleStart ?? DEFAULT_HOLE;
    const low = Math.min(memoryBytes, hole);
    const guestMemory = new GuestMemory(memory.buffer, [
      { gpa: 0, sizeBytes: low, bufferOffset: ram, readOnly: false },
    ]);
    if (memoryBytes > low)
      guestMemory.addSlot({ gpa: FOUR_GIB, sizeBytes: memoryBytes - low, bufferOffset: ram + low, readOnly: false });

    const residents = options.residents ?? areas.map((_, index) => index);
    const parallel = options.residents !== undefined && residents.length < areas.length;
    const common: VcpuMaking = {
      modules: this.modules,
      memory,
      areas,
      parallel,
      time: options.time,
      tscHz: options.tscHz,
      jit: this.jit,
      regions: caches.map((cache) => cache.regions),
      ...(options.features && { features: [...options.features] }),
    };
    const all: Procedures[] = [];
    const tiers: Tier[] = [];
    const vcpus: SoftwareVcpu[] = [];
    for (const [index, area] of areas.entries()) {
      const s = new StateView(memory.buffer, area);
      const { builder, directory, tier, procedures, interpreter } = makeCode(
        common,
        index,
        options.nowNs,
        this.service,
      );
      all.push(procedures);
      if (tier !== null) tiers.push(tier);
      const cache = caches[index] as (typeof caches)[number];
      s.setU32(at('firstArea'), FIRST_AREA);
      s.setU32(at('vcpuCount'), options.vcpus);
      s.setU32(at('parallel'), parallel ? 1 : 0);
      s.setU32(at('shared'), shared);
      s.setU32(at('codeMap'), codeMap);
      for (const name of [
        'blockHash',
        'codeHead',
        'writeNotes',
        'crossing',
        'arena',
        'arenaEnd',
        'staleMap',
        'regionHead',
      ] as const)
        s.setU32(at(name), cache[name]);
      s.setU32(at('arenaNext'), cache.arena);
      s.setU32(at('ramHost'), ram);
      s.setU32(at('ramPages'), ramPages);
      s.setU32(at('fusedHandlers'), directory.fused);
      s.setU32(at('stopHandler'), builder.handlerNumber('stop'));
      s.setU32(at('staleHandler'), builder.handlerNumber('stale'));
      for (const name of ['count', 'region', 'skip']) s.setU32(at(`${name}Handler`), builder.handlerNumber(name));
      s.setU64(at('physicalMask'), (1n << physicalBits(options.features)) - 1n);
      s.setU64(at('cr4Absent'), options.features === undefined ? 0n : absentCr4(options.features));
      s.setU32(at('timeIsReal'), options.time === 'real' ? 1 : 0);
      s.setF64(at('tscScale'), options.tscHz / 1e9);
      loadSlots(s, guestMemory);
      procedures.flush_blocks();
      const vcpu = makeVcpu(common, index, options.nowNs, { procedures, interpreter, tier });
      vcpu.applyControls();
      vcpu.writeState(resetState());
      if (residents.includes(index)) vcpus.push(vcpu);
    }
    const own = all[residents[0] ?? 0] as Procedures;
    // one vCPU's procedures drop the blocks of all
    guestMemory.onWrite((gpa, sizeBytes) => own.physical_written(gpa, sizeBytes));
    // Translated code is found by host address: after a change of slots only translations of addresses are stale.
    guestMemory.onSlotsChanged(() => {
      own.exclusive_begin();
      areas.forEach((area, n) => {
        loadSlots(new StateView(memory.buffer, area), guestMemory);
        all[n]?.tlb_flush_all();
      });
      own.exclusive_end();
    });
    const word = (address: number): Int32Array => new Int32Array(memory.buffer, address, 1);
    const kickWords = areas.map((area) => word(area + at('kick')));
    const runningWords = areas.map((area) => word(area + at('running')));
    const locks = [SHARED.exclusive, SHARED.codeLock, SHARED.pairLock].map((offset) => word(shared + offset));
    return {
      memory: guestMemory,
      extraOffset: ram + memoryBytes,
      vcpus,
      ...(parallel &&
        this.modules.shared && { share: { engine: this.name, kickWords, runningWords, locks, data: common } }),
      close: () => {
        for (const tier of tiers) tier.close();
      },
    };
  }

  async attachVcpus(share: VmShare, residents: readonly number[], nowNs: () => number): Promise<readonly Vcpu[]> {
    const common = share.data as VcpuMaking;
    return residents.map((index) => {
      const vcpu = makeVcpu(common, index, nowNs, makeCode(common, index, nowNs, this.service));
      vcpu.applyControls();
      return vcpu;
    });
  }
}

/** What it takes to make a vCPU on any thread. Can be posted. */
interface VcpuMaking {
  readonly modules: ProcessorModules;
  readonly memory: WebAssembly.Memory;
  /** Host addresses of the state areas. */
  readonly areas: readonly number[];
  /** vCPUs run on several threads at once. */
  readonly parallel: boolean;
  readonly time: TimeMode;
  readonly tscHz: number;
  readonly features?: readonly string[];
  readonly jit: Partial<TierOptions> | null;
  /** Host addresses of the region tables. */
  readonly regions: readonly number[];
}

/** A vCPU's instances of the modules, with its record builder. */
function makeCode(m: VcpuMaking, index: number, nowNs: () => number, service: TranslationService | null) {
  const area = m.areas[index];
  if (area === undefined) throw new BugError('VCPU_INDEX', `vCPU ${index} of ${m.areas.length}`);
  const directory = readDirectory(m.modules.interpreter);
  const places = { buffer: m.memory.buffer, state: area };
  const features = m.features && new Set(m.features);
  const builder = new RecordBuilder(places, directory, features, m.parallel);
  let tier: Tier | null = null;
  const instances = instantiate(m.modules, m.memory, area, {
    hostClock: nowNs,
    buildBlock: (host, block, cross) => builder.build(host, block, cross),
    blockHot: (record) => tier?.hot(record),
  });
  const { memory, parallel } = m;
  const { shared } = m.modules;
  const regions = m.regions[index] as number;
  if (m.jit !== null) {
    const code = { decoder: builder.decoder, ...(m.features && { features: m.features }) };
    tier = new Tier({ memory, area, regions, parallel, shared, service, ...code, ...instances }, m.jit);
    builder.kept = tier.kept;
    builder.notes = tier.notes;
  }
  return { ...instances, builder, directory, tier: tier as Tier | null };
}

function makeVcpu(
  m: VcpuMaking,
  index: number,
  nowNs: () => number,
  code: { readonly procedures: Procedures; readonly interpreter: Interpreter; readonly tier: Tier | null },
): SoftwareVcpu {
  return new SoftwareVcpu({
    index,
    memory: m.memory,
    area: m.areas[index] as number,
    procedures: code.procedures,
    interpreter: code.interpreter,
    time: m.time,
    tscHz: m.tscHz,
    nowNs,
    controls: emptyControls(),
    parallel: m.parallel,
    tier: code.tier,
  });
}

/** Copies the memory slots into a vCPU's slot table. */
function loadSlots(s: StateView, memory: GuestMemory): void {
  const { slots } = memory;
  if (slots.length > SLOT_COUNT)
    throw new BugError('MEMORY_SLOTS', `${slots.length} memory slots, expected at most ${SLOT_COUNT}`);
  slots.forEach((slot, n) => {
    const o = at('slots') + n * SLOT.sizeBytes;
    s.setU64(o + SLOT.gpa, BigInt(slot.gpa));
    s.setU64(o + SLOT.sizeBytesField, BigInt(slot.sizeBytes));
    s.setU32(o + SLOT.host, slot.bufferOffset);
    s.setU32(o + SLOT.flags, slot.readOnly ? 1 : 0);
  });
  s.setU32(at('slotCount'), slots.length);
}
