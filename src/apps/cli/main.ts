// The command line: options, and errors as one line with an exit code. A command's code is loaded when it is given.

import { readFileSync } from 'node:fs';
import { Argument, Command, CommanderError, Option } from 'commander';
import { ConfigError, GuestError, VmError } from '../../base/index.js';
import type * as commands from './commands.js';
import { complete, completionScript, SHELLS } from './completion.js';
import type { LogFlags } from './domain-commands.js';
import { addHelp } from './help.js';
import type { ProfileFlags } from './profile.js';
import { ExitCode } from './report.js';
import type { ServeFlags } from './serve-command.js';

const guests = (): Promise<typeof commands> => import('./commands.js');
const domains = (): Promise<typeof import('./domain-commands.js')> => import('./domain-commands.js');

/** package.json is above dist/src/apps/cli/. */
function version(): string {
  const text = readFileSync(new URL('../../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

const collect = (value: string, all: string[] | undefined): string[] => [...(all ?? []), value];
const engine = (): Option =>
  new Option('--engine <name>', 'engine that runs the guests').choices(['auto', 'software', 'kvm']);

const SYMBOLS_HELP = 'names of functions: ELF, System.map or kallsyms, FILE or FILE@0xBASE; may be repeated';
const stackOption = (flag: string): Option =>
  new Option(flag, 'callers by frame pointers, by what looks like a return address, or none (frame)').choices([
    'frame',
    'scan',
    'none',
  ]);

function runOptions(command: Command): Command {
  return command
    .option('--timeout <seconds>', 'end the run after this much host time, exit code 124')
    .option('--stats', 'print statistics of every domain at the end')
    .option('--pace', 'keep idle virtual time to the pace of the host (default on a terminal)')
    .option('--no-pace', 'let idle virtual time pass at once (default without a terminal)')
    .option('--plain', 'no console switcher, even on a terminal')
    .option('--inline', 'run everything on one thread, for debugging')
    .option('--verbose', 'print what devices report, such as accesses that nobody answers');
}

function program(finish: (code: Promise<number>) => void): Command {
  const p = new Command('pcanel')
    .description('Runs several unmodified operating systems side by side, each in its own domain.')
    .version(version())
    .option('--json', 'print errors, listings and events as JSON')
    .showHelpAfterError(false)
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  const json = (): boolean => p.opts<{ json?: boolean }>().json ?? false;

  runOptions(p.command('up <file>').description('start the domains of a YAML file'))
    .option('--attach <name>', 'give standard input to this domain')
    .option('--port <n>', 'port of the dashboard (7373, or another when that is taken)')
    .option('--dashboard', 'serve the dashboard, also where the file has scripts')
    .option('--no-dashboard', 'serve no dashboard')
    .addOption(engine())
    .option('--no-self-test', 'use the engine named though its self-test failed')
    .action((file: string, flags: commands.UpFlags, command: Command) =>
      finish(guests().then((g) => g.up(file, { ...given(flags, command), json: json() }))),
    );
  runOptions(p.command('run').description('run one guest'))
    .option('--kernel <file>', 'Linux bzImage or multiboot image')
    .option('--multiboot <file>', 'multiboot image')
    .option('--image <name>', "named image, see 'pcanel images'")
    .option('--bios <file>', 'firmware to start in; by default SeaBIOS where a medium boots')
    .option('--cdrom <file>', 'CD-ROM image, read-only')
    .option('--disk <file>', 'hard disk image, written to; may be repeated', collect)
    .option('--floppy <file>', 'floppy disk image, written to; may be repeated', collect)
    .option('--boot <list>', 'order in which firmware looks for a system (cdrom,disk,floppy)')
    .addOption(new Option('--display <kind>', 'display adapter (vga where firmware boots)').choices(['vga', 'none']))
    .option('--screenshot <file>', 'write the screen as PNG when the run ends')
    .option('--profile <file>', 'write where the guest has spent its time as folded stacks (flame graph)')
    .option('--profile-every <ticks>', 'TSC ticks between two samples; in virtual time instructions (1000000)')
    .addOption(stackOption('--profile-stack <kind>'))
    .option('--symbols <file>', SYMBOLS_HELP, collect)
    .option('--debug-port', 'print what firmware writes to port 0x402 on standard error')
    .option('--initrd <file>', "initial RAM disk, 'busybox' for the default one; the first module of a multiboot image")
    .option('--cmdline <text>', "the kernel's command line")
    .option('--memory <size>', 'RAM, such as 256M')
    .option('--module <file>', 'multiboot module; may be repeated', collect)
    .option('--name <name>', 'name of the domain')
    .addOption(engine())
    .option('--no-self-test', 'use the engine named though its self-test failed')
    .addOption(new Option('--time <mode>', 'clock of the guest').choices(['virtual', 'real']))
    .option('--cpu <n>', 'physical CPU')
    .option('--smp <n>', 'processors of the guest, 1 to 16 (1)')
    .option('--pcpus <n>', 'physical CPUs that run them at the same time, in real time (1), or a list: 0,2')
    .addOption(
      new Option('--exit-device <name>', "port 0xf4 ends the run with the guest's status").choices([
        'isa-debug-exit',
        'none',
      ]),
    )
    .addOption(
      new Option('--test-device <name>', 'steers the board in system tests (pc-testdev where multiboot boots)').choices(
        ['pc-testdev', 'none'],
      ),
    )
    .option('--no-reboot', 'a reset ends the run')
    .action((flags: commands.RunOneFlags, command: Command) =>
      finish(guests().then((g) => g.run({ ...given(flags, command), json: json() }))),
    );

  const images = p.command('images').description('guest images that can be had by name');
  images
    .command('list', { isDefault: true })
    .description('list them')
    .action(() => finish(guests().then((g) => g.imagesList(json()))));
  images
    .command('fetch <name...>')
    .description('fetch into the cache and print the path')
    .option('--refresh', 'fetch again')
    .action((names: string[], flags: { refresh?: boolean }) =>
      finish(guests().then((g) => g.imagesFetch(names, flags.refresh ?? false, json()))),
    );
  p.command('doctor')
    .description('what this host offers, and which engine is taken')
    .action(() => finish(import('./doctor.js').then((d) => d.doctor(json()))));
  p.command('stat [name]')
    .description('statistics of running domains')
    .option('--jit', 'what the translator has done: regions, hit rates, host time')
    .action((name: string | undefined, flags: { jit?: boolean }) =>
      finish(guests().then((g) => g.stat(name, json(), flags.jit))),
    );
  p.command('profile <name>')
    .description('where a running domain spends its time: folded stacks (flame graph) on standard output')
    .option('--seconds <n>', 'host seconds to look on (10); Ctrl-C ends it sooner')
    .option('--every <ticks>', 'TSC ticks between two samples; in virtual time instructions (1000000)')
    .addOption(stackOption('--stack <kind>'))
    .option('--symbols <file>', SYMBOLS_HELP, collect)
    .option('--output <file>', "file for the folded stacks, '-' for standard output")
    .option('--top <n>', 'functions listed on standard error (20)')
    .action((name: string, flags: ProfileFlags) =>
      finish(import('./profile.js').then((p) => p.profile(name, flags, json()))),
    );
  p.command('screenshot <name> <file>')
    .description('write the screen of a running domain as PNG')
    .action((name: string, file: string) => finish(guests().then((g) => g.screenshot(name, file, json()))));
  p.command('attach <name>')
    .alias('console')
    .description('attach to the console of a running domain; Ctrl-A x leaves')
    .action((name: string) => finish(guests().then((g) => g.console_(name))));
  p.command('serve')
    .description('serve the dashboard and the REST interface, with definitions that outlive it')
    .option('--host <address>', 'address to listen on (127.0.0.1); others need a token')
    .option('--port <n>', 'port to listen on (7373)')
    .option('--token-file <file>', 'file with the token that clients must give (else PCANEL_TOKEN)')
    .option('--images <folder>', 'folder whose files definitions may name')
    .option('--data <folder>', 'folder of the definitions ($XDG_STATE_HOME/pcanel)')
    .option('--origin <url>', 'another origin whose pages may use the server; may be repeated', collect)
    .action((flags: ServeFlags) =>
      finish(import('./serve-command.js').then((s) => s.serveCommand({ ...flags, json: json() }))),
    );
  p.command('ps')
    .description('domains of every running up and serve')
    .option('-q, --quiet', 'names only')
    .action((flags: { quiet?: boolean }) => finish(domains().then((d) => d.ps(json(), flags.quiet ?? false))));
  p.command('logs <name>')
    .description('what a domain has sent on its console')
    .option('-f, --follow', 'go on with what comes')
    .option('-n, --lines <n>', 'the last lines only')
    .option('--devices', 'what devices, firmware and Pcanel have reported instead')
    .action((name: string, flags: LogFlags) => finish(domains().then((d) => d.logs(name, { ...flags, json: json() }))));
  const lifeCycle = {
    start: 'start a domain of a server',
    stop: 'end a domain at once',
    pause: 'stop the clock of a domain',
    resume: 'let a paused domain go on',
    reset: 'start the guest of a domain anew',
  } as const;
  for (const [action, what] of Object.entries(lifeCycle) as [keyof typeof lifeCycle, string][]) {
    p.command(`${action} <name...>`)
      .description(what)
      .action((names: string[]) => finish(domains().then((d) => d.act(names, action, json()))));
  }
  p.command('rm <name...>')
    .description('end and forget domains')
    .action((names: string[]) => finish(domains().then((d) => d.remove(names, json()))));
  p.command('completion')
    .addArgument(new Argument('<shell>', 'shell').choices(SHELLS))
    .description('print a completion script for a shell')
    .action((shell: string) => finish(printText(completionScript(shell))));
  p.command('__complete [words...]', { hidden: true })
    .allowUnknownOption()
    .helpOption(false)
    .action((words: string[]) => {
      const images = async (): Promise<string[]> => {
        const { listImages } = await import('../images/index.js');
        return (await listImages()).map((i) => i.name);
      };
      const names = async (): Promise<string[]> => (await domains()).domainNames();
      finish(complete(p, words, { domains: names, images }).then((all) => printText(lines(all))));
    });
  addHelp(p);
  for (const c of [...p.commands, ...images.commands]) c.exitOverride().configureOutput({ writeErr: () => {} });
  return p;
}

/** `--no-pace` and `--no-dashboard` make `true` the default: only what the user gave counts. */
function given<F extends commands.RunFlags>(flags: F, command: Command): F {
  const kept = Object.entries(flags).filter(
    ([key]) => !['pace', 'dashboard'].includes(key) || command.getOptionValueSource(key) === 'cli',
  );
  return Object.fromEntries(kept) as unknown as F;
}

const lines = (all: readonly string[]): string => all.map((w) => `${w}\n`).join('');
async function printText(text: string): Promise<number> {
  process.stdout.write(text);
  return ExitCode.OK;
}

/** Prints an error as one line; returns the exit code. */
function report(error: unknown, asJson: boolean): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return ExitCode.OK;
    if (error.code === 'commander.help') return ExitCode.USAGE;
    const message = error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ');
    print('USAGE', message, asJson, {});
    return ExitCode.USAGE;
  }
  if (error instanceof VmError) {
    print(error.code, error.message, asJson, error.details);
    if (error instanceof ConfigError) return ExitCode.USAGE;
    return error instanceof GuestError ? ExitCode.GUEST : ExitCode.HOST;
  }
  const message = error instanceof Error ? error.message : String(error);
  print('INTERNAL', message, asJson, {});
  if (process.env.PCANEL_DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  return ExitCode.HOST;
}
function print(code: string, message: string, asJson: boolean, details: object): void {
  const line = asJson ? JSON.stringify({ code, message, details }) : `pcanel: ${code}: ${message}`;
  process.stderr.write(`${line}\n`);
}

/** Runs a command line (without node and script); resolves with the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const asJson = argv.includes('--json');
  try {
    let code: Promise<number> = Promise.resolve(ExitCode.OK);
    const p = program((c) => {
      code = c;
      c.catch(() => {}); // reported below
    });
    if (argv.length === 0) {
      process.stdout.write(p.helpInformation());
      return ExitCode.USAGE;
    }
    await p.parseAsync([...argv], { from: 'user' });
    return await code;
  } catch (error) {
    return report(error, asJson);
  }
}

/** The program: runs, waits until the output is out, exits. */
export async function program_(): Promise<void> {
  const code = await main(process.argv.slice(2));
  process.exitCode = code;
  const flushed = (stream: NodeJS.WriteStream): Promise<void> =>
    new Promise((resolve) => {
      if (stream.destroyed || !stream.writable) resolve();
      else stream.write('', () => resolve());
    });
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  process.exit(code);
}
