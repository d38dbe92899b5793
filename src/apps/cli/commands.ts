// The commands of `pcanel`: each takes parsed options and gives an exit code.

import { basename } from 'node:path';
import { ConfigError } from '../../base/index.js';
import type { PcpuStat } from '../../domains/index.js';
import { MAX_PROCESSORS, type StackMode } from '../../machine/index.js';
import { ensureImage, listImages } from '../images/index.js';
import { askConsole, askScreenshot, askStat } from './control-socket.js';
import { checkPcpus, hasMedia, plainEntry } from './domain-entry.js';
import type { DomainEntry } from './domain-file.js';
import { writeOutput } from './output.js';
import { readSymbols, samplingOf } from './profile.js';
import { ExitCode, statLine, statReport } from './report.js';
import { readDomainFile, resolveDomain } from './resolve.js';
import { runSession, type SessionProfile } from './session.js';
import { jitReport } from './stat-jit.js';
import { rawTerminal } from './terminal.js';
import { hint, parseNumber } from './values.js';

/** Of dashboard and server, unless given or taken. */
export const DEFAULT_PORT = 7373;

const progress = (line: string): void => void process.stderr.write(`pcanel: ${line}\n`);
const onTerminal = (): boolean => process.stdin.isTTY === true && process.stdout.isTTY === true;

export interface RunFlags {
  readonly timeout?: string;
  readonly stats?: boolean;
  readonly inline?: boolean;
  readonly pace?: boolean;
  readonly plain?: boolean;
  readonly verbose?: boolean;
  readonly json?: boolean;
}
const seconds = (text: string | undefined): { timeoutS?: number } =>
  text === undefined ? {} : { timeoutS: parseNumber(text, '--timeout', 0.001, 1e7) };

export interface UpFlags extends RunFlags {
  readonly attach?: string;
  /** Serves the dashboard; by default on a terminal, and where there is no script. */
  readonly dashboard?: boolean;
  readonly port?: string;
  readonly engine?: DomainEntry['engine'];
  readonly selfTest?: boolean;
}

/** `pcanel up FILE` */
export async function up(file: string, flags: UpFlags): Promise<number> {
  const { text, folder } = await readDomainFile(file);
  const { parseDomainFile } = await import('./domain-yaml.js');
  const parsed = parseDomainFile(text, file);
  const names = parsed.domains.map((d) => d.name);
  if (flags.attach !== undefined && !names.includes(flags.attach)) {
    const message = `--attach '${flags.attach}': no domain of '${file}' has that name, ${hint(flags.attach, names)}`;
    throw new ConfigError('DOMAIN_UNKNOWN', message, { domain: flags.attach });
  }
  const timeout = seconds(flags.timeout);
  const configs = [];
  for (const entry of parsed.domains) {
    const wanted = {
      ...entry,
      ...(flags.engine !== undefined && { engine: flags.engine }),
      ...(flags.selfTest === false && { selfTest: false }),
    };
    configs.push(await resolveDomain(wanted, { folder, progress }));
  }
  const interactive = onTerminal() && !flags.plain && !flags.json;
  const scripted = parsed.domains.some((d) => d.script !== undefined);
  const wanted = flags.dashboard ?? (flags.port !== undefined || interactive || !scripted);
  const port = flags.port === undefined ? DEFAULT_PORT : parseNumber(flags.port, '--port', 0, 65_535);
  return runSession({
    configs,
    entries: parsed.domains,
    dashboard: wanted ? { port, portGiven: flags.port !== undefined } : null,
    json: flags.json ?? false,
    pace: flags.pace ?? parsed.pace ?? interactive,
    interactive,
    prefix: true,
    ...(flags.attach !== undefined && { attach: flags.attach }),
    ...timeout,
    stats: flags.stats ?? false,
    inline: flags.inline ?? false,
    control: true,
    guestStatus: false,
    verbose: flags.verbose ?? false,
  });
}

export interface RunOneFlags extends RunFlags {
  readonly image?: string;
  readonly kernel?: string;
  readonly multiboot?: string;
  readonly initrd?: string;
  readonly bios?: string;
  readonly cdrom?: string;
  readonly disk?: string[];
  readonly floppy?: string[];
  readonly boot?: string;
  readonly display?: DomainEntry['display'];
  readonly screenshot?: string;
  readonly profile?: string;
  readonly profileEvery?: string;
  readonly profileStack?: StackMode;
  readonly symbols?: string[];
  readonly debugPort?: boolean;
  readonly cmdline?: string;
  readonly memory?: string;
  readonly module?: string[];
  readonly engine?: DomainEntry['engine'];
  readonly selfTest?: boolean;
  readonly time?: DomainEntry['time'];
  readonly cpu?: string;
  readonly smp?: string;
  readonly pcpus?: string;
  readonly exitDevice?: DomainEntry['exitDevice'];
  readonly testDevice?: DomainEntry['testDevice'];
  readonly reboot?: boolean;
  readonly name?: string;
}

