// The one table of processor state in linear memory. JavaScript views, emitted WebAssembly, the AssemblyScript constants
// (core/generated/layout.ts) and snapshots are derived from it; no other file contains a state offset.
// A vCPU's area starts at a 64 KiB boundary (`STATE` in the modules); offsets below are from there.

type FieldType = 'u8' | 'u16' | 'u32' | 'u64' | 'bytes';
interface FieldSpec {
  readonly name: string;
  readonly type: FieldType;
  /** Number of elements (for bytes: size). */
  readonly count: number;
  readonly what: string;
}
const SIZE: Record<FieldType, number> = { u8: 1, u16: 2, u32: 4, u64: 8, bytes: 1 };
const field = (name: string, type: FieldType, what: string, count = 1): FieldSpec => ({ name, type, count, what });

/** Size in bytes of one segment register entry and the offsets inside it. */
export const SEGMENT_ENTRY = { sizeBytes: 32, selector: 0, access: 4, base: 8, limit: 16 } as const;
/** Entry of a software TLB. Tags are page-aligned linear addresses; NO_TAG never matches. */
export const TLB_ENTRY = { sizeBytes: 32, readTag: 0, writeTag: 8, execTag: 16, addend: 24, flags: 28 } as const;
/** Bit of its flags: a global page. */
export const ENTRY_GLOBAL = 1;
export const TLB_ENTRIES = 4096;
/** Entry of a jump cache: the RIP of a block and the host address of its first record. */
export const JUMP_ENTRY = { sizeBytes: 16, rip: 0, record: 8, pageOffset: 12 } as const;
export const JUMP_ENTRIES = 8192;
/** What was filled since it was last flushed, in lists of this length; when more was filled everything is looked at. */
export const NOTED_TRANSLATIONS = 1024;
export const NOTED_JUMPS = 512;
/** An address space (PCID) that is not in use: what is parked of it. `pcid`: plus one, 0 for none; `time`: by `parkTime`. */
export const PARKED_SPACE = {
  sizeBytes: 32,
  pcid: 0,
  time: 4,
  /** u32: entries of the TLB, of the user jump cache; the latter are for this mode key and this limit of CS. */
  translations: 8,
  jumps: 12,
  jumpKey: 16,
  jumpBase: 24,
} as const;
export const PARKED_SPACES = 8;
/** Entry of the TLB or of a jump cache, and behind it the word of the list that noted it. */
export const PARKED_TRANSLATION = { sizeBytes: TLB_ENTRY.sizeBytes + 8, note: TLB_ENTRY.sizeBytes } as const;
export const PARKED_JUMP = { sizeBytes: JUMP_ENTRY.sizeBytes + 8, note: JUMP_ENTRY.sizeBytes } as const;
/** As many are parked of an address space. */
export const PARKED_TRANSLATIONS = 256;
export const PARKED_JUMPS = 128;
/** Places of the map of linear pages that jump caches have entries of (page number modulo this). */
export const JUMP_PAGES = 4096;
/** Places of the map of 4 MiB regions that TLB entries of large pages lie in (region number modulo this). */
export const LARGE_REGIONS = 1024;
/** Places of a vCPU's hash table of blocks. */
export const BLOCK_HASH_ENTRIES = 131072;
/**
 * An instruction that was decoded from a copy of its bytes, behind the buffer at `crossing`: found again by bytes, page
 * offset, mode key and length of the copy (`key`).
 */
export const SINGLE = { sizeBytes: 32, low: 0, high: 8, key: 16, record: 20, offset: 64 } as const;
export const SINGLES = 512;
/** Decoded record: see README.md "Records". */
export const RECORD = {
  sizeBytes: 32,
  handler: 0, // u16: index into the interpreter's switch
  a: 2, // u16: state offset of register operand 0
  b: 4, // u16: of register operand 1
  base: 6, // u16: of the base register (zero slot if none)
  index: 8, // u16: of the index register or the segment base (zero slot if neither)
  scale: 12, // u8: 0..3
  order: 13, // u8: instructions before this one in its block
  next: 14, // u16: page offset of the next instruction (may exceed 4095 by an instruction's length)
  disp: 16, // i32: displacement; branch: target as offset from the code page's first byte
  length: 20, // u8: instruction length in bytes
  extra: 21, // u8: per-handler small constant (segment number, access kind, register number)
  c: 22, // u16: state offset of register operand 2
  imm: 24, // i64: immediate; direct branches: u32 link taken, u32 link not taken
} as const;
/** Header in front of a block's first record (same size as a record). */
export const BLOCK = {
  sizeBytes: 32,
  nextInPage: 0,
  nextInHash: 4,
  key: 8,
  physical: 16,
  count: 24,
  bytes: 26,
} as const;
/**
 * An installed region. A region spans at most REGION_PAGES code pages; `next` links it into each page's list: the address
 * of the next region there plus which of its links goes on (they are aligned to their size).
 */
