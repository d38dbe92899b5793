// How time and memory grow with a guest's work, and how much more two and four domains do at once on two cores than one.
// Linux guests in virtual time; the work is one program, run several times.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type LinuxRan, runLinux } from './linux.js';
import { figure, type Section } from './output.js';
import { repository } from './peers/guest.js';
import { median } from './peers/results.js';

const PROGRAM = 'coremark';
/** Runs of the program: 1, 4 and 16 times the least. */
const WORK = [1, 4, 16] as const;
/** Runs in each of several domains. */
const SIDE_BY_SIDE = 16;
const CORES = 2;
/** What two or four domains on two cores are to do over one. */
const TARGET = 1.8;

/** Host seconds of `processes` native ones at once, each running the program `times` times. */
export async function nativeSeconds(program: string, times: number, processes: number): Promise<number> {
  const file = join(repository, 'bench/build/guest/64/bench');
  const run = async (): Promise<void> => {
    for (let n = 0; n < times; n++) {
      const [code] = (await once(spawn(file, [program], { stdio: 'ignore' }), 'close')) as [number | null];
      if (code !== 0) throw new Error(`the native '${program}' ended with ${code}`);
    }
  };
  const begin = performance.now();
  await Promise.all(Array.from({ length: processes }, run));
  return (performance.now() - begin) / 1000;
}
/** How much more native processes do at once than one, one value per measurement. */
export async function nativeThroughput(program: string, processes: number, runs: number): Promise<number[]> {
  const list: number[] = [];
  for (let n = 0; n < runs; n++)
    list.push((processes * (await nativeSeconds(program, 8, 1))) / (await nativeSeconds(program, 8, processes)));
  return list;
}

export async function scalingSection(runs: number): Promise<Section> {
  const section: Section = {
    name: `growth ('${PROGRAM}' in Debian's 64-bit kernel, virtual time)`,
    figures: [],
    notes: [],
  };
  const several = async (count: number, work: number): Promise<LinuxRan[]> => {
    const domains = Array.from({ length: count }, (_, n) => [n % CORES]);
    const list: LinuxRan[] = [];
    for (let n = 0; n < runs; n++)
      list.push(
        await runLinux({ program: PROGRAM, copies: { count: work, way: 'in turn' }, domains, time: 'virtual' }),
      );
    return list;
  };
  const middle = (list: readonly LinuxRan[], of: (r: LinuxRan) => number): number => median(list.map(of)) as number;
  let least: number | null = null;
  let single: LinuxRan[] = [];
  for (const work of WORK) {
    const ran = await several(1, work);
    const seconds = (r: LinuxRan): number => r.seconds;
    least ??= middle(ran, seconds);
    const one = least;
    section.figures.push(
      figure(`work x ${work}: host seconds`, 's', ran.map(seconds)),
      figure(
        `work x ${work}: time over x 1`,
        'times',
        ran.map((r) => r.seconds / one),
      ),
      figure(
        `work x ${work}: process`,
        'MiB resident',
        ran.map((r) => r.residentMib),
      ),
    );
    if (work === SIDE_BY_SIDE) single = ran;
  }
  const alone = { seconds: middle(single, (r) => r.seconds), cpu: middle(single, (r) => r.cpuSeconds) };
  section.figures.push(
    figure(
      `${CORES} native processes: throughput over one`,
      'times',
      await nativeThroughput(PROGRAM, CORES, Math.max(3, runs)),
    ),
  );
  for (const count of [2, 4]) {
    const ran = await several(count, SIDE_BY_SIDE);
    section.figures.push(
      figure(
        `${count} domains on ${CORES} cores: throughput over one domain (target ${TARGET})`,
        'times',
        ran.map((r) => (count * alone.seconds) / r.seconds),
      ),
      figure(
        `${count} domains: processor time of each over one alone`,
        'times',
        ran.map((r) => r.cpuSeconds / count / alone.cpu),
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
