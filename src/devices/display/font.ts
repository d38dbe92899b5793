// The built-in font: 5 x 7 dot characters of ASCII, doubled in height to 8 x 16 cells. Guests that load their own font
// replace it. Source: drawn for this project on the 5 x 7 matrix of character displays.

/** Five columns per character from 20h on, bit 0 the top dot. */
const COLUMNS =
  '0000000000' +
  '00005f0000' +
  '0007000700' +
  '147f147f14' +
  '242a7f2a12' +
  '2313086462' +
  '3649552250' +
  '0005030000' +
  '001c224100' +
  '0041221c00' +
  '14083e0814' +
  '08083e0808' +
  '0050300000' +
  '0808080808' +
  '0060600000' +
  '2010080402' +
  '3e5149453e' +
  '00427f4000' +
  '4261514946' +
  '2141454b31' +
  '1814127f10' +
  '2745454539' +
  '3c4a494930' +
  '0171090503' +
  '3649494936' +
  '064949291e' +
  '0036360000' +
  '0056360000' +
  '0814224100' +
  '1414141414' +
  '0041221408' +
  '0201510906' +
  '324979413e' +
  '7e1111117e' +
  '7f49494936' +
  '3e41414122' +
  '7f4141221c' +
  '7f49494941' +
  '7f09090901' +
  '3e4149497a' +
  '7f0808087f' +
  '00417f4100' +
  '2040413f01' +
  '7f08142241' +
  '7f40404040' +
  '7f020c027f' +
  '7f0408107f' +
  '3e4141413e' +
  '7f09090906' +
  '3e4151215e' +
  '7f09192946' +
  '4649494931' +
  '01017f0101' +
  '3f4040403f' +
  '1f2040201f' +
  '3f4038403f' +
  '6314081463' +
  '0708700807' +
  '6151494543' +
  '007f414100' +
  '0204081020' +
  '0041417f00' +
  '0402010204' +
  '4040404040' +
  '0001020400' +
  '2054545478' +
  '7f48444438' +
  '3844444420' +
  '384444487f' +
  '3854545418' +
  '087e090102' +
  '0c5252523e' +
  '7f08040478' +
  '00447d4000' +
  '2040443d00' +
  '7f10284400' +
  '00417f4000' +
  '7c04180478' +
  '7c08040478' +
  '3844444438' +
  '7c14141408' +
  '081414187c' +
  '7c08040408' +
  '4854545420' +
  '043f444020' +
  '3c4040207c' +
  '1c2040201c' +
  '3c4030403c' +
  '4428102844' +
  '0c5050503c' +
  '4464544c44' +
  '0008364100' +
  '00007f0000' +
  '0041360800' +
  '0804081008';

export const FONT_HEIGHT = 16;
export const FONT_GLYPHS = 256;
const FIRST = 0x20;
const BOX = 0x7f;

/** Line drawing of code page 437, thin: arms to the left, right, up and down (bits 0..3). */
const LINES: Readonly<Record<number, number>> = {
  179: 12,
  180: 13,
  186: 12,
  185: 13,
  187: 9,
  188: 5,
  191: 9,
  192: 6,
  193: 7,
  194: 11,
  195: 14,
  196: 3,
  197: 15,
  200: 6,
  201: 10,
  202: 7,
  203: 11,
  204: 14,
  205: 3,
  206: 15,
  217: 5,
  218: 10,
};
/** Blocks: the rows from, to (exclusive) and their bits. */
const BLOCKS: Readonly<Record<number, readonly [number, number, number, number]>> = {
  176: [0, 16, 0x22, 0x88],
  177: [0, 16, 0x55, 0xaa],
  178: [0, 16, 0xdd, 0x77],
  219: [0, 16, 0xff, 0xff],
  220: [8, 16, 0xff, 0xff],
  221: [0, 16, 0xf0, 0xf0],
  222: [0, 16, 0x0f, 0x0f],
  223: [0, 8, 0xff, 0xff],
  254: [5, 11, 0x7e, 0x7e],
};

/** The sixteen rows of a character, bit 7 the leftmost dot. */
export function fontGlyph(code: number): Uint8Array {
  const rows = new Uint8Array(FONT_HEIGHT);
  const arms = LINES[code];
  const block = BLOCKS[code];
  if (arms !== undefined) {
    rows[7] = (arms & 1 ? 0xf0 : 0) | (arms & 2 ? 0x1f : 0) | 0x10;
    for (let y = 0; y < 7; y++) if (arms & 4) rows[y] = 0x10;
    for (let y = 8; y < 16; y++) if (arms & 8) rows[y] = 0x10;
  } else if (block !== undefined) {
    for (let y = block[0]; y < block[1]; y++) rows[y] = (y & 1) === 0 ? block[2] : block[3];
  } else if (code >= FIRST && code < BOX) {
    for (let x = 0; x < 5; x++) {
      const at = ((code - FIRST) * 5 + x) * 2;
      const column = Number.parseInt(COLUMNS.slice(at, at + 2), 16);
      for (let y = 0; y < 7; y++) {
        if ((column & (1 << y)) === 0) continue;
        rows[1 + 2 * y]! |= 0x40 >> x;
        rows[2 + 2 * y]! |= 0x40 >> x;
      }
    }
  }
  return rows;
}
