// What the room publishes for tests: an engine whose vCPU plays a script, and a tiny multiboot image.

import { GuestMemory } from '../memory/index.js';
import type { Engine, EngineVm, EngineVmOptions, Vcpu } from '../vmx/index.js';
import { machineBoard } from './board.js';
import type { NamedBytes } from './boot.js';
import { memoryMap } from './loaders/e820.js';

/** An engine whose machines have plain memory and the vCPUs that `makeVcpu` gives. */
export function fakeEngine(makeVcpu: (options: EngineVmOptions, memory: GuestMemory, index: number) => Vcpu): Engine {
  return {
    name: 'software',
    probe: async () => ({ usable: true, checks: [] }),
    createVm: async (options): Promise<EngineVm> => {
      const { slots, bufferBytes } = memoryMap(machineBoard, options.memoryBytes);
      const memory = new GuestMemory(new ArrayBuffer(bufferBytes), slots);
      return {
        memory,
        vcpus: Array.from({ length: options.vcpus }, (_, i) => makeVcpu(options, memory, i)),
        close: () => {},
      };
    },
  };
}

/** A multiboot image (address fields) of one HLT at 1 MiB. */
export function tinyMultiboot(name = 'tiny'): NamedBytes {
  const data = new Uint8Array(64);
  const v = new DataView(data.buffer);
  const flags = 1 << 16;
  const base = 0x100000;
  [0x1badb002, flags, -(0x1badb002 + flags) >>> 0, base, base, 0, 0, base + 32].forEach((word, i) => {
    v.setUint32(i * 4, word, true);
  });
  data[32] = 0xf4;
  return { name, data };
}
