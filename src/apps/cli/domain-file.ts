// What the YAML file of `pcanel up` may say: its schema, and messages that name the place, the value and what was expected.

import * as z from 'zod';
import { ConfigError } from '../../base/index.js';
import { DOMAIN_NAME } from '../../domains/index.js';
import { MAX_PROCESSORS } from '../../machine/index.js';
import { checkPcpus, ENTRY_DEFAULTS, hasMedia } from './domain-entry.js';
import { hint, parseSize } from './values.js';

const seconds = z.number().min(0).max(1e6);
const scriptStep = z
  .strictObject({
    expect: z.string().min(1).optional(),
    send: z.string().optional(),
    delay: seconds.optional(),
    timeout: seconds.optional(),
    stop: z.boolean().optional(),
    ended: z.boolean().optional(),
  })
  .refine((s) => s.expect !== undefined || s.send !== undefined || s.delay !== undefined || s.stop || s.ended, {
    message: "is empty, expected at least one of 'expect', 'send', 'delay', 'stop', 'ended'",
  });
const realtime = z.strictObject({
  priority: z.number().int().min(0).max(99),
  periodUs: z.number().min(10).max(10_000_000),
  budgetUs: z.number().min(1).optional(),
});
const moduleEntry = z.union([z.string(), z.strictObject({ file: z.string(), cmdline: z.string().optional() })]);

/** A number, also as text such as '0x3f8'. */
const address = z.union([
  z.number().int().min(0),
  z.string().regex(/^0x[0-9a-fA-F]{1,16}$/, "expected a number or hexadecimal text such as '0x3f8'"),
]);
const register = z.number().int().min(0).max(0xffff_ffff).optional();
/** A rule of the access policy: what becomes of a guest's access to a port, MMIO address, MSR or CPUID leaf. */
export const policyRule = z
  .strictObject({
    kind: z.enum(['port', 'mmio', 'msr', 'cpuid']),
    from: address,
    count: z.number().int().min(1).default(1),
    access: z.enum(['read', 'write']).optional(),
    do: z.enum(['observe', 'deny', 'fake']),
    /** What a faked read gives. */
    value: address.optional(),
    eax: register,
    ebx: register,
    ecx: register,
    edx: register,
  })
  .refine((r) => r.do !== 'fake' || r.kind === 'cpuid' || r.value !== undefined, {
    message: "fakes nothing, expected 'value'",
  });
export type PolicyRuleEntry = z.infer<typeof policyRule>;
const policyModule = z.union([
  z.string().min(1),
  z.strictObject({ file: z.string().min(1), export: z.string().min(1).optional(), argument: z.unknown().optional() }),
]);

const files = z.union([z.string().min(1), z.array(z.string().min(1)).min(1, 'is empty, expected at least one file')]);

