// What the processors of one domain do at once: two copies of a program in Linux with two processors, on one physical CPU
// (taking turns) and on two, beside one copy with one processor and two native processes. Real time, host seconds.
import { figure, type Section } from './output.js';
import { nativeSeconds, runLinux } from './scaling.js';

const PROGRAM = 'coremark';
const COPIES = 2;

export async function parallelSection(runs: number): Promise<Section> {
  const section: Section = {
    name: `processors of one domain ('${PROGRAM}' in Debian's 64-bit kernel, real time)`,
    figures: [],
    notes: [],
  };
  const ways = [
    { name: '1 copy, 1 processor', copies: 1, cpus: 1, pcpus: [0] },
    { name: `${COPIES} copies, 2 processors on 1 physical CPU`, copies: COPIES, cpus: 2, pcpus: [0] },
    { name: `${COPIES} copies, 2 processors on 2 physical CPUs`, copies: COPIES, cpus: 2, pcpus: [0, 1] },
  ];
  let single = 0;
  for (const { name, copies, cpus, pcpus } of ways) {
    const seconds: number[] = [];
    for (let n = 0; n < runs; n++) {
      const ran = await runLinux({
        program: PROGRAM,
        divisor: 1,
        count: 1,
        copies,
        domain: { cpus, pcpus, time: 'real' },
      });
      seconds.push(ran.seconds[0] as number);
    }
    const f = figure(`${name}: host seconds`, 's', seconds);
    single ||= f.median;
    section.figures.push(f);
    if (copies > 1)
      section.figures.push(
        figure(
          `${name}: throughput over one`,
          'times',
          seconds.map((s) => (copies * single) / s),
        ),
      );
  }
  const native: number[] = [];
  for (let n = 0; n < Math.max(3, runs); n++)
    native.push((COPIES * (await nativeSeconds(PROGRAM, 1))) / (await nativeSeconds(PROGRAM, COPIES)));
  section.figures.push(figure(`${COPIES} native processes: throughput over one`, 'times', native));
  section.notes.push('native: what this computer gives two processes at this moment; 2 would be two cores to itself');
  return section;
}
