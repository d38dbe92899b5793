// CPUID. It causes VM exits unconditionally (Intel SDM Vol. 3C, "Instructions That Cause VM Exits Unconditionally"); what the
// monitor has answered to one the processor may give on its behalf to the next, as long as the monitor lets it
// (docs/decisions/0019). An answer is good for the leaf, the subleaf where the leaf has any, CR4 and XCR0.
import { ST } from './env';
import { EXIT_CPUID, vm_exit } from './exceptions';
import {
  AREA_CPUID_ANSWERS,
  CPUID_ANSWERS,
  CPUID_CR4,
  CPUID_EAX,
  CPUID_EBX,
  CPUID_ECX,
  CPUID_EDX,
  CPUID_KIND,
  CPUID_LEAF,
  CPUID_SIZE_BYTES,
  CPUID_SUBLEAF,
  CPUID_XCR0,
  S_CPUIDS_ANSWERED,
  S_STALE_PAGES,
  S_XCR0,
} from './generated/layout';
import { take_stale_pages } from './parallel';
import { cr4, gpr, RAX, RBX, RCX, RDX, set_gpr } from './state';

const FOR_SUBLEAF: u32 = 1;
const FOR_ALL: u32 = 2;

/** The questions that a monitor has answers of its own for have places of their own: basic leaves, extended and hypervisor's, subleaves. */
function place(leaf: u32, subleaf: u32): usize {
  const n = leaf + (leaf >> 31) * 36 + ((leaf >> 30) & 1) * 45 + subleaf * 43;
  return ST + AREA_CPUID_ANSWERS + ((n % CPUID_ANSWERS) as usize) * CPUID_SIZE_BYTES;
}
@inline function holds(at: usize, kind: u32, leaf: u32): bool {
  return load<u32>(at, CPUID_KIND) == kind && load<u32>(at, CPUID_LEAF) == leaf;
}
/** Where the answer is, or 0. */
function answer(leaf: u32, subleaf: u32): usize {
  let at = place(leaf, 0);
  if (!holds(at, FOR_ALL, leaf)) {
    at = place(leaf, subleaf);
    if (!holds(at, FOR_SUBLEAF, leaf) || load<u32>(at, CPUID_SUBLEAF) != subleaf) return 0;
  }
  return load<u64>(at, CPUID_CR4) == cr4() && load<u64>(at, CPUID_XCR0) == load<u64>(ST, S_XCR0) ? at : 0;
}

export function cpuid(): i32 {
  const leaf = gpr(RAX) as u32;
  const subleaf = gpr(RCX) as u32;
  const at = answer(leaf, subleaf);
  if (!at) return vm_exit(EXIT_CPUID, (leaf as u64) | ((subleaf as u64) << 32));
  store<u64>(ST, load<u64>(ST, S_CPUIDS_ANSWERED) + 1, S_CPUIDS_ANSWERED);
  set_gpr(RAX, load<u32>(at, CPUID_EAX) as u64);
  set_gpr(RBX, load<u32>(at, CPUID_EBX) as u64);
  set_gpr(RCX, load<u32>(at, CPUID_ECX) as u64);
  set_gpr(RDX, load<u32>(at, CPUID_EDX) as u64);
  // it serializes: code that another vCPU has written is seen behind it, in a region as well
  if (load<u32>(ST, S_STALE_PAGES)) take_stale_pages();
  return 0;
}

/** Keeps the answer to a question, in the place of another one where they share it. `every`: of the leaf, whatever the subleaf. */
export function cpuid_keep(leaf: u32, subleaf: u32, every: u32, eax: u32, ebx: u32, ecx: u32, edx: u32): void {
  const at = place(leaf, every ? 0 : subleaf);
  store<u32>(at, every ? FOR_ALL : FOR_SUBLEAF, CPUID_KIND);
  store<u32>(at, leaf, CPUID_LEAF);
  store<u32>(at, subleaf, CPUID_SUBLEAF);
  store<u64>(at, cr4(), CPUID_CR4);
  store<u64>(at, load<u64>(ST, S_XCR0), CPUID_XCR0);
  store<u32>(at, eax, CPUID_EAX);
  store<u32>(at, ebx, CPUID_EBX);
  store<u32>(at, ecx, CPUID_ECX);
  store<u32>(at, edx, CPUID_EDX);
}
export function cpuid_forget(): void {
  memory.fill(ST + AREA_CPUID_ANSWERS, 0, CPUID_ANSWERS * CPUID_SIZE_BYTES);
}
