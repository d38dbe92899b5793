// A VM of the KVM engine: memory slots over a WebAssembly.Memory, dirty logs, eventfds.
// Linux api.rst, "KVM_SET_USER_MEMORY_REGION", "KVM_GET_DIRTY_LOG", "KVM_IRQFD", "KVM_IOEVENTFD".
import { ConfigError, HostError } from '../base/index.js';
import { type DirtySource, GuestMemory, type MemorySlot } from '../memory/index.js';
import type { CpuidEntry, EngineVm, EngineVmOptions } from '../vmx/index.js';
import { resetState } from '../vmx/index.js';
import { Cap, Ioctl, MEM } from './abi.js';
import { restrict } from './cpuid.js';
import { KvmInterruptChip } from './interrupt-chip.js';
import { KvmVcpu } from './kvm-vcpu.js';
import type { Libc } from './libc.js';
import { MsrFilter } from './msrs.js';

/** Pages that KVM needs for real mode on processors without "unrestricted guest": below 4 GiB, where no board has RAM. */
const IDENTITY_MAP = 0xfffb_c000;
const TSS = 0xfffb_d000;
const WASM_PAGE = 65536;
const PAGE = 4096;
const FOUR_GIB = 0x1_0000_0000;
const DEFAULT_HOLE = 0xc000_0000;
const IOEVENTFD = { DATAMATCH: 1, PIO: 2, DEASSIGN: 4 } as const;

/** What the engine found out about this host's KVM. */
export interface KvmHost {
  readonly libc: Libc;
  readonly fd: number;
  readonly runBytes: number;
  readonly cpuid: readonly CpuidEntry[];
  capability(cap: number): number;
}

interface KvmSlot extends MemorySlot {
  readonly id: number;
  logged: boolean;
}

/** The KVM memory slots that follow a GuestMemory. */
class KvmSlots implements DirtySource {
  #slots: KvmSlot[] = [];
  readonly #freeIds: number[] = [];
  #nextId = 0;
  /** The VM is gone: its memory stays readable, KVM is not told any more. */
  closed = false;
  constructor(
    private readonly libc: Libc,
    private readonly fd: number,
    private readonly memory: GuestMemory,
    /** Host address of the buffer. */
    private readonly base: bigint,
  ) {
    this.update();
    memory.onSlotsChanged(() => this.update());
    memory.setDirtySource(this);
  }

  update(): void {
    if (this.closed) return;
    const wanted = this.memory.slots;
    const same = (a: MemorySlot, b: MemorySlot): boolean =>
      a.gpa === b.gpa && a.sizeBytes === b.sizeBytes && a.bufferOffset === b.bufferOffset && a.readOnly === b.readOnly;
    const stay = this.#slots.filter((k) => wanted.some((w) => same(k, w)));
    for (const k of this.#slots) {
      if (stay.includes(k)) continue;
      this.#set(k, 0);
      this.#freeIds.push(k.id);
    }
    this.#slots = stay;
    for (const w of wanted) {
      if (stay.some((k) => same(k, w))) continue;
      const k: KvmSlot = { ...w, id: this.#freeIds.pop() ?? this.#nextId++, logged: this.memory.isLogged(w.gpa) };
      this.#set(k, k.sizeBytes);
      this.#slots.push(k);
    }
  }
  #set(k: KvmSlot, sizeBytes: number): void {
    const v = new DataView(new ArrayBuffer(32));
    v.setUint32(0, k.id, true);
    v.setUint32(4, (k.readOnly ? MEM.READONLY : 0) | (k.logged && sizeBytes > 0 ? MEM.LOG_DIRTY_PAGES : 0), true);
    v.setBigUint64(8, BigInt(k.gpa), true);
    v.setBigUint64(16, BigInt(sizeBytes), true);
    v.setBigUint64(24, this.base + BigInt(k.bufferOffset), true);
    const what = `KVM_SET_USER_MEMORY_REGION of ${sizeBytes} bytes at 0x${k.gpa.toString(16)}`;
    this.libc.check(this.libc.ioctlBytes(this.fd, Ioctl.SET_USER_MEMORY_REGION, v), what);
  }

