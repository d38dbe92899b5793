// What Prometheus reads. Source: Prometheus documentation, "Metric and label naming", "Exposition formats".

import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { estimatedNs } from '../../machine/index.js';
import type { Fleet } from './fleet.js';
import { DOMAIN_STATES } from './schemas.js';

/** Counters of the domains, read when asked for. */
export class Metrics {
  readonly #fleet: Fleet;
  readonly #registry = new Registry();

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
    collectDefaultMetrics({ register: this.#registry });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All metrics in the text format. */
  async text(): Promise<string> {
    const own = new Registry();
    const registers = [own];
    const counter = (name: string, help: string, labelNames: string[]): Counter =>
      new Counter({ name: `pcanel_${name}`, help, labelNames, registers });
    const gauge = (name: string, help: string, labelNames: string[]): Gauge =>
      new Gauge({ name: `pcanel_${name}`, help, labelNames, registers });
    const of = ['domain'];
    const state = gauge('domain_state', 'State of a domain: 1 for the one it is in', ['domain', 'state']);
    const memory = gauge('domain_memory_bytes', 'RAM of a loaded domain', of);
    const clock = counter('domain_clock_seconds_total', 'Domain time since power-on', of);
    const instructions = counter('domain_instructions_total', 'Instructions that the guest has retired', of);
    const exits = counter('domain_vm_exits_total', 'VM exits by reason', ['domain', 'reason']);
    const cost = counter('domain_vm_exit_seconds_total', 'Host time that handled exits, from one timed exit in 64', [
      'domain',
      'reason',
    ]);
    const host = counter('domain_host_seconds_total', 'Host time spent in the domain', of);
    const interrupts = counter('domain_interrupts_total', 'Interrupts delivered', of);
    const resets = counter('domain_resets_total', 'Resets', of);
    const unclaimed = counter('domain_unclaimed_accesses_total', 'Accesses that no device answered', of);
    const bytes = counter('domain_console_bytes_total', 'Bytes on the console', ['domain', 'direction']);
    const misses = counter('domain_realtime_misses_total', 'Periods that ended before the domain had its budget', of);
    const overruns = counter('domain_realtime_overruns_total', 'Periods in which it wanted more than its budget', of);
    const latency = gauge('domain_realtime_latency_max_seconds', 'Longest time from a deadline to running for it', of);
    const busy = counter('cpu_busy_seconds_total', 'Host time that a physical CPU has spent in domains', ['cpu']);

    for (const d of this.#fleet.domains) {
      for (const s of DOMAIN_STATES) state.set({ domain: d.name, state: s }, d.state === s ? 1 : 0);
    }
    for (const cpu of await this.#fleet.pcanel.stat()) {
      busy.inc({ cpu: String(cpu.cpu) }, cpu.busyNs / 1e9);
      for (const { name: domain, memoryBytes, machine: m, scheduling: s } of cpu.domains) {
        memory.set({ domain }, memoryBytes);
        clock.inc({ domain }, m.clockNs / 1e9);
        instructions.inc({ domain }, m.instructions);
        for (const e of m.exits) {
          exits.inc({ domain, reason: e.name }, e.count);
          if (e.samples > 0) cost.inc({ domain, reason: e.name }, estimatedNs(e) / 1e9);
        }
        host.inc({ domain }, m.hostNs / 1e9);
        interrupts.inc({ domain }, m.interrupts);
        resets.inc({ domain }, m.resets);
        unclaimed.inc({ domain }, m.unclaimed);
        bytes.inc({ domain, direction: 'out' }, m.consoleBytesOut);
        bytes.inc({ domain, direction: 'in' }, m.consoleBytesIn);
        misses.inc({ domain }, s.misses);
        overruns.inc({ domain }, s.overruns);
        latency.set({ domain }, s.maxLatencyNs / 1e9);
      }
    }
    return `${await own.metrics()}${await this.#registry.metrics()}`;
  }
}
