// The library's entry: a host of virtual machines inside a Node program.

import { ConfigError, VmError } from '../../base/index.js';
import type { DomainConfig, Pcanel as Manager, PcpuStat, PolicyConfig, TimelineReader } from '../../domains/index.js';
import { type DomainInput, parseDomainEntry } from '../cli/domain-file.js';
import { parseDomainFile } from '../cli/domain-yaml.js';
import { openPcanel } from '../cli/host.js';
import { resolveDomain } from '../cli/resolve.js';
import { Vm } from './vm.js';

/** A file's name, or what would be in it. */
export type FileOrBytes = string | Uint8Array;

/**
 * A machine as in a domain file (the same keys and defaults), where kernels and RAM disks may also be bytes.
 * `access` takes the access policy as tables, as a module, or (inline hosts only) as functions.
 */
export type VmOptions = Omit<DomainInput, 'kernel' | 'multiboot' | 'bios' | 'initrd' | 'policyModule'> & {
  readonly kernel?: FileOrBytes;
  readonly multiboot?: FileOrBytes;
  readonly bios?: FileOrBytes;
  readonly initrd?: FileOrBytes;
  readonly access?: PolicyConfig;
};

export interface HostOptions {
  /** Folder that file names start from; the current one by default. */
  readonly folder?: string;
  /** Keeps idle virtual time from running ahead of the host's; off by default, so that sleeping guests cost no time. */
  readonly pace?: boolean;
  /** Runs guests on the calling thread instead of worker threads: slower for the program, and policies may be functions. */
  readonly inline?: boolean;
  /** Told of downloads and the like. */
  readonly progress?: (line: string) => void;
}

const BYTE_KEYS = ['kernel', 'multiboot', 'bios', 'initrd'] as const;

/** Many virtual machines. `await using host = new Pcanel()` ends them all at the end of its block. */
export class Pcanel implements AsyncDisposable {
  readonly #o: HostOptions;
  readonly #manager: Manager;
  readonly #vms = new Map<string, Vm>();
  #closed = false;

  constructor(options: HostOptions = {}) {
    this.#o = options;
    const { pace = false, inline = false } = options;
    this.#manager = openPcanel({ pace, inline, holdAfterScripts: false });
  }

  /** Machines that have not been removed. */
  get vms(): readonly Vm[] {
    return [...this.#vms.values()];
  }
  /** The machine of that name; undefined when there is none. */
  vm(name: string): Vm | undefined {
    return this.#vms.get(name);
  }

  /** Loads a machine; it runs once started. Throws ConfigError when something of it makes no sense. */
  async define(options: VmOptions): Promise<Vm> {
    this.#open();
    const { access, ...rest } = options;
    const contents = new Map<string, Uint8Array>();
    const entry: Record<string, unknown> = { ...rest };
    for (const key of BYTE_KEYS) {
      const value = options[key];
      if (!(value instanceof Uint8Array)) continue;
      const name = `${key} of ${options.name}`;
      contents.set(name, value);
      entry[key] = name;
    }
    const config = await resolveDomain(parseDomainEntry(entry, options.name), {
      folder: this.#o.folder ?? process.cwd(),
      progress: this.#o.progress ?? (() => {}),
      contents,
    });
    const vm = await this.#create(access === undefined ? config : { ...config, policy: this.#policy(config, access) });
    return vm;
  }

  /** Loads all machines of a domain file's text; file names start from the host's folder. */
  async defineFile(yaml: string, path = 'domain file'): Promise<readonly Vm[]> {
    this.#open();
    const out: Vm[] = [];
    for (const entry of parseDomainFile(yaml, path).domains) {
      const options = { folder: this.#o.folder ?? process.cwd(), progress: this.#o.progress ?? (() => {}) };
      out.push(await this.#create(await resolveDomain(entry, options)));
    }
    return out;
  }

  /** Starts machines; those of one physical CPU at the same instant of its time. */
  async start(vms: readonly Vm[] = this.vms): Promise<void> {
    const wanted = new Set(vms.map((v) => v.name));
    await this.#manager.start(this.#manager.domains.filter((d) => wanted.has(d.name)));
  }

  /** Statistics of every physical CPU and its machines. */
  stat(): Promise<readonly PcpuStat[]> {
    return this.#manager.stat();
  }
  /** Records who runs when on a physical CPU, until closed. */
  traceCpu(index: number): Promise<TimelineReader> {
    return this.#manager.traceCpu(index);
  }

  /** Ends all machines and threads. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const vm of this.vms) vm.console.close();
    this.#vms.clear();
    await this.#manager.close();
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #open(): void {
    if (this.#closed) throw new ConfigError('HOST_CLOSED', 'the host has been closed, expected an open one');
  }

  async #create(config: DomainConfig): Promise<Vm> {
    try {
      const domain = await this.#manager.createDomain(config);
      const vm = new Vm(domain, this.#manager, () => void this.#vms.delete(config.name));
      this.#vms.set(config.name, vm);
      return vm;
    } catch (error) {
      if (error instanceof VmError) throw error;
      // What cannot be sent to a thread: a function.
      if (error instanceof Error && error.name === 'DataCloneError') {
        const message = `the access policy of '${config.name}' has functions, which cannot go to the guest's thread; expected tables, a module, or a host with 'inline: true'`;
        throw new ConfigError('POLICY_FUNCTION', message, { domain: config.name }, { cause: error });
      }
      throw error;
    }
  }

  /** Rules of the domain file's form come first. */
  #policy(config: DomainConfig, access: PolicyConfig): PolicyConfig {
    return { ...access, rules: [...(config.policy?.rules ?? []), ...(access.rules ?? [])] };
  }
}
