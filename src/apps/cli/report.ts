// Statistics as text, and what an end means for the exit code.

import type { DomainOutcome, DomainStat, PcpuStat } from '../../domains/index.js';

export const ExitCode = {
  OK: 0,
  GUEST: 1,
  USAGE: 2,
  HOST: 3,
  /** With `--exit-device isa-debug-exit`: the guest failed without a status of its own, which would be odd. */
  GUEST_FAULT: 4,
  TIMEOUT: 124,
  SIGINT: 130,
  SIGTERM: 143,
} as const;

/** One sentence on how a domain ended. */
export function describeOutcome(o: DomainOutcome): string {
  switch (o.kind) {
    case 'powerOff':
      return 'powered off';
    case 'exit':
      return `ended with debug-exit status ${o.status}`;
    case 'stopped':
      return `stopped by the ${o.by}`;
    case 'reset':
    case 'halted':
    case 'tripleFault':
    case 'scriptFailed':
      return o.message;
    case 'error':
      return `${o.code}: ${o.message}`;
  }
}

/** Whether the domain did what it should. */
export function outcomeOk(o: DomainOutcome): boolean {
  if (o.kind === 'exit') return o.status === 1; // the guest wrote 0
  return o.kind !== 'error' && o.kind !== 'tripleFault' && o.kind !== 'scriptFailed';
}
export const outcomeCode = (o: DomainOutcome): number =>
  outcomeOk(o) ? ExitCode.OK : o.kind === 'error' && o.code === 'PCPU_CRASHED' ? ExitCode.HOST : ExitCode.GUEST;

const seconds = (ns: number): string => (ns / 1e9).toFixed(ns < 1e10 ? 3 : 1);
const count = (n: number): string =>
  n < 1e5 ? String(Math.round(n)) : n < 1e7 ? `${(n / 1e3).toFixed(0)}k` : `${(n / 1e6).toFixed(1)}M`;
const percent = (part: number, whole: number): string => `${whole > 0 ? ((100 * part) / whole).toFixed(1) : '0.0'}%`;

const MIPS_OF = (d: DomainStat): string =>
  d.machine.hostNs > 0 ? ((d.machine.instructions * 1e3) / d.machine.hostNs).toFixed(1) : '-';

/** Hardware does not count instructions: there the entries are told. */
const workOf = (d: DomainStat): string =>
  d.engine === 'kvm'
    ? `${count(d.machine.instructions)} VM entries`
    : `${count(d.machine.instructions)} instructions, ${MIPS_OF(d)} MIPS`;

/** One line for the status display. */
export function statLine(d: DomainStat, cpu: PcpuStat): string {
  const m = d.machine;
  const state = d.state === 'running' ? m.state : d.state;
  const rt = d.scheduling;
  const late = rt.misses + rt.overruns > 0 ? `, ${rt.misses} missed, ${rt.overruns} over budget` : '';
  return (
    `${d.name}: ${state}, cpu ${d.cpu}, ${seconds(m.clockNs)} s ${d.time}, ${workOf(d)}, ` +
    `${count(m.exitsTotal)} exits, ${count(m.interrupts)} interrupts, ` +
    `host ${percent(m.hostNs, cpu.hostNs)}${late}`
  );
}

/** The whole story of a domain. */
export function statReport(d: DomainStat, cpu: PcpuStat): string {
  const m = d.machine;
  const s = d.scheduling;
  const lines = [
    `${d.name}`,
    `  state         ${d.state === 'running' ? m.state : d.state}${d.outcome ? ` (${describeOutcome(d.outcome)})` : ''}`,
    `  cpu           ${d.cpu}, engine ${d.engine}, ${d.memoryBytes / 2 ** 20} MiB, ${d.time} time`,
    `  clock         ${seconds(m.clockNs)} s`,
    d.engine === 'kvm' ? `  VM entries    ${m.instructions}` : `  instructions  ${m.instructions} (${MIPS_OF(d)} MIPS)`,
    `  host time     ${seconds(m.hostNs)} s, ${percent(m.hostNs, cpu.hostNs)} of a core; in exits about ${seconds(m.hostExitNs)} s`,
    `  interrupts    ${m.interrupts}, resets ${m.resets}, unclaimed accesses ${m.unclaimed}`,
    `  console       ${m.consoleBytesOut} bytes out, ${m.consoleBytesIn} in`,
    `  scheduling    ran ${seconds(s.ranNs)} s in ${s.dispatches} dispatches, missed ${s.misses}, over budget ${s.overruns}, latency max ${(s.maxLatencyNs / 1000).toFixed(1)} us`,
  ];
  if (d.script) lines.push(`  script        ${d.script.done} of ${d.script.of} steps`);
  lines.push(`  VM exits      ${m.exitsTotal}`);
  for (const e of m.exits) {
    const mean = e.samples > 0 ? `${(e.sampledNs / e.samples / 1000).toFixed(2)} us` : '-';
    const answered = e.answered > 0 ? `  ${e.answered} answered by the engine` : '';
    lines.push(`    ${e.name.padEnd(24)}${String(e.count).padStart(12)}  ${mean.padStart(10)}${answered}`);
  }
  return lines.join('\n');
}
