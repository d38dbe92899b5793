// Ports that a PC answers and that do nothing here: POST codes, the I/O delay port and the FPU
// busy latch. Source: IBM PC AT Technical Reference, "I/O Address Map".

import { device } from '../device.js';

const reset = () => ({
  /** Last POST code. */
  code: 0,
  delay: 0,
});
/** State of these ports. */
export type PostPortState = ReturnType<typeof reset>;

/** Regions `post` (0x80), `delay` (0xed), `fpu` (0xf0, 2 ports). */
export const postPort = device<PostPortState>({
  name: 'post-port',
  version: 2,
  state: reset,
  regions: {
    post: { space: 'pio', sizeBytes: 1 },
    delay: { space: 'pio', sizeBytes: 1 },
    fpu: { space: 'pio', sizeBytes: 2 },
  },
  registers: {
    post: [{ at: 0, name: 'POST code', field: 'code' }],
    delay: [{ at: 0, name: 'I/O delay', field: 'delay' }],
    fpu: [
      { at: 0, name: 'Clear FPU busy', read: () => 0xff, write: () => {} },
      { at: 1, name: 'Reset FPU', read: () => 0xff, write: () => {} },
    ],
  },
});
