// The KVM engine: finds out what this host's /dev/kvm is and can do, makes VMs. See README.md, docs/kvm.md.
import type { CpuFeature } from '../arch/index.js';
import { ConfigError } from '../base/index.js';
import type { Engine, EngineCheck, EngineProbe, EngineVm, EngineVmOptions } from '../vmx/index.js';
import { API_VERSION, Cap, type CapName, Errno, Ioctl, Sync } from './abi.js';
import { featuresIn, supportedCpuid } from './cpuid.js';
import { type KvmHost, KvmVm } from './kvm-vm.js';
import { errnoName, importKoffi, type KoffiImport, Libc } from './libc.js';
import { selfTest } from './self-test.js';

export const KVM_DEVICE = '/dev/kvm';

export interface KvmEngineOptions {
  /** The device file; /dev/kvm by default. */
  readonly device?: string;
  /** Gives koffi; for tests. */
  readonly importKoffi?: KoffiImport;
}

/** Capabilities without which the engine cannot work. */
const NEEDED: readonly CapName[] = [
  'USER_MEMORY',
  'DESTROY_MEMORY_REGION_WORKS',
  'EXT_CPUID',
  'VCPU_EVENTS',
  'DEBUGREGS',
  'XSAVE',
  'XCRS',
  'USER_NMI',
  'SYNC_REGS',
  'READONLY_MEM',
  'IMMEDIATE_EXIT',
  'X86_USER_SPACE_MSR',
  'X86_MSR_FILTER',
  'GET_TSC_KHZ',
];
const SYNCED = Sync.REGS | Sync.EVENTS;

const OPEN_FAILURES: Readonly<Record<number, string>> = {
  [Errno.ENOENT]: 'does not exist: the kernel has no KVM module loaded, or this machine is virtual without nesting',
  [Errno.EACCES]: "may not be opened: add this user to the group 'kvm'",
  [Errno.EPERM]: 'may not be opened: a container or sandbox forbids it',
  [Errno.ENXIO]: 'has no driver behind it',
  [Errno.ENODEV]: 'has no driver behind it: the processor lacks VT-x or AMD-V, or the firmware has turned it off',
};

interface Opened {
  readonly checks: EngineCheck[];
  readonly host: KvmHost | null;
}

const ok = (name: string, detail: string): EngineCheck => ({ name, ok: true, detail });
const bad = (name: string, detail: string): EngineCheck => ({ name, ok: false, detail });

export class KvmEngine implements Engine {
  readonly name = 'kvm';
  readonly #options: KvmEngineOptions;
  #opened: Promise<Opened> | null = null;
  #probe: Promise<EngineProbe> | null = null;
  #features: ReadonlySet<CpuFeature> = new Set();

  constructor(options: KvmEngineOptions = {}) {
    this.#options = options;
  }

  /** What of CPUID's features guests can have; known after `probe`. */
  get cpuFeatures(): ReadonlySet<CpuFeature> {
    return this.#features;
  }

  /** All checks up to the first that fails, and the self-test; run once. */
  probe(): Promise<EngineProbe> {
    this.#probe ??= this.#runProbe();
    return this.#probe;
  }
  async #runProbe(): Promise<EngineProbe> {
    const { checks, host } = await this.#open();
    if (host !== null) {
      try {
        checks.push(...selfTest(host));
      } catch (error) {
        checks.push(bad('virtual machine', error instanceof Error ? error.message : String(error)));
      }
    }
    return { usable: checks.every((c) => c.ok), checks };
  }

  async createVm(options: EngineVmOptions): Promise<EngineVm> {
    return this.createKvmVm(options);
  }
  /** The VM with what only KVM has (eventfds). */
  async createKvmVm(options: EngineVmOptions): Promise<KvmVm> {
    const { checks, host } = await this.#open();
    if (host === null) {
      const failed = checks.find((c) => !c.ok);
      const message = `engine 'kvm' cannot be used: ${failed?.name ?? 'KVM'}: ${failed?.detail ?? 'no reason given'}`;
      throw new ConfigError('ENGINE_UNUSABLE', message, { engine: 'kvm' });
    }
    return new KvmVm(host, options);
  }

  /** Capabilities by name, for reports; empty where KVM cannot be opened. */
  async capabilities(): Promise<
    readonly { readonly name: CapName; readonly value: number; readonly needed: boolean }[]
  > {
    const { host } = await this.#open();
    if (host === null) return [];
    return (Object.keys(Cap) as CapName[]).map((name) => ({
      name,
      value: host.capability(Cap[name]),
      needed: NEEDED.includes(name),
    }));
  }
  /** For `kickThread` on threads that have no vCPU; null where koffi is missing. */
  async libc(): Promise<Libc | null> {
    return (await this.#open()).host?.libc ?? null;
  }

  #open(): Promise<Opened> {
    this.#opened ??= this.#openOnce();
    return this.#opened;
  }
  async #openOnce(): Promise<Opened> {
    const checks: EngineCheck[] = [];
    const stop = (check: EngineCheck): Opened => ({ checks: [...checks, check], host: null });
    const system = `${process.platform} on ${process.arch}`;
    if (system !== 'linux on x64') return stop(bad('system', `${system}, expected linux on x64`));
    checks.push(ok('system', system));
    let libc: Libc;
    try {
      libc = new Libc(await (this.#options.importKoffi ?? importKoffi)());
    } catch (error) {
      const why = error instanceof Error ? error.message.split('\n')[0] : String(error);
      return stop(bad('koffi', `the package 'koffi' cannot be loaded (${why}): npm install koffi`));
    }
    checks.push(ok('koffi', `version ${libc.version}`));
    const device = this.#options.device ?? KVM_DEVICE;
    const fd = libc.open(device);
    if (fd < 0) return stop(bad('device', `${device} ${OPEN_FAILURES[-fd] ?? 'cannot be opened'} (${errnoName(-fd)})`));
    checks.push(ok('device', `${device} can be opened`));
    const host = this.#examine(libc, fd, checks);
    if (host === null) libc.close(fd);
    return { checks, host };
  }

  #examine(libc: Libc, fd: number, checks: EngineCheck[]): KvmHost | null {
    const version = libc.ioctl(fd, Ioctl.GET_API_VERSION, 0);
    const capability = (cap: number): number => Math.max(0, libc.ioctl(fd, Ioctl.CHECK_EXTENSION, cap));
    if (version !== API_VERSION) {
      checks.push(bad('API version', `${version < 0 ? 'not a KVM device' : version}, expected ${API_VERSION}`));
      return null;
    }
    checks.push(ok('API version', String(version)));
    const missing = NEEDED.filter((name) =>
      name === 'SYNC_REGS' ? (capability(Cap.SYNC_REGS) & SYNCED) !== SYNCED : capability(Cap[name]) === 0,
    );
    if (missing.length > 0) {
      checks.push(bad('capabilities', `KVM_CAP_${missing.join(', KVM_CAP_')} missing: expected Linux 5.10 or newer`));
      return null;
    }
    checks.push(ok('capabilities', `all ${NEEDED.length} needed ones`));
    const runBytes = libc.check(libc.ioctl(fd, Ioctl.GET_VCPU_MMAP_SIZE, 0), 'KVM_GET_VCPU_MMAP_SIZE');
    const cpuid = supportedCpuid(libc, fd);
    this.#features = featuresIn(cpuid);
    return { libc, fd, runBytes, cpuid, capability };
  }
}
