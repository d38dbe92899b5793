// Boot times in host seconds: the RTOS to its prompt, Debian's cloud-amd64 kernel with BusyBox to its shell. In virtual
// time, where waiting costs nothing and every run executes the same instructions, and in real time.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildInitramfs, createSoftwareEngine, ensureImage } from '../src/apps/testing.js';
import { type BootSource, createMachine, type Machine } from '../src/machine/index.js';
import { type Figure, figure, residentMib, type Section } from './output.js';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const STEP_NS = 20_000_000;
const LIMIT_S = 300;

interface Boot {
  readonly seconds: number;
  readonly instructions: number;
  readonly exits: number;
  readonly residentMib: number;
}
/** Runs a machine until its console shows `prompt`. */
async function boot(source: BootSource, memoryBytes: number, time: 'virtual' | 'real', prompt: RegExp): Promise<Boot> {
  let tail = '';
  const nowNs = (): number => performance.now() * 1e6;
  const start = performance.now();
  const machine: Machine = await createMachine(
    { name: 'boot', memoryBytes, boot: source, time },
    {
      engine: await createSoftwareEngine(),
      nowNs,
      wallClockMs: Date.UTC(2026, 0, 1),
      console: {
        write: (byte) => {
          tail = (tail + String.fromCharCode(byte)).slice(-400);
        },
      },
    },
  );
  let now = time === 'real' ? nowNs() : 0;
  for (;;) {
    const r = machine.step(now, STEP_NS);
    if (prompt.test(tail)) break;
    if (machine.outcome !== null)
      throw new Error(`the guest ended before its prompt: ${JSON.stringify(machine.outcome)}: ${tail}`);
    if (performance.now() - start > LIMIT_S * 1000) throw new Error(`no prompt within ${LIMIT_S} s: ${tail}`);
    if (time === 'virtual') {
      now += r.usedNs;
      if (r.state === 'halted') {
        if (r.nextDeadlineNs === null) throw new Error(`the guest sleeps for ever: ${tail}`);
        now = Math.max(now, r.nextDeadlineNs);
      }
    } else {
      now = nowNs();
      if (r.state === 'halted' && r.nextDeadlineNs !== null) {
        const ms = Math.max(0, (r.nextDeadlineNs - now) / 1e6);
        if (ms > 0.05) await new Promise((resolve) => setTimeout(resolve, ms));
        now = nowNs();
      }
    }
  }
  const { instructions, exitsTotal } = machine.stats();
  const result = {
    seconds: (performance.now() - start) / 1000,
    instructions,
    exits: exitsTotal,
    residentMib: residentMib(),
  };
  machine.vm.close();
  return result;
}

async function guestFigures(
  name: string,
  source: BootSource,
  memoryBytes: number,
  prompt: RegExp,
  runs: number,
  section: Section,
): Promise<void> {
  for (const time of ['virtual', 'real'] as const) {
    const list: Boot[] = [];
    for (let n = 0; n < runs; n++) list.push(await boot(source, memoryBytes, time, prompt));
    const add = (what: string, unit: string, of: (b: Boot) => number): Figure => {
      const f = figure(`${name}, ${time} time: ${what}`, unit, list.map(of));
      section.figures.push(f);
      return f;
    };
    add('to the prompt', 's', (b) => b.seconds);
    if (time === 'virtual') {
      add('instructions', 'million', (b) => b.instructions / 1e6);
      add('VM exits', 'thousand', (b) => b.exits / 1e3);
      add('MIPS over the boot', 'MIPS', (b) => b.instructions / b.seconds / 1e6);
      add(`process (guest RAM: ${memoryBytes >> 20} MiB)`, 'MiB resident', (b) => b.residentMib);
    }
  }
}

export async function bootSection(runs: number): Promise<Section> {
  const section: Section = { name: 'boot (host seconds)', figures: [], notes: [] };
  const rtos = `${repository}guests/rtos/build/rtos.elf`;
  if (existsSync(rtos)) {
    const kernel = { name: 'rtos.elf', data: readFileSync(rtos) };
    await guestFigures('RTOS', { kind: 'multiboot', kernel }, 16 << 20, /rtos> /, runs, section);
  } else section.notes.push('RTOS skipped: guests/rtos/build/rtos.elf is not built (needs gcc and make)');
  try {
    const kernel = { name: 'linux-cloud-amd64', data: readFileSync((await ensureImage('linux-cloud-amd64')).path) };
    const busybox = readFileSync((await ensureImage('busybox-amd64')).path);
    const initrd = { name: 'initramfs', data: buildInitramfs(busybox) };
    const source: BootSource = { kind: 'linux', kernel, initrd, cmdline: 'console=ttyS0 cryptomgr.notests quiet' };
    await guestFigures('Linux', source, 256 << 20, /:\S+# (?:.\[6n)?$/, runs, section);
  } catch (error) {
    section.notes.push(`Linux skipped: ${error instanceof Error ? error.message : String(error)}`);
  }
  return section;
}
