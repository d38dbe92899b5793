// A physical CPU whose attached vCPUs fail at their first entry. For tests of what becomes of their domain.

import { createSoftwareEngine } from '../../src/apps/testing.js';
import { runPcpuWorker } from '../../src/domains/node/index.js';
import type { Engine, Vcpu } from '../../src/vmx/index.js';

/** The main program of such a thread; `fail` stands for VM entry. */
export const failingPcpu = (fail: () => never): Promise<void> =>
  runPcpuWorker({
    software: async (): Promise<Engine> => {
      const engine: Engine = await createSoftwareEngine();
      const attach = engine.attachVcpus?.bind(engine);
      if (attach === undefined) throw new Error('the software engine shares no vCPUs');
      engine.attachVcpus = async (share, residents, nowNs) => {
        const vcpus = await attach(share, residents, nowNs);
        for (const vcpu of vcpus as readonly (Vcpu & { enter: Vcpu['enter'] })[]) vcpu.enter = fail;
        return vcpus;
      };
      return engine;
    },
  });
