// Accesses of one block off the same unchanged address share one TLB check: a first pass of the emitter learns which bytes
// around an address a block touches, the second looks the whole range up at once and keeps its host address.
import type { AddressSymbol } from './binding.js';

/** Bytes that one check may span: wider ranges would often cross a page. */
const SPAN = 512;

export interface Cluster {
  min: number;
  max: number;
  accesses: number;
}
/** Per block and address: the ranges touched. */
export type GroupPlan = Map<string, Cluster[]>;

/** What a region has of one range in the current block: the host address of its first byte, 0 where the check failed. */
export interface Group {
  readonly local: number;
  readonly cluster: Cluster;
}

export class MemoryGroups {
  private block = 0;
  private readonly found = new Map<string, { delta: number; size: number }[]>();
  private readonly established = new Map<Cluster, Group>();

  constructor(private readonly planned: GroupPlan | null) {}

  startBlock(): void {
    this.block++;
    this.established.clear();
  }
  /** The address space or a segment may have changed. */
  forget(): void {
    this.established.clear();
  }
  private key(symbol: AddressSymbol, isWrite: boolean): string {
    return `${this.block}:${symbol.origin}:${isWrite ? 'w' : 'r'}`;
  }
  /** The range that an access belongs to, if others of its block do, too. */
  cluster(symbol: AddressSymbol, size: number, isWrite: boolean): Cluster | null {
    const key = this.key(symbol, isWrite);
    const delta = Number(symbol.delta);
    if (!Number.isSafeInteger(delta)) return null;
    if (this.planned === null) {
      const list = this.found.get(key) ?? [];
      list.push({ delta, size });
      this.found.set(key, list);
      return null;
    }
    const cluster = this.planned.get(key)?.find((c) => delta >= c.min && delta + size <= c.max);
    return cluster !== undefined && cluster.accesses > 1 ? cluster : null;
  }
  group(cluster: Cluster): Group | null {
    return this.established.get(cluster) ?? null;
  }
  establish(cluster: Cluster, local: number): Group {
    const group = { local, cluster };
    this.established.set(cluster, group);
    return group;
  }
  /** What the first pass found, for the second. */
  plan(): GroupPlan {
    const plan: GroupPlan = new Map();
    for (const [key, list] of this.found) {
      const clusters: Cluster[] = [];
      for (const { delta, size } of [...list].sort((a, b) => a.delta - b.delta)) {
        const last = clusters[clusters.length - 1];
        if (last !== undefined && delta + size - last.min <= SPAN) {
          last.max = Math.max(last.max, delta + size);
          last.accesses++;
        } else clusters.push({ min: delta, max: delta + size, accesses: 1 });
      }
      plan.set(key, clusters);
    }
    return plan;
  }
}
