// Runs a program of bench/guest several times in one or more Linux domains on physical CPUs that are threads. All domains
// boot first and start together; host seconds between the guests' markers.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../src/apps/testing.js';
import { type Domain, type DomainConfig, Pcanel } from '../src/domains/index.js';
import { nodePcpus } from '../src/domains/node/index.js';
import { residentMib } from './output.js';
import { buildGuest, COPIES, type Copies, GO } from './peers/guest.js';
import { MarkerReader } from './peers/run.js';

/** Longer than it takes on a busy computer. */
const LIMIT_MS = 600_000;

export interface LinuxRun {
  readonly program: string;
  /** Runs of the program in each domain: one after the other or all at once. */
  readonly copies: Copies;
  /** Physical CPU of each domain; several for one whose processors are spread over them. */
  readonly domains: readonly (readonly number[])[];
  readonly cpus?: number;
  readonly time: 'virtual' | 'real';
}
export interface LinuxRan {
  /** From the first domain's start of its runs to the last one's end. */
  readonly seconds: number;
  readonly residentMib: number;
  /** Processor seconds of all threads of this process in that time. */
  readonly cpuSeconds: number;
}

/** Boots the domains, lets their runs begin together, and waits for all. */
export async function runLinux(run: LinuxRun): Promise<LinuxRan> {
  const guest = await buildGuest('64', join(cacheFolder(), 'bench'), [run.program], 1, run.copies);
  const kernel = { name: 'kernel', data: readFileSync(guest.kernel) };
  const initrd = { name: 'initramfs', data: readFileSync(guest.initrd) };
  const worker = new URL('../src/apps/cli/pcpu-worker.js', import.meta.url);
  const pcanel = new Pcanel({ spawn: nodePcpus({ worker }) });
  const nowS = (): number => performance.now() / 1000;
  const config = (n: number, pcpus: readonly number[]): DomainConfig => ({
    name: `linux${n}`,
    memoryBytes: guest.memoryMib << 20,
    time: run.time,
    cpus: run.cpus ?? 1,
    pcpus,
    boot: { kind: 'linux', kernel, initrd, cmdline: guest.cmdline },
  });
  /** Follows a domain's markers; `booted` and `ended` resolve at theirs. */
  const follow = (domain: Domain): { booted: Promise<void>; ended: Promise<number> } => {
    const reader = new MarkerReader(nowS, () => null);
    let boot = (): void => {};
    const booted = new Promise<void>((resolve) => {
      boot = resolve;
    });
    const ended = new Promise<number>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no end of '${run.program}' in ${LIMIT_MS / 1000} s`)), LIMIT_MS);
      const fail = (message: string): void => {
        clearTimeout(timer);
        reject(new Error(message));
      };
      domain.onOutput((bytes) => {
        reader.feed(String.fromCharCode(...bytes));
        if (reader.bootAt !== null) boot();
        if (reader.failure !== null) fail(reader.failure);
        if (!reader.programs.has(COPIES)) return;
        clearTimeout(timer);
        resolve(reader.endedAt);
      });
      domain.onState((state, outcome) => {
        if (state === 'stopped') fail(`the guest ended: ${JSON.stringify(outcome)}`);
      });
    });
    return { booted, ended };
  };
  try {
    const domains: Domain[] = [];
    for (const [n, pcpus] of run.domains.entries()) domains.push(await pcanel.createDomain(config(n, pcpus)));
    const followed = domains.map(follow);
    await pcanel.start();
    const ended = Promise.all(followed.map((f) => f.ended));
    await Promise.race([Promise.all(followed.map((f) => f.booted)), ended]);
    const start = nowS();
    const before = process.cpuUsage();
    for (const domain of domains) domain.write(Buffer.from(GO));
    const ends = await ended;
    const { user, system } = process.cpuUsage(before);
    return { seconds: Math.max(...ends) - start, residentMib: residentMib(), cpuSeconds: (user + system) / 1e6 };
  } finally {
    await pcanel.close();
  }
}
