// npm run bench -- [SECTION ...|all] [--runs N] [--json FILE]: measures the software engine on this computer.
// npm run bench -- --engine kvm: VM exits through /dev/kvm.
// npm run bench -- --peers ...: beside other programs that run the same guests (bench/peers).
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { bootSection } from './boot.js';
import { exitSection } from './exits.js';
import { kernelSection } from './kernels.js';
import { kickSection } from './kick.js';
import { kvmExitSection } from './kvm/exits.js';
import { hostDetails, printHost, printSection, residentMib, type Section } from './output.js';
import { parallelSection } from './parallel.js';
import { PEERS_USAGE, peersMain } from './peers/index.js';
import { scalingSection } from './scaling.js';

const SECTIONS: Readonly<Record<string, (runs: number) => Promise<Section>>> = {
  kernels: (runs) => kernelSection(Math.max(runs, 7)),
  exits: exitSection,
  boot: bootSection,
  kick: kickSection,
  scaling: scalingSection,
  parallel: parallelSection,
};
/** Not part of `all`: they take minutes. */
const LONG = ['scaling', 'parallel'];
/** What --engine kvm measures. */
const KVM_SECTIONS: typeof SECTIONS = { exits: kvmExitSection };
const USAGE = `usage: npm run bench -- [${Object.keys(SECTIONS).join('|')}|all] [--engine software|kvm] [--runs N] [--json FILE]
${PEERS_USAGE}`;

interface Options {
  readonly names: string[];
  readonly sections: typeof SECTIONS;
  readonly runs: number;
  readonly json: string | undefined;
}
function options(): Options {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      runs: { type: 'string', default: '3' },
      json: { type: 'string' },
      engine: { type: 'string', default: 'software' },
    },
  });
  if (values.engine !== 'software' && values.engine !== 'kvm')
    throw new RangeError(`--engine ${values.engine}: expected software or kvm`);
  const sections = values.engine === 'kvm' ? KVM_SECTIONS : SECTIONS;
  const all = Object.keys(sections);
  const usual = all.filter((name) => !LONG.includes(name));
  const names = positionals.length === 0 || positionals.includes('all') ? usual : positionals;
  for (const name of names)
    if (!all.includes(name)) throw new RangeError(`'${name}' is no section, expected ${all.join(', ')} or all`);
  const runs = Number(values.runs);
  if (!Number.isInteger(runs) || runs < 1 || runs > 1000)
    throw new RangeError(`--runs ${values.runs}: expected 1 to 1000`);
  return { names, sections, runs, json: values.json };
}

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  if (args.includes('--peers')) {
    await peersMain(args.filter((a) => a !== '--peers'));
    return;
  }
  const { names, sections: chosen, runs, json } = options();
  const host = hostDetails();
  printHost(host);
  const sections: Section[] = [];
  for (const name of names) {
    const section = await (chosen[name] as (n: number) => Promise<Section>)(runs);
    section.notes.push(`process: ${residentMib().toFixed(0)} MiB resident`);
    printSection(section);
    sections.push(section);
  }
  if (json !== undefined) writeFileSync(json, `${JSON.stringify({ host, sections }, null, 2)}\n`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  if (error instanceof RangeError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS'))
    process.stderr.write(`${USAGE}\n`);
  process.exitCode = 1;
}