  watch(slotGpa: number, on: boolean): void {
    const k = this.#slots.find((s) => s.gpa === slotGpa);
    if (this.closed || k === undefined || k.logged === on) return;
    k.logged = on;
    this.#set(k, k.sizeBytes);
  }
  collect(slotGpa: number): Uint32Array | null {
    const k = this.#slots.find((s) => s.gpa === slotGpa);
    if (this.closed || k === undefined || !k.logged) return null;
    const bitmap = new Uint8Array(Math.ceil(k.sizeBytes / PAGE / 64) * 8);
    const v = new DataView(new ArrayBuffer(16));
    v.setUint32(0, k.id, true);
    v.setBigUint64(8, this.libc.address(bitmap), true);
    this.libc.check(this.libc.ioctlBytes(this.fd, Ioctl.GET_DIRTY_LOG, v), 'KVM_GET_DIRTY_LOG');
    return new Uint32Array(bitmap.buffer, 0, bitmap.length / 4);
  }
}

export class KvmVm implements EngineVm {
  readonly memory: GuestMemory;
  readonly extraOffset: number;
  readonly vcpus: readonly KvmVcpu[];
  readonly tscHz: number;
  readonly interruptChip?: KvmInterruptChip;
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #eventfds: number[] = [];
  #slots: KvmSlots | null = null;
  #closed = false;

