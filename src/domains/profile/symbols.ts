// Symbol files for profiles: System.map and /proc/kallsyms as text, ELF images with a symbol table.
// Sources: nm(1) for the text form; System V ABI, "Symbol Table", "Sections".
import { ConfigError, latin1Text } from '../../base/index.js';

/** A function and where it lies; size 0: up to the next one. */
export interface GuestSymbol {
  readonly name: string;
  readonly address: bigint;
  readonly sizeBytes: number;
}

/** Functions by address. */
export class SymbolTable {
  readonly #sorted: readonly GuestSymbol[];

  constructor(symbols: readonly GuestSymbol[]) {
    this.#sorted = [...symbols].sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
  }
  get count(): number {
    return this.#sorted.length;
  }

  /** The name of the function at `address`; null when none lies there. */
  nameOf(address: bigint): string | null {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#sorted[middle] as GuestSymbol).address <= address) low = middle + 1;
      else high = middle;
    }
    // Of several at one address the last sorted one may be the shorter: the nearest that reaches is taken.
    for (let n = low - 1; n >= 0 && n > low - 8; n--) {
      const s = this.#sorted[n] as GuestSymbol;
      const end = s.sizeBytes > 0 ? BigInt(s.sizeBytes) : MAX_UNSIZED;
      if (address - s.address < end) return s.name;
    }
    return null;
  }
}

/** A function without a size is not longer than this. */
const MAX_UNSIZED = 1n << 20n;
const SHT_SYMTAB = 2;
const SHT_DYNSYM = 11;
const STT_NOTYPE = 0;
const STT_FUNC = 2;
const SHF_EXECINSTR = 4;

const isElf = (data: Uint8Array): boolean =>
  data[0] === 0x7f && data[1] === 0x45 && data[2] === 0x4c && data[3] === 0x46;

interface Section {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly sizeBytes: number;
  readonly link: number;
  readonly entryBytes: number;
}

function elfSymbols(data: Uint8Array, name: string): GuestSymbol[] {
  const corrupt = (why: string): ConfigError =>
    new ConfigError('SYMBOLS_FORMAT', `'${name}' is a truncated or corrupt ELF file: ${why}`, { file: name });
  const v = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const wide = data[4] === 2;
  if (data.length < (wide ? 64 : 52) || data[5] !== 1) throw corrupt('no little-endian header');
  const u = (at: number): number => (wide ? Number(v.getBigUint64(at, true)) : v.getUint32(at, true));
  const table = u(wide ? 40 : 32);
  const each = v.getUint16(wide ? 58 : 46, true);
  const count = v.getUint16(wide ? 60 : 48, true);
  if (count > 0 && (each < (wide ? 64 : 40) || table + each * count > data.length))
    throw corrupt(`${count} section headers lie outside the file`);
  const sections = Array.from({ length: count }, (_, n): Section => {
    const at = table + n * each;
    const word = wide ? 8 : 4;
    return {
      type: v.getUint32(at + 4, true),
      flags: u(at + 8),
      offset: u(at + 8 + 2 * word),
      sizeBytes: u(at + 8 + 3 * word),
      link: v.getUint32(at + 8 + 4 * word, true),
      entryBytes: u(at + 16 + 5 * word),
    };
  });
  const symtab = sections.find((s) => s.type === SHT_SYMTAB) ?? sections.find((s) => s.type === SHT_DYNSYM);
  const strings = symtab && sections[symtab.link];
  if (symtab === undefined || strings === undefined || symtab.entryBytes === 0) return [];
  if (symtab.offset + symtab.sizeBytes > data.length || strings.offset + strings.sizeBytes > data.length)
    throw corrupt('its symbol table lies outside the file');
  const found: GuestSymbol[] = [];
  for (let at = symtab.offset; at + symtab.entryBytes <= symtab.offset + symtab.sizeBytes; at += symtab.entryBytes) {
    const info = data[at + (wide ? 4 : 12)] as number;
    const section = sections[v.getUint16(at + (wide ? 6 : 14), true)];
    const type = info & 15;
    // Assembly labels have no type; only those in code are functions.
    const code = section !== undefined && (section.flags & SHF_EXECINSTR) !== 0;
    if (type !== STT_FUNC && !(type === STT_NOTYPE && code)) continue;
    const from = strings.offset + v.getUint32(at, true);
    const text = latin1Text(data.subarray(from, data.indexOf(0, from)));
    if (text === '' || section === undefined) continue;
    const address = wide ? v.getBigUint64(at + 8, true) : BigInt(v.getUint32(at + 4, true));
    found.push({ name: text, address, sizeBytes: u(at + (wide ? 16 : 8)) });
  }
  return found;
}

function textSymbols(data: Uint8Array, name: string): GuestSymbol[] {
  const found: GuestSymbol[] = [];
  let lines = 0;
  let blank = 0;
  for (const line of latin1Text(data).split('\n')) {
    const m = /^([0-9a-fA-F]{4,16}) ([A-Za-z?]) (\S+)(?:\s+\[(\S+)\])?\s*$/.exec(line);
    if (m === null) continue;
    lines++;
    const address = BigInt(`0x${m[1]}`);
    if (address === 0n || address === 0xffff_ffff_ffff_ffffn) blank++;
    else if (/[tTwW]/.test(m[2] as string)) found.push({ name: m[3] as string, address, sizeBytes: 0 });
  }
  if (lines > 0 && blank === lines) {
    const message = `'${name}' has no addresses (Debian's System.map is a placeholder; /proc/kallsyms shows them to root only), expected a file with addresses, or none: a Linux guest's own table is found in its memory`;
    throw new ConfigError('SYMBOLS_EMPTY', message, { file: name });
  }
  return found;
}

/** Reads a symbol file; `base` is added to its addresses. A ConfigError when it holds no function. */
export function parseSymbols(data: Uint8Array, name: string, base = 0n): SymbolTable {
  const found = isElf(data) ? elfSymbols(data, name) : textSymbols(data, name);
  if (found.length === 0) {
    const message = `'${name}' holds no function, expected an ELF file with a symbol table, or lines 'ADDRESS TYPE NAME'`;
    throw new ConfigError('SYMBOLS_EMPTY', message, { file: name });
  }
  return new SymbolTable(base === 0n ? found : found.map((s) => ({ ...s, address: s.address + base })));
}