/** 'FILE words' of --module. */
function moduleOf(text: string): { file: string; cmdline?: string } {
  const space = text.indexOf(' ');
  return space < 0 ? { file: text } : { file: text.slice(0, space), cmdline: text };
}

async function profileOf(f: RunOneFlags): Promise<{ profile?: SessionProfile }> {
  if (f.profile === undefined) {
    if (f.profileEvery === undefined && f.profileStack === undefined && f.symbols === undefined) return {};
    throw new ConfigError('RUN_OPTION', '--profile-every, --profile-stack and --symbols need --profile FILE');
  }
  const sampling = samplingOf({
    ...(f.profileEvery !== undefined && { every: f.profileEvery }),
    ...(f.profileStack !== undefined && { stack: f.profileStack }),
  });
  return { profile: { output: f.profile, sampling, symbols: await readSymbols(f.symbols ?? []) } };
}

/** --pcpus: how many, from --cpu on, or which. */
function pcpusOf(text: string, first: string | undefined): number[] {
  if (text.includes(',')) return text.split(',').map((t) => parseNumber(t, '--pcpus', 0, 63));
  const from = first === undefined ? 0 : parseNumber(first, '--cpu', 0, 63);
  return Array.from({ length: parseNumber(text, '--pcpus', 1, MAX_PROCESSORS) }, (_, i) => from + i);
}

/** The entry of one run. Throws ConfigError with the option that is not good. */
async function checkedEntry(input: Parameters<typeof plainEntry>[0]): Promise<DomainEntry> {
  const plain = plainEntry(input);
  if (plain !== null) return plain;
  const { domainSchema } = await import('./domain-file.js');
  const entry = domainSchema.safeParse(input);
  if (entry.success) return entry.data;
  const issue = entry.error.issues[0];
  const key = String(issue?.path[0] ?? 'option');
  throw new ConfigError('RUN_OPTION', `--${key === 'cpus' ? 'smp' : key}: ${issue?.message ?? 'not valid'}`);
}

/** `pcanel run` */
export async function run(flags: RunOneFlags): Promise<number> {
  const given = (['image', 'kernel', 'multiboot', 'bios'] as const).filter((k) => flags[k] !== undefined);
  const { cdrom, disk, floppy } = flags;
  const media = { cdrom, disk, floppy };
  if (given.length > 1 || (given.length === 0 && !hasMedia(media))) {
    const got = given.length === 0 ? 'none' : given.map((g) => `--${g}`).join(' and ');
    throw new ConfigError(
      'RUN_BOOT',
      `${got} given, expected exactly one of --kernel FILE, --multiboot FILE, --image NAME, --bios FILE, or --cdrom, --disk, --floppy to boot from`,
    );
  }
  const source =
    flags.image ?? flags.kernel ?? flags.multiboot ?? cdrom ?? disk?.[0] ?? floppy?.[0] ?? flags.bios ?? '';
  const name =
    flags.name ??
    (basename(source)
      .replace(/[^A-Za-z0-9_.-]/g, '')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, 32) ||
      'guest');
  const entry = await checkedEntry({
    name,
    ...(flags.image !== undefined && { image: flags.image }),
    ...(flags.kernel !== undefined && { kernel: flags.kernel }),
    ...(flags.multiboot !== undefined && { multiboot: flags.multiboot }),
    ...(flags.bios !== undefined && { bios: flags.bios }),
    ...(cdrom !== undefined && { cdrom }),
    ...(disk !== undefined && { disk }),
    ...(floppy !== undefined && { floppy }),
    ...(flags.boot !== undefined && { boot: flags.boot.split(',') }),
    ...(flags.display !== undefined && { display: flags.display }),
    ...(flags.initrd !== undefined && { initrd: flags.initrd }),
    ...(flags.cmdline !== undefined && { cmdline: flags.cmdline }),
    ...(flags.memory !== undefined && { memory: flags.memory }),
    ...(flags.module !== undefined && { modules: flags.module.map(moduleOf) }),
    ...(flags.engine !== undefined && { engine: flags.engine }),
    ...(flags.selfTest === false && { selfTest: false }),
    ...(flags.time !== undefined && { time: flags.time }),
    ...(flags.smp !== undefined && { cpus: parseNumber(flags.smp, '--smp', 1, MAX_PROCESSORS) }),
    ...(flags.pcpus !== undefined && { pcpus: pcpusOf(flags.pcpus, flags.cpu) }),
    ...(flags.cpu !== undefined && { cpu: parseNumber(flags.cpu, '--cpu', 0, 63) }),
    ...(flags.testDevice !== undefined && { testDevice: flags.testDevice }),
    exitDevice: flags.exitDevice ?? 'isa-debug-exit',
    onReset: flags.reboot === false ? 'stop' : 'reset',
  });
  if (flags.boot !== undefined && given.length === 1 && flags.bios === undefined) {
    throw new ConfigError('RUN_BOOT', `--boot goes with firmware, expected no --${given[0]}`);
  }
  checkPcpus(`'${name}'`, entry);
  const resolved = await resolveDomain(entry, { folder: process.cwd(), progress });
  const config = flags.debugPort ? { ...resolved, debugPort: true } : resolved;
  const shown = config.display ?? (config.boot.kind === 'firmware' ? 'vga' : 'none');
  if (flags.screenshot !== undefined && shown === 'none') {
    throw new ConfigError('NO_DISPLAY', `--screenshot: '${name}' has no display, expected --display vga`);
  }
  const interactive = onTerminal() && !flags.plain && !flags.json;
  return runSession({
    configs: [config],
    entries: [entry],
    json: flags.json ?? false,
    pace: flags.pace ?? interactive,
    interactive,
    prefix: false,
    attach: name,
    ...seconds(flags.timeout),
    stats: flags.stats ?? false,
    inline: flags.inline ?? false,
    control: true,
    guestStatus: true,
    ...(flags.exitDevice === 'isa-debug-exit' && { faultCode: ExitCode.GUEST_FAULT }),
    ...(flags.screenshot !== undefined && { screenshot: flags.screenshot }),
    ...(await profileOf(flags)),
    verbose: flags.verbose ?? false,
  });
}

