// How time and memory grow with a guest's work, and how much more two and four domains do at once on two cores than one.
// Linux guests on physical CPUs that are threads, in virtual time; host seconds between the markers of a program.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../src/apps/testing.js';
import { type DomainConfig, Pcanel } from '../src/domains/index.js';
import { nodePcpus } from '../src/domains/node/index.js';
import { figure, residentMib, type Section } from './output.js';
import { buildGuest, COPIES, repository } from './peers/guest.js';
import { median } from './peers/results.js';
import { MarkerReader } from './peers/run.js';

const PROGRAM = 'coremark';
/** Divisors of the program's work: 1, 4 and 16 times the least. */
const DIVISORS = [16, 4, 1] as const;
const CORES = 2;
const LIMIT_MS = 600_000;

export interface Ran {
  /** Host seconds of each domain's program. */
  readonly seconds: readonly number[];
  /** From the first program's start to the last one's end. */
  readonly spanS: number;
  readonly residentMib: number;
  /** Processor seconds of all threads, boots included, per domain. */
  readonly cpuS: number;
}

export interface LinuxRun {
  readonly program: string;
  /** Divides the program's work. */
  readonly divisor: number;
  /** Equal domains at once, spread over two physical CPUs. */
  readonly count: number;
  /** So many copies of the program at once in each domain; alone without. */
  readonly copies?: number;
  readonly domain: Partial<DomainConfig> & Pick<DomainConfig, 'time'>;
}
/** Boots the domains and runs the program in all of them. */
export async function runLinux(run: LinuxRun): Promise<Ran> {
  const { count } = run;
  const result = run.copies === undefined ? run.program : COPIES;
  const folder = join(cacheFolder(), 'bench');
  const guest = await buildGuest('64', folder, [run.program], run.divisor, run.copies ?? null);
  const worker = new URL('../src/apps/cli/pcpu-worker.js', import.meta.url);
  const pcanel = new Pcanel({ spawn: nodePcpus({ worker }) });
  const begin = performance.now();
  const cpuBefore = process.cpuUsage();
  const nowS = (): number => (performance.now() - begin) / 1000;
  try {
    const starts: number[] = [];
    const ends: number[] = [];
    const seconds: number[] = [];
    const all: Promise<void>[] = [];
    for (let n = 0; n < count; n++) {
      const config: DomainConfig = {
        name: `linux${n}`,
        memoryBytes: guest.memoryMib << 20,
        ...(run.domain.pcpus === undefined && { cpu: n % CORES }),
        ...run.domain,
        boot: {
          kind: 'linux',
          kernel: { name: 'kernel', data: readFileSync(guest.kernel) },
          initrd: { name: 'initramfs', data: readFileSync(guest.initrd) },
          cmdline: guest.cmdline,
        },
      };
      const domain = await pcanel.createDomain(config);
      all.push(
        new Promise((resolve, reject) => {
          const timer = setTimeout(
            () => reject(new Error(`no end of '${run.program}' in ${LIMIT_MS / 1000} s`)),
            LIMIT_MS,
          );
          const reader = new MarkerReader(nowS, () => null);
          domain.onOutput((bytes) => {
            reader.feed(String.fromCharCode(...bytes));
            const ended = reader.programs.get(result);
            if (reader.failure !== null) reject(new Error(reader.failure));
            if (!reader.done || ended === undefined) return;
            clearTimeout(timer);
            const end = nowS();
            ends.push(end);
            starts.push(end - ended.seconds);
            seconds.push(ended.seconds);
            resolve();
          });
          domain.onState((state, outcome) => {
            if (state === 'stopped' && !reader.done) reject(new Error(`the guest ended: ${JSON.stringify(outcome)}`));
          });
        }),
      );
    }
    await pcanel.start();
    await Promise.all(all);
    const { user, system } = process.cpuUsage(cpuBefore);
    const spanS = Math.max(...ends) - Math.min(...starts);
    return { seconds, spanS, residentMib: residentMib(), cpuS: (user + system) / 1e6 / count };
  } finally {
    await pcanel.close();
  }
}

/** Host seconds of `count` native processes of a program at once. */
export async function nativeSeconds(program: string, count: number): Promise<number> {
  const file = join(repository, 'bench/build/guest/64/bench');
  const begin = performance.now();
  const children = Array.from({ length: count }, () => spawn(file, [program, '1'], { stdio: 'ignore' }));
  for (const code of await Promise.all(children.map(async (c) => (await once(c, 'close'))[0] as number | null)))
    if (code !== 0) throw new Error(`the native '${program}' ended with ${code}`);
  return (performance.now() - begin) / 1000;
}

export async function scalingSection(runs: number): Promise<Section> {
  const section: Section = {
    name: `scaling ('${PROGRAM}' in Debian's 64-bit kernel, virtual time)`,
    figures: [],
    notes: [],
  };
  const several = async (count: number, divisor: number): Promise<Ran[]> => {
    const list: Ran[] = [];
    for (let n = 0; n < runs; n++)
      list.push(await runLinux({ program: PROGRAM, divisor, count, domain: { time: 'virtual' } }));
    return list;
  };
  let least = 0;
  let single = 0;
  let singleCpu = 0;
  for (const divisor of DIVISORS) {
    const ran = await several(1, divisor);
    const times = DIVISORS[0] / divisor;
    const seconds = figure(
      `work x ${times}: host seconds`,
      's',
      ran.map((r) => r.seconds[0] as number),
    );
    least ||= seconds.median;
    single = seconds.median;
    singleCpu = median(ran.map((r) => r.cpuS)) ?? 0;
    section.figures.push(seconds);
    section.figures.push(
      figure(
        `work x ${times}: time over x 1`,
        'times',
        ran.map((r) => (r.seconds[0] as number) / least),
      ),
      figure(
        `work x ${times}: process`,
        'MiB resident',
        ran.map((r) => r.residentMib),
      ),
    );
  }
  // What the computer itself gives two processes at this moment.
  const native: number[] = [];
  for (let n = 0; n < Math.max(3, runs); n++)
    native.push((CORES * (await nativeSeconds(PROGRAM, 1))) / (await nativeSeconds(PROGRAM, CORES)));
  section.figures.push(figure(`${CORES} native processes: throughput over one`, 'times', native));
  for (const count of [2, 4]) {
    const ran = await several(count, 1);
    // Work done per second by all domains, over that of the one domain above; all programs run at once.
    section.figures.push(
      figure(
        `${count} domains on ${CORES} cores: throughput over one domain (target 1.8)`,
        'times',
        ran.map((r) => (count * single) / r.spanS),
      ),
      figure(
        `${count} domains: processor time of each over one alone, boots included`,
        'times',
        ran.map((r) => r.cpuS / singleCpu),
      ),
      figure(
        `${count} domains: process`,
        'MiB resident',
        ran.map((r) => r.residentMib),
      ),
    );
  }
  section.notes.push(
    'throughput: 2 would be two cores that nobody else uses; what native processes reach is what the computer has to give',
  );
  return section;
}
