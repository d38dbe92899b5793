// Completion of command lines: scripts for shells, and the words that they ask for. Sources: Bash Reference Manual,
// "Programmable Completion"; zsh manual, "Completion System"; fish documentation, "complete".

import type { Command, Option } from 'commander';
import { ConfigError } from '../../base/index.js';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;

const SCRIPTS: Readonly<Record<(typeof SHELLS)[number], string>> = {
  bash: `# pcanel: completion for bash. Use: source <(pcanel completion bash)
_pcanel() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$(pcanel __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _pcanel pcanel
`,
  zsh: `#compdef pcanel
# pcanel: completion for zsh. Use: source <(pcanel completion zsh)
_pcanel() {
  local -a words_found
  words_found=("\${(@f)$(pcanel __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "$words_found" ]]; then compadd -a words_found; else _files; fi
}
compdef _pcanel pcanel
`,
  fish: `# pcanel: completion for fish. Use: pcanel completion fish | source
complete -c pcanel -a '(pcanel __complete (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
`,
};

/** The script for a shell. */
export function completionScript(shell: string): string {
  const script = SCRIPTS[shell as keyof typeof SCRIPTS];
  if (script !== undefined) return script;
  throw new ConfigError('SHELL', `there is no completion for '${shell}', expected one of: ${SHELLS.join(', ')}`);
}

/** Words that arguments stand for. */
export interface CompletionWords {
  readonly domains: () => Promise<readonly string[]>;
  readonly images: () => Promise<readonly string[]>;
}

const takesValue = (o: Option): boolean => o.required || o.optional;
/** Commands with an underscore are for scripts. */
const visible = (c: Command): readonly Command[] => c.commands.filter((s) => !s.name().startsWith('_'));

/** What may stand where the last of `words` (which may be empty) is being typed. No words: a file, or anything. */
export async function complete(
  program: Command,
  words: readonly string[],
  known: CompletionWords,
): Promise<readonly string[]> {
  const before = words.slice(0, -1);
  const typed = words.at(-1) ?? '';
  const options = (c: Command): Option[] => [...c.options, ...(c === program ? [] : program.options)];
  let command = program;
  let wants: Option | null = null;
  let operands = 0;
  for (const word of before) {
    if (wants !== null) wants = null;
    else if (word.startsWith('-')) {
      const option = options(command).find((o) => o.short === word || o.long === word);
      if (option !== undefined && takesValue(option)) wants = option;
    } else {
      const sub: Command | undefined = command.commands.find((s) => s.name() === word);
      if (sub !== undefined && operands === 0) command = sub;
      else operands++;
    }
  }
  const fits = (all: readonly string[]): string[] => all.filter((w) => w.startsWith(typed)).sort();
  if (wants !== null) {
    if (wants.argChoices !== undefined) return fits(wants.argChoices);
    if (wants.long === '--image') return fits(await known.images());
    return wants.long === '--attach' ? fits(await known.domains()) : [];
  }
  if (typed.startsWith('-')) {
    return fits([...options(command).flatMap((o) => (o.long ? [o.long] : [])), '--help']);
  }
  if (visible(command).length > 0 && operands === 0) return fits(visible(command).map((c) => c.name()));
  const argument = command.registeredArguments[Math.min(operands, command.registeredArguments.length - 1)];
  if (argument === undefined || (operands > 0 && !argument.variadic && operands >= command.registeredArguments.length))
    return [];
  if (argument.argChoices !== undefined) return fits(argument.argChoices);
  if (argument.name() !== 'name') return [];
  return fits(command.name() === 'fetch' ? await known.images() : await known.domains());
}