export const domainSchema = z.strictObject({
  name: z.string().regex(DOMAIN_NAME, "expected a letter or digit, then at most 31 letters, digits, '_', '.', '-'"),
  /** A named image (`pcanel images`). */
  image: z.string().optional(),
  /** A Linux bzImage. */
  kernel: z.string().optional(),
  /** A multiboot image. */
  multiboot: z.string().optional(),
  /** Firmware in which the processor starts, by default SeaBIOS where nothing else boots. */
  bios: z.string().min(1).optional(),
  /** CD-ROM image, read-only. */
  cdrom: z.string().min(1).optional(),
  /** Hard disk images, written to. */
  disk: files.optional(),
  /** Floppy disk images of drives A and B, written to. */
  floppy: files.optional(),
  /** Order in which firmware looks for something to boot. */
  boot: z
    .array(z.enum(['cdrom', 'disk', 'floppy']))
    .min(1, 'is empty, expected at least one of cdrom, disk, floppy')
    .refine((order) => new Set(order).size === order.length, { message: 'expected every device at most once' })
    .optional(),
  /** A VGA display, by default where firmware boots. */
  display: z.enum(['vga', 'none']).optional(),
  /** A device by which system tests steer the board, by default where a multiboot image boots. */
  testDevice: z.enum(['pc-testdev', 'none']).optional(),
  modules: z.array(moduleEntry).optional(),
  /** A file, or `busybox` for the default initial RAM disk. */
  initrd: z.string().optional(),
  cmdline: z.string().optional(),
  memory: z.union([z.string(), z.number()]).default(ENTRY_DEFAULTS.memory),
  /** By default real where firmware boots (it waits in loops) and on engine kvm, else virtual. */
  time: z.enum(['virtual', 'real']).optional(),
  engine: z.enum(['auto', 'software', 'kvm']).default(ENTRY_DEFAULTS.engine),
  /** False: runs the guest on the engine named though its self-test failed. */
  selfTest: z.boolean().optional(),
  /** Who models 8259, 8254 and APICs: the board, or (engine kvm) the engine. */
  interruptChip: z.enum(['board', 'engine']).optional(),
  cpuModel: z.string().optional(),
  /** Processors of the guest. */
  cpus: z.number().int().min(1).max(MAX_PROCESSORS).default(ENTRY_DEFAULTS.cpus),
  /** Physical CPU. */
  cpu: z.number().int().min(0).max(63).default(ENTRY_DEFAULTS.cpu),
  /** Instead of `cpu`: physical CPUs that run the processors at the same time, in real time. */
  pcpus: z
    .array(z.number().int().min(0).max(63))
    .min(1, 'is empty, expected at least one physical CPU')
    .refine((list) => new Set(list).size === list.length, { message: 'expected every physical CPU at most once' })
    .optional(),
  realtime: realtime.optional(),
  weight: z.number().min(1).max(10_000).optional(),
  script: z.array(scriptStep).optional(),
  onReset: z.enum(['reset', 'stop']).default(ENTRY_DEFAULTS.onReset),
  onTripleFault: z.enum(['reset', 'stop']).default(ENTRY_DEFAULTS.onTripleFault),
  exitDevice: z.enum(['isa-debug-exit', 'none']).default(ENTRY_DEFAULTS.exitDevice),
  /** Seconds of domain time after which the domain is stopped with an error. */
  limit: seconds.optional(),
  /** Date and time at power-on, ISO 8601. */
  wallClock: z.iso.datetime({ offset: true }).optional(),
  /** Rules over ports, MMIO, MSRs and CPUID leaves; the first that matches decides. */
  policy: z.array(policyRule).optional(),
  /** An ES module that gives more rules, as code. */
  policyModule: policyModule.optional(),
});
export type DomainEntry = z.infer<typeof domainSchema>;
/** An entry as written, before defaults. */
export type DomainInput = z.input<typeof domainSchema>;

const fileSchema = z.strictObject({
  /** Whether idle virtual time keeps to the host's pace. */
  pace: z.boolean().optional(),
  domains: z.array(domainSchema).min(1, 'is empty, expected at least one domain'),
});
export interface DomainFile {
  readonly path: string;
  readonly pace: boolean | undefined;
  readonly domains: readonly DomainEntry[];
}

type Path = readonly PropertyKey[];
const at = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>((v, key) => (typeof v === 'object' && v !== null ? Reflect.get(v, key) : undefined), value);

/** 'domains[1].memory (rtos)'. */
function place(root: unknown, path: Path): string {
  const text = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('');
  const name =
    path[0] === 'domains' && path.length > 1 ? at(root, ['domains', path[1] as PropertyKey, 'name']) : undefined;
  return `${text.replace(/^\./, '') || 'file'}${typeof name === 'string' ? ` (${name})` : ''}`;
}

/** Keys that are known at a place. */
function knownKeys(path: Path): string[] {
  if (path.length === 0) return Object.keys(fileSchema.shape);
  if (path.length === 2) return Object.keys(domainSchema.shape);
  if (path[2] === 'realtime') return Object.keys(realtime.shape);
  if (path[2] === 'script') return Object.keys(scriptStep.shape);
  if (path[2] === 'policy') return Object.keys(policyRule.shape);
  if (path[2] === 'policyModule') return ['file', 'export', 'argument'];
  if (path[2] === 'modules') return ['file', 'cmdline'];
  return [];
}

