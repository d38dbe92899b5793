// Turns code bytes into blocks of decoded records in the arena. See README.md "Records", state-layout.ts RECORD and BLOCK.
import { ALL_INSTRUCTIONS, Decoded, type DecodedOperand, Decoder, type Form, OPERAND_KIND } from '../isa/index.js';
import type { StaticFacts } from './emit/binding.js';
import { probe } from './emit/probe-sem.js';
import { type HandlerDirectory, handlerName, unindexedName } from './handlers.js';
import { COUNTED_FOR, KNOWN_THRESHOLD, NOTE_SHARE } from './jit/counting.js';
import type { KeptCode } from './jit/kept-code.js';
import { at, BLOCK, fprOffset, gprOffset, RECORD, SEGMENT_ENTRY, segmentOffset, xmmOffset } from './state-layout.js';

/** Longest block in instructions; below the loop's reserve of budget. */
const MAX_INSTRUCTIONS = 32;
/** With a breakpoint record in front of each: a block must not outgrow the room that the block table keeps. */
const MAX_INSTRUCTIONS_DEBUG = 24;
/** Instructions of a block that is counted as often as the threshold says. */
const TYPICAL_LENGTH = 8;
const PAGE = 4096;

/** Checks whose faults come before the segment faults of a memory operand; an address record holds the index in `a`. */
const PRECHECK = ['', 'fpu_check', 'fpu_check_nowait', 'mmx_check', 'sse_check', 'protected_check'];
/** How many others an instruction with that check takes the time of: blocks of slow instructions are translated sooner. */
const SLOWNESS = [0, 8, 0, 1, 3, 0] as const;

interface FormInfo {
  readonly handler: number;
  /** The handler for memory operands without index and segment base; the same where there is none. */
  readonly unindexed: number;
  readonly endsBlock: boolean;
  readonly writesMemory: boolean;
  readonly usesLinear: boolean;
  readonly movesAddress: boolean;
  readonly usesOffset: boolean;
  /** There is a memory operand, and it matters where it is (not for NOP). */
  readonly usesAddress: boolean;
  readonly precheck: number;
  readonly linearBytes: number;
}

/** What the record builder needs to know of a vCPU's memory. */
export interface RecordPlaces {
  readonly buffer: ArrayBufferLike;
  /** Host address of the vCPU's state area. */
  readonly state: number;
}

const ZERO = at('zero');
const CODE_PAGE = at('codePage');
const EA_TMP = at('eaTmp');
const SEGMENT_BASE = [0, 1, 2, 3, 4, 5].map((n) => segmentOffset(n) + SEGMENT_ENTRY.base);

export class RecordBuilder {
  readonly decoder: Decoder;
  /** Code that earlier runs translated; null: nothing is kept. */
  kept: KeptCode | null = null;
  /** Blocks are noted before they are hot. */
  notes = false;
  private readonly decoded = new Decoded();
  private readonly numbers = new Map(ALL_INSTRUCTIONS.map((i, n) => [i, n]));
  private readonly handlers: Map<string, number>;
  /** Handlers that run two records, + 1, by the ranks of the two handlers; 0: none. */
  private readonly fused: Uint16Array;
  /** By handler: its rank among those that come first, and second, from 1 on; 0: it does not. */
  private readonly firstRank: Uint16Array;
  private readonly secondRank: Uint16Array;
  private readonly secondRanks: number;
  private readonly info: (FormInfo | undefined)[][] = [];
  private readonly special: {
    chain: number;
    undefined: number;
    tooLong: number;
    address: number;
    breakpoint: number;
    count: number;
  };
  private readonly u8: Uint8Array;
  private readonly u16: Uint16Array;
  private readonly i32: Int32Array;

  constructor(
    private readonly places: RecordPlaces,
    directory: HandlerDirectory,
    features?: ReadonlySet<string>,
    /** Locked instructions are atomic against other threads. */
    private readonly parallel = false,
  ) {
    this.decoder = new Decoder(ALL_INSTRUCTIONS, features);
    this.handlers = new Map(directory.names.map((name, n) => [name, n]));
    const { names, fused } = directory;
    const pairs = names.slice(0, fused).map((name) => name.split('+').map((half) => this.handlerNumber(half)));
    this.firstRank = new Uint16Array(names.length);
    this.secondRank = new Uint16Array(names.length);
    let [firsts, seconds] = [0, 0];
    for (const [first, second] of pairs as [number, number][]) {
      if (this.firstRank[first] === 0) this.firstRank[first] = ++firsts;
      if (this.secondRank[second] === 0) this.secondRank[second] = ++seconds;
    }
    this.secondRanks = seconds + 1;
    this.fused = new Uint16Array((firsts + 1) * this.secondRanks);
    for (const [n, pair] of (pairs as [number, number][]).entries()) this.fused[this.pairIndex(...pair)] = n + 1;
    this.special = {
      chain: this.handlerNumber('chain'),
      undefined: this.handlerNumber('undefined'),
      tooLong: this.handlerNumber('tooLong'),
      address: this.handlerNumber('address'),
      breakpoint: this.handlerNumber('breakpoint'),
      count: this.handlerNumber('count'),
    };
    this.u8 = new Uint8Array(places.buffer);
    this.u16 = new Uint16Array(places.buffer);
    this.i32 = new Int32Array(places.buffer);
  }
  handlerNumber(name: string): number {
    const n = this.handlers.get(name);
    if (n === undefined) throw new RangeError(`the interpreter has no handler ${name}`);
    return n;
  }

