// What the benchmarks measure and how it is printed: named figures with a median, their spread, and the computer they are of.
import { execFileSync } from 'node:child_process';
import os from 'node:os';

/** Several runs of one measurement. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly runs: number;
}
export interface Section {
  readonly name: string;
  readonly figures: Figure[];
  /** Facts that are no measurement, and reasons for what is missing. */
  readonly notes: string[];
}

export function figure(name: string, unit: string, values: readonly number[]): Figure {
  const sorted = [...values].sort((a, b) => a - b);
  const n = sorted.length;
  if (n === 0) throw new RangeError(`no values for ${name}`);
  const median = ((sorted[(n - 1) >> 1] as number) + (sorted[n >> 1] as number)) / 2;
  return { name, unit, median, min: sorted[0] as number, max: sorted[n - 1] as number, runs: n };
}

const number = (v: number): string =>
  v >= 1000 ? v.toFixed(0) : v >= 100 ? v.toFixed(1) : v >= 1 ? v.toFixed(2) : v.toFixed(3);

/** A section's lines, a figure each. */
export function sectionText(section: Section): string {
  const lines = [section.name];
  const width = Math.max(0, ...section.figures.map((f) => f.name.length));
  for (const f of section.figures) {
    const spread = f.runs > 1 ? `  (${number(f.min)} .. ${number(f.max)}, ${f.runs} runs)` : '';
    lines.push(`  ${f.name.padEnd(width)}  ${number(f.median).padStart(9)} ${f.unit}${spread}`);
  }
  for (const note of section.notes) lines.push(`  ${note}`);
  return `${lines.join('\n')}\n`;
}
export const printSection = (section: Section): void => void process.stdout.write(`\n${sectionText(section)}`);

export interface HostDetails {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryMib: number;
  readonly kernel: string;
  readonly node: string;
  readonly v8: string;
  readonly compiler: string;
  readonly loadAverage: number;
  readonly date: string;
}
export function hostDetails(): HostDetails {
  const [cpu] = os.cpus();
  let compiler = 'none';
  try {
    compiler = execFileSync('gcc', ['--version'], { encoding: 'utf8' }).split('\n')[0] ?? 'gcc';
  } catch {
    // said where it matters: the kernels are skipped
  }
  return {
    cpu: cpu?.model.trim() ?? os.arch(),
    cores: os.availableParallelism(),
    memoryMib: Math.round(os.totalmem() / 2 ** 20),
    kernel: `${os.type()} ${os.release()}`,
    node: process.version,
    v8: process.versions.v8,
    compiler,
    loadAverage: os.loadavg()[0] as number,
    date: new Date().toISOString(),
  };
}
export function printHost(d: HostDetails): void {
  process.stdout.write(
    [
      `${d.date}  ${d.cpu}, ${d.cores} cores, ${d.memoryMib} MiB, ${d.kernel}`,
      `Node.js ${d.node} (V8 ${d.v8}), ${d.compiler}, load average ${d.loadAverage.toFixed(1)}`,
      '',
    ].join('\n'),
  );
}
/** Resident memory of this process in MiB. */
export const residentMib = (): number => process.memoryUsage().rss / 2 ** 20;
