// A port by which a guest ends its own run. Source: QEMU's documentation of "isa-debug-exit".

import { device } from '../device.js';

const reset = () => ({
  /** Exit status asked for, -1 while the guest runs. */
  status: -1,
});
/** State of the port. */
export type DebugExitState = ReturnType<typeof reset>;

/** What a board asks. */
export interface DebugExitQueries {
  /** The process's exit status, (value << 1) | 1; -1 while the guest runs. */
  status(): number;
}

/** Region `regs` (0xf4, four ports, any width); line `exit` rises when the guest has written. */
// biome-ignore lint/complexity/noBannedTypes: no ports, no inputs
export const debugExit = device<DebugExitState, {}, {}, DebugExitQueries>({
  name: 'debug-exit',
  version: 1,
  state: reset,
  regions: { regs: { space: 'pio', sizeBytes: 4 } },
  lines: { exit: (s) => s.status >= 0 },
  queries: { status: (s) => s.status },
  handlers: {
    regs: {
      read: () => 0,
      write: (s, _offset, _size, value) => {
        s.status = ((value * 2) | 1) >>> 0;
      },
    },
  },
});
