// One run of domains from their configurations to the exit code: consoles, signals, time-out, statistics.

import { setTimeout } from 'node:timers/promises';
import { VmError } from '../../base/index.js';
import type { Domain, DomainConfig, DomainOutcome, Pcanel, ProfileReader, SymbolTable } from '../../domains/index.js';
import type { ProfileOptions } from '../../machine/index.js';
import { Fleet } from '../rest/fleet.js';
import type { RunningServer } from '../rest/server.js';
import { type ControlServer, serveControl } from './control-socket.js';
import type { DomainEntry } from './domain-file.js';
import { engines } from './engines.js';
import { openPcanel } from './host.js';
import { HeldOutput, jsonOutput, prefixedOutput, writeOutput } from './output.js';
import { profileSummary, writeProfile } from './profile.js';
import { describeOutcome, ExitCode, outcomeCode, outcomeOk, statReport } from './report.js';
import { resolveDomain } from './resolve.js';
import { jitReport } from './stat-jit.js';
import { pipeInput, rawTerminal, Switcher } from './terminal.js';

export interface SessionOptions {
  readonly configs: readonly DomainConfig[];
  /** What the configurations were made from, one for each. */
  readonly entries: readonly DomainEntry[];
  /** Port of the dashboard, null for none; another one when it is taken and `portGiven` is not set. */
  readonly dashboard?: { readonly port: number; readonly portGiven: boolean } | null;
  /** Events as JSON, one a line, instead of console output. */
  readonly json?: boolean;
  readonly pace: boolean;
  /** Console switcher on the terminal. */
  readonly interactive: boolean;
  /** Output lines carry the domain's name. */
  readonly prefix: boolean;
  /** Name of the domain that gets standard input. */
  readonly attach?: string;
  /** Host seconds until the run is ended. */
  readonly timeoutS?: number;
  readonly stats: boolean;
  readonly inline: boolean;
  /** Listens for `pcanel stat` and `pcanel console`. */
  readonly control: boolean;
  /** The exit code is the status of the guest's debug-exit device. */
  readonly guestStatus: boolean;
  /** The exit code when the guest fails without a status; by default `ExitCode.GUEST`. */
  readonly faultCode?: number;
  readonly verbose: boolean;
  /** File for the screen of the first domain, written when the run ends. */
  readonly screenshot?: string;
  /** Profile of the first domain from its start to its end. */
  readonly profile?: SessionProfile;
}
export interface SessionProfile {
  /** File for folded stacks. */
  readonly output: string;
  readonly sampling: ProfileOptions;
  readonly symbols: readonly SymbolTable[];
}

const say = (line: string): void => void process.stderr.write(`pcanel: ${line}\n`);

/** Resolves with the exit code when the domains are at their end, or the user or the clock ends them. */
export async function runSession(o: SessionOptions): Promise<number> {
  const pcanel = openPcanel({ pace: o.pace, inline: o.inline, holdAfterScripts: !o.interactive });
  const undo: (() => unknown)[] = [];
  let control: ControlServer | null = null;
  try {
    const domains: Domain[] = [];
    const fleet = new Fleet({ pcanel, resolve: resolveCatalogue });
    for (const [i, config] of o.configs.entries()) {
      const domain = await pcanel.createDomain(config);
      domains.push(domain);
      const entry = o.entries[i];
      if (entry !== undefined) fleet.adopt(entry, domain);
    }
    const dashboard = o.dashboard ? await serveDashboard(fleet, o.dashboard) : null;
    if (dashboard !== null) {
      undo.push(() => dashboard.close());
      tell(o, { event: 'dashboard', url: `${dashboard.url}/` }, `dashboard at ${dashboard.url}/`);
    }
    if (o.control) {
      const url = dashboard === null ? null : `${dashboard.url}/`;
      control = await serveControl(fleet, () => url).catch((error: unknown) => unserved(error));
    }
    const end = new EndOfRun(o, domains);
    undo.push(...connectConsoles(o, pcanel, domains, end), end.signals(), end.timer());
    const profiled = o.profile === undefined ? undefined : await domains[0]?.profile(o.profile.sampling);
    await pcanel.start();
    const code = await end.code;
    if (o.profile !== undefined && profiled !== undefined) await saveProfile(o.profile, domains[0], profiled);
    if (o.stats) await printStats(pcanel, o.json ?? false);
    if (o.screenshot !== undefined) await saveScreen(o.screenshot, domains[0]);
    return code;
  } finally {
    for (const f of undo.reverse()) await f();
    await control?.close();
    await pcanel.close();
  }
}