  private formInfo(form: Form, d: Decoded, stack32: boolean, flat: boolean): FormInfo {
    const lock = this.parallel && d.lock;
    const code =
      (d.addrBits === 16 ? 0 : d.addrBits === 32 ? 1 : 2) |
      (stack32 ? 4 : 0) |
      (flat ? 8 : 0) |
      (d.rep << 4) |
      (lock ? 64 : 0);
    let list = this.info[form.number];
    if (list === undefined) {
      list = [];
      this.info[form.number] = list;
    }
    const known = list[code];
    if (known !== undefined) return known;
    const facts: StaticFacts = {
      opBits: form.opBits,
      addrBits: d.addrBits,
      long: form.long,
      stackBits: form.long ? 64 : stack32 ? 32 : 16,
      rep: d.rep === 0 ? 'none' : d.rep === 1 ? 'rep' : 'repne',
      flat: form.long || flat,
      aligned: form.row.encoding.aligned === true,
      ...(lock && { lock }),
    };
    const found = probe(form, facts);
    const name = handlerName(this.numbers.get(form.instruction) as number, found.key);
    const handler = this.handlerNumber(name);
    const info: FormInfo = {
      handler,
      unindexed: this.handlers.get(unindexedName(name)) ?? handler,
      endsBlock: found.endsBlock,
      writesMemory: found.writesMemory,
      usesLinear: found.usesLinear,
      movesAddress: found.movesAddress,
      usesOffset: found.usesOffset,
      usesAddress: form.mem && (found.usesLinear || found.usesOffset || found.movesAddress),
      precheck: Math.max(0, PRECHECK.indexOf(found.firstCall ?? '')),
      linearBytes: found.linearBytes,
    };
    list[code] = info;
    return info;
  }

  private pairIndex(first: number, second: number): number {
    return (this.firstRank[first] as number) * this.secondRanks + (this.secondRank[second] as number);
  }
  /** Number of the handler that runs both records, or -1. */
  private fusedHandler(first: number, second: number): number {
    return (this.fused[this.pairIndex(first, second)] as number) - 1;
  }

  /**
   * Builds the block of the code at host address `host`. `block`: where its header goes, or 0 for a single instruction
   * (then the first record is returned): `crossing` has its page offset in bits 0-11 and in the others the number of bytes
   * that there are at `host`; 0 is returned when it is longer. Returns the number of code bytes read. A block of no
   * records means: its first instruction crosses the page.
   */
  build(host: number, block: number, crossing: number): number {
    const { i32 } = this;
    const state = this.places.state;
    const modeKey = i32[(state + at('modeKey')) >> 2] as number;
    const nextCell = (state + at('arenaNext')) >> 2;
    const arenaNext = i32[nextCell] as number;
    const bytes = crossing >> 12;
    const header = block === 0 ? arenaNext : block;
    const start = block === 0 ? crossing & (PAGE - 1) : host & (PAGE - 1);
    const available = block === 0 ? bytes : PAGE - start;
    const end = this.decodeBlock(host, start, available, header, modeKey, block === 0);
    const after = end.next;
    if (block === 0 && after === header + BLOCK.sizeBytes) return 0;
    i32[nextCell] = after;
    if (block === 0) {
      // never found by key, never linked
      i32[(header + BLOCK.key) >> 2] = -1;
      i32[(header + BLOCK.key + 4) >> 2] = -1;
      this.u16[(header + BLOCK.count) >> 1] = 0;
      return header + BLOCK.sizeBytes;
    }
    this.u16[(header + BLOCK.count) >> 1] = end.bytes === 0 ? 0 : (after - header) / RECORD.sizeBytes - 1;
    return end.bytes;
  }

