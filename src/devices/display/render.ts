// What a VGA shows: a picture in RGBA, or the characters of a text screen. A function of registers and video memory.
// Source: IBM VGA Technical Reference, "CRT Controller", "Attribute Controller"; Bochs documentation, "VBE DISPI".

import { DISPI_8BIT_DAC, Dispi, dispiActive, dispiPitch, pixelBytes, type VgaState } from './vga.js';

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Four bytes per dot: red, green, blue, 255. */
  readonly rgba: Uint8Array;
}

const BLANK_WIDTH = 640;
const BLANK_HEIGHT = 400;
const BLACK = 0xff00_0000;

/** Colours of the DAC as little-endian RGBA words. */
function dacColours(s: VgaState): Uint32Array {
  const out = new Uint32Array(256);
  const wide = (s.dispi[Dispi.ENABLE]! & DISPI_8BIT_DAC) !== 0;
  const level = (v: number): number => (wide ? v : (v << 2) | (v >> 4));
  for (let i = 0; i < 256; i++) {
    const at = (i & s.dacMask) * 3;
    out[i] = (BLACK | (level(s.dac[at + 2]!) << 16) | (level(s.dac[at + 1]!) << 8) | level(s.dac[at]!)) >>> 0;
  }
  return out;
}

/** Colours of the sixteen attribute palette entries. */
function paletteColours(s: VgaState, dac: Uint32Array): Uint32Array {
  const a = s.attribute;
  const select = a[0x14]!;
  return Uint32Array.from({ length: 16 }, (_, i) => {
    const entry = a[i]!;
    const index = (a[0x10]! & 0x80) !== 0 ? (entry & 15) | ((select & 15) << 4) : (entry & 63) | ((select & 12) << 4);
    return dac[index]!;
  });
}

class Canvas {
  readonly words: Uint32Array;
  readonly rgba: Uint8Array;
  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.words = new Uint32Array(width * height).fill(BLACK);
    this.rgba = new Uint8Array(this.words.buffer);
  }
}

const startAddress = (s: VgaState): number => (s.crtc[0x0c]! << 8) | s.crtc[0x0d]!;
/** Lines that are shown, from the CRTC's vertical display enable end. */
const displayedLines = (s: VgaState): number =>
  (s.crtc[0x12]! | ((s.crtc[7]! & 0x02) << 7) | ((s.crtc[7]! & 0x40) << 3)) + 1;
const lineCompare = (s: VgaState): number => s.crtc[0x18]! | ((s.crtc[7]! & 0x10) << 4) | ((s.crtc[9]! & 0x40) << 3);
const displayedCharacters = (s: VgaState): number => s.crtc[1]! + 1;
const cellHeight = (s: VgaState): number => (s.crtc[9]! & 0x1f) + 1;

const screenOn = (s: VgaState): boolean => (s.attributeIndex & 0x20) !== 0 && (s.sequencer[1]! & 0x20) === 0;
/** The screen shows characters, not dots. */
export const isTextMode = (s: VgaState): boolean => !dispiActive(s) && (s.graphics[6]! & 1) === 0;

const textRows = (s: VgaState): number => Math.floor(displayedLines(s) / cellHeight(s));
/** Plane address of the first character of a row. */
const rowAddress = (s: VgaState, row: number): number => startAddress(s) + row * s.crtc[0x13]! * 2;

/** The characters of a text screen, row by row, without trailing blanks; empty in graphics modes. */
export function screenText(s: VgaState, video: Uint8Array): string[] {
  if (!isTextMode(s) || !screenOn(s)) return [];
  const rows: string[] = [];
  for (let row = 0; row < textRows(s); row++) {
    let text = '';
    for (let column = 0; column < displayedCharacters(s); column++) {
      const code = video[((rowAddress(s, row) + column) & 0xffff) * 4]!;
      text += code >= 0x20 && code < 0x7f ? String.fromCharCode(code) : code === 0 ? ' ' : boxCharacter(code);
    }
    rows.push(text.trimEnd());
  }
  return rows;
}

/** Frames and blocks of code page 437 in Unicode; other codes as a middle dot. */
const BOXES = '░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀';
const boxCharacter = (code: number): string => (code >= 176 && code < 224 ? BOXES[code - 176]! : '·');

function renderText(s: VgaState, video: Uint8Array): Picture {
  const nine = (s.sequencer[1]! & 1) === 0;
  const cellWidth = nine ? 9 : 8;
  const height = cellHeight(s);
  const columns = displayedCharacters(s);
  const rows = textRows(s);
  const canvas = new Canvas(columns * cellWidth, rows * height);
  const colours = paletteColours(s, dacColours(s));
  const mode = s.attribute[0x10]!;
  const fontOf = (bits: number): number => (((bits & 3) << 1) | ((bits >> 2) & 1)) * 0x2000;
  const select = s.sequencer[3]!;
  const fontB = fontOf((select & 3) | ((select >> 2) & 4));
  const fontA = fontOf(((select >> 2) & 3) | ((select >> 3) & 4));
  const cursor = (s.crtc[0x0e]! << 8) | s.crtc[0x0f]!;
  const cursorStart = s.crtc[0x0a]! & 0x1f;
  const cursorEnd = s.crtc[0x0b]! & 0x1f;
  const cursorOn = (s.crtc[0x0a]! & 0x20) === 0;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const address = (rowAddress(s, row) + column) & 0xffff;
      const code = video[address * 4]!;
      const attribute = video[address * 4 + 1]!;
      const font = (attribute & 8) !== 0 ? fontA : fontB;
      const front = colours[attribute & 15]!;
      const back = colours[(mode & 8) !== 0 ? (attribute >> 4) & 7 : attribute >> 4]!;
      const extend = nine && (mode & 4) !== 0 && code >= 0xc0 && code <= 0xdf;
      for (let y = 0; y < height; y++) {
        let bits = video[((font + code * 32 + y) & 0xffff) * 4 + 2]! << 1;
        if (extend) bits |= (bits >> 1) & 1;
        if (cursorOn && address === cursor && y >= cursorStart && y <= cursorEnd) bits = 0x1ff;
        const at = (row * height + y) * canvas.width + column * cellWidth;
        for (let x = 0; x < cellWidth; x++) canvas.words[at + x] = (bits & (0x100 >> x)) !== 0 ? front : back;
      }
    }
  }
  return canvas;
}

