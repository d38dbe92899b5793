// How time and memory grow with a guest's work, and how much more two and four domains do at once on two cores than one.
// Linux guests on physical CPUs that are threads, in virtual time; host seconds between the markers of a program.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../src/apps/testing.js';
import { type DomainConfig, Pcanel } from '../src/domains/index.js';
import { nodePcpus } from '../src/domains/node/index.js';
import { figure, residentMib, type Section } from './output.js';
import { buildGuest } from './peers/guest.js';
import { MarkerReader } from './peers/run.js';

const PROGRAM = 'coremark';
/** Divisors of the program's work: 1, 4 and 16 times the least. */
const DIVISORS = [16, 4, 1] as const;
const CORES = 2;
const LIMIT_MS = 600_000;

interface Ran {
  /** Host seconds of each domain's program. */
  readonly seconds: readonly number[];
  /** From the first program's start to the last one's end. */
  readonly spanS: number;
  readonly residentMib: number;
  /** Processor seconds of all threads, boots included, per domain. */
  readonly cpuS: number;
}

/** Runs `count` equal domains at once, spread over two physical CPUs. */
async function runDomains(count: number, divisor: number): Promise<Ran> {
  const guest = await buildGuest('64', join(cacheFolder(), 'bench'), [PROGRAM], divisor);
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
        time: 'virtual',
        cpu: n % CORES,
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
          const timer = setTimeout(() => reject(new Error(`no end of '${PROGRAM}' in ${LIMIT_MS / 1000} s`)), LIMIT_MS);
          const reader = new MarkerReader(nowS, () => null);
          domain.onOutput((bytes) => {
            reader.feed(String.fromCharCode(...bytes));
            const result = reader.programs.get(PROGRAM);
            if (reader.failure !== null) reject(new Error(reader.failure));
            if (!reader.done || result === undefined) return;
            clearTimeout(timer);
            const end = nowS();
            ends.push(end);
            starts.push(end - result.seconds);
            seconds.push(result.seconds);
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

export async function scalingSection(runs: number): Promise<Section> {
  const section: Section = {
    name: `scaling ('${PROGRAM}' in Debian's 64-bit kernel, virtual time)`,
    figures: [],
    notes: [],
  };
  const several = async (count: number, divisor: number): Promise<Ran[]> => {
    const list: Ran[] = [];
    for (let n = 0; n < runs; n++) list.push(await runDomains(count, divisor));
    return list;
  };
  let least = 0;
  let single = 0;
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
  for (const count of [2, 4]) {
    const ran = await several(count, 1);
    // Work done per second by all domains, over that of the one domain above; all programs run at once.
    section.figures.push(
      figure(
        `${count} domains on ${CORES} cores: throughput over one domain`,
        'times',
        ran.map((r) => (count * single) / r.spanS),
      ),
      figure(
        `${count} domains: process`,
        'MiB resident',
        ran.map((r) => r.residentMib),
      ),
    );
  }
  section.notes.push(
    'throughput: 2 would be two cores that nobody else uses; other load lowers it, and then the processor time tells more',
  );
  return section;
}
