// Guest-physical memory: slots of guest-physical addresses over one buffer (a domain's WebAssembly.Memory).
// Source: Intel SDM 3A "Memory Organization"; accesses that no slot claims behave like an empty bus (reads are all ones).

import { BugError, hex } from '../base/index.js';

declare const gpaBrand: unique symbol;
/** A guest-physical address: an integer below 2^53. Plain numbers are accepted wherever a Gpa is. */
export type Gpa = number & { readonly [gpaBrand]?: 'gpa' };

/** Bytes per page of the dirty log. */
export const PAGE_BYTES = 4096;

/** A range of guest-physical addresses backed by a range of the buffer. */
export interface MemorySlot {
  /** First guest-physical address; a multiple of the page size. */
  readonly gpa: Gpa;
  /** Length; a multiple of the page size. */
  readonly sizeBytes: number;
  /** Offset of the slot's first byte in the buffer. */
  readonly bufferOffset: number;
  /** The guest and its devices cannot write it (a ROM); loaders can. */
  readonly readOnly: boolean;
}

/** Accesses that reached no memory, by kind. */
export interface MemoryCounters {
  outsideReads: number;
  outsideWrites: number;
  readOnlyWrites: number;
}

/** Called after bytes [gpa, gpa + sizeBytes) were written through this object; the range lies inside one slot. */
export type WriteListener = (gpa: Gpa, sizeBytes: number) => void;

/** Called after slots were added, removed or replaced. */
export type SlotListener = () => void;

/** Who else writes the buffer unseen, and keeps a log of it: a processor in hardware. */
export interface DirtySource {
  /** The log of the slot at `slotGpa` starts or ends. */
  watch(slotGpa: Gpa, on: boolean): void;
  /** Its pages written since the last call, one bit each, low bit first; null: not logged. */
  collect(slotGpa: Gpa): Uint32Array | null;
}

interface SlotEntry extends MemorySlot {
  /** One bit per page, or null when the slot is not logged. */
  dirty: Uint32Array | null;
}

/**
 * The guest-physical address space as memory. Accesses on behalf of a guest (`read…`, `write…`, `fill`) never throw:
 * bytes outside the slots read as all ones, writes to them or to read-only slots are dropped, both are counted.
 * Accesses on behalf of the monitor (`load…`, `expect…`) throw a BugError instead and may write read-only slots.
 */
export class GuestMemory {
  readonly buffer: ArrayBufferLike;
  readonly counters: MemoryCounters = { outsideReads: 0, outsideWrites: 0, readOnlyWrites: 0 };
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** Ordered by gpa, disjoint. */
  #slots: SlotEntry[] = [];
  #last: SlotEntry | null = null;
  #listeners: WriteListener[] = [];
  #slotListeners: SlotListener[] = [];
  #dirtySource: DirtySource | null = null;

  constructor(buffer: ArrayBufferLike, slots: readonly MemorySlot[] = []) {
    this.buffer = buffer;
    this.#bytes = new Uint8Array(buffer);
    this.#view = new DataView(buffer);
    for (const slot of slots) this.addSlot(slot);
  }

