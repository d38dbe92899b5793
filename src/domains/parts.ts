// Processors of a domain that live on another physical CPU than its devices: the part that is scheduled there, and how its
// counters join those of the domain.

import { addExits, estimatedNs, type MachinePart, type PartStats, type StepResult } from '../machine/index.js';
import type { DomainStat, PcpuStat } from './protocol.js';
import type { Entity, Schedulable } from './scheduler.js';

/** A part on its physical CPU. Its home part decides when it runs. */
export class PcpuPart implements Schedulable {
  entity: Entity | null = null;
  constructor(
    readonly id: number,
    readonly machine: MachinePart,
  ) {}
  get name(): string {
    return this.machine.name;
  }
  get state(): StepResult['state'] {
    return this.machine.state;
  }
  step(nowNs: number, budgetNs: number): StepResult {
    return this.machine.step(nowNs, budgetNs);
  }
  nextDeadlineNs(): number | null {
    return this.machine.nextDeadlineNs();
  }
}

/** Counters of a part, as its physical CPU tells them. */
export interface PartStat extends PartStats {
  readonly name: string;
}

const join = (d: DomainStat, parts: readonly PartStat[]): DomainStat => {
  if (parts.length === 0) return d;
  const all = addExits([...d.machine.exits, ...parts.flatMap((p) => p.exits)]);
  const sum = (key: 'instructions' | 'interrupts' | 'steps' | 'runs' | 'hostNs'): number =>
    parts.reduce((n, p) => n + p[key], d.machine[key]);
  const hostExitNs = all.reduce((n, e) => n + estimatedNs(e), 0);
  return {
    ...d,
    machine: {
      ...d.machine,
      instructions: sum('instructions'),
      interrupts: sum('interrupts'),
      steps: sum('steps'),
      runs: sum('runs'),
      hostNs: sum('hostNs'),
      exits: all,
      exitsTotal: all.reduce((n, e) => n + e.count, 0),
      hostExitNs: Math.round(hostExitNs),
    },
  };
};

/** Adds what parts on other physical CPUs have counted to their domains. */
export function joinParts(cpus: readonly PcpuStat[]): PcpuStat[] {
  const parts = cpus.flatMap((c) => c.parts ?? []);
  return cpus.map((c) => ({
    ...c,
    domains: c.domains.map((d) =>
      join(
        d,
        parts.filter((p) => p.name === d.name),
      ),
    ),
  }));
}
