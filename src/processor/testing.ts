// What the room publishes for tests: the reference evaluator, and a vCPU driven by it.
import { asInterpreter, Evaluator, withoutBlocks } from './reference/evaluator.js';
import { SoftwareVcpu, type SoftwareVcpuOptions } from './software-vcpu.js';

export { ExitDecoder } from './exit-decoder.js';
export { isFusedPair } from './fused-pairs.js';
export { type KeptModule, Pack, packOf } from './jit/code-pack.js';
export type { CodeStore } from './jit/code-store.js';
export type { TranslationRequest } from './jit/translation-messages.js';
export { Translator } from './jit/translator.js';
export { Evaluator, type TraceStep, type Value } from './reference/evaluator.js';
export { SoftwareVcpu, type SoftwareVcpuOptions } from './software-vcpu.js';
export { at, BLOCK_HASH_ENTRIES, EXIT_NONE, layoutFields } from './state-layout.js';
export { StateView } from './state-view.js';

/** What a software vCPU was made of. */
export const optionsOf = (vcpu: object): SoftwareVcpuOptions =>
  (vcpu as unknown as { readonly options: SoftwareVcpuOptions }).options;

/** A second vCPU on the same state and memory, whose instructions run in the reference evaluator. Use one or the other. */
export function referenceVcpu(vcpu: object): { vcpu: SoftwareVcpu; evaluator: Evaluator } {
  const options = optionsOf(vcpu);
  const evaluator = new Evaluator({ memory: options.memory, area: options.area, procedures: options.procedures });
  return {
    vcpu: new SoftwareVcpu({
      ...options,
      tier: null,
      interpreter: asInterpreter(evaluator),
      procedures: withoutBlocks(options.procedures),
    }),
    evaluator,
  };
}