/** `pcanel images [list | fetch NAME...]` */
export async function imagesList(json: boolean): Promise<number> {
  const images = await listImages();
  if (json) process.stdout.write(`${JSON.stringify(images, null, 1)}\n`);
  else {
    for (const i of images) {
      process.stdout.write(
        `${i.name.padEnd(20)}${(i.cached ? 'cached' : '-').padEnd(8)}${i.kind.padEnd(11)}${i.description}\n`,
      );
    }
  }
  return ExitCode.OK;
}
export async function imagesFetch(names: readonly string[], refresh: boolean, json = false): Promise<number> {
  for (const name of names) {
    const image = await ensureImage(name, { progress, refresh });
    process.stdout.write(`${json ? JSON.stringify(image) : image.path}\n`);
  }
  return ExitCode.OK;
}

/** `pcanel stat [NAME] [--jit]` */
export async function stat(name: string | undefined, json: boolean, jit = false): Promise<number> {
  const cpus = await askStat();
  const all = cpus.flatMap((cpu) => cpu.domains.map((domain) => ({ cpu, domain })));
  const chosen = name === undefined ? all : all.filter((a) => a.domain.name === name);
  if (name !== undefined && chosen.length === 0) {
    const names = all.map((a) => a.domain.name);
    throw new ConfigError('DOMAIN_UNKNOWN', `no running domain is named '${name}', ${hint(name, names)}`, {
      domain: name,
    });
  }
  if (json) {
    const shown: PcpuStat[] = name === undefined ? cpus : [];
    process.stdout.write(`${JSON.stringify(name === undefined ? shown : chosen.map((c) => c.domain), null, 1)}\n`);
    return ExitCode.OK;
  }
  for (const { cpu, domain } of chosen) {
    if (jit) process.stdout.write(`${jitReport(domain)}\n`);
    else process.stdout.write(`${name === undefined ? statLine(domain, cpu) : statReport(domain, cpu)}\n`);
  }
  return ExitCode.OK;
}

/** `pcanel screenshot NAME FILE` */
export async function screenshot(name: string, file: string, json = false): Promise<number> {
  const png = await askScreenshot(name);
  await writeOutput(file, png);
  if (json) process.stdout.write(`${JSON.stringify({ name, file, sizeBytes: png.length })}\n`);
  return ExitCode.OK;
}

const COMMAND_KEY = 0x01;

/** `pcanel console NAME`; Ctrl-A x leaves. */
export async function console_(name: string): Promise<number> {
  const { socket, first } = await askConsole(name);
  process.stdout.write(first);
  let command = false;
  const send = (bytes: Uint8Array): void => {
    const plain: number[] = [];
    for (const b of bytes) {
      if (command && (b === 0x78 || b === 0x64)) socket.destroy();
      else if (!command && b === COMMAND_KEY) {
        command = true;
        continue;
      } else plain.push(b);
      command = false;
    }
    if (plain.length > 0 && !socket.destroyed) socket.write(Uint8Array.from(plain));
  };
  let restore = (): void => {};
  if (onTerminal()) {
    process.stderr.write(`pcanel: console of ${name}; Ctrl-A x leaves\n`);
    restore = rawTerminal(send);
  } else process.stdin.on('data', (bytes) => socket.write(bytes.map((b) => (b === 0x0a ? 0x0d : b))));
  try {
    await new Promise<void>((resolve) => {
      socket.on('data', (bytes) => process.stdout.write(bytes));
      socket.on('close', () => resolve());
      process.once('SIGINT', () => socket.destroy());
      process.once('SIGTERM', () => socket.destroy());
    });
  } finally {
    restore();
    process.stdin.pause();
  }
  return ExitCode.OK;
}