export const REGION = {
  sizeBytes: 256,
  /** u32: 1 while the code is what was translated. */
  valid: 0,
  /** u32: record that enters it. */
  record: 4,
  /** u32: instructions; it runs only while the budget is at least that. */
  instructions: 12,
  next: 16,
  /** u32: host addresses of its pages; 0: unused. The first one holds the entry. */
  page: 80,
  /** u32: times it was left by a call of a function that it does not contain. */
  calls: 144,
  /** u64: how far its code lies from where it was translated, modulo 2^64 (jit/relocation.ts). */
  slide: 152,
  /** u32: bits of its pages that were where they are said to be when `checkedEpoch` was the state's and RIP's page this one. */
  checked: 160,
  checkedEpoch: 168,
  checkedPage: 176,
} as const;
export const REGION_PAGES = 16;
/** Ring of indirect jump targets that regions did not know. */
export const JUMP_TARGETS = 64;
/** Distance of a jump's target that is not worth noting: no region reaches there. Bytes. */
export const FAR_JUMP = 0x1000_0000;
/**
 * What the monitor answered to a CPUID, and CR4 and XCR0 as they were then: the processor may give it again (core/cpuid.ts).
 * `kind`: 0 nothing is kept there, 1 for this subleaf, 2 for all subleaves.
 */
export const CPUID_ANSWER = {
  sizeBytes: 48,
  kind: 0,
  leaf: 4,
  subleaf: 8,
  cr4: 16,
  xcr0: 24,
  eax: 32,
  ebx: 36,
  ecx: 40,
  edx: 44,
} as const;
export const CPUID_ANSWERS = 64;
/** Memory slot: guest-physical range backed by RAM at a host offset. */
export const SLOT = { sizeBytes: 32, gpa: 0, sizeBytesField: 8, host: 16, flags: 20 } as const;
export const SLOT_COUNT = 48;
/** Replay entry: a completed port, MMIO or MSR access of the instruction that is being re-executed. */
export const REPLAY = { sizeBytes: 32, kind: 0, sizeField: 4, address: 8, value: 16 } as const;
export const REPLAY_COUNT = 32;

/** Words that all vCPUs of a domain share, each in a cache line of its own. */
export const SHARED = { sizeBytes: 256, exclusive: 0, codeLock: 64, pairLock: 128 } as const;
/** As many code bytes as a block can have. */
export const CODE_COPY_BYTES = 512;

/** lazy-flag kinds, stored in flagsKind as kind * 4 + log2(width / 8). */
export const FLAGS_KIND = { word: 0, add: 1, sub: 2, logic: 3, result: 4, inc: 5, dec: 6 } as const;