/** One line for people on standard error, or one of JSON on standard output. */
function tell(o: SessionOptions, event: object, text: string): void {
  if (o.json) process.stdout.write(`${JSON.stringify(event)}\n`);
  else say(text);
}

/** Domains that are defined in the dashboard boot catalogue images. */
async function resolveCatalogue(entry: DomainEntry, progress: (line: string) => void): Promise<DomainConfig> {
  const { confineFiles } = await import('../rest/files.js');
  return resolveDomain(await confineFiles(entry, null), { folder: process.cwd(), progress });
}

/** Serves the dashboard on the loopback address. */
async function serveDashboard(
  fleet: Fleet,
  { port, portGiven }: { readonly port: number; readonly portGiven: boolean },
): Promise<RunningServer> {
  const rest = await import('../rest/index.js');
  const host = '127.0.0.1';
  const options = {
    ...{ fleet, host, imagesFolder: null, webFolder: rest.webFolder(), version: rest.packageVersion() },
    guard: new rest.Guard({ host, token: null }),
    engines: Object.keys(engines),
  };
  try {
    return await rest.startServer({ ...options, port });
  } catch (error) {
    if (portGiven) throw error;
    return rest.startServer({ ...options, port: 0 });
  }
}

const unserved = (error: unknown): null => {
  say(
    `${error instanceof VmError ? error.code : 'CONTROL_SOCKET'}: ${error instanceof Error ? error.message : error}; 'pcanel stat' and 'console' will not find this run`,
  );
  return null;
};

/** Decides when the run is over, and its exit code. */
class EndOfRun {
  readonly code: Promise<number>;
  readonly #o: SessionOptions;
  readonly #domains: readonly Domain[];
  #finish: (code: number) => void = () => {};

