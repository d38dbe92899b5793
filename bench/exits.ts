// Time of a VM exit: IN from a port to a device in TypeScript and back. Through the bare vCPU, and through the whole
// machine: monitor, port bus, a 16550's scratch register.
import { createSoftwareEngine } from '../src/apps/testing.js';
import { createMachine } from '../src/machine/index.js';
import { bareRoundTrips, buildKernels } from './kernels.js';
import { figure, type Section } from './output.js';

const TRIPS = 200_000;
const SCRATCH = 0x3ff;
const DEBUG_EXIT = 0xf4;
const LOAD_AT = 0x10_0000;

/** mov ecx,TRIPS; mov edx,3FFH; 1: in al,dx; dec ecx; jnz 1b; xor eax,eax; out 0F4H,al; hlt */
function program(trips: number): Uint8Array {
  const bytes = new Uint8Array(20);
  const view = new DataView(bytes.buffer);
  bytes[0] = 0xb9;
  view.setUint32(1, trips, true);
  bytes[5] = 0xba;
  view.setUint32(6, SCRATCH, true);
  bytes.set([0xec, 0xff, 0xc9, 0x75, 0xfb, 0x31, 0xc0, 0xe6, DEBUG_EXIT, 0xf4], 10);
  return bytes;
}

async function machineTrips(): Promise<number> {
  const machine = await createMachine(
    {
      name: 'exits',
      memoryBytes: 16 << 20,
      boot: { kind: 'flat', kernel: { name: 'exits', data: program(TRIPS) }, gpa: LOAD_AT, mode: 'protected32' },
      time: 'virtual',
    },
    {
      engine: await createSoftwareEngine(),
      nowNs: () => performance.now() * 1e6,
      wallClockMs: Date.UTC(2026, 0, 1),
      console: { write: () => undefined },
    },
  );
  let now = 0;
  const start = performance.now();
  while (machine.outcome === null) now += machine.step(now, 20_000_000).usedNs;
  const us = (performance.now() - start) * 1000;
  if (machine.outcome.kind !== 'exit')
    throw new Error(`the exits' guest ended with ${JSON.stringify(machine.outcome)}`);
  return us / TRIPS;
}

export async function exitSection(runs: number): Promise<Section> {
  const notes: string[] = [];
  const figures = [];
  const reason = buildKernels();
  if (reason !== null) notes.push(`bare vCPU ${reason}`);
  else {
    const bare = await bareRoundTrips(runs, TRIPS);
    figures.push(figure('round trip, bare vCPU', 'us', bare));
    figures.push(
      figure(
        'exits per second, bare vCPU',
        '/s',
        bare.map((us) => 1e6 / us),
      ),
    );
  }
  const whole: number[] = [];
  for (let n = 0; n <= runs; n++) {
    const us = await machineTrips();
    if (n > 0) whole.push(us);
  }
  figures.push(figure('round trip, monitor and device', 'us', whole));
  figures.push(
    figure(
      'exits per second, monitor and device',
      '/s',
      whole.map((us) => 1e6 / us),
    ),
  );
  return { name: `VM exits (port IN to a TypeScript device and back, ${TRIPS} per run)`, figures, notes };
}