const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'missing';
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
};

function complain(path: string, root: unknown, issue: z.core.$ZodIssue): never {
  const where = place(root, issue.path);
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? '';
    const message = `${path}: ${where}: unknown key '${key}', ${hint(key, knownKeys(issue.path))}`;
    throw new ConfigError('CONFIG_KEY', message, { file: path, key });
  }
  const value = at(root, issue.path);
  if (value === undefined) {
    const message = `${path}: ${where} is missing, expected ${issue.code === 'invalid_type' ? issue.expected : 'a value'}`;
    throw new ConfigError('CONFIG_MISSING', message, { file: path });
  }
  const why = issue.message.replace(/^Invalid (input|option|string|ISO datetime)(: |$)/, '') || 'not valid';
  const message = `${path}: ${where} is ${shown(value)}: ${why}`;
  throw new ConfigError('CONFIG_VALUE', message, { file: path });
}

/** Checks what the schema cannot say. */
function checkDomain(path: string, d: DomainEntry, i: number): void {
  const where = `${path}: domains[${i}] (${d.name})`;
  const sources = (['image', 'kernel', 'multiboot', 'bios'] as const).filter((k) => d[k] !== undefined);
  if (sources.length > 1 || (sources.length === 0 && !hasMedia(d))) {
    const got = sources.length === 0 ? 'none of' : `${sources.map((s) => `'${s}'`).join(' and ')} of`;
    const message = `${where}: ${got} 'image', 'kernel', 'multiboot', 'bios' given, expected exactly one, or 'cdrom', 'disk', 'floppy' to boot from`;
    throw new ConfigError('CONFIG_BOOT', message);
  }
  if (d.boot !== undefined && (d.kernel !== undefined || d.multiboot !== undefined)) {
    throw new ConfigError('CONFIG_BOOT', `${where}: 'boot' goes with firmware, expected no '${sources[0]}'`);
  }
  if (d.realtime !== undefined && d.weight !== undefined) {
    throw new ConfigError('CONFIG_SCHEDULING', `${where}: both 'realtime' and 'weight' given, expected one of them`);
  }
  checkPcpus(where, d);
  parseSize(d.memory, `${where}: memory`);
}

/** Checks one entry that does not come from a file; `name` is for messages. */
export function parseDomainEntry(value: unknown, name: string): DomainEntry {
  const result = domainSchema.safeParse(value);
  const path = `domain '${name}'`;
  if (!result.success) {
    const issues = result.error.issues;
    const first = issues.find((i) => i.code === 'unrecognized_keys') ?? issues[0];
    if (first !== undefined) complain(path, { domains: [value] }, { ...first, path: ['domains', 0, ...first.path] });
  }
  const entry = domainSchema.parse(value);
  checkDomain(path, entry, 0);
  return entry;
}

/** Checks what a domain file says; `path` is for messages. */
export function checkDomainFile(root: unknown, path: string): DomainFile {
  const result = fileSchema.safeParse(root);
  if (!result.success) {
    // An unknown key is most often the reason of the others.
    const issues = result.error.issues;
    const first = issues.find((i) => i.code === 'unrecognized_keys') ?? issues[0];
    if (first !== undefined) complain(path, root, first);
  }
  const file = fileSchema.parse(root);
  const names = new Set<string>();
  for (const [i, d] of file.domains.entries()) {
    if (names.has(d.name)) {
      const message = `${path}: domains[${i}]: the name '${d.name}' is used twice, expected another`;
      throw new ConfigError('DOMAIN_EXISTS', message, { file: path, domain: d.name });
    }
    names.add(d.name);
    checkDomain(path, d, i);
  }
  return { path, pace: file.pace, domains: file.domains };
}
