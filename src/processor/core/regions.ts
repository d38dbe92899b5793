// Installed regions by code page: linked in when they are installed, dropped when their code is overwritten. Shape of an
// entry: REGION in ../state-layout.ts.
import { mark_lines } from './blocks';
import { ST } from './env';
import {
  RECORD_HANDLER,
  RECORD_IMM,
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
/** Lines (one bit per 64 bytes) of the page at `host` hold translated code. */
export function region_mark(host: u32, lines: u64): void {
  mark_lines(host, <usize>load<u32>(ST, S_CODE_MAP) + (<usize>page_number(host) << 3), lines);
}
/** The region is not to be entered any more; its entry counts anew. */
export function region_drop(region: usize): void {
  if (load<u32>(region, REGION_VALID) == 0) return;
  store<u32>(region, 0, REGION_VALID);
  const u = <usize>load<u32>(region, REGION_RECORD);
  if (<u32>load<u16>(u, RECORD_HANDLER) != load<u32>(ST, S_REGION_HANDLER) || load<u32>(u + 4, RECORD_IMM) != <u32>region) return;
  store<u16>(u, <u16>load<u32>(ST, S_COUNT_HANDLER), RECORD_HANDLER);
  store<u32>(u, load<u32>(ST, S_JIT_THRESHOLD), RECORD_IMM);
}
/** Code of a page was overwritten: drops its regions in the vCPU whose state lies at `area`. */
export function regions_of_page_drop(area: usize, page: usize): void {
  const head = <usize>load<u32>(area, S_REGION_HEAD) + (page << 2);
  let link = load<u32>(head);
  if (link == 0) return;
  store<u32>(head, 0);
  while (link) {
    const region = <usize>(link & ~LINK);
    region_drop(region);
    link = load<u32>(region + (<usize>(link & LINK) << 2), REGION_NEXT);
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
