// What the processors of one domain do at once: twice the processes in Linux with two processors, on one physical CPU
// (taking turns) and on two, as in Linux with one; beside two native processes. Real time, host seconds.
import { runLinux } from './linux.js';
import { figure, type Section } from './output.js';
import { nativeThroughput } from './scaling.js';

const PROGRAM = 'coremark';
/** Processes for each processor. */
const EACH = 4;
const CORES = 2;

export async function parallelSection(runs: number): Promise<Section> {
  const section: Section = {
    name: `processors of one domain ('${PROGRAM}' in Debian's 64-bit kernel, real time)`,
    figures: [],
    notes: [],
  };
  const ways = [
    { name: `${EACH} processes, 1 processor`, cpus: 1, pcpus: [0] },
    { name: `${EACH * CORES} processes, ${CORES} processors on 1 physical CPU`, cpus: CORES, pcpus: [0] },
    { name: `${EACH * CORES} processes, ${CORES} processors on ${CORES} physical CPUs`, cpus: CORES, pcpus: [0, 1] },
  ];
  let single = 0;
  for (const { name, cpus, pcpus } of ways) {
    const seconds: number[] = [];
    for (let n = 0; n < runs; n++) {
      const run = { program: PROGRAM, copies: { count: cpus * EACH, way: 'at once' }, cpus, time: 'real' } as const;
      seconds.push((await runLinux({ ...run, domains: [pcpus] })).seconds);
    }
    const f = figure(`${name}: host seconds`, 's', seconds);
    single ||= f.median;
    section.figures.push(f);
    if (cpus > 1)
      section.figures.push(
        figure(
          `${name}: throughput over one`,
          'times',
          seconds.map((s) => (cpus * single) / s),
        ),
      );
  }
  const native = await nativeThroughput(PROGRAM, CORES, Math.max(3, runs));
  section.figures.push(figure(`${CORES} native processes: throughput over one`, 'times', native));
  section.notes.push('native: what this computer gives two processes at this moment; 2 would be two cores to itself');
  return section;
}