function renderGraphics(s: VgaState, video: Uint8Array): Picture {
  const shift = (s.graphics[5]! >> 5) & 3;
  const dac = dacColours(s);
  const colours = paletteColours(s, dac);
  const wide = shift >= 2 || (s.sequencer[1]! & 8) !== 0 ? 2 : 1; // dots per pixel
  const dots = displayedCharacters(s) * 8 * (shift < 2 && wide === 2 ? 2 : 1);
  const lines = displayedLines(s);
  const canvas = new Canvas(dots, lines);
  const repeat = cellHeight(s) * ((s.crtc[9]! & 0x80) !== 0 ? 2 : 1);
  const pitch = s.crtc[0x13]! * 8;
  const compare = lineCompare(s);
  const control = s.crtc[0x17]!;
  const pixels = dots / wide;
  let address = startAddress(s) * 4;
  let count = 0;
  for (let y = 0; y < lines; y++) {
    let from = address;
    const scan = Math.floor(count / ((s.crtc[9]! & 0x80) !== 0 ? 2 : 1));
    if ((control & 1) === 0) from = (from & ~(1 << 15)) | ((scan & 1) << 15); // CGA: odd rows 8 KiB on
    if ((control & 2) === 0) from = (from & ~(1 << 16)) | (((scan >> 1) & 1) << 16);
    for (let x = 0; x < pixels; x++) {
      let colour: number;
      if (shift >= 2) colour = dac[video[(from + x) & 0x3ffff]!]!;
      else if (shift === 1) {
        const at = (from + (x >> 3) * 4 + ((x >> 2) & 1)) & 0x3ffff;
        colour = colours[(video[at]! >> (6 - 2 * (x & 3))) & 3]!;
      } else {
        const at = (from + (x >> 3) * 4) & 0x3ffff;
        const bit = 7 - (x & 7);
        let index = 0;
        for (let p = 0; p < 4; p++) index |= ((video[at + p]! >> bit) & 1) << p;
        colour = colours[index & s.attribute[0x12]!]!;
      }
      for (let d = 0; d < wide; d++) canvas.words[y * dots + x * wide + d] = colour;
    }
    if (++count === repeat) {
      count = 0;
      address += pitch;
    }
    if (y === compare) {
      address = 0;
      count = 0;
    }
  }
  return canvas;
}

function renderDispi(s: VgaState, video: Uint8Array): Picture {
  const d = s.dispi;
  const width = d[Dispi.XRES]!;
  const height = d[Dispi.YRES]!;
  const bpp = d[Dispi.BPP]!;
  const canvas = new Canvas(width, height);
  const dac = dacColours(s);
  const colours = paletteColours(s, dac);
  const pitch = dispiPitch(s);
  const bytes = pixelBytes(bpp);
  for (let y = 0; y < height; y++) {
    const line = (y + d[Dispi.Y_OFFSET]!) * pitch;
    for (let x = 0; x < width; x++) {
      const column = x + d[Dispi.X_OFFSET]!;
      let colour: number;
      if (bpp === 4) {
        const at = (line + (column >> 3)) * 4;
        let index = 0;
        for (let p = 0; p < 4; p++) index |= (((video[at + p] ?? 0) >> (7 - (column & 7))) & 1) << p;
        colour = colours[index]!;
      } else {
        const at = line + column * bytes;
        const low = (video[at] ?? 0) | ((video[at + 1] ?? 0) << 8);
        if (bpp === 8) colour = dac[low & 0xff]!;
        else if (bpp === 15) colour = rgb((low >> 10) & 31, 5, (low >> 5) & 31, 5, low & 31, 5);
        else if (bpp === 16) colour = rgb(low >> 11, 5, (low >> 5) & 63, 6, low & 31, 5);
        else colour = rgb(video[at + 2] ?? 0, 8, low >> 8, 8, low & 0xff, 8);
      }
      canvas.words[y * width + x] = colour;
    }
  }
  return canvas;
}

function rgb(r: number, rBits: number, g: number, gBits: number, b: number, bBits: number): number {
  const full = (v: number, bits: number): number => (bits === 8 ? v : (v << (8 - bits)) | (v >> (2 * bits - 8)));
  return (BLACK | (full(b, bBits) << 16) | (full(g, gBits) << 8) | full(r, rBits)) >>> 0;
}

/** What the screen shows now. */
export function renderScreen(s: VgaState, video: Uint8Array): Picture {
  if (dispiActive(s) && s.dispi[Dispi.XRES]! > 0 && s.dispi[Dispi.YRES]! > 0) return renderDispi(s, video);
  if (!screenOn(s)) return new Canvas(BLANK_WIDTH, BLANK_HEIGHT);
  return isTextMode(s) ? renderText(s, video) : renderGraphics(s, video);
}
