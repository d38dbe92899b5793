// Memtest86+ by the Linux boot protocol with its screen on COM1: one full pass finds no error, over 32 MiB. Its last test
// waits for ten minutes between looks (bit fade), so the guest's TSC is slow and its minutes take few instructions.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ensureImage } from '../../src/apps/testing.js';
import { guest, MIB } from '../support/guests.js';

/** MiB under test. */
const PROGRAMS = [
  { name: 'memtest86+', mib: 32 },
  { name: 'memtest86+ia32', mib: 32 },
] as const;
const TSC_HZ = 5_000_000;
const LIMIT_S = 200_000;

/** A control sequence, its parameters captured, or a character. */
const ESCAPE = String.fromCharCode(27);
const PIECES = new RegExp(`${ESCAPE}\\[([0-9;?]*)[A-Za-z]|[^${ESCAPE}]`, 'g');
/** The 25 x 80 screen that a stream of text and cursor addresses paints. */
function paint(stream: string): string[] {
  const rows = Array.from({ length: 25 }, () => Array<string>(80).fill(' '));
  let row = 0;
  let column = 0;
  for (const [piece, position] of stream.matchAll(PIECES)) {
    if (position !== undefined) {
      if (!piece.endsWith('H')) continue;
      const [r = 1, c = 1] = position.split(';').map(Number);
      row = r - 1;
      column = c - 1;
    } else if (piece === '\n') row++;
    else if (piece === '\r') column = 0;
    else {
      const line = rows[row];
      if (line !== undefined && column < 80) line[column] = piece;
      column++;
    }
  }
  return rows.map((line) => line.join('').trimEnd());
}

for (const { name, mib } of PROGRAMS) {
  let skip: string | false = false;
  const image = await ensureImage(name).catch((error: Error) => {
    skip = error.message;
    return null;
  });
  test(`${name} finds no error in a full pass over ${mib} MiB`, { skip }, async () => {
    assert.ok(image);
    const g = await guest({
      name,
      memoryBytes: mib * MIB,
      tscHz: TSC_HZ,
      boot: {
        kind: 'linux',
        kernel: { name, data: readFileSync(image.path) },
        cmdline: 'console=ttyS0,115200 nobench nosmp',
      },
    });
    g.until(/Bit fade test/, LIMIT_S);
    assert.match(paint(g.text)[3] ?? '', /Test #10/);
    assert.match(paint(g.text)[8] ?? '', /Pass: +0 +Errors: 0$/);
    g.until(/Moving inversions, 1s & 0s/, LIMIT_S); // of the next pass
    const screen = paint(g.text);
    assert.match(screen[0] ?? '', /Memtest86\+ v\d+\.\d+ .*Pcanel Virtual Processor/);
    assert.match(screen[8] ?? '', /Pass: +1 +Errors: 0$/, screen.join('\n'));
    assert.doesNotMatch(g.text, /Failing Address|Unexpected interrupt/i);
    g.machine.close();
  });
}
