// The debug console port of virtual PCs: bytes written go to the log of whoever listens; reading tells that it is there.
// Source: Bochs documentation, "port 0xE9 hack"; SeaBIOS documentation, "Debugging".

import { device } from '../device.js';

/** What a read answers: the sign by which firmware knows the port. */
const PRESENT = 0xe9;

export interface DebugConsolePorts {
  readonly tx: (byte: number) => void;
}

const reset = () => ({ bytes: 0 });

/** Region `regs` (one port, usually 0x402). */
export const debugConsole = device<ReturnType<typeof reset>, DebugConsolePorts>({
  name: 'debug-console',
  version: 1,
  state: reset,
  regions: { regs: { space: 'pio', sizeBytes: 1 } },
  registers: {
    regs: [
      {
        at: 0,
        name: 'DATA',
        read: () => PRESENT,
        write: (s, value, { tx }) => {
          s.bytes++;
          tx(value & 0xff);
        },
      },
    ],
  },
});