const SPEC: readonly FieldSpec[] = [
  field('gpr', 'u64', 'RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8..R15', 16),
  field('zero', 'u64', 'always zero: absent base, index or segment'),
  field(
    'codePage',
    'u64',
    'RIP of the first byte of the current code page (RIP space: linear minus CS base); base register of RIP-relative operands',
  ),
  field('eaTmp', 'u64', 'linear address computed by an address record'),
  field('rip', 'u64', 'RIP; exact only outside the interpreter and at procedures that leave'),
  field('rflags', 'u64', 'RFLAGS without the six status flags, which are lazy; bit 1 always set'),
  field('flagsA', 'u64', 'word: status flags; add, sub: first operand; others: result. Zero-extended'),
  field('flagsB', 'u64', 'add, sub: second operand; result: CF bit 0, AF bit 4, OF bit 11; inc, dec: CF bit 0'),
  field('flagsKind', 'u32', 'FLAGS_KIND * 4 + log2(bytes)'),
  field('modeKey', 'u32', 'bits that change decoding: see modeKey() in README'),
  field('tlb', 'u32', 'host address of the TLB of the current privilege (user or supervisor)'),
  field('jumpCache', 'u32', 'host address of the jump cache of the current privilege'),
  field('budget', 'u32', 'signed: instructions left before the interpreter returns'),
  field(
    'record',
    'u32',
    'host address of the record being executed, set before procedures that may leave or need the count',
  ),
  field('unwind', 'u32', 'why a handler ended early: UNWIND'),
  field('exceptionVector', 'u32', 'pending exception'),
  field('exceptionErrorCode', 'u32', 'its error code'),
  field('exceptionHasErrorCode', 'u32', ''),
  field('exceptionKind', 'u32', '0 fault, 1 trap (RIP already advanced), 2 software interrupt'),
  field('nmiBlocked', 'u32', '1: blocking by NMI'),
  field('shadowKind', 'u32', 'interruptibility bits (1 STI, 2 MOV SS) in force while retired-now equals shadowRetired'),
  field('shadowRetired', 'u64', 'instruction count right after the STI or MOV SS'),
  field('activity', 'u32', '0 active, 1 hlt, 2 shutdown, 3 wait-for-SIPI'),
  field('kick', 'u32', 'another thread stores 1 to stop the processor'),
  field('segments', 'bytes', 'ES, CS, SS, DS, FS, GS, LDTR, TR', 8 * SEGMENT_ENTRY.sizeBytes),
  field('gdtrBase', 'u64', ''),
  field('idtrBase', 'u64', ''),
  field('gdtrLimit', 'u32', ''),
  field('idtrLimit', 'u32', ''),
  field('cpl', 'u32', 'current privilege level'),
  field('lma', 'u32', '1 when IA-32e mode is active'),
  field('cr0', 'u64', ''),
  field('cr2', 'u64', ''),
  field('cr3', 'u64', ''),
  field('cr4', 'u64', ''),
  field('cr8', 'u64', ''),
  field('efer', 'u64', ''),
  field('dr', 'u64', 'DR0..DR7', 8),
  field('star', 'u64', ''),
  field('lstar', 'u64', ''),
  field('cstar', 'u64', ''),
  field('fmask', 'u64', ''),
  field('kernelGsBase', 'u64', ''),
  field('sysenterCs', 'u64', ''),
  field('sysenterEsp', 'u64', ''),
  field('sysenterEip', 'u64', ''),
  field('pat', 'u64', ''),
  field('tscAux', 'u64', ''),
  field('xcr0', 'u64', ''),
  field('pdpte', 'u64', 'PAE page-directory-pointer entries', 4),
  field('physicalMask', 'u64', 'valid physical-address bits (52-bit MAXPHYADDR and below)'),
  field('features', 'u64', 'CPU feature bits the decoder and procedures consult'),
  // VMX controls, copied in by applyControls
  field('pinBased', 'u32', ''),
  field('primary', 'u32', ''),
  field('secondary', 'u32', ''),
  field('exceptionBitmap', 'u32', ''),
  field('ioBitmap', 'u32', 'host address, 8 KiB'),
  field('msrBitmap', 'u32', 'host address, 4 KiB'),
  field('cr0Mask', 'u64', ''),
  field('cr0Shadow', 'u64', ''),
  field('cr4Mask', 'u64', ''),
  field('cr4Shadow', 'u64', ''),
  field('tscOffset', 'u64', ''),
  field('timeIsReal', 'u32', '1: RDTSC asks the host clock'),
  field(
    'injectPending',
    'u32',
    'VM-entry interruption information (bit 31 valid; bit 30: begun, cut by a device access)',
  ),
  field('injectErrorCode', 'u32', ''),
  // exit record
  field('exitReason', 'u32', 'basic exit reason (SDM Appendix C); EXIT_NONE while running'),
  field('exitInstructionLength', 'u32', ''),
  field('exitQualification', 'u64', ''),
  field('exitLinear', 'u64', 'guest-linear address'),
  field('exitPhysical', 'u64', 'guest-physical address'),
  field('exitValue', 'u64', 'data of a write'),
  field('exitSize', 'u32', 'access size in bytes'),
  field('exitInterruption', 'u32', 'VM-exit interruption information'),
  field('exitInterruptionError', 'u32', ''),
  field('exitDetail', 'u32', 'port, MSR index, register number'),
  // replay log
  field('replayCount', 'u32', 'completed accesses of the current instruction'),
  field('replayNext', 'u32', 'how many of them the re-execution has consumed'),
  field('replay', 'bytes', '', REPLAY_COUNT * REPLAY.sizeBytes),
  // counters
  field('retired', 'u64', 'instructions retired before the current budget was loaded'),
  field('budgetLoaded', 'u32', 'budget at the last load: retired now = retired + budgetLoaded - budget'),
  field('undefinedOpcodes', 'u32', ''),
  field('tlbMisses', 'u64', ''),
  field('blocksBuilt', 'u64', ''),
  // x87 and SSE
  field(
    'fpr',
    'bytes',
    'physical registers R0..R7, 16 bytes each: significand u64, sign and exponent u16; MMX aliases the significand',
    128,
  ),
  field('xmm', 'bytes', 'XMM0..XMM15', 256),
  field('fcw', 'u32', ''),
  field('fsw', 'u32', 'status word with TOP'),
  field('ftags', 'u32', 'bit n set: physical register n is not empty (as in FXSAVE)'),
  field('fop', 'u32', ''),
  field('fip', 'u64', ''),
  field('fdp', 'u64', ''),
  field('fcs', 'u32', ''),
  field('fds', 'u32', ''),
  field('mxcsr', 'u32', ''),
  field('pad0', 'u32', ''),
  field('scratch', 'bytes', 'four 16-byte slots for operands of procedures', 64),
  field('operandCopy', 'bytes', 'copy of a memory operand for procedures that take pointers', 16),
  field('fusedHandlers', 'u32', 'handlers below this number execute two records'),
  field('stopHandler', 'u32', 'handler number of the record that leaves the loop'),
  field('staleHandler', 'u32', 'handler number of a record whose code was overwritten'),
  field('crossing', 'u32', 'host address of a 32-byte buffer: bytes of a page-crossing instruction'),
  field('bounce', 'bytes', 'staging of page-crossing, MMIO and code-page accesses', 64),
  field('slots', 'bytes', 'memory slots', SLOT_COUNT * SLOT.sizeBytes),
  field('slotCount', 'u32', ''),
  field('pad1', 'u32', ''),
  // processor-wide tables (host addresses)
  field('blockHash', 'u32', 'host address of the block hash table'),
  field('codeMap', 'u32', 'host address: one u64 per RAM page, bit n: 64-byte line n holds translated code'),
  field('codeHead', 'u32', 'host address: one u32 per RAM page: first block of the page'),
  field('ramHost', 'u32', 'host address of RAM page 0'),
  field('ramPages', 'u32', 'number of RAM pages'),
  field('arena', 'u32', 'host address of the record arena'),
  field('arenaEnd', 'u32', ''),
  field('arenaNext', 'u32', ''),
  field('deliveredAt', 'u64', 'instruction count at the last delivery of an exception'),
  field('deliveries', 'u32', 'exceptions delivered in a row at that count'),
  field(
    'regionHead',
    'u32',
    'host address: one u32 per RAM page: first region of the page (REGION, link in the low bits)',
  ),
  field('region', 'u32', 'host address of the region (REGION) that is being run'),
  field('regionRetired', 'u64', 'instructions retired by regions'),
  field('regionEntries', 'u64', 'times a region was entered'),
  field('jitThreshold', 'u32', 'executions of a block before it is reported as hot; 0: blocks are not counted'),
  field('countHandler', 'u32', 'handler numbers of the records that count entries of a block and that enter a region'),
  field('regionHandler', 'u32', ''),
  field('skipHandler', 'u32', 'handler number of a record that does nothing: a hot block that is not a region'),
  field('jumpMisses', 'u32', 'indirect jumps that left a region so far; the last ones are in jumpTargets'),
  field('jumpTargets', 'u64', 'RIPs they went to', JUMP_TARGETS),
  field('jumpSources', 'u32', 'regions they came from', JUMP_TARGETS),
  field('jumpSites', 'u32', "offsets of the jumps from the pages of their regions' entries, signed", JUMP_TARGETS),
  field('firstArea', 'u32', 'host address of the state area of vCPU 0; the others follow'),
  field('vcpuCount', 'u32', 'vCPUs of the domain'),
  // exceptions, TLB bookkeeping, time
  field('exceptionAddress', 'u64', 'CR2 of the pending #PF, DR6 bits of the pending #DB'),
  field('replayOwner', 'u64', 'instruction count of the instruction that the replay log belongs to'),
  field(
    'largeRegions',
    'u32',
    'map of the 4 MiB regions that entries of large pages (up to 4 MiB) lie in: 0, the rest of the number with bit 31, or all ones for several',
    LARGE_REGIONS,
  ),
  field('hugeLow', 'u64', 'lowest linear address that a page of 1 GiB was cached for'),
  field('hugeHigh', 'u64', 'highest such address'),
  field('tscScale', 'u64', 'f64: TSC ticks per nanosecond of the host clock in real time'),
  field('randomState', 'u64', 'RDRAND generator; zero: seeded at first use'),
  field(
    'smapCount',
    'u32',
    'user pages seen in the supervisor TLB, to be hidden when RFLAGS.AC is cleared; the list has the last 16',
  ),
  field('smapEntries', 'u32', 'their entries (host addresses)', 16),
  field(
    'stepping',
    'u32',
    '1: the instruction being executed began with RFLAGS.TF set and no event has replaced its trap',
  ),
  field('jumpKeys', 'u32', 'mode key that the supervisor and the user jump cache hold entries for', 2),
  field('jumpBases', 'u64', 'CS base likewise, limit in bits 32-63', 2),
  field(
    'debugHits',
    'u32',
    'DR6 bits of data and I/O breakpoints met by the current instruction or held off by MOV SS',
  ),
  field('tablesReady', 'u32', '1: TLBs and jump caches have been emptied once'),
  field('notedTranslations', 'u32', 'TLB entries filled since the last flush: of global pages, of others', 2),
  field(
    'notedEntries',
    'u32',
    'those entries (host addresses); low bits: how often they were put back by core/parking.ts',
    2 * NOTED_TRANSLATIONS,
  ),
  field('notedJumps', 'u32', 'jump-cache entries filled likewise: of global pages, of others', 2),
  field('notedJumpEntries', 'u32', 'those entries (host addresses), likewise', 2 * NOTED_JUMPS),
  field(
    'writeNotes',
    'u32',
    'host address: one u32 per RAM page: TLB entries that may have its write tag (core/tlb.ts); 0: none kept',
  ),
  field('jumpPages', 'u32', 'map of the linear pages that the jump caches have entries of, likewise', JUMP_PAGES),
  field('jumpLargeLow', 'u64', 'lowest linear address of a large page that a jump cache has an entry of'),
  field('jumpLargeHigh', 'u64', 'highest such address'),
  field(
    'checkedEpoch',
    'u64',
    "supervisor, user: moves when a page that regions looked at may have moved; others are not in REGION's checked",
    2,
  ),
  field('checkedLow', 'u64', 'lowest linear address of the pages that regions looked at in this epoch, likewise', 2),
  field('checkedHigh', 'u64', 'highest such address', 2),
  field('alignment', 'u32', '1: alignment checking is on at CPL 3; then the user TLB holds no read or write tags'),
  field('cr4Absent', 'u64', 'CR4 bits that the processor model lacks'),
  field('eaOffset', 'u64', 'offset in its segment of the operand of an address record'),
  field('segmentTmp', 'u64', 'linear address computed by segment_address'),
  field(
    'position',
    'bytes',
    'record of translated code: what procedures read of the instruction being executed',
    RECORD.sizeBytes,
  ),
  // several vCPUs on threads of their own: core/parallel.ts
  field('parallel', 'u32', '1: vCPUs of the domain run on several threads at once'),
  field('shared', 'u32', 'host address of the words that all vCPUs of the domain share: SHARED'),
  field('running', 'u32', '1 while the vCPU may touch guest memory; 0 at a safe point'),
  field('exclusive', 'u32', '1: the current instruction has the domain for itself'),
  field('stalePages', 'u32', '1: there are bits in the map of stale pages'),
  field('staleMap', 'u32', 'host address: bit per RAM page that another vCPU wrote code of'),
  field('exclusives', 'u32', 'how often all other vCPUs were stopped by this one'),
  field('codeCopy', 'bytes', 'code bytes as they were when their block was decoded', CODE_COPY_BYTES),
  field(
    'reserve',
    'u32',
    'a budget below this is not worth going on with behind a region: the run ends there; 64 at least',
  ),
  field('waited', 'u64', 'virtual time: ticks that instructions took beyond one each'),
  field('cpuidsAnswered', 'u64', 'CPUID instructions that found an answer of the monitor (CPUID_ANSWER)'),
  // address spaces that are not in use: core/parking.ts
  field('parkedSpaces', 'bytes', 'those of which something is parked', PARKED_SPACES * PARKED_SPACE.sizeBytes),
  field('parkTime', 'u32', 'how often an address space was parked'),
];

