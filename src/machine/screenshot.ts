// What a machine's screen shows: as a PNG file, and as text.

import { ConfigError } from '../base/index.js';
import { encodePng, type Picture, renderScreen, screenText } from '../devices/index.js';
import type { Display, Machine } from './machine.js';

function displayOf(machine: Machine): Display {
  if (machine.display !== null) return machine.display;
  const message = `'${machine.config.name}' has no display, expected a machine with 'display: vga' or firmware`;
  throw new ConfigError('NO_DISPLAY', message);
}

/** The screen as a PNG file. `deflate` makes a zlib stream of the dots; without it the file is not compressed. */
export function screenshot(machine: Machine, deflate?: (data: Uint8Array) => Uint8Array): Uint8Array {
  const display = displayOf(machine);
  return encodePng(renderScreen(display.state(), display.video), deflate);
}

/** The screen as dots. */
export function picture(machine: Machine): Picture {
  const display = displayOf(machine);
  return renderScreen(display.state(), display.video);
}

/** The lines of a text screen; empty while it shows graphics. */
export function screenLines(machine: Machine): string[] {
  const display = displayOf(machine);
  return screenText(display.state(), display.video);
}
