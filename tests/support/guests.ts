// Guests of the end-to-end tests: images, one machine driven by hand, hosts of several domains.
// A guest that this computer cannot provide gives a reason, with which the tests are skipped.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createSoftwareEngine, engines, ensureImage } from '../../src/apps/testing.js';
import {
  type Domain,
  type DomainConfig,
  type DomainOutcome,
  inlinePcpus,
  Pcanel,
  type PcpuStat,
} from '../../src/domains/index.js';
import { nodePcpus } from '../../src/domains/node/index.js';
import { createMachine, type Machine, type MachineConfig, type NamedBytes } from '../../src/machine/index.js';
import type { Engine } from '../../src/vmx/index.js';

export const MIB = 1 << 20;
/** The repository: the tests run from OUTPUT/tests/support. */
export const repository = fileURLToPath(new URL('../../../', import.meta.url));
/** The boot's details do not matter. */
export const QUIET = 'console=ttyS0 cryptomgr.notests quiet';

/** The shell's prompt, behind which it may ask the terminal for the cursor's position. */
export const PROMPT = /:\S+# (?:.\[6n)?$/;

/** The value, or why there is none. */
export type Given<T> = { readonly value: T; readonly skip: false } | { readonly value: null; readonly skip: string };

async function given<T>(work: () => T | Promise<T>): Promise<Given<T>> {
  try {
    return { value: await work(), skip: false };
  } catch (error) {
    return { value: null, skip: error instanceof Error ? error.message : String(error) };
  }
}

/** Debian's kernel for virtual machines and a static BusyBox, from the cache or by apt. */
export const linuxFiles = (): Promise<Given<{ kernel: NamedBytes; busybox: Uint8Array }>> =>
  given(async () => ({
    kernel: { name: 'linux-cloud-amd64', data: readFileSync((await ensureImage('linux-cloud-amd64')).path) },
    busybox: readFileSync((await ensureImage('busybox-amd64')).path),
  }));

/** The real-time kernel, which the build makes where there is gcc. */
export const rtosFile = (): Promise<Given<NamedBytes>> =>
  given(() => {
    const path = `${repository}guests/rtos/build/rtos.elf`;
    if (!existsSync(path)) throw new Error('guests/rtos/build/rtos.elf has not been built: needs gcc and make');
    return { name: 'rtos.elf', data: readFileSync(path) };
  });

/** The answer of `gcc --version`, where there is one. */
export const gcc = (): Promise<Given<string>> =>
  given(() => {
    const result = spawnSync('gcc', ['--version'], { encoding: 'utf8' });
    if (result.error || result.status !== 0) throw new Error("no 'gcc' found: apt-get install gcc");
    return result.stdout.split('\n')[0] ?? '';
  });

const NS = 1e9;
const STEP_NS = 20_000_000;

/** One machine in virtual time, run on this thread, with its console as text. */
export class Guest {
  #now = 0;
  #seen = '';
  #typed: number[] = [];
  /** Everything that the guest has sent. */
  text = '';

  constructor(readonly machine: Machine) {}

  get seconds(): number {
    return this.#now / NS;
  }
  take(byte: number): void {
    this.text += String.fromCharCode(byte);
    this.#seen += String.fromCharCode(byte);
  }
  type(text: string): void {
    for (const c of text) this.#typed.push(c.charCodeAt(0));
  }

