// Memtest86+ by the Linux boot protocol with its screen on COM1: the tests before the bit fade test (which waits for
// minutes of guest time) find no error. With PCANEL_DEEP=1 over 32 MiB, else over a few.
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
  test(`${name} finds no error in its first ten tests`, { skip }, async () => {
    assert.ok(image);
    const g = await guest({
      name,
      memoryBytes: (DEEP ? 32 : 4) * MIB,
      boot: { kind: 'linux', kernel: { name, data: readFileSync(image.path) }, cmdline: 'console=ttyS0,115200' },
    });
    g.until(/Bit fade test/, 3600);
    const screen = paint(g.text);
    assert.match(screen[0] ?? '', /Memtest86\+ v\d+\.\d+ .*Pcanel Virtual Processor/);
    assert.match(screen[3] ?? '', /Test #10/);
    const status = screen[8] ?? '';
    assert.match(status, /Pass: +0 +Errors: 0$/, screen.join('\n'));
    assert.doesNotMatch(g.text, /Failing Address|Unexpected interrupt/i);
    g.machine.close();
  });
}