export const UNWIND = { none: 0, exception: 1, exit: 2, lookup: 3 } as const;
export const EXIT_NONE = 0xffff;

interface Placed {
  readonly offset: number;
  readonly type: FieldType;
  readonly count: number;
}
const placed: Record<string, Placed> = {};
let cursor = 0;
for (const f of SPEC) {
  const align = f.type === 'bytes' ? 16 : SIZE[f.type];
  cursor = Math.ceil(cursor / align) * align;
  placed[f.name] = { offset: cursor, type: f.type, count: f.count };
  cursor += SIZE[f.type] * f.count;
}
/** Bytes of registers and bookkeeping at the start of a vCPU's area. */
export const STATE_BYTES = cursor;

/** Byte offset of a field from the vCPU's area. Throws on a name that is not in the table. */
export function at(name: string): number {
  const f = placed[name];
  if (f === undefined) throw new RangeError(`no processor state field named ${name}`);
  return f.offset;
}
/** Offsets of several fields as an object: where `at` would be called often. */
export function offsets<N extends string>(...names: readonly N[]): Readonly<Record<N, number>> {
  return Object.freeze(Object.fromEntries(names.map((name) => [name, at(name)]))) as Readonly<Record<N, number>>;
}
export const gprOffset = (index: number): number => at('gpr') + index * 8;
export const segmentOffset = (index: number): number => at('segments') + index * SEGMENT_ENTRY.sizeBytes;
export const xmmOffset = (index: number): number => at('xmm') + index * 16;
export const fprOffset = (index: number): number => at('fpr') + index * 16;

