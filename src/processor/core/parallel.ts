// vCPUs of one domain on several threads at once: safe points, exclusive sections, and the news that another vCPU wrote
// code. Source: docs/decisions/0007-parallel-vcpus.md; SDM 3A "Locked Atomic Operations", "Handling Self- and
// Cross-Modifying Code".
//
// A thread is `running` from run_begin() to run_end() and passes a safe point every few microseconds between. Who calls
// exclusive_begin() goes on when no other vCPU of the domain is running, and keeps the others from it.
import { forget_own_page } from './blocks';
import { ST } from './env';
import {
  AREA_SIZE_BYTES,
  S_EXCLUSIVE,
  S_EXCLUSIVES,
  S_FIRST_AREA,
  S_PARALLEL,
  S_RAM_PAGES,
  S_RUNNING,
  S_SHARED,
  S_STALE_MAP,
  S_STALE_PAGES,
  S_VCPU_COUNT,
  SHARED_CODE_LOCK,
  SHARED_EXCLUSIVE,
  SHARED_PAIR_LOCK,
} from './generated/layout';

/** Notifications may come just before a wait: none is longer than this. */
const WAIT_NS: i64 = 200_000;
const SPINS: i32 = 200;

@inline function shared(): usize { return load<u32>(ST, S_SHARED) as usize; }

/** Other threads run vCPUs of this domain. */
@inline export function parallel(): bool { return load<u32>(ST, S_PARALLEL) != 0; }

/** Stores before it are visible to other threads before any load behind it is done. */
export function memory_fence(): void {
  // an atomic read-modify-write is a full barrier (the compiler refuses its own atomic.fence)
  if (parallel()) atomic.or<u32>(ST + S_RUNNING, 0);
}

// --- safe points ------------------------------------------------------------------------------------------------

function leave(): void {
  atomic.store<u32>(ST + S_RUNNING, 0);
  if (atomic.load<u32>(shared() + SHARED_EXCLUSIVE)) atomic.notify(ST + S_RUNNING, -1);
}
function enter(): void {
  const exclusive = shared() + SHARED_EXCLUSIVE;
  while (true) {
    atomic.store<u32>(ST + S_RUNNING, 1);
    if (!atomic.load<u32>(exclusive)) return;
    leave();
    atomic.wait<i32>(exclusive, 1, WAIT_NS);
  }
}
/** Before the guest runs: waits while another vCPU has the domain for itself, then takes what it wrote of the code. */
export function run_begin(): void {
  if (!parallel()) return;
  enter();
  take_stale_pages();
}
/** The guest does not run any more. Also after a trap, in whatever state it left us. */
export function run_end(): void {
  if (!parallel()) return;
  if (load<u32>(ST, S_EXCLUSIVE)) exclusive_end();
  leave();
}
/** Between two instructions of a running guest. */
export function run_point(): void {
  if (!parallel()) return;
  if (atomic.load<u32>(shared() + SHARED_EXCLUSIVE)) {
    leave();
    enter();
  }
  take_stale_pages();
}

// --- exclusive sections -----------------------------------------------------------------------------------------

let ran: bool = false;
/** Stops all other vCPUs at safe points. The caller holds no address that a change of memory slots could take away. */
export function exclusive_begin(): void {
  if (!parallel()) return;
  ran = load<u32>(ST, S_RUNNING) != 0;
  if (ran) leave();
  const exclusive = shared() + SHARED_EXCLUSIVE;
  while (atomic.cmpxchg<u32>(exclusive, 0, 1) != 0) atomic.wait<i32>(exclusive, 1, WAIT_NS);
  store<u32>(ST, 1, S_EXCLUSIVE);
  store<u32>(ST, load<u32>(ST, S_EXCLUSIVES) + 1, S_EXCLUSIVES);
  const count = load<u32>(ST, S_VCPU_COUNT);
  let area = load<u32>(ST, S_FIRST_AREA) as usize;
  for (let i: u32 = 0; i < count; i++, area += AREA_SIZE_BYTES)
    if (area != ST) while (atomic.load<u32>(area + S_RUNNING)) atomic.wait<i32>(area + S_RUNNING, 1, WAIT_NS);
}
export function exclusive_end(): void {
  if (!parallel()) return;
  store<u32>(ST, 0, S_EXCLUSIVE);
  const exclusive = shared() + SHARED_EXCLUSIVE;
  atomic.store<u32>(exclusive, 0);
  atomic.notify(exclusive, -1);
  if (ran) enter();
}

// --- locks ------------------------------------------------------------------------------------------------------

/** Held while a page is marked as code; who waits is at a safe point. */
export function code_lock(): void {
  const lock = shared() + SHARED_CODE_LOCK;
  if (atomic.cmpxchg<u32>(lock, 0, 1) == 0) return;
  leave();
  while (atomic.cmpxchg<u32>(lock, 0, 1) != 0) atomic.wait<i32>(lock, 1, WAIT_NS);
  enter();
}
export function code_unlock(): void {
  atomic.store<u32>(shared() + SHARED_CODE_LOCK, 0);
  atomic.notify(shared() + SHARED_CODE_LOCK, 1);
}
/** Held for a 16-byte compare-and-exchange, a few loads and stores long. */
export function pair_lock(): void {
  const lock = shared() + SHARED_PAIR_LOCK;
  for (let n = 0; atomic.cmpxchg<u32>(lock, 0, 1) != 0; n++) if (n > SPINS) atomic.wait<i32>(lock, 1, WAIT_NS);
}
export function pair_unlock(): void {
  atomic.store<u32>(shared() + SHARED_PAIR_LOCK, 0);
}

// --- code written by another vCPU -------------------------------------------------------------------------------

/** Tells the vCPU at `area` to forget its translations of a RAM page, at its next safe point. */
export function post_stale_page(area: usize, page: usize): void {
  atomic.or<u32>((load<u32>(area, S_STALE_MAP) as usize) + ((page >> 5) << 2), (1 as u32) << ((page as u32) & 31));
  atomic.store<u32>(area + S_STALE_PAGES, 1);
}
/** Forgets the translations of all pages that others have posted. Between instructions. */
export function take_stale_pages(): void {
  if (!load<u32>(ST, S_STALE_PAGES)) return;
  atomic.store<u32>(ST + S_STALE_PAGES, 0);
  const map = load<u32>(ST, S_STALE_MAP) as usize;
  const end = map + ((((load<u32>(ST, S_RAM_PAGES) as usize) + 63) >> 6) << 3);
  for (let at = map; at < end; at += 8) {
    if (!load<u64>(at)) continue;
    let bits = atomic.xchg<u64>(at, 0);
    while (bits) {
      const bit = ctz<u64>(bits);
      bits &= bits - 1;
      forget_own_page(((at - map) << 3) + (bit as usize));
    }
  }
}
