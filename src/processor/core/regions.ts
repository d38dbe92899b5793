// Installed regions by code page: linked in when they are installed, dropped when their code is overwritten. Shape of an
// entry: REGION in ../state-layout.ts.
import { mark_lines } from './blocks';
import { ST } from './env';
import {
  COUNTED_FOR_DROPPED,
  DROPPED_THRESHOLD,
  RECORD_EXTRA,
  RECORD_HANDLER,
  RECORD_IMM,
  REGION_LINES,
  REGION_NEXT,
  REGION_PAGE,
  REGION_PAGES,
  REGION_RECORD,
  REGION_SIZE_BYTES,
  REGION_VALID,
  S_CODE_MAP,
  S_COUNT_HANDLER,
  S_JIT_THRESHOLD,
  S_RAM_HOST,
  S_RAM_PAGES,
  S_REGION_HANDLER,
  S_REGION_HEAD,
} from './generated/layout';

/** The part of a link that says which of a region's links goes on. */
const LINK: u32 = <u32>REGION_SIZE_BYTES - 1;

@inline function page_number(host: u32): u32 {
  return (host - load<u32>(ST, S_RAM_HOST)) >> 12;
}
/** Links a region into the lists of its pages. Its entry record already enters it. */
export function region_link(region: usize): void {
  for (let n: usize = 0; n < REGION_PAGES; n++) {
    const host = load<u32>(region + (n << 2), REGION_PAGE);
    if (host == 0) break;
    const head = <usize>load<u32>(ST, S_REGION_HEAD) + (<usize>page_number(host) << 2);
    store<u32>(region + (n << 2), load<u32>(head), REGION_NEXT);
    store<u32>(head, <u32>(region | n));
  }
}
/** Every two bits in one: lines of 64 bytes become lines of 128. */
function in_pairs(lines: u64): u32 {
  let l = (lines | (lines >> 1)) & 0x5555_5555_5555_5555;
  l = (l | (l >> 1)) & 0x3333_3333_3333_3333;
  l = (l | (l >> 2)) & 0x0f0f_0f0f_0f0f_0f0f;
  l = (l | (l >> 4)) & 0x00ff_00ff_00ff_00ff;
  l = (l | (l >> 8)) & 0x0000_ffff_0000_ffff;
  return <u32>(l | (l >> 16));
}
/** Lines (one bit per 64 bytes) of the region's page `n`, which is at `host`, hold translated code. */
export function region_page(region: usize, n: i32, host: u32, lines: u64): void {
  const place = region + (<usize>n << 2);
  store<u32>(place, host, REGION_PAGE);
  store<u32>(place, in_pairs(lines), REGION_LINES);
  mark_lines(host, <usize>load<u32>(ST, S_CODE_MAP) + (<usize>page_number(host) << 3), lines);
}
/** The region is not to be entered any more; its entry counts anew. */
export function region_drop(region: usize): void {
  if (load<u32>(region, REGION_VALID) == 0) return;
  store<u32>(region, 0, REGION_VALID);
  const u = <usize>load<u32>(region, REGION_RECORD);
  if (<u32>load<u16>(u, RECORD_HANDLER) != load<u32>(ST, S_REGION_HANDLER) || load<u32>(u + 4, RECORD_IMM) != <u32>region) return;
  store<u16>(u, <u16>load<u32>(ST, S_COUNT_HANDLER), RECORD_HANDLER);
  const entries = min<u32>(load<u32>(ST, S_JIT_THRESHOLD), DROPPED_THRESHOLD);
  store<u8>(u, <u8>COUNTED_FOR_DROPPED, RECORD_EXTRA);
  store<u32>(u, entries, RECORD_IMM);
  store<u32>(u + 4, entries, RECORD_IMM);
}
/** Lines (64 bytes) of a page were overwritten: drops the regions that have code there, in the vCPU whose state lies at `area`. */
export function regions_of_lines_drop(area: usize, page: usize, lines: u64): void {
  const written = in_pairs(lines);
  let at = <usize>load<u32>(area, S_REGION_HEAD) + (page << 2);
  for (let link = load<u32>(at); link; link = load<u32>(at)) {
    const region = <usize>(link & ~LINK);
    const place = region + (<usize>(link & LINK) << 2);
    if (load<u32>(place, REGION_LINES) & written) {
      region_drop(region);
      store<u32>(at, load<u32>(place, REGION_NEXT));
    } else at = place + REGION_NEXT;
  }
}
/** Takes a dropped region out of the lists of its pages, so that its place can be used again. */
export function region_unlink(region: usize): void {
  for (let n: usize = 0; n < REGION_PAGES; n++) {
    const host = load<u32>(region + (n << 2), REGION_PAGE);
    if (host == 0) break;
    let at = <usize>load<u32>(ST, S_REGION_HEAD) + (<usize>page_number(host) << 2);
    for (let link = load<u32>(at); link; link = load<u32>(at)) {
      const next = <usize>(link & ~LINK) + (<usize>(link & LINK) << 2) + REGION_NEXT;
      if ((link & ~LINK) == <u32>region) {
        store<u32>(at, load<u32>(next));
        break;
      }
      at = next;
    }
  }
}
/** Forgets all regions: no record enters one any more. */
export function regions_forget(): void {
  const head = <usize>load<u32>(ST, S_REGION_HEAD);
  const pages = <usize>load<u32>(ST, S_RAM_PAGES);
  for (let page: usize = 0; page < pages; page++) {
    let link = load<u32>(head + (page << 2));
    while (link) {
      const region = <usize>(link & ~LINK);
      store<u32>(region, 0, REGION_VALID);
      link = load<u32>(region + (<usize>(link & LINK) << 2), REGION_NEXT);
    }
  }
  memory.fill(head, 0, pages << 2);
}
