// The real-time kernel as the guest of the library's tests: at its prompt within milliseconds.

import { existsSync } from 'node:fs';
import { type HostOptions, Pcanel, type Vm, type VmOptions } from '../../src/apps/index.js';
import { repository } from '../support/guests.js';

export const RTOS = `${repository}guests/rtos/build/rtos.elf`;
/** Why the tests are skipped; false: they are not. */
export const noRtos: string | false = existsSync(RTOS) ? false : 'guests/rtos/build/rtos.elf has not been built';

/** Runs `work` with the kernel at its prompt. */
export async function withRtos(
  work: (vm: Vm, host: Pcanel) => Promise<void>,
  options: Partial<VmOptions> = {},
  hostOptions: HostOptions = {},
): Promise<void> {
  await using host = new Pcanel({ folder: repository, ...hostOptions });
  const vm = await host.define({ name: 'rt', multiboot: RTOS, cmdline: 'quiet', memory: '16M', ...options });
  await vm.start();
  await vm.console.expect('rtos> ');
  await work(vm, host);
}