  constructor(o: SessionOptions, domains: readonly Domain[]) {
    this.#o = o;
    this.#domains = domains;
    this.code = new Promise((resolve) => {
      this.#finish = resolve;
    });
    for (const d of domains) {
      d.onState((state, outcome) => {
        if (state !== 'stopped' || outcome === null) return;
        const silent = outcomeOk(outcome) && !(outcome.kind === 'halted' && o.faultCode !== undefined);
        const text = describeOutcome(outcome);
        if (o.json) tell(o, { event: 'stopped', domain: d.name, ok: outcomeOk(outcome), text, outcome }, '');
        else if (!o.interactive && (o.prefix || !silent)) say(`${d.name}: ${text}`);
        this.#check();
      });
      d.onScriptDone(() => this.#check());
    }
  }

  finish(code: number): void {
    this.#finish(code);
  }

  /** All have stopped; or there are scripts and all of them are over; or a script has failed. */
  #check(): void {
    const domains = this.#domains;
    const failed = domains.find((d) => d.outcome !== null && !outcomeOk(d.outcome));
    const scripted = domains.filter((_, i) => this.#o.configs[i]?.script !== undefined);
    // a script that waits for the end is done when the domain has told how it ended
    const isDone = (d: Domain): boolean => {
      const last = this.#o.configs[domains.indexOf(d)]?.script?.at(-1);
      return d.state === 'stopped' || (d.scriptDone && last?.ended !== true);
    };
    const over = domains.every((d) => d.state === 'stopped');
    const scriptsOver = scripted.length > 0 && scripted.every(isDone);
    const scriptFailed = scripted.some((d) => d.outcome !== null && !outcomeOk(d.outcome));
    if (!over && !scriptsOver && !scriptFailed) return;
    const [only] = domains;
    if (this.#o.guestStatus && domains.length === 1 && only?.outcome?.kind === 'exit')
      this.finish(only.outcome.status & 0xff);
    else if (this.#o.faultCode !== undefined && only?.outcome?.kind === 'halted') this.finish(this.#o.faultCode);
    else this.finish(failed?.outcome ? this.#failure(failed.outcome) : ExitCode.OK);
  }

  #failure(outcome: DomainOutcome): number {
    const code = outcomeCode(outcome);
    return code === ExitCode.GUEST ? (this.#o.faultCode ?? code) : code;
  }

  /** Ends the run on SIGINT and SIGTERM. */
  signals(): () => void {
    const onInt = (): void => this.finish(ExitCode.SIGINT);
    const onTerm = (): void => this.finish(ExitCode.SIGTERM);
    process.on('SIGINT', onInt);
    process.on('SIGTERM', onTerm);
    process.on('SIGHUP', onTerm);
    return () => {
      process.off('SIGINT', onInt);
      process.off('SIGTERM', onTerm);
      process.off('SIGHUP', onTerm);
    };
  }

  timer(): () => void {
    const { timeoutS } = this.#o;
    if (timeoutS === undefined) return () => {};
    const timer = globalThis.setTimeout(() => {
      const running = this.#domains.filter((d) => d.state !== 'stopped').map((d) => d.name);
      say(`TIMEOUT: ${running.join(', ')} still ran after ${timeoutS} s`);
      this.finish(ExitCode.TIMEOUT);
    }, timeoutS * 1000);
    return () => clearTimeout(timer);
  }
}

function connectConsoles(
  o: SessionOptions,
  pcanel: Pcanel,
  domains: readonly Domain[],
  end: EndOfRun,
): (() => unknown)[] {
  const undo: (() => unknown)[] = [];
  const out = new HeldOutput(process.stdout, () => domains);
  const onPipe = (error: NodeJS.ErrnoException): void => {
    if (error.code === 'EPIPE') end.finish(ExitCode.OK); // nobody reads any more
  };
  process.stdout.on('error', onPipe);
  undo.push(() => process.stdout.off('error', onPipe));
  for (const d of domains) d.onDebug((text) => process.stderr.write(`${text}\n`));
  if (o.verbose) for (const d of domains) d.onLog((text) => say(`${d.name}: ${text}`));
  if (o.interactive) {
    const switcher = new Switcher({ pcanel, domains, out, onExit: () => end.finish(ExitCode.OK) });
    undo.push(rawTerminal((bytes) => switcher.type(bytes)));
    switcher.greet();
    return undo;
  }
  if (o.json) undo.push(jsonOutput(domains, out));
  else if (o.prefix) undo.push(prefixedOutput(domains, out));
  else for (const d of domains) d.onOutput((bytes) => out.write(bytes));
  const target = o.attach === undefined ? undefined : domains.find((d) => d.name === o.attach);
  if (target !== undefined) undo.push(pipeInput(target));
  return undo;
}

/** A thread that hangs does not answer; the run ends all the same. */
const STAT_TIMEOUT_MS = 2000;

async function saveScreen(file: string, domain: Domain | undefined): Promise<void> {
  if (domain === undefined) return;
  const late = setTimeout(STAT_TIMEOUT_MS * 5, null, { ref: false });
  const png = await Promise.race([domain.screenshot(), late]);
  if (png === null) say('SCREENSHOT_TIMEOUT: the physical CPU does not answer');
  else await writeOutput(file, png);
}

const PROFILE_TOP = 20;
async function saveProfile(p: SessionProfile, domain: Domain | undefined, reader: ProfileReader): Promise<void> {
  if (domain === undefined) return;
  const late = setTimeout(STAT_TIMEOUT_MS * 5, null, { ref: false });
  const batch = await Promise.race([reader.read(), late]);
  if (batch === null) {
    say('PROFILE_TIMEOUT: the physical CPU does not answer');
    return;
  }
  await writeProfile(batch, domain.name, p.symbols, p.output);
  process.stderr.write(`${profileSummary(batch, domain.name, p.symbols, PROFILE_TOP)}\n`);
}

async function printStats(pcanel: Pcanel, json: boolean): Promise<void> {
  const late = setTimeout(STAT_TIMEOUT_MS, null, { ref: false });
  const cpus = await Promise.race([pcanel.stat(), late]);
  if (cpus === null) say('STAT_TIMEOUT: a physical CPU does not answer');
  if (json) process.stdout.write(`${JSON.stringify({ event: 'stat', cpus })}\n`);
  for (const cpu of json ? [] : (cpus ?? []))
    for (const d of cpu.domains) {
      process.stderr.write(`${statReport(d, cpu)}\n`);
      if (d.machine.engineTime !== null) process.stderr.write(`${jitReport(d)}\n`);
    }
}