  /** Runs for a while, or to the guest's next deadline. */
  step(): void {
    const { machine } = this;
    if (this.#typed.length > 0) {
      this.#typed.splice(0, machine.receiveConsole(this.#typed.slice(0, machine.consoleRoom())));
    }
    const r = machine.step(this.#now, this.#typed.length > 0 ? STEP_NS / 20 : STEP_NS);
    this.#now += r.usedNs;
    if (r.state === 'halted') {
      if (r.nextDeadlineNs === null && this.#typed.length === 0)
        throw new Error(`the guest sleeps for ever\n${this.tail()}`);
      this.#now = Math.max(this.#now, r.nextDeadlineNs ?? 0);
    }
  }

  /** Runs until the guest has sent `what` since the last match. */
  until(what: RegExp, limitS = 60): RegExpExecArray {
    const end = this.#now + limitS * NS;
    for (;;) {
      const found = what.exec(this.#seen);
      if (found !== null) {
        this.#seen = this.#seen.slice(found.index + found[0].length);
        return found;
      }
      const { outcome } = this.machine;
      if (outcome !== null)
        throw new Error(`the guest ended before it sent ${what}: ${JSON.stringify(outcome)}\n${this.tail()}`);
      if (this.#now > end) throw new Error(`the guest did not send ${what} within ${limitS} s\n${this.tail()}`);
      this.step();
    }
  }

  /** Runs until the guest has ended. */
  untilEnd(limitS = 60): void {
    const end = this.#now + limitS * NS;
    while (this.machine.outcome === null) {
      if (this.#now > end) throw new Error(`the guest did not end within ${limitS} s\n${this.tail()}`);
      this.step();
    }
  }

  /** Types a short command into a Linux shell; gives what it printed and checks that it succeeded. */
  command(line: string, limitS = 60): string {
    this.until(PROMPT, limitS);
    this.type(`${line}; echo "<$?>"\n`);
    this.until(/"<\$\?>"\r\n/, limitS); // the line itself, echoed
    const start = this.text.length - this.#seen.length;
    const [all, status] = this.until(/<(\d+)>\r\n/, limitS);
    if (status !== '0') throw new Error(`'${line}' ended with ${status}: ${this.#seen}`);
    return this.text.slice(start, this.text.length - this.#seen.length - all.length).replaceAll('\r', '');
  }

  tail(): string {
    return this.text.slice(-2000);
  }
}

/** A machine on the software engine, in virtual time. */
export async function guest(config: Omit<MachineConfig, 'time'>, engine?: Engine): Promise<Guest> {
  let made: Guest | null = null;
  const machine = await createMachine(
    { ...config, time: 'virtual' },
    {
      engine: engine ?? (await createSoftwareEngine()),
      nowNs: () => performance.now() * 1e6,
      wallClockMs: Date.UTC(2026, 0, 1),
      console: { write: (byte) => made?.take(byte) },
    },
  );
  made = new Guest(machine);
  return made;
}

/** Domains whose physical CPUs are worker threads, as in the command line program. */
export const threadHost = (): Pcanel =>
  new Pcanel({
    spawn: nodePcpus({ worker: new URL('../../src/apps/cli/pcpu-worker.js', import.meta.url), holdAfterScripts: true }),
  });
/** Domains whose physical CPUs share this thread. */
export const inlineHost = (): Pcanel =>
  new Pcanel({
    spawn: inlinePcpus({
      engines,
      nowNs: () => performance.now() * 1e6,
      wallClockMs: Date.now,
      holdAfterScripts: true,
      delay: (ms) => new Promise((resolve) => (ms > 0 ? setTimeout(resolve, ms) : setImmediate(resolve))),
    }),
  });

export interface RunOfDomains {
  /** By name: everything that the domain sent, and how it ended (null: it still runs). */
  readonly text: Readonly<Record<string, string>>;
  readonly outcomes: Readonly<Record<string, DomainOutcome | null>>;
  readonly stats: readonly PcpuStat[];
}

const failed = (o: DomainOutcome | null): boolean => o?.kind === 'scriptFailed' || o?.kind === 'error';

/** Runs domains until the script of each is over; one whose script fails ends the run. */
export async function runDomains(pcanel: Pcanel, configs: readonly DomainConfig[]): Promise<RunOfDomains> {
  const text: Record<string, string> = {};
  try {
    const domains: Domain[] = [];
    for (const config of configs) {
      const d = await pcanel.createDomain(config);
      text[d.name] = '';
      d.onOutput((bytes) => {
        text[d.name] += String.fromCharCode(...bytes);
      });
      domains.push(d);
    }
    const scripted = domains.filter((_, i) => configs[i]?.script !== undefined);
    const over = new Promise<void>((resolve) => {
      const check = (): void => {
        const all = scripted.every((d) => d.scriptDone || d.state === 'stopped');
        if (all || domains.some((d) => failed(d.outcome))) resolve();
      };
      for (const d of domains) {
        d.onState(check);
        d.onScriptDone(check);
      }
    });
    await pcanel.start();
    await over;
    const stats = await pcanel.stat();
    return { text, outcomes: Object.fromEntries(domains.map((d) => [d.name, d.outcome])), stats };
  } finally {
    await pcanel.close();
  }
}
