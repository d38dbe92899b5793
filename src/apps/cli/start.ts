// The program's first module, small because all else waits for it: starts a thread that guests will need, then reads the
// command line.

import { startSpareThread } from './spare-thread.js';

/** Whether a command line is likely to run guests on the software engine. */
export function wantsThread(argv: readonly string[]): boolean {
  const command = argv.find((word) => !word.startsWith('-'));
  if (command !== 'run' && command !== 'up') return false;
  return !argv.some((word) => ['--inline', '--help', '-h', 'kvm', '--engine=kvm'].includes(word));
}

/** The program: runs the command line of this process, then exits. */
export async function program(): Promise<void> {
  if (wantsThread(process.argv.slice(2))) startSpareThread();
  const { program_ } = await import('./main.js');
  await program_();
}