  /** The slots, ordered by address. */
  get slots(): readonly MemorySlot[] {
    return this.#slots.map(({ gpa, sizeBytes, bufferOffset, readOnly }) => ({
      gpa,
      sizeBytes,
      bufferOffset,
      readOnly,
    }));
  }

  /** Bytes in all slots together. */
  get sizeBytes(): number {
    return this.#slots.reduce((sum, s) => sum + s.sizeBytes, 0);
  }

  /** Adds a slot; it must be page aligned, lie inside the buffer and overlap no other. */
  addSlot(slot: MemorySlot): void {
    this.#add(slot);
    this.#slotsChanged();
  }

  /**
   * Replaces all slots at once; listeners hear of it once. A slot whose address, size and place in the buffer stay the
   * same keeps its dirty log.
   */
  replaceSlots(slots: readonly MemorySlot[]): void {
    const before = this.#slots;
    this.#slots = [];
    try {
      for (const slot of slots) this.#add(slot);
    } catch (error) {
      this.#slots = before;
      this.#last = null;
      throw error;
    }
    for (const slot of this.#slots) {
      const old = before.find(
        (b) => b.gpa === slot.gpa && b.sizeBytes === slot.sizeBytes && b.bufferOffset === slot.bufferOffset,
      );
      slot.dirty = old?.dirty ?? null;
    }
    this.#slotsChanged();
  }

  #add(slot: MemorySlot): void {
    const { gpa, sizeBytes, bufferOffset } = slot;
    const where = `memory slot at ${hex(gpa)} of ${hex(sizeBytes)} bytes`;
    const aligned = (n: number): boolean => Number.isSafeInteger(n) && n >= 0 && n % PAGE_BYTES === 0;
    if (!aligned(gpa) || !aligned(sizeBytes) || sizeBytes === 0 || !Number.isSafeInteger(gpa + sizeBytes)) {
      throw new BugError('MEMORY_SLOT', `${where} is not page aligned or empty`, { gpa, sizeBytes });
    }
    if (!Number.isSafeInteger(bufferOffset) || bufferOffset < 0 || bufferOffset + sizeBytes > this.buffer.byteLength) {
      const details = { gpa, sizeBytes, bufferOffset, bufferBytes: this.buffer.byteLength };
      throw new BugError('MEMORY_SLOT', `${where} lies outside its buffer (offset ${hex(bufferOffset)})`, details);
    }
    const clash = this.#slots.find((s) => gpa < s.gpa + s.sizeBytes && s.gpa < gpa + sizeBytes);
    if (clash) {
      throw new BugError('MEMORY_SLOT', `${where} overlaps the slot at ${hex(clash.gpa)}`, { gpa, sizeBytes });
    }
    this.#slots = [...this.#slots, { ...slot, dirty: null }].sort((a, b) => a.gpa - b.gpa);
    this.#last = null;
  }

  /** Removes the slot that starts at `gpa`; its bytes stay in the buffer. */
  removeSlot(gpa: Gpa): void {
    const before = this.#slots.length;
    this.#slots = this.#slots.filter((s) => s.gpa !== gpa);
    this.#last = null;
    if (this.#slots.length === before) throw new BugError('MEMORY_SLOT', `no memory slot starts at ${hex(gpa)}`);
    this.#slotsChanged();
  }

  /** Calls `listener` after every change of the slots; returns the function that ends it. */
  onSlotsChanged(listener: SlotListener): () => void {
    this.#slotListeners = [...this.#slotListeners, listener];
    return () => {
      this.#slotListeners = this.#slotListeners.filter((l) => l !== listener);
    };
  }

  /** Calls `listener` after every write made through this object; returns the function that ends it. */
  onWrite(listener: WriteListener): () => void {
    this.#listeners = [...this.#listeners, listener];
    return () => {
      this.#listeners = this.#listeners.filter((l) => l !== listener);
    };
  }

  /** Offset in the buffer of `gpa` when [gpa, gpa + sizeBytes) lies in one slot, else -1. */
  bufferOffsetOf(gpa: Gpa, sizeBytes = 1): number {
    const slot = this.#slotOf(gpa, sizeBytes);
    return slot ? slot.bufferOffset + (gpa - slot.gpa) : -1;
  }

  // ---- accesses on behalf of a guest or a device ----

  readU8(gpa: Gpa): number {
    const s = this.#slotOf(gpa, 1);
    return s ? this.#view.getUint8(s.bufferOffset + (gpa - s.gpa)) : this.#readAcross(gpa, 1);
  }
  readU16(gpa: Gpa): number {
    const s = this.#slotOf(gpa, 2);
    return s ? this.#view.getUint16(s.bufferOffset + (gpa - s.gpa), true) : this.#readAcross(gpa, 2);
  }
  readU32(gpa: Gpa): number {
    const s = this.#slotOf(gpa, 4);
    return s ? this.#view.getUint32(s.bufferOffset + (gpa - s.gpa), true) : this.#readAcross(gpa, 4);
  }
  readU64(gpa: Gpa): bigint {
    const s = this.#slotOf(gpa, 8);
    if (s) return this.#view.getBigUint64(s.bufferOffset + (gpa - s.gpa), true);
    return BigInt(this.#readAcross(gpa, 4)) | (BigInt(this.#readAcross(gpa + 4, 4)) << 32n);
  }
  /** A copy of [gpa, gpa + sizeBytes); bytes outside memory are 0xff. */
  readBytes(gpa: Gpa, sizeBytes: number): Uint8Array {
    const out = new Uint8Array(sizeBytes).fill(0xff);
    this.readInto(gpa, out);
    return out;
  }
  /** Copies from `gpa` into `target`; bytes outside memory become 0xff. */
  readInto(gpa: Gpa, target: Uint8Array): void {
    const covered = this.#pieces(gpa, target.length, (slot, at, length, done) => {
      const from = slot.bufferOffset + (at - slot.gpa);
      target.set(this.#bytes.subarray(from, from + length), done);
    });
    if (covered === target.length) return;
    this.counters.outsideReads++;
    for (let i = 0; i < target.length; i++) if (!this.#slotOf(gpa + i, 1)) target[i] = 0xff;
  }

  writeU8(gpa: Gpa, value: number): void {
    const s = this.#writableSlotOf(gpa, 1);
    if (!s) {
      this.#writeAcross(gpa, value, 1);
      return;
    }
    this.#view.setUint8(s.bufferOffset + (gpa - s.gpa), value);
    this.#written(s, gpa, 1);
  }
  writeU16(gpa: Gpa, value: number): void {
    const s = this.#writableSlotOf(gpa, 2);
    if (!s) {
      this.#writeAcross(gpa, value, 2);
      return;
    }
    this.#view.setUint16(s.bufferOffset + (gpa - s.gpa), value, true);
    this.#written(s, gpa, 2);
  }
  writeU32(gpa: Gpa, value: number): void {
    const s = this.#writableSlotOf(gpa, 4);
    if (!s) {
      this.#writeAcross(gpa, value, 4);
      return;
    }
    this.#view.setUint32(s.bufferOffset + (gpa - s.gpa), value, true);
    this.#written(s, gpa, 4);
  }
  writeU64(gpa: Gpa, value: bigint): void {
    const s = this.#writableSlotOf(gpa, 8);
    if (s) {
      this.#view.setBigUint64(s.bufferOffset + (gpa - s.gpa), value, true);
      this.#written(s, gpa, 8);
    } else {
      this.#writeAcross(gpa, Number(value & 0xffffffffn), 4);
      this.#writeAcross(gpa + 4, Number((value >> 32n) & 0xffffffffn), 4);
    }
  }
  writeBytes(gpa: Gpa, data: Uint8Array): void {
    this.#write(gpa, data.length, (to, length, done) => this.#bytes.set(data.subarray(done, done + length), to));
  }
  /** Writes `value` into every byte of [gpa, gpa + sizeBytes). */
  fill(gpa: Gpa, sizeBytes: number, value = 0): void {
    this.#write(gpa, sizeBytes, (to, length) => this.#bytes.fill(value, to, to + length));
  }

  // ---- accesses on behalf of the monitor: they must succeed ----

  /** Writes bytes, also into read-only slots; all of the range must be memory. */
  loadBytes(gpa: Gpa, data: Uint8Array): void {
    this.#expectMemory(gpa, data.length, 'load');
    this.#pieces(gpa, data.length, (slot, at, length, done) => {
      this.#bytes.set(data.subarray(done, done + length), slot.bufferOffset + (at - slot.gpa));
      this.#written(slot, at, length);
    });
  }
  /** Fills bytes, also in read-only slots; all of the range must be memory. */
  loadFill(gpa: Gpa, sizeBytes: number, value = 0): void {
    this.#expectMemory(gpa, sizeBytes, 'fill');
    this.#pieces(gpa, sizeBytes, (slot, at, length) => {
      const to = slot.bufferOffset + (at - slot.gpa);
      this.#bytes.fill(value, to, to + length);
      this.#written(slot, at, length);
    });
  }
  /** A copy of bytes that must all be memory. */
  expectBytes(gpa: Gpa, sizeBytes: number): Uint8Array {
    this.#expectMemory(gpa, sizeBytes, 'read');
    return this.readBytes(gpa, sizeBytes);
  }
  /** Whether every byte of the range is memory. */
  covers(gpa: Gpa, sizeBytes: number): boolean {
    return this.#pieces(gpa, sizeBytes, () => {}) === sizeBytes;
  }

  // ---- dirty log ----

  /** Starts (or restarts, empty) the dirty log of the slot that starts at `slotGpa`. */
  startDirtyLog(slotGpa: Gpa): void {
    const slot = this.#slotAt(slotGpa);
    slot.dirty = new Uint32Array(Math.ceil(slot.sizeBytes / PAGE_BYTES / 32));
    this.#dirtySource?.watch(slotGpa, true);
    this.#dirtySource?.collect(slotGpa); // what was written before does not count
  }
  stopDirtyLog(slotGpa: Gpa): void {
    this.#slotAt(slotGpa).dirty = null;
    this.#dirtySource?.watch(slotGpa, false);
  }
  /** Whether the slot that starts at `slotGpa` has a dirty log. */
  isLogged(slotGpa: Gpa): boolean {
    return this.#slotAt(slotGpa).dirty !== null;
  }
  /** Names who logs the writes that do not go through this object. */
  setDirtySource(source: DirtySource): void {
    this.#dirtySource = source;
  }
  /** The log since it was started or last taken, one bit per page, low bit first; clears it. */
  takeDirtyLog(slotGpa: Gpa): Uint32Array {
    const slot = this.#slotAt(slotGpa);
    if (!slot.dirty) throw new BugError('MEMORY_DIRTY_LOG', `the slot at ${hex(slotGpa)} has no dirty log`);
    const taken = slot.dirty.slice();
    const others = this.#dirtySource?.collect(slotGpa) ?? null;
    if (others !== null) for (let i = 0; i < taken.length; i++) taken[i] = (taken[i] ?? 0) | (others[i] ?? 0);
    slot.dirty.fill(0);
    return taken;
  }
  /** Marks pages dirty that somebody else (a CPU engine) wrote in the buffer. */
  markDirty(gpa: Gpa, sizeBytes: number): void {
    this.#pieces(gpa, sizeBytes, (slot, at, length) => this.#log(slot, at, length));
  }

  // ---- internals ----

  #slotsChanged(): void {
    for (const listener of this.#slotListeners) listener();
  }

  #slotOf(gpa: number, sizeBytes: number): SlotEntry | null {
    const last = this.#last;
    if (last !== null && gpa >= last.gpa && gpa + sizeBytes <= last.gpa + last.sizeBytes) return last;
    for (const slot of this.#slots) {
      if (gpa >= slot.gpa && gpa + sizeBytes <= slot.gpa + slot.sizeBytes) {
        this.#last = slot;
        return slot;
      }
    }
    return null;
  }

  #writableSlotOf(gpa: number, sizeBytes: number): SlotEntry | null {
    const slot = this.#slotOf(gpa, sizeBytes);
    return slot !== null && !slot.readOnly ? slot : null;
  }

  #slotAt(gpa: Gpa): SlotEntry {
    const slot = this.#slots.find((s) => s.gpa === gpa);
    if (!slot) throw new BugError('MEMORY_SLOT', `no memory slot starts at ${hex(gpa)}`, { gpa });
    return slot;
  }

  /** Visits the parts of a range that are memory, in order; returns how many bytes they cover. */
  #pieces(
    gpa: number,
    sizeBytes: number,
    visit: (slot: SlotEntry, at: number, length: number, done: number) => void,
  ): number {
    let covered = 0;
    const end = gpa + sizeBytes;
    for (const slot of this.#slots) {
      const from = Math.max(gpa, slot.gpa);
      const length = Math.min(end, slot.gpa + slot.sizeBytes) - from;
      if (!(length > 0)) continue;
      visit(slot, from, length, from - gpa);
      covered += length;
    }
    return covered;
  }

  #readAcross(gpa: number, sizeBytes: number): number {
    let value = 0;
    let outside = false;
    for (let i = sizeBytes - 1; i >= 0; i--) {
      const s = this.#slotOf(gpa + i, 1);
      outside ||= s === null;
      value = value * 256 + (s ? this.#view.getUint8(s.bufferOffset + (gpa + i - s.gpa)) : 0xff);
    }
    if (outside) this.counters.outsideReads++;
    return value;
  }

  #writeAcross(gpa: number, value: number, sizeBytes: number): void {
    const data = new Uint8Array(sizeBytes);
    for (let i = 0; i < sizeBytes; i++) data[i] = (value >>> (8 * i)) & 0xff;
    this.writeBytes(gpa, data);
  }

  #write(gpa: number, sizeBytes: number, put: (to: number, length: number, done: number) => void): void {
    let readOnly = false;
    const covered = this.#pieces(gpa, sizeBytes, (slot, at, length, done) => {
      if (slot.readOnly) {
        readOnly = true;
        return;
      }
      put(slot.bufferOffset + (at - slot.gpa), length, done);
      this.#written(slot, at, length);
    });
    if (readOnly) this.counters.readOnlyWrites++;
    if (covered !== sizeBytes) this.counters.outsideWrites++;
  }

  #written(slot: SlotEntry, gpa: number, sizeBytes: number): void {
    if (slot.dirty !== null) this.#log(slot, gpa, sizeBytes);
    const listeners = this.#listeners;
    for (let i = 0; i < listeners.length; i++) listeners[i]?.(gpa, sizeBytes);
  }

  #log(slot: SlotEntry, gpa: number, sizeBytes: number): void {
    if (slot.dirty === null) return;
    const first = Math.floor((gpa - slot.gpa) / PAGE_BYTES);
    const last = Math.floor((gpa - slot.gpa + sizeBytes - 1) / PAGE_BYTES);
    for (let page = first; page <= last; page++) {
      slot.dirty[page >>> 5] = (slot.dirty[page >>> 5] ?? 0) | (1 << (page & 31));
    }
  }

  #expectMemory(gpa: number, sizeBytes: number, what: string): void {
    if (this.covers(gpa, sizeBytes)) return;
    const message = `cannot ${what} ${hex(sizeBytes)} bytes at ${hex(gpa)}: not all of it is guest memory`;
    throw new BugError('MEMORY_OUTSIDE', message, { gpa, sizeBytes });
  }
}
