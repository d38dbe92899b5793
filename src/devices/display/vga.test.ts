// Tests of the VGA: ports, memory modes, VBE, the picture and the text of the screen, PNG files.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inflateSync } from 'node:zlib';
import type { AccessSize } from '../device.js';
import { bench, deviceContract, FakeClock } from '../testing.js';
import { encodePng } from './png.js';
import { renderScreen, screenText } from './render.js';
import { Dispi, VIDEO_MEMORY_BYTES, vga } from './vga.js';

const make = () => {
  const video = new Uint8Array(VIDEO_MEMORY_BYTES);
  const clock = new FakeClock(0);
  const b = bench(vga, { video, clock }, clock);
  const port = (at: number, value: number, size: AccessSize = 1): void => b.write('ports', at - 0x3b0, value, size);
  const dispi = (index: number, value: number): void => {
    b.write('dispi', 0, index, 2);
    b.write('dispi', 1, value, 2);
  };
  const graphics = (index: number, value: number): void => port(0x3ce, index | (value << 8), 2);
  const sequencer = (index: number, value: number): void => port(0x3c4, index | (value << 8), 2);
  const shot = () => renderScreen(b.device.state, video);
  /** Colour of a dot as [r, g, b]. */
  const dot = (x: number, y: number): number[] => {
    const p = shot();
    return [...p.rgba.subarray((y * p.width + x) * 4, (y * p.width + x) * 4 + 3)];
  };
  return { b, video, clock, port, dispi, graphics, sequencer, shot, dot };
};
type Vga = ReturnType<typeof make>;

for (const c of deviceContract(
  vga,
  () => ({ video: new Uint8Array(VIDEO_MEMORY_BYTES), clock: new FakeClock(0) }),
  (b) => {
    b.device.inputs.setTextMode();
    b.write('dispi', 0, 1, 2);
    b.write('dispi', 1, 800, 2);
  },
))
  test(c.name, c.run);

const type = ({ b }: Vga, row: number, text: string, attribute = 7): void => {
  [...text].forEach((c, i) => {
    b.write('memory', 0x18000 + (row * 80 + i) * 2, c.charCodeAt(0) | (attribute << 8), 2);
  });
};

test('text written at 0xb8000 is the text of the screen and reads back', () => {
  const v = make();
  v.b.device.inputs.setTextMode();
  type(v, 0, 'Hello');
  type(v, 24, 'last row');
  const lines = screenText(v.b.device.state, v.video);
  assert.equal(lines.length, 25);
  assert.equal(lines[0], 'Hello');
  assert.equal(lines[24], 'last row');
  assert.equal(v.b.read('memory', 0x18000, 2), 0x0748);
  assert.equal(v.b.read('memory', 0, 1), 0xff, 'the window is at 0xb8000 only');
});

test('the start address scrolls the text', () => {
  const v = make();
  v.b.device.inputs.setTextMode();
  type(v, 1, 'second');
  v.port(0x3d4, 0x0d | (80 << 8), 2);
  assert.equal(screenText(v.b.device.state, v.video)[0], 'second');
});

test('the picture of a text screen has glyphs in the colours of the attribute', () => {
  const v = make();
  v.b.device.inputs.setTextMode();
  type(v, 0, '\xdb ', 0x1e); // a full block, then a blank: yellow on blue
  const p = v.shot();
  assert.deepEqual([p.width, p.height], [720, 400]);
  assert.deepEqual(v.dot(0, 0), [255, 255, 85]);
  assert.deepEqual(v.dot(8, 0), [255, 255, 85], 'block graphics fill the ninth column');
  assert.deepEqual(v.dot(9, 0), [0, 0, 170]);
});

test('a blanked screen is black and has no text', () => {
  const v = make();
  v.b.device.inputs.setTextMode();
  type(v, 0, 'x');
  v.sequencer(1, 0x20);
  assert.deepEqual(screenText(v.b.device.state, v.video), []);
  assert.ok(v.shot().rgba.every((c, i) => (i & 3) === 3 || c === 0));
});

test('the attribute controller alternates between index and data, reset by the status register', () => {
  const v = make();
  v.port(0x3c2, 1);
  v.b.read('ports', 0x3da - 0x3b0);
  v.port(0x3c0, 3);
  v.port(0x3c0, 0x2a);
  v.port(0x3c0, 3);
  assert.equal(v.b.read('ports', 0x3c1 - 0x3b0), 0x2a);
  v.b.read('ports', 0x3da - 0x3b0);
  v.port(0x3c0, 0x20);
  assert.equal(v.b.read('ports', 0x3c0 - 0x3b0), 0x20);
});

