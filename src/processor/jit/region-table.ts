// The regions that one vCPU has installed: their places in memory (REGION in state-layout.ts) and in the interpreter's table.
import type { Interpreter, Procedures } from '../modules.js';
import { at, RECORD, REGION, REGION_PAGES } from '../state-layout.js';
import { StateView } from '../state-view.js';

/** Regions that can be installed at a time. */
export const MAX_REGIONS = 16_384;
export const REGION_TABLE_BYTES = MAX_REGIONS * REGION.sizeBytes;

export type RegionFunction = (state: number) => number;
export interface RegionPlace {
  readonly page: number;
  readonly host: number;
  readonly lines: bigint;
}

export class RegionTable {
  private readonly memory: StateView;
  private readonly free: number[] = [];
  private readonly used = new Set<number>();
  private readonly firstSlot: number;
  private random = 1;

  constructor(
    buffer: ArrayBufferLike,
    private readonly state: StateView,
    /** Host address of the place for MAX_REGIONS entries; aligned to an entry's size. */
    private readonly base: number,
    private readonly procedures: Procedures,
    private readonly interpreter: Interpreter,
  ) {
    this.memory = new StateView(buffer, 0);
    this.firstSlot = interpreter.table.length;
    interpreter.table.grow(MAX_REGIONS);
    for (let n = MAX_REGIONS - 1; n >= 0; n--) this.free.push(base + n * REGION.sizeBytes);
  }
  get count(): number {
    return this.used.size;
  }
  private slotOf(region: number): number {
    return this.firstSlot + (region - this.base) / REGION.sizeBytes;
  }

  /** Makes the counting record `record` enter `run`. Returns the region's place. */
  install(record: number, run: RegionFunction, instructions: number, pages: readonly RegionPlace[]): number {
    if (this.free.length === 0) this.collect();
    const region = this.free.pop() as number;
    this.used.add(region);
    const { memory, procedures } = this;
    const slot = this.slotOf(region);
    this.interpreter.table.set(slot, run);
    memory.setU32(region + REGION.valid, 1);
    memory.setU32(region + REGION.record, record);
    memory.setU32(region + REGION.instructions, instructions);
    memory.setU32(region + REGION.calls, 0);
    memory.setU32(region + REGION.checked, 0);
    for (let n = 0; n < REGION_PAGES; n++) memory.setU32(region + REGION.page + n * 4, pages[n]?.host ?? 0);
    for (const { host, lines } of pages) procedures.region_mark(host, lines);
    procedures.region_link(region);
    memory.setU32(record + RECORD.imm, slot);
    memory.setU32(record + RECORD.imm + 4, region);
    memory.setU32(record + RECORD.disp, instructions);
    memory.setU16(record + RECORD.handler, this.state.u32(at('regionHandler')));
    return region;
  }
  /** What its words that follow the code's address are to be moved by. */
  setSlide(region: number, slide: number): void {
    this.memory.setU64(region + REGION.slide, BigInt(slide));
  }
  /** The region that a record enters, or 0. */
  regionOf(record: number): number {
    const enters = this.memory.u16(record + RECORD.handler) === this.state.u32(at('regionHandler'));
    return enters ? this.memory.u32(record + RECORD.imm + 4) : 0;
  }
  /** Frees the places of dropped regions; when hardly any was dropped, those of the half that was installed first. */
  private collect(): void {
    const dropped = [...this.used].filter((region) => !this.isValid(region));
    const gone = dropped.length > MAX_REGIONS / 16 ? dropped : [...this.used].slice(0, MAX_REGIONS / 2);
    for (const region of gone) this.remove(region);
  }
  /** The region is dropped and its place free again. */
  remove(region: number): void {
    this.procedures.region_drop(region);
    this.procedures.region_unlink(region);
    this.interpreter.table.set(this.slotOf(region), null);
    this.used.delete(region);
    this.free.push(region);
  }
  /** Closes every region with a chance of a half and opens the others, repeatably. */
  closeSome(): void {
    for (const region of this.used) {
      if (!this.isValid(region)) continue;
      this.random = (Math.imul(this.random, 1664525) + 1013904223) >>> 0;
      const least = this.random >>> 31 === 1 ? 0x7fff_ffff : this.memory.u32(region + REGION.instructions);
      this.memory.setU32(this.memory.u32(region + REGION.record) + RECORD.disp, least);
    }
  }
  /** Times a region was left by a call. */
  callsOf(region: number): number {
    return this.memory.u32(region + REGION.calls);
  }
  isValid(region: number): boolean {
    return this.memory.u32(region + REGION.valid) === 1;
  }
  /** Forgets every region. */
  clear(): void {
    for (const region of [...this.used]) this.remove(region);
  }
}
