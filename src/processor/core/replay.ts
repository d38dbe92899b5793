// The replay log: port, MMIO and MSR accesses of the current instruction that the monitor has completed. An access that is
// not in the log proposes an entry at index replayCount and exits; the monitor's side stores the value and counts it.
import { ST } from './env';
import {
  REPLAY_ADDRESS,
  REPLAY_COUNT,
  REPLAY_KIND,
  REPLAY_SIZE_BYTES,
  REPLAY_SIZE_FIELD,
  REPLAY_VALUE,
  S_REPLAY,
  S_REPLAY_COUNT,
  S_REPLAY_NEXT,
  S_REPLAY_OWNER,
} from './generated/layout';
import { instruction_count } from './position';

export const REPLAY_MMIO_READ: u32 = 1;
export const REPLAY_MMIO_WRITE: u32 = 2;
export const REPLAY_PORT_IN: u32 = 3;
export const REPLAY_PORT_OUT: u32 = 4;
export const REPLAY_RDMSR: u32 = 5;
export const REPLAY_WRMSR: u32 = 6;
/** Another intercepted instruction that the monitor lets proceed; address = exit reason. */
export const REPLAY_PROCEED: u32 = 7;

/** Data of the access that replay() found. */
export let replay_value: u64 = 0;

/** True: the access was completed, its data is in replay_value. False: an entry is proposed; the caller exits. */
export function replay(kind: u32, size: u32, address: u64): bool {
  const owner = instruction_count();
  if (load<u64>(ST, S_REPLAY_OWNER) != owner) {
    store<u64>(ST, owner, S_REPLAY_OWNER);
    store<u32>(ST, 0, S_REPLAY_COUNT);
    store<u32>(ST, 0, S_REPLAY_NEXT);
  }
  const next = load<u32>(ST, S_REPLAY_NEXT);
  if (next >= REPLAY_COUNT) {
    // No instruction needs more; an operand of that size in MMIO behaves like an empty bus.
    replay_value = ~(0 as u64);
    return true;
  }
  const entry = ST + S_REPLAY + next * (REPLAY_SIZE_BYTES as u32);
  if (next < load<u32>(ST, S_REPLAY_COUNT)) {
    if (load<u32>(entry, REPLAY_KIND) == kind && load<u64>(entry, REPLAY_ADDRESS) == address) {
      store<u32>(ST, next + 1, S_REPLAY_NEXT);
      replay_value = load<u64>(entry, REPLAY_VALUE);
      return true;
    }
    store<u32>(ST, next, S_REPLAY_COUNT);
  }
  store<u32>(entry, kind, REPLAY_KIND);
  store<u32>(entry, size, REPLAY_SIZE_FIELD);
  store<u64>(entry, address, REPLAY_ADDRESS);
  store<u64>(entry, 0, REPLAY_VALUE);
  store<u32>(ST, 0, S_REPLAY_NEXT);
  return false;
}
/** Between instructions (record = 0): 1 when the next instruction has begun and its accesses were answered; it completes before any event. */
export function replay_pending(): i32 {
  return load<u32>(ST, S_REPLAY_COUNT) != 0 && load<u64>(ST, S_REPLAY_OWNER) == instruction_count() ? 1 : 0;
}
/** Forgets the log: another event takes the place of the instruction. */
export function replay_clear(): void {
  store<u64>(ST, ~(0 as u64), S_REPLAY_OWNER);
  store<u32>(ST, 0, S_REPLAY_COUNT);
  store<u32>(ST, 0, S_REPLAY_NEXT);
}
