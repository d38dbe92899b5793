// `pcanel stat --jit`: what the translator of the software engine has done, and where host time goes.

import type { DomainStat } from '../../domains/index.js';

const count = (n: number): string =>
  n < 1e5 ? String(Math.round(n)) : n < 1e7 ? `${(n / 1e3).toFixed(0)}k` : `${(n / 1e6).toFixed(1)}M`;
const percent = (part: number, whole: number): string => `${whole > 0 ? ((100 * part) / whole).toFixed(1) : '0.0'}%`;
const seconds = (ns: number): string => `${(ns / 1e9).toFixed(3)} s`;
const size = (bytes: number): string =>
  bytes < 1 << 20 ? `${(bytes / 1024).toFixed(0)} KiB` : `${(bytes / (1 << 20)).toFixed(1)} MiB`;

/** Counters that have a place in the lines above; the rest is listed by name. */
const SHOWN = new Set(
  'retired entries regions compiled evicted modules codeBytes reused stored refused translateMs compileMs workerTranslateMs workerCompileMs'.split(
    ' ',
  ),
);

/** The counters of a domain's engine as text. */
export function jitReport(d: DomainStat): string {
  const { engine: c, engineTime: time, instructions, hostNs, hostExitNs } = d.machine;
  if (Object.keys(c).length === 0)
    return `${d.name}\n  translator    engine ${d.engine} translates nothing here: all instructions are interpreted`;
  const of = (name: string): number => c[name] ?? 0;
  const retired = of('retired');
  const asked = of('compiled') + of('reused') + of('stored');
  const perEntry = of('entries') > 0 ? `, ${(retired / of('entries')).toFixed(0)} per entry of a region` : '';
  const evicted = c.evicted === undefined ? '' : `, ${count(of('evicted'))} evicted`;
  const lines = [
    `${d.name}`,
    `  regions       ${count(of('regions'))} alive, ${count(of('compiled'))} compiled in ${count(of('modules'))} modules${evicted}, ${size(of('codeBytes'))} of code`,
    `  translations  ${count(asked + of('refused'))} asked for, ${percent(of('stored'), asked)} of them kept from earlier runs, ${percent(of('reused'), asked)} found compiled, ${count(of('refused'))} refused`,
    `  instructions  ${percent(retired, instructions)} translated, ${percent(instructions - retired, instructions)} interpreted${perEntry}`,
  ];
  if (time === null) {
    const translatorNs = (of('translateMs') + of('compileMs')) * 1e6;
    lines.push(
      `  host time     translator ${seconds(translatorNs)}, VM exits about ${seconds(hostExitNs)}, all ${seconds(hostNs)}`,
    );
  } else {
    const part = (what: string, ns: number): string => `${what} ${seconds(ns)} (${percent(ns, hostNs)})`;
    lines.push(
      `  host time     about ${part('translated code', time.translatedNs)}, ${part('interpreter', time.interpreterNs)}, ${part('VM exits', time.exitsNs)}; ${part('translator', time.translatorNs)}`,
    );
    const each = (ns: number, n: number): string => (n > 0 ? (ns / n).toFixed(2) : '-');
    lines.push(
      `  per instruction  translated ${each(time.translatedNs, retired)} ns, interpreted ${each(time.interpreterNs, instructions - retired)} ns`,
    );
  }
  const beside = (of('workerTranslateMs') + of('workerCompileMs')) * 1e6;
  if (beside > 0) lines.push(`  beside it     translator's thread ${seconds(beside)}, not part of the host time`);
  for (const [name, n] of Object.entries(c).sort())
    if (!SHOWN.has(name)) lines.push(`  ${name.padEnd(13)} ${Number.isInteger(n) ? count(n) : n.toFixed(2)}`);
  return lines.join('\n');
}
