// The time-stamp counter. Intel SDM Vol. 3B "Time-Stamp Counter"; Vol. 2 "RDTSC", "RDTSCP"; ../README.md "Budget".
import { host_clock, ST } from './env';
import { EXIT_RDTSC, EXIT_RDTSCP, gp0, vm_exit } from './exceptions';
import { S_PRIMARY, S_SCRATCH, S_TIME_IS_REAL, S_TSC_AUX, S_TSC_OFFSET, S_TSC_SCALE, S_WAITED } from './generated/layout';
import { set_edx_eax } from './msrs';
import { instruction_count } from './position';
import { replay, REPLAY_RDMSR, replay_value } from './replay';
import { cpl, cr4, CR4_TSD, RCX, set_gpr } from './state';

/** The guest's TSC at the current instruction. */
export function time_stamp(): u64 {
  let ticks: u64;
  if (load<u32>(ST, S_TIME_IS_REAL)) {
    const scale = load<f64>(ST, S_TSC_SCALE);
    ticks = (host_clock() * (scale > 0 ? scale : 1)) as u64;
  } else ticks = instruction_count() + load<u64>(ST, S_WAITED);
  return ticks + load<u64>(ST, S_TSC_OFFSET);
}
let counter: u64 = 0;
/** Reads it into `counter`. */
function read_counter(reason: u32): i32 {
  if (cpl() != 0 && cr4() & CR4_TSD) return gp0();
  if (load<u32>(ST, S_PRIMARY) & 0x1000) {
    // The monitor may answer (completeRead) or advance the instruction itself.
    if (!replay(REPLAY_RDMSR, 8, 0x10)) return vm_exit(reason, 0);
    counter = replay_value;
  } else counter = time_stamp();
  return 0;
}
export function rdtsc(): i32 {
  if (read_counter(EXIT_RDTSC)) return 1;
  store<u64>(ST, counter & 0xffff_ffff, S_SCRATCH);
  store<u64>(ST, counter >> 32, S_SCRATCH + 16);
  return 0;
}
export function rdtscp(): i32 {
  if (read_counter(EXIT_RDTSCP)) return 1;
  set_edx_eax(counter);
  set_gpr(RCX, load<u64>(ST, S_TSC_AUX) & 0xffff_ffff);
  return 0;
}