  constructor(host: KvmHost, options: EngineVmOptions) {
    checkOptions(host, options);
    const { libc } = host;
    this.#libc = libc;
    const { memoryBytes } = options;
    const extraBytes = options.extraBytes ?? 0;
    const pages = Math.ceil((memoryBytes + extraBytes) / WASM_PAGE);
    const { buffer } = allocate(pages, memoryBytes);
    const low = Math.min(memoryBytes, options.pciHoleStart ?? DEFAULT_HOLE);
    this.extraOffset = memoryBytes;
    this.memory = new GuestMemory(buffer, [{ gpa: 0, sizeBytes: low, bufferOffset: 0, readOnly: false }]);
    if (memoryBytes > low)
      this.memory.addSlot({ gpa: FOUR_GIB, sizeBytes: memoryBytes - low, bufferOffset: low, readOnly: false });

    this.#fd = libc.check(libc.ioctl(host.fd, Ioctl.CREATE_VM, 0), 'KVM_CREATE_VM');
    const vcpus: KvmVcpu[] = [];
    this.vcpus = vcpus;
    try {
      this.#setUp(host, libc.address(new Uint8Array(buffer)));
      if (options.interruptChip === 'engine') this.interruptChip = new KvmInterruptChip(libc, this.#fd);
      const msrFilter = new MsrFilter(libc, this.#fd);
      const cpuid = options.features === undefined ? host.cpuid : restrict(host.cpuid, options.features);
      let tscHz = options.tscHz;
      for (let index = 0; index < options.vcpus; index++) {
        const fd = libc.check(libc.ioctl(this.#fd, Ioctl.CREATE_VCPU, index), `KVM_CREATE_VCPU ${index}`);
        if (index === 0) tscHz = setTscFrequency(host, fd, options.tscHz);
        else setTscFrequency(host, fd, tscHz);
        const { runBytes } = host;
        const { memory } = this;
        const ownsInterrupts = this.interruptChip !== undefined;
        const own = { libc, index, fd, runBytes, memory, msrFilter, tscHz, nowNs: options.nowNs, ownsInterrupts };
        const vcpu = new KvmVcpu(own);
        vcpus.push(vcpu);
        vcpu.loadCpuid(cpuid);
        vcpu.applyControls();
        vcpu.writeState(resetState());
      }
      this.tscHz = tscHz;
      this.interruptChip?.keep(vcpus.map((v) => v.fd));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #setUp(host: KvmHost, base: bigint): void {
    const libc = this.#libc;
    if (host.capability(Cap.SET_IDENTITY_MAP_ADDR) > 0) {
      const at = BigUint64Array.of(BigInt(IDENTITY_MAP));
      libc.check(libc.ioctlBytes(this.#fd, Ioctl.SET_IDENTITY_MAP_ADDR, at), 'KVM_SET_IDENTITY_MAP_ADDR');
    }
    if (host.capability(Cap.SET_TSS_ADDR) > 0)
      libc.check(libc.ioctl(this.#fd, Ioctl.SET_TSS_ADDR, TSS), 'KVM_SET_TSS_ADDR');
    this.#enable(Cap.X86_USER_SPACE_MSR, 7n, 'KVM_CAP_X86_USER_SPACE_MSR');
    this.#slots = new KvmSlots(libc, this.#fd, this.memory, base);
  }
  #enable(cap: number, argument: bigint, what: string): void {
    const v = new DataView(new ArrayBuffer(104));
    v.setUint32(0, cap, true);
    v.setBigUint64(8, argument, true);
    this.#libc.check(this.#libc.ioctlBytes(this.#fd, Ioctl.ENABLE_CAP, v), `KVM_ENABLE_CAP of ${what}`);
  }

  /** An eventfd, closed with the VM. */
  eventfd(): number {
    const fd = this.#libc.eventfd();
    this.#eventfds.push(fd);
    return fd;
  }
  /**
   * Writes of `sizeBytes` (1, 2, 4 or 8) at a port or guest-physical address count up the eventfd instead of exiting;
   * with `value` only writes of that value.
   */
  connectIoeventfd(
    eventfd: number,
    at: {
      readonly space: 'pio' | 'mmio';
      readonly address: number;
      readonly sizeBytes: number;
      readonly value?: bigint;
    },
  ): void {
    const v = new DataView(new ArrayBuffer(64));
    v.setBigUint64(0, at.value ?? 0n, true);
    v.setBigUint64(8, BigInt(at.address), true);
    v.setUint32(16, at.sizeBytes, true);
    v.setInt32(20, eventfd, true);
    const flags = (at.space === 'pio' ? IOEVENTFD.PIO : 0) | (at.value === undefined ? 0 : IOEVENTFD.DATAMATCH);
    v.setUint32(24, flags, true);
    const what = `KVM_IOEVENTFD at ${at.space} 0x${at.address.toString(16)}`;
    this.#libc.check(this.#libc.ioctlBytes(this.#fd, Ioctl.IOEVENTFD, v), what);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#slots !== null) this.#slots.closed = true;
    for (const vcpu of this.vcpus) vcpu.close();
    for (const fd of this.#eventfds) this.#libc.close(fd);
    this.#libc.close(this.#fd);
  }
}

function checkOptions(host: KvmHost, o: EngineVmOptions): void {
  const { memoryBytes, vcpus } = o;
  if (!Number.isSafeInteger(memoryBytes) || memoryBytes <= 0 || memoryBytes % PAGE !== 0)
    throw new ConfigError('MEMORY_SIZE', `memory of ${memoryBytes} bytes: expected a positive multiple of 4096`);
  const most = Math.max(1, host.capability(Cap.MAX_VCPUS) || host.capability(Cap.NR_VCPUS));
  if (!Number.isInteger(vcpus) || vcpus < 1 || vcpus > most)
    throw new ConfigError('VCPU_COUNT', `${vcpus} vCPUs: expected 1 to ${most}`);
  if (o.time === 'virtual')
    throw new ConfigError(
      'ENGINE_TIME',
      "engine 'kvm' runs in real time only (the processor does not count instructions), expected 'time: real'",
    );
  if (o.residents !== undefined && o.residents.length !== vcpus) {
    const message = `vCPUs on several physical CPUs: expected engine 'software', or all ${vcpus} on one`;
    throw new ConfigError('ENGINE_RESIDENTS', message);
  }
  if (o.interruptChip === 'engine' && vcpus > 1) {
    const message = `${vcpus} vCPUs with the kernel's interrupt controllers: expected 1, since a halted one would hold the thread of all`;
    throw new ConfigError('ENGINE_IRQCHIP', message);
  }
}

function allocate(pages: number, memoryBytes: number): WebAssembly.Memory {
  try {
    if (pages > 65536) throw new RangeError('more than 4 GiB');
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (cause) {
    const message = `cannot allocate ${memoryBytes} bytes of guest memory, expected less than 4 GiB in all`;
    throw new ConfigError('MEMORY_SIZE', message, { memoryBytes }, { cause });
  }
}

/** Sets a vCPU's TSC frequency where the processor can scale it; the frequency in force, in Hz. */
function setTscFrequency(host: KvmHost, vcpuFd: number, wantedHz: number): number {
  const { libc } = host;
  const khz = Math.round(wantedHz / 1000);
  if (host.capability(Cap.TSC_CONTROL) > 0 && libc.ioctl(vcpuFd, Ioctl.SET_TSC_KHZ, khz) === 0) return khz * 1000;
  const actual = libc.ioctl(vcpuFd, Ioctl.GET_TSC_KHZ, 0);
  if (actual <= 0) throw new HostError('KVM_TSC', 'KVM does not tell the frequency of the time-stamp counter');
  return actual * 1000;
}
