// The engines that this package has, made on demand in whichever thread needs one; what an engine is made of is loaded then.

import type { EngineFactories } from '../../domains/index.js';
import type { KvmEngine } from '../../kvm/index.js';
import type { JitMode } from '../../processor/index.js';
import type { Engine } from '../../vmx/index.js';
import { processorModules } from './processor-modules.js';

/** The software VT-x processor; by default with the translator that PCANEL_JIT names. */
export async function createSoftwareEngine(jit?: JitMode): Promise<Engine> {
  const modules = processorModules();
  modules.catch(() => {}); // awaited below
  const { JIT_MODES, jitMode, SoftwareEngine } = await import('../../processor/index.js');
  const options = JIT_MODES[jit ?? jitMode(process.env.PCANEL_JIT)];
  const { translationService } = await import('./translator.js');
  return new SoftwareEngine(await modules, options, translationService());
}

/** Hardware VT-x; whether it can be used here is for its probe to say. PCANEL_KVM_DEVICE names another device file. */
export async function createKvmEngine(): Promise<KvmEngine> {
  const { KvmEngine } = await import('../../kvm/index.js');
  const device = process.env.PCANEL_KVM_DEVICE;
  return new KvmEngine(device === undefined ? {} : { device });
}

export const engines: EngineFactories = { software: () => createSoftwareEngine(), kvm: createKvmEngine };