test('the DAC takes and gives three components per colour and moves on', () => {
  const v = make();
  v.port(0x3c8, 10);
  for (const c of [1, 2, 3, 4, 5, 0xff]) v.port(0x3c9, c);
  v.port(0x3c7, 10);
  const got = Array.from({ length: 6 }, () => v.b.read('ports', 0x3c9 - 0x3b0));
  assert.deepEqual(got, [1, 2, 3, 4, 5, 0x3f]);
});

test('CRTC registers 0 to 7 can be protected', () => {
  const v = make();
  v.port(0x3c2, 1);
  v.port(0x3d4, 0x01 | (0x4f << 8), 2);
  v.port(0x3d4, 0x11 | (0x80 << 8), 2);
  v.port(0x3d4, 0x01 | (0x11 << 8), 2);
  v.port(0x3d4, 1);
  assert.equal(v.b.read('ports', 0x3d5 - 0x3b0), 0x4f);
});

test('CRTC answers at 3b4 for monochrome and at 3d4 for colour', () => {
  const v = make();
  v.port(0x3b4, 0x0e | (0x12 << 8), 2);
  assert.equal(v.b.read('ports', 0x3d5 - 0x3b0), 0xff);
  assert.equal(v.b.read('ports', 0x3b5 - 0x3b0), 0x12);
  v.port(0x3c2, 1);
  assert.equal(v.b.read('ports', 0x3b5 - 0x3b0), 0xff);
});

test('the retrace bit comes and goes with time', () => {
  const v = make();
  v.port(0x3c2, 1);
  const seen = new Set<number>();
  for (let i = 0; i < 2000; i++) {
    seen.add(v.b.read('ports', 0x3da - 0x3b0) & 9);
    v.clock.advance(13_331);
  }
  assert.deepEqual([...seen].sort(), [0, 1, 9]);
});

/** Planar access: window at 0xa0000, no chaining. */
const planar = (v: Vga): void => {
  v.graphics(6, 5);
  v.graphics(5, 0);
  v.graphics(8, 0xff);
  v.sequencer(4, 6);
  v.sequencer(2, 15);
};

test('write mode 0: map mask, set/reset, rotation, function and bit mask', () => {
  const v = make();
  planar(v);
  v.sequencer(2, 5);
  v.b.write('memory', 0, 0xaa);
  assert.deepEqual([...v.video.subarray(0, 4)], [0xaa, 0, 0xaa, 0]);
  v.sequencer(2, 15);
  v.graphics(1, 15);
  v.graphics(0, 0b1010);
  v.graphics(8, 0x0f);
  v.b.read('memory', 0);
  v.b.write('memory', 0, 0x55);
  assert.deepEqual([...v.video.subarray(0, 4)], [0xa0, 0x0f, 0xa0, 0x0f]);
  v.graphics(1, 0);
  v.graphics(8, 0xff);
  v.graphics(3, 0x18 | 4); // exclusive or, rotate by 4
  v.b.read('memory', 0);
  v.b.write('memory', 0, 0xf0);
  assert.deepEqual([...v.video.subarray(0, 4)], [0xaf, 0x00, 0xaf, 0x00]);
});

test('write modes 1, 2 and 3, read mode 1', () => {
  const v = make();
  planar(v);
  v.video.set([1, 2, 4, 8]);
  v.graphics(5, 1);
  v.b.read('memory', 0);
  v.b.write('memory', 1, 0);
  assert.deepEqual([...v.video.subarray(4, 8)], [1, 2, 4, 8]);
  v.graphics(5, 2);
  v.b.write('memory', 2, 0b0110);
  assert.deepEqual([...v.video.subarray(8, 12)], [0, 0xff, 0xff, 0]);
  v.graphics(5, 3);
  v.graphics(0, 15);
  v.b.read('memory', 3);
  v.b.write('memory', 3, 0x3c);
  assert.deepEqual([...v.video.subarray(12, 16)], [0x3c, 0x3c, 0x3c, 0x3c]);
  v.graphics(5, 8); // read mode 1: which dots have colour 6
  v.graphics(2, 6);
  v.graphics(7, 15);
  assert.equal(v.b.read('memory', 2), 0xff);
  assert.equal(v.b.read('memory', 3), 0x00);
});

test('16-colour planar graphics are drawn through the palette', () => {
  const v = make();
  v.b.device.inputs.setTextMode();
  planar(v);
  v.port(0x3d4, 0x09 | (0x40 << 8), 2);
  v.graphics(5, 2);
  v.b.write('memory', 0, 4);
  const p = v.shot();
  assert.deepEqual([p.width, p.height], [640, 400]);
  assert.deepEqual(v.dot(7, 0), [170, 0, 0]);
  assert.deepEqual(v.dot(8, 0), [0, 0, 0]);
  assert.deepEqual(screenText(v.b.device.state, v.video), []);
});

