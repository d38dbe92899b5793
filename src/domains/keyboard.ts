// Keys by the names that browsers give them, as scan codes of set 2. Sources: W3C UI Events KeyboardEvent code Values;
// IBM PS/2 Hardware Interface Technical Reference, "Keyboard", scan code set 2.

const BREAK = 0xf0;
const EXTENDED = 0xe0;
const letters: readonly (readonly [name: string, code: number])[] = [
  ...([...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'] as const).map(
    (c, i) =>
      [
        `Key${c}`,
        // biome-ignore format: A to Z
        [0x1c, 0x32, 0x21, 0x23, 0x24, 0x2b, 0x34, 0x33, 0x43, 0x3b, 0x42, 0x4b, 0x3a, 0x31, 0x44, 0x4d, 0x15, 0x2d, 0x1b, 0x2c, 0x3c, 0x2a, 0x1d, 0x22, 0x35, 0x1a][i] ?? 0,
      ] as const,
  ),
  ...[0x45, 0x16, 0x1e, 0x26, 0x25, 0x2e, 0x36, 0x3d, 0x3e, 0x46].map((code, i) => [`Digit${i}`, code] as const),
  ...[0x05, 0x06, 0x04, 0x0c, 0x03, 0x0b, 0x83, 0x0a, 0x01, 0x09, 0x78, 0x07].map(
    (code, i) => [`F${i + 1}`, code] as const,
  ),
  ...[0x70, 0x69, 0x72, 0x7a, 0x6b, 0x73, 0x74, 0x6c, 0x75, 0x7d].map((code, i) => [`Numpad${i}`, code] as const),
];
const PLAIN: Readonly<Record<string, number>> = {
  ...Object.fromEntries(letters),
  Backquote: 0x0e,
  Minus: 0x4e,
  Equal: 0x55,
  Backslash: 0x5d,
  BracketLeft: 0x54,
  BracketRight: 0x5b,
  Semicolon: 0x4c,
  Quote: 0x52,
  Comma: 0x41,
  Period: 0x49,
  Slash: 0x4a,
  IntlBackslash: 0x61,
  Space: 0x29,
  Enter: 0x5a,
  Tab: 0x0d,
  Backspace: 0x66,
  Escape: 0x76,
  ShiftLeft: 0x12,
  ShiftRight: 0x59,
  ControlLeft: 0x14,
  AltLeft: 0x11,
  CapsLock: 0x58,
  NumLock: 0x77,
  ScrollLock: 0x7e,
  NumpadDecimal: 0x71,
  NumpadAdd: 0x79,
  NumpadSubtract: 0x7b,
  NumpadMultiply: 0x7c,
};
const EXTENDED_KEYS: Readonly<Record<string, number>> = {
  ControlRight: 0x14,
  AltRight: 0x11,
  MetaLeft: 0x1f,
  MetaRight: 0x27,
  ContextMenu: 0x2f,
  NumpadEnter: 0x5a,
  NumpadDivide: 0x4a,
  ArrowUp: 0x75,
  ArrowDown: 0x72,
  ArrowLeft: 0x6b,
  ArrowRight: 0x74,
  Insert: 0x70,
  Delete: 0x71,
  Home: 0x6c,
  End: 0x69,
  PageUp: 0x7d,
  PageDown: 0x7a,
};

/** Names of the keys that `keyBytes` knows: `KeyboardEvent.code` of a browser. */
export const KEY_NAMES: readonly string[] = [...Object.keys(PLAIN), ...Object.keys(EXTENDED_KEYS)];

/** What the keyboard sends when the key goes down or up; null for a key that it does not have. */
export function keyBytes(code: string, down: boolean): readonly number[] | null {
  const plain = Object.hasOwn(PLAIN, code) ? PLAIN[code] : undefined;
  if (plain !== undefined) return down ? [plain] : [BREAK, plain];
  const extended = Object.hasOwn(EXTENDED_KEYS, code) ? EXTENDED_KEYS[code] : undefined;
  if (extended === undefined) return null;
  return down ? [EXTENDED, extended] : [EXTENDED, BREAK, extended];
}
