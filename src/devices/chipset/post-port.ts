// Ports that a PC answers and that do nothing here: POST codes, the DMA page latches next to them, the I/O delay port and
// the FPU busy latch. Source: IBM PC AT Technical Reference, "I/O Address Map".

import { device } from '../device.js';

const reset = () => ({
  /** Last POST code. */
  code: 0,
  /** DMA page latches, ports 0x81..0x8f. */
  pages: Array.from({ length: 16 }, () => 0),
  delay: 0,
});
/** State of these ports. */
export type PostPortState = ReturnType<typeof reset>;

/** Regions `post` (0x80, 16 ports), `delay` (0xed), `fpu` (0xf0, 2 ports). */
export const postPort = device<PostPortState>({
  name: 'post-port',
  version: 1,
  state: reset,
  regions: {
    post: { space: 'pio', sizeBytes: 16 },
    delay: { space: 'pio', sizeBytes: 1 },
    fpu: { space: 'pio', sizeBytes: 2 },
  },
  registers: {
    post: [
      { at: 0, name: 'POST code', field: 'code' },
      ...Array.from({ length: 15 }, (_, i) => ({
        at: i + 1,
        name: `DMA page ${i + 1}`,
        read: (s: PostPortState) => s.pages[i + 1]!,
        write: (s: PostPortState, v: number) => {
          s.pages[i + 1] = v;
        },
      })),
    ],
    delay: [{ at: 0, name: 'I/O delay', field: 'delay' }],
    fpu: [
      { at: 0, name: 'Clear FPU busy', read: () => 0xff, write: () => {} },
      { at: 1, name: 'Reset FPU', read: () => 0xff, write: () => {} },
    ],
  },
});