test('mode 13h: 256 colours, chained, two dots and two lines per pixel', () => {
  const v = make();
  v.b.device.inputs.setTextMode();
  planar(v);
  v.sequencer(4, 0x0e);
  v.graphics(5, 0x40);
  v.port(0x3d4, 0x09 | (0x41 << 8), 2);
  v.port(0x3d4, 0x13 | (0x28 << 8), 2);
  v.b.write('memory', 321, 1);
  assert.equal(v.video[321], 1);
  v.port(0x3c8, 1);
  for (const c of [63, 0, 63]) v.port(0x3c9, c);
  assert.deepEqual(v.dot(2, 2), [255, 0, 255]);
  assert.deepEqual(v.dot(3, 3), [255, 0, 255]);
  assert.deepEqual(v.dot(4, 2), [0, 0, 0]);
});

test('VBE: identity, capabilities, a 32-bit mode, banks, panning', () => {
  const v = make();
  v.b.write('dispi', 0, Dispi.ID, 2);
  assert.equal(v.b.read('dispi', 1, 2), 0xb0c5);
  v.dispi(Dispi.ENABLE, 2);
  v.b.write('dispi', 0, Dispi.XRES, 2);
  assert.equal(v.b.read('dispi', 1, 2), 2560);
  v.dispi(Dispi.ENABLE, 0);
  v.video[0] = 9;
  v.dispi(Dispi.XRES, 64);
  v.dispi(Dispi.YRES, 48);
  v.dispi(Dispi.BPP, 32);
  v.dispi(Dispi.ENABLE, 0x41);
  assert.equal(v.video[0], 0, 'enabling clears');
  v.dispi(Dispi.BANK, 1);
  v.b.write('memory', 0, 0x00102030, 4);
  assert.deepEqual([...v.video.subarray(0x10000, 0x10004)], [0x30, 0x20, 0x10, 0]);
  v.video.set([3, 2, 1, 0], (64 * 5 + 7) * 4);
  assert.deepEqual([v.shot().width, v.shot().height], [64, 48]);
  assert.deepEqual(v.dot(7, 5), [1, 2, 3]);
  v.dispi(Dispi.VIRTUAL_WIDTH, 128);
  v.dispi(Dispi.Y_OFFSET, 2);
  assert.deepEqual(v.dot(64 + 7 - 64, 0), [0, 0, 0]);
  v.dispi(Dispi.X_OFFSET, 64);
  assert.deepEqual(v.dot(7, 0), [1, 2, 3], 'the line of 128 dots after two lines of offset');
});

test('VBE depths of 8, 15, 16 and 24 bits', () => {
  const v = make();
  const colour = (bpp: number, bytes: readonly number[]): number[] => {
    v.dispi(Dispi.ENABLE, 0);
    v.dispi(Dispi.XRES, 64);
    v.dispi(Dispi.YRES, 8);
    v.dispi(Dispi.BPP, bpp);
    v.dispi(Dispi.ENABLE, 1);
    v.video.set(bytes, bytes.length);
    return v.dot(1, 0);
  };
  assert.deepEqual(colour(15, [0x1f, 0x7c]), [255, 0, 255]);
  assert.deepEqual(colour(16, [0xe0, 0x07]), [0, 255, 0]);
  assert.deepEqual(colour(24, [1, 2, 3]), [3, 2, 1]);
  v.port(0x3c8, 5);
  for (const c of [63, 63, 0]) v.port(0x3c9, c);
  assert.deepEqual(colour(8, [5]), [255, 255, 0]);
});

test('a PNG file holds the picture, stored or compressed', () => {
  const rgba = Uint8Array.from([1, 2, 3, 255, 4, 5, 6, 255, 7, 8, 9, 255, 10, 11, 12, 255]);
  const png = encodePng({ width: 2, height: 2, rgba });
  const view = new DataView(png.buffer);
  assert.deepEqual([...png.subarray(0, 8)], [0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]);
  assert.deepEqual([view.getUint32(16), view.getUint32(20)], [2, 2]);
  const length = view.getUint32(33);
  const dots = inflateSync(png.subarray(41, 41 + length)); // checks the sum of the zlib stream
  assert.deepEqual([...dots], [0, 1, 2, 3, 4, 5, 6, 0, 7, 8, 9, 10, 11, 12]);
  assert.equal(view.getUint32(29), 0xfdd49a73, 'CRC-32 of IHDR of a 2 x 2 picture in colour');
  assert.ok(encodePng({ width: 2, height: 2, rgba }, () => new Uint8Array(3)).length < png.length);
});
