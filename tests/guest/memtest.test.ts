// Memtest86+ by the Linux boot protocol with its screen on COM1: its first six tests find no error in 6 MiB; with
// PCANEL_DEEP=1 all in 32 MiB but the last, which waits for minutes of guest time (bit fade).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ensureImage } from '../../src/apps/testing.js';
import { guest, MIB } from '../support/guests.js';

const DEEP = process.env.PCANEL_DEEP === '1';

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

for (const name of ['memtest86+', 'memtest86+ia32'] as const) {
  let skip: string | false = false;
  const image = await ensureImage(name).catch((error: Error) => {
    skip = error.message;
    return null;
  });
  test(`${name} finds no error`, { skip }, async () => {
    assert.ok(image);
    const g = await guest({
      name,
      memoryBytes: (DEEP ? 32 : 6) * MIB,
      boot: { kind: 'linux', kernel: { name, data: readFileSync(image.path) }, cmdline: 'console=ttyS0,115200' },
    });
    const last = DEEP ? 'Bit fade test' : 'Moving inversions, (32|64) bit';
    g.until(new RegExp(last), 3600);
    const screen = paint(g.text);
    assert.match(screen[0] ?? '', /Memtest86\+ v\d+\.\d+ .*Pcanel Virtual Processor/);
    assert.match(screen[3] ?? '', DEEP ? /Test #10/ : /Test #6/);
    const status = screen[8] ?? '';
    assert.match(status, /Pass: +0 +Errors: 0$/, screen.join('\n'));
    assert.doesNotMatch(g.text, /Failing Address|Unexpected interrupt/i);
    g.machine.close();
  });
}