const align = (n: number, to: number): number => Math.ceil(n / to) * to;
/** Parts of a vCPU's area behind the state: offsets from the area's start. */
export const AREA = (() => {
  const tlbSupervisor = align(STATE_BYTES, 4096);
  const tlbUser = tlbSupervisor + TLB_ENTRIES * TLB_ENTRY.sizeBytes;
  const jumpSupervisor = tlbUser + TLB_ENTRIES * TLB_ENTRY.sizeBytes;
  const jumpUser = jumpSupervisor + JUMP_ENTRIES * JUMP_ENTRY.sizeBytes;
  const ioBitmap = jumpUser + JUMP_ENTRIES * JUMP_ENTRY.sizeBytes;
  const msrBitmap = ioBitmap + 8192;
  const cpuidAnswers = msrBitmap + 4096;
  const parkedTranslations = cpuidAnswers + CPUID_ANSWERS * CPUID_ANSWER.sizeBytes;
  const parkedJumps = parkedTranslations + PARKED_SPACES * PARKED_TRANSLATIONS * PARKED_TRANSLATION.sizeBytes;
  const end = parkedJumps + PARKED_SPACES * PARKED_JUMPS * PARKED_JUMP.sizeBytes;
  return {
    tlbSupervisor,
    tlbUser,
    jumpSupervisor,
    jumpUser,
    ioBitmap,
    msrBitmap,
    cpuidAnswers,
    parkedTranslations,
    parkedJumps,
    sizeBytes: align(end, 65536),
  };
})();

/** All fields, for printers and snapshots. */
export const layoutFields = (): readonly {
  name: string;
  offset: number;
  type: FieldType;
  count: number;
  what: string;
}[] => SPEC.map((f) => ({ ...f, offset: (placed[f.name] as Placed).offset }));