  private readonly result = { next: 0, bytes: 0 };
  private decodeBlock(
    host: number,
    start: number,
    available: number,
    header: number,
    modeKey: number,
    single: boolean,
  ): { next: number; bytes: number } {
    const { decoded, decoder, u8, u16, i32 } = this;
    const codeBits = (modeKey & 3) === 2 ? 64 : (modeKey & 3) === 1 ? 32 : 16;
    const mode = { codeBits } as const;
    const stack32 = (modeKey & 4) !== 0;
    const flat = (modeKey & 8) !== 0;
    const debug = (modeKey & 64) !== 0;
    const most = debug ? MAX_INSTRUCTIONS_DEBUG : MAX_INSTRUCTIONS;
    let u = header + BLOCK.sizeBytes;
    let used = 0;
    let order = 0;
    if (flat && !debug && !single) u = this.count(u, start);
    let slowness = 0;
    let previous = -1; // record of the previous instruction if it may be fused with this one
    let previousHandler = -1;
    let previousPairs = true;
    for (;;) {
      if (order === most || (single ? order === 1 : used >= available)) {
        if (order > 0) u = this.chain(u, order, start + used);
        break;
      }
      const length = decoder.decode(u8, host + used, available - used, mode, decoded);
      if (length === 0) {
        // crosses the page (a whole instruction never needs more than 15 bytes)
        if (order > 0) u = this.chain(u, order, start + used);
        break;
      }
      const next = start + used + length;
      if (debug) {
        this.clear(u, order, next, length);
        u16[u >> 1] = this.special.breakpoint;
        u += RECORD.sizeBytes;
        previous = -1;
      }
      if (decoded.invalid || decoded.tooLong) {
        this.clear(u, order, next, length);
        u16[u >> 1] = decoded.tooLong ? this.special.tooLong : this.special.undefined;
        u += RECORD.sizeBytes;
        used += length;
        break;
      }
      const form = decoded.form as Form;
      const info = this.formInfo(form, decoded, stack32, flat);
      let seg = ZERO;
      let direct = true;
      if (decoded.hasMem && info.usesLinear) {
        const wide = decoded.dispHi !== decoded.disp >> 31;
        if (form.long) {
          direct = decoded.addrBits === 64 && !wide;
          if (decoded.segment >= 4) {
            // the base takes the place of an index
            seg = SEGMENT_BASE[decoded.segment] as number;
            if (decoded.index >= 0 || info.usesOffset) direct = false;
          }
        } else direct = flat && decoded.addrBits === 32 && decoded.segment < 4 && decoded.segment !== 1; // CS is never writable
        if (!direct) {
          this.clear(u, order, next, length);
          u16[u >> 1] = this.special.address;
          u16[(u + RECORD.a) >> 1] = info.precheck;
          this.fillAddress(u, next, !wide);
          if (wide) {
            i32[(u + RECORD.imm) >> 2] = decoded.disp;
            i32[(u + RECORD.imm + 4) >> 2] = decoded.dispHi;
          }
          u8[u + RECORD.extra] = decoded.segment | (info.writesMemory ? 8 : 0) | ((decoded.addrBits >> 5) << 4);
          u16[(u + RECORD.c) >> 1] =
            form.row.encoding.noAccess === true ? 0 : Math.max(this.memoryBytes(form), info.linearBytes);
          u += RECORD.sizeBytes;
          previous = -1;
        }
      }
      this.clear(u, order, next, length);
      const unindexed = !info.usesAddress || !direct || (decoded.index < 0 && seg === ZERO);
      u16[u >> 1] = unindexed ? info.unindexed : info.handler;
      if (decoded.hasMem) {
        if (direct) {
          this.fillAddress(u, next, true);
          if (seg !== ZERO) u16[(u + RECORD.index) >> 1] = seg;
        } else u16[(u + RECORD.base) >> 1] = EA_TMP;
        if (info.movesAddress) u8[u + RECORD.extra] = decoded.segment;
      } else u8[u + RECORD.extra] = decoded.segmentOverride >= 0 ? decoded.segmentOverride : 3;
      this.fillOperands(u, form, next, single);
      slowness += SLOWNESS[info.precheck] as number;
      const pairs = unindexed || !info.usesLinear;
      const fusible = previous >= 0 && pairs && (previousPairs || info.endsBlock);
      const pair = fusible ? this.fusedHandler(previousHandler, info.handler) : -1;
      if (pair >= 0) {
        u16[(previous + RECORD.c) >> 1] = u16[previous >> 1] as number;
        u16[previous >> 1] = pair;
        previous = -1;
      } else {
        previous = u;
        previousHandler = info.handler;
        previousPairs = pairs;
      }
      u += RECORD.sizeBytes;
      used += length;
      order++;
      if (info.endsBlock) break;
    }
    const counter = header + BLOCK.sizeBytes;
    if (u16[counter >> 1] === this.special.count) {
      // what counts is the time spent in the block: long ones, and those of slow instructions, are translated sooner
      const imm = (counter + RECORD.imm) >> 2;
      const share = (order / (order + slowness)) * Math.min(1, TYPICAL_LENGTH / order);
      const entries = (i32[imm] as number) * share;
      if (this.kept?.has(modeKey, u8, host) === true) {
        u8[counter + RECORD.extra] = COUNTED_FOR.known;
        i32[imm] = KNOWN_THRESHOLD;
      } else {
        if (this.notes) u8[counter + RECORD.extra] = COUNTED_FOR.note;
        i32[imm] = Math.max(1, Math.floor(this.notes ? entries / NOTE_SHARE : entries));
      }
      i32[imm + 1] = i32[imm] as number;
    }
    this.result.next = u;
    this.result.bytes = used;
    return this.result;
  }
  /** Bytes that the memory operand spans, for segment limit checks. */
  private memoryBytes(form: Form): number {
    let bytes = 1;
    for (const o of form.operands) if (o.kind === 'mem') bytes = Math.max(bytes, o.bits >> 3);
    return bytes;
  }
  private clear(u: number, order: number, next: number, length: number): void {
    const { u8, u16, i32 } = this;
    const w = u >> 2;
    for (let i = 0; i < RECORD.sizeBytes / 4; i++) i32[w + i] = 0;
    u16[(u + RECORD.a) >> 1] = ZERO;
    u16[(u + RECORD.b) >> 1] = ZERO;
    u16[(u + RECORD.base) >> 1] = ZERO;
    u16[(u + RECORD.index) >> 1] = ZERO;
    u8[u + RECORD.order] = order;
    u16[(u + RECORD.next) >> 1] = next;
    u8[u + RECORD.length] = length;
  }
  /** Record that counts the block's entries, where blocks are counted. */
  private count(u: number, start: number): number {
    const threshold = this.i32[(this.places.state + at('jitThreshold')) >> 2] as number;
    if (threshold === 0) return u;
    this.clear(u, 0, start + 1, 1);
    this.u16[u >> 1] = this.special.count;
    this.i32[(u + RECORD.imm) >> 2] = threshold;
    return u + RECORD.sizeBytes;
  }
  /** Record that goes on at page offset `offset` after `order` instructions. */
  private chain(u: number, order: number, offset: number): number {
    this.clear(u, order - 1, offset, 0);
    this.u16[u >> 1] = this.special.chain;
    this.i32[(u + RECORD.disp) >> 2] = offset;
    return u + RECORD.sizeBytes;
  }
  private fillAddress(u: number, next: number, withDisp: boolean): void {
    const { decoded, u8, u16, i32 } = this;
    if (decoded.ripRelative) u16[(u + RECORD.base) >> 1] = CODE_PAGE;
    else if (decoded.base >= 0) u16[(u + RECORD.base) >> 1] = gprOffset(decoded.base);
    if (decoded.index >= 0) u16[(u + RECORD.index) >> 1] = gprOffset(decoded.index);
    u8[u + RECORD.scale] = decoded.scale;
    if (withDisp) i32[(u + RECORD.disp) >> 2] = decoded.ripRelative ? decoded.disp + next : decoded.disp;
  }
  private fillOperands(u: number, form: Form, next: number, single: boolean): void {
    const { decoded, u8, u16, i32 } = this;
    let immediates = 0;
    for (let i = 0; i < decoded.operandCount; i++) {
      const o = decoded.operands[i] as DecodedOperand;
      const field = (u + (i === 0 ? RECORD.a : i === 1 ? RECORD.b : RECORD.c)) >> 1;
      switch (o.kind) {
        case OPERAND_KIND.gpr:
          u16[field] = gprOffset(o.register) + o.high;
          break;
        case OPERAND_KIND.xmm:
          u16[field] = xmmOffset(o.register);
          break;
        case OPERAND_KIND.mmx:
          u16[field] = fprOffset(o.register);
          break;
        case OPERAND_KIND.imm:
        case OPERAND_KIND.far: {
          const w = (u + RECORD.imm + immediates * 4) >> 2;
          i32[w] = o.immLo;
          if (immediates === 0) i32[w + 1] = o.immHi;
          immediates++;
          break;
        }
        case OPERAND_KIND.rel:
          i32[(u + RECORD.disp) >> 2] = next + o.immLo;
          // not 0: never linked (the record of a single instruction may serve other pages as well)
          u8[u + RECORD.extra] = form.opBits === 16 ? 16 : single ? 1 : 0;
          break;
        case OPERAND_KIND.segment:
        case OPERAND_KIND.control:
        case OPERAND_KIND.debug:
          u8[u + RECORD.extra] = o.register;
          break;
        case OPERAND_KIND.x87:
          // ST(0) by name takes no place: the other operand is the one asked for
          if (form.row.encoding.operands[i]?.method !== 'K') u8[u + RECORD.extra] = o.register;
          break;
      }
    }
  }
}
