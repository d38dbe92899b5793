// Entries of domains that need no schema: what is known of them without loading one.

import { ConfigError } from '../../base/index.js';
import { DOMAIN_NAME } from '../../domains/index.js';
import type { DomainEntry } from './domain-file.js';

/** What an entry says that does not say it. */
export const ENTRY_DEFAULTS = {
  memory: '256M',
  engine: 'auto',
  cpus: 1,
  cpu: 0,
  onReset: 'reset',
  onTripleFault: 'stop',
  exitDevice: 'isa-debug-exit',
} as const;

/** Keys of which any value of their type is good, or which the command line has checked. */
const PLAIN = [
  ...(['name', 'image', 'kernel', 'multiboot', 'initrd', 'cmdline', 'memory'] as const),
  ...(['time', 'engine', 'cpus', 'cpu', 'display', 'testDevice', 'exitDevice', 'onReset'] as const),
] as const;
type Plain = Partial<Pick<DomainEntry, (typeof PLAIN)[number]>> & Pick<DomainEntry, 'name'>;
const isPlain: ReadonlySet<string> = new Set(PLAIN);

/** What the schema makes of an entry, or null where it has to be asked: it takes as long to load as all the rest. */
export function plainEntry(input: Plain & Readonly<Record<string, unknown>>): DomainEntry | null {
  if (!DOMAIN_NAME.test(input.name) || !Object.keys(input).every((key) => isPlain.has(key))) return null;
  // within limits, but perhaps no whole numbers
  if (!Number.isInteger(input.cpus ?? 1) || !Number.isInteger(input.cpu ?? 0)) return null;
  return { ...ENTRY_DEFAULTS, ...(input as Plain) };
}

/** Whether there is a medium that firmware can boot from. */
export const hasMedia = (d: Pick<DomainEntry, 'cdrom' | 'disk' | 'floppy'>): boolean =>
  d.cdrom !== undefined || d.disk !== undefined || d.floppy !== undefined;

/** What does not go together with several physical CPUs. `where` names the domain in messages. */
export function checkPcpus(where: string, d: DomainEntry): void {
  const { pcpus, cpus, cpu } = d;
  if (pcpus === undefined) return;
  const list = `'pcpus' is [${pcpus.join(', ')}]`;
  const refuse = (why: string): never => {
    throw new ConfigError('CONFIG_PCPUS', `${where}: ${list} ${why}`);
  };
  if (pcpus.length > cpus) refuse(`and 'cpus' is ${cpus}, expected at most as many physical CPUs as processors`);
  if (cpu !== 0 && cpu !== pcpus[0]) refuse(`and 'cpu' is ${cpu}, expected one of them`);
  if (pcpus.length === 1) return;
  if (d.time === 'virtual') refuse("and 'time' is virtual, expected 'time: real' for several physical CPUs");
  if (d.realtime !== undefined) refuse("and 'realtime' is given, expected one of them");
  if (d.policy !== undefined) refuse("and 'policy' is given, expected one of them");
  if (d.engine === 'kvm') refuse("and 'engine' is kvm, expected 'engine: software' for several physical CPUs");
}
