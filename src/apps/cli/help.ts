// What `--help` says beyond options: examples, exit codes, files and variables, in the order of a manual page.

import type { Command } from 'commander';

const section = (title: string, lines: readonly string[]): string =>
  `\n${title}:\n${lines.map((l) => `  ${l}`).join('\n')}\n`;
const examples = (...pairs: readonly (readonly [command: string, what: string])[]): string =>
  section(
    'Examples',
    pairs.flatMap(([command, what]) => [`${command}`, `    ${what}`]),
  );

const PROGRAM = `${examples(
  ['pcanel up examples/linux-and-rtos.yaml', 'Linux beside a real-time kernel; Ctrl-A ? shows the keys'],
  ['pcanel run --image linux-cloud-amd64 --initrd busybox', 'one Linux with a shell'],
  ['pcanel serve --images ~/images', 'domains in a web page, and over REST'],
  ['pcanel ps && pcanel logs -f linux', 'what runs, and what it says'],
)}${section('Exit status', [
  '0  done                       2  usage or configuration',
  '1  a guest or a script failed 3  the host refused',
  '124  time-out                 130, 143  ended by a signal',
])}${section('Environment', [
  'PCANEL_CACHE     folder of fetched images (~/.cache/pcanel)',
  'PCANEL_TOKEN     token of `pcanel serve`',
  'XDG_RUNTIME_DIR  holds the sockets by which commands find running domains (else ~/.cache/pcanel/run)',
  'XDG_STATE_HOME   holds what `pcanel serve` keeps (else ~/.local/state)',
])}`;

const COMMANDS: Readonly<Record<string, string>> = {
  up: `${examples(
    ['pcanel up lab.yaml', 'all domains of the file, their consoles in this terminal, the dashboard in a browser'],
    ['pcanel up lab.yaml --port 8080 --plain', 'the dashboard on a port of your choice; consoles as prefixed lines'],
    ['pcanel up test.yaml --no-dashboard --json > events.ndjson', 'for a program that reads: one JSON event a line'],
  )}${section('Dashboard', [
    'Served on 127.0.0.1, port 7373 or another when that one is taken; its address is printed. Left out by default',
    'where there is no terminal and the file has scripts.',
  ])}`,
  run: examples(
    ['pcanel run --kernel bzImage --initrd rootfs.cpio.gz --cmdline console=ttyS0', 'one Linux of your own'],
    ['pcanel run --multiboot kernel.elf --exit-device isa-debug-exit', "the exit status is the guest's"],
    ['pcanel run --cdrom grub.iso --screenshot screen.png --timeout 20', 'firmware boots a CD-ROM'],
  ),
  serve: `${examples(
    ['pcanel serve', 'on http://127.0.0.1:7373/, for this computer only'],
    ['pcanel serve --host 0.0.0.0 --token-file token', 'for others, who need the token'],
    ['pcanel serve --images ~/images --data ~/pcanel-data', 'definitions may name files of the first folder'],
  )}${section('Security', [
    'A token is required wherever others can reach the server: --token-file, or PCANEL_TOKEN. Put a proxy with TLS',
    'in front of it. Definitions name catalogue images and files inside --images, nothing else of this computer.',
  ])}`,
  images: examples(['pcanel images', 'what there is'], ['pcanel images fetch linux-cloud-amd64', 'into the cache']),
  ps: examples(['pcanel ps', 'domains of every running `up` and `serve`'], ['pcanel ps --json', 'for programs']),
  logs: examples(
    ['pcanel logs linux', 'the last 64 KiB of the console'],
    ['pcanel logs -f -n 20 linux', 'the last lines, and what comes'],
    ['pcanel logs --devices linux', 'what devices, firmware and Pcanel have reported'],
  ),
  attach: examples(['pcanel attach linux', 'its console in this terminal; Ctrl-A x leaves']),
  stat: examples(
    ['pcanel stat', 'one line for each domain'],
    ['pcanel stat linux', 'all counters, VM exits by reason'],
  ),
  rm: examples(['pcanel rm old', 'ends it and forgets its definition']),
  completion: examples(
    ['source <(pcanel completion bash)', 'in ~/.bashrc'],
    ['pcanel completion fish | source', 'in config.fish'],
  ),
};

/** Adds the sections to the help of a program and its commands. */
export function addHelp(program: Command): void {
  program.addHelpText('after', PROGRAM);
  for (const c of program.commands) {
    const text = COMMANDS[c.name()];
    if (text !== undefined) c.addHelpText('after', text);
  }
}
