// Delivery of events: exceptions, interrupts injected at VM entry, software interrupts. Intel SDM Vol. 3A, "Exception or
// Interrupt Handling Procedures", "64-Bit Mode Stack Frame", "Double Fault Exception"; Vol. 3C, "Event Injection".
import {
  d_access,
  d_base,
  d_dpl,
  d_high,
  d_limit,
  d_low,
  d_present,
  d_type,
  fetch_descriptor,
  is_code,
  is_conforming,
  set_accessed,
} from './descriptors';
import { ST } from './env';
import {
  EXIT_EXCEPTION_OR_NMI,
  EXIT_INTERRUPT_WINDOW,
  EXIT_NMI_WINDOW,
  EXIT_TRIPLE_FAULT,
  gp0,
  KIND_BETWEEN,
  raise,
  raise_trap,
  vm_exit,
} from './exceptions';
import { rflags_full, virtual_image, virtual_interrupts, write_system_flags } from './flags';
import {
  commit_code,
  frame_open,
  frame_push,
  frame_sp,
  read_tss_stack,
  read_tss_stack64,
  tss_sp,
  tss_ss,
} from './frames';
import {
  S_ACTIVITY,
  S_CR2,
  S_DEBUG_HITS,
  S_DR,
  S_EXCEPTION_ADDRESS,
  S_EXCEPTION_BITMAP,
  S_EXCEPTION_ERROR_CODE,
  S_EXCEPTION_HAS_ERROR_CODE,
  S_EXCEPTION_KIND,
  S_EXCEPTION_VECTOR,
  S_EXIT_INSTRUCTION_LENGTH,
  S_EXIT_INTERRUPTION,
  S_EXIT_INTERRUPTION_ERROR,
  S_IDTR_BASE,
  S_IDTR_LIMIT,
  S_INJECT_ERROR_CODE,
  S_INJECT_PENDING,
  S_NMI_BLOCKED,
  S_PRIMARY,
  S_RECORD,
  S_REPLAY_COUNT,
  S_REPLAY_OWNER,
  S_RIP,
  S_SHADOW_KIND,
  S_SHADOW_RETIRED,
  S_STEPPING,
  S_UNWIND,
  UNWIND_EXIT,
  UNWIND_NONE,
} from './generated/layout';
import { bad, read32, sys_read16, sys_read32, sys_read64 } from './memory';
import { update_mode } from './mode';
import { go_to, instruction_count, next_rip } from './position';
import { replay_clear, replay_pending } from './replay';
import { check_stack_segment, commit_segment, load_null, load_real_segment } from './segments';
import {
  canonical,
  CR4_VME,
  cr4,
  cpl,
  CS,
  DB,
  DF,
  DS,
  ES,
  FLAG_AC,
  FLAG_IF,
  FLAG_NT,
  FLAG_RF,
  FLAG_TF,
  FLAG_VIF,
  FLAG_VM,
  FS,
  GP,
  gpr,
  GS,
  ia32e,
  iopl,
  NP,
  PF,
  protected_mode,
  rflags,
  RSP,
  seg_access,
  seg_base,
  seg_limit,
  seg_selector,
  set_gpr,
  set_seg,
  set_sp,
  SS,
  stack_mask,
  TR,
  v86,
} from './state';
import { switch_by_gate } from './tasks';
import { instruction_breakpoints, take_hits, take_resume_flag } from './watch';

/** The event being delivered. `soft`: INT n, INT3, INTO (gate DPL is checked). */
let event_soft: bool = false;
let event_has_code: bool = false;
let event_code: u32 = 0;
let event_flags: u64 = 0; // RFLAGS image to push
let event_return: u64 = 0;

function deliver_real(vector: u32): i32 {
  if (vector * 4 + 3 > load<u32>(ST, S_IDTR_LIMIT)) return raise(GP, vector * 8 + 2);
  const entry = sys_read32(load<u64>(ST, S_IDTR_BASE) + ((vector * 4) as u64));
  if (bad) return 1;
  if (frame_open(seg_base(SS), seg_limit(SS), seg_access(SS), stack_mask(), gpr(RSP), 0, 6, 0)) return 1;
  if (frame_push(2, event_flags)) return 1;
  if (frame_push(2, seg_selector(CS) as u64)) return 1;
  if (frame_push(2, event_return)) return 1;
  set_sp(frame_sp);
  write_system_flags(rflags() & ~(FLAG_IF | FLAG_TF | FLAG_AC | FLAG_RF));
  load_real_segment(CS, entry >> 16);
  store<u64>(ST, (entry & 0xffff) as u64, S_RIP);
  update_mode();
  return 0;
}

/** The code segment of a gate: checks common to 32-bit and IA-32e mode; the descriptor stays fetched. */
function check_gate_code(selector: u32, ext: u32): i32 {
  if (!(selector & 0xfffc)) return raise(GP, ext);
  if (fetch_descriptor(selector, GP, ext)) return 1;
  if (!is_code(d_type()) || d_dpl() > cpl()) return raise(GP, (selector & 0xfffc) | ext);
  if (!d_present()) return raise(NP, (selector & 0xfffc) | ext);
  return set_accessed();
}
function entered(interruptGate: bool, offset: u64): i32 {
  let cleared = FLAG_TF | FLAG_VM | FLAG_RF | FLAG_NT;
  if (interruptGate) cleared |= FLAG_IF;
  write_system_flags(rflags() & ~cleared);
  store<u64>(ST, offset, S_RIP);
  update_mode();
  return 0;
}

function deliver_protected(vector: u32, ext: u32): i32 {
  const code = vector * 8 + 2 + ext;
  if (vector * 8 + 7 > load<u32>(ST, S_IDTR_LIMIT)) return raise(GP, code);
  const gate = load<u64>(ST, S_IDTR_BASE) + ((vector * 8) as u64);
  const low = sys_read32(gate);
  if (bad) return 1;
  const high = sys_read32(gate + 4);
  if (bad) return 1;
  const type = (high >> 8) & 0x1f;
  if (type != 5 && type != 6 && type != 7 && type != 14 && type != 15) return raise(GP, code);
  if (event_soft && ((high >> 13) & 3) < cpl()) return raise(GP, code);
  if (!(high & 0x8000)) return raise(NP, code);
  if (type == 5) return switch_by_gate(low >> 16, ext, event_return, event_flags, event_has_code, event_code);
  const selector = low >> 16;
  const offset = (type & 8 ? (low & 0xffff) | (high & 0xffff_0000) : low & 0xffff) as u64;
  const size: u32 = type & 8 ? 4 : 2;
  if (check_gate_code(selector, ext)) return 1;
  const codeBase = d_base();
  const codeLimit = d_limit();
  const codeAccess = d_access();
  const level = is_conforming(d_type()) ? cpl() : d_dpl();
  const fromV86 = v86();
  if (offset > (codeLimit as u64)) return raise(GP, ext);
  if (level < cpl()) {
    if (fromV86 && level != 0) return raise(GP, (selector & 0xfffc) | ext);
    if (read_tss_stack(level, ext)) return 1;
    const stack = tss_ss;
    const newSp = tss_sp;
    if (!(stack & 0xfffc)) return raise(10, ext);
    if (check_stack_segment(stack, level, 10, ext)) return 1;
    if (set_accessed()) return 1;
    const count: u32 = (fromV86 ? 9 : 5) + (event_has_code ? 1 : 0);
    const mask: u64 = d_high & 0x40_0000 ? 0xffff_ffff : 0xffff;
    if (frame_open(d_base(), d_limit(), d_access(), mask, newSp, level, (count * size) as u64, (stack & 0xfffc) | ext))
      return 1;
    if (fromV86) {
      if (frame_push(size, seg_selector(GS) as u64)) return 1;
      if (frame_push(size, seg_selector(FS) as u64)) return 1;
      if (frame_push(size, seg_selector(DS) as u64)) return 1;
      if (frame_push(size, seg_selector(ES) as u64)) return 1;
    }
    if (frame_push(size, seg_selector(SS) as u64)) return 1;
    if (frame_push(size, gpr(RSP))) return 1;
    if (push_event(size)) return 1;
    if (fromV86) {
      load_null(GS, 0);
      load_null(FS, 0);
      load_null(DS, 0);
      load_null(ES, 0);
    }
    commit_segment(SS, stack);
    set_gpr(RSP, mask == 0xffff ? (newSp & 0xffff_0000) | frame_sp : frame_sp);
  } else {
    if (fromV86) return raise(GP, (selector & 0xfffc) | ext);
    const count: u32 = 3 + (event_has_code ? 1 : 0);
    if (
      frame_open(seg_base(SS), seg_limit(SS), seg_access(SS), stack_mask(), gpr(RSP), level, (count * size) as u64, ext)
    )
      return 1;
    if (push_event(size)) return 1;
    set_sp(frame_sp);
  }
  commit_code(selector, level, codeBase, codeLimit, codeAccess);
  return entered((type & 1) == 0, offset);
}
/** Flags, CS, IP and the error code. */
function push_event(size: u32): i32 {
  if (frame_push(size, event_flags)) return 1;
  if (frame_push(size, seg_selector(CS) as u64)) return 1;
  if (frame_push(size, event_return)) return 1;
  return event_has_code ? frame_push(size, event_code as u64) : 0;
}

function deliver_ia32e(vector: u32, ext: u32): i32 {
  const code = vector * 8 + 2 + ext;
  if (vector * 16 + 15 > load<u32>(ST, S_IDTR_LIMIT)) return raise(GP, code);
  const gate = load<u64>(ST, S_IDTR_BASE) + ((vector * 16) as u64);
  const words = sys_read64(gate);
  if (bad) return 1;
  const upper = sys_read64(gate + 8);
  if (bad) return 1;
  const low = words as u32;
  const high = (words >> 32) as u32;
  const type = (high >> 8) & 0x1f;
  if (type != 14 && type != 15) return raise(GP, code);
  if (event_soft && ((high >> 13) & 3) < cpl()) return raise(GP, code);
  if (!(high & 0x8000)) return raise(NP, code);
  const selector = low >> 16;
  const offset = (((low & 0xffff) | (high & 0xffff_0000)) as u64) | (upper << 32);
  if (check_gate_code(selector, ext)) return 1;
  const codeAccess = d_access();
  if ((codeAccess & 0x6000) != 0x2000) return raise(GP, (selector & 0xfffc) | ext);
  const codeLimit = d_limit();
  const level = is_conforming(d_type()) ? cpl() : d_dpl();
  if (!canonical(offset)) return raise(GP, ext);
  const ist = high & 7;
  let sp = gpr(RSP);
  if (ist || level < cpl()) {
    if (read_tss_stack64(level, ist, ext)) return 1;
    sp = tss_sp;
  }
  sp &= ~(15 as u64);
  const bytes: u64 = event_has_code ? 48 : 40;
  if (frame_open(0, 0, 0, ~(0 as u64), sp, level, bytes, ext)) return 1;
  if (frame_push(8, seg_selector(SS) as u64)) return 1;
  if (frame_push(8, gpr(RSP))) return 1;
  if (push_event(8)) return 1;
  set_gpr(RSP, frame_sp);
  if (level < cpl()) set_seg(SS, level, 0, 0, 0x1_0093 | (level << 5));
  commit_code(selector, level, 0, codeLimit, codeAccess);
  return entered((type & 1) == 0, offset);
}

/** One attempt at delivery; 1: a fault or exit came up. `ext`: the event is external to the program. */
function deliver(vector: u32, ext: u32): i32 {
  if (!protected_mode()) return deliver_real(vector);
  if (ia32e()) return deliver_ia32e(vector, ext);
  return deliver_protected(vector, ext);
}

/** 0 benign, 1 contributory, 2 page fault. */
function class_of(vector: u32): u32 {
  return vector == PF ? 2 : vector == 0 || (vector >= 10 && vector <= 13) ? 1 : 0;
}
function exits_on(vector: u32): bool {
  return ((load<u32>(ST, S_EXCEPTION_BITMAP) >> vector) & 1) != 0;
}
function exit_for_exception(vector: u32, type: u32, hasCode: bool, errorCode: u32): i32 {
  vm_exit(EXIT_EXCEPTION_OR_NMI, vector == PF || vector == DB ? load<u64>(ST, S_EXCEPTION_ADDRESS) : 0);
  store<u32>(ST, 0x8000_0000 | vector | (type << 8) | (hasCode ? 0x800 : 0), S_EXIT_INTERRUPTION);
  store<u32>(ST, errorCode, S_EXIT_INTERRUPTION_ERROR);
  return 1;
}

/** DR6 of a debug exception: B0-B3 tell of this one, the other bits stay once they are set. */
function note_debug_status(bits: u64): void {
  store<u64>(ST, (load<u64>(ST, S_DR + 48) & ~(15 as u64)) | bits, S_DR + 48);
}
/** Exceptions within the delivery of exceptions. */
const MOST_NESTED = 64;
/** Delivers the pending exception (exceptionVector ...) with `rip` as return address; 0 delivered, 1 VM exit filled. `earlier`: class of the event whose delivery raised it, or -1. */
function deliver_pending(earlierVector: i32): i32 {
  let vector = load<u32>(ST, S_EXCEPTION_VECTOR);
  let first = earlierVector;
  for (let nested = 0; ; nested++) {
    if (first >= 0) {
      const a = class_of(first as u32);
      const b = class_of(vector);
      // DEVIATION: a processor whose #AC or #DB delivery raises the same again hangs; here that is a shutdown
      if (first == (DF as i32) || nested == MOST_NESTED) {
        replay_clear();
        return vm_exit(EXIT_TRIPLE_FAULT, 0);
      }
      if ((a == 1 && b == 1) || (a == 2 && b != 0)) {
        raise(DF, 0);
        vector = DF;
      }
    }
    event_has_code = load<u32>(ST, S_EXCEPTION_HAS_ERROR_CODE) != 0;
    event_code = load<u32>(ST, S_EXCEPTION_ERROR_CODE);
    if (exits_on(vector)) return exit_for_exception(vector, 3, event_has_code, event_code);
    if (vector == PF) store<u64>(ST, load<u64>(ST, S_EXCEPTION_ADDRESS), S_CR2);
    if (vector == DB) {
      note_debug_status(load<u64>(ST, S_EXCEPTION_ADDRESS));
      store<u64>(ST, load<u64>(ST, S_DR + 56) & ~(0x2000 as u64), S_DR + 56);
    }
    event_soft = false;
    if (!protected_mode()) event_has_code = false;
    event_return = load<u64>(ST, S_RIP);
    event_flags = rflags_full() | (load<u32>(ST, S_EXCEPTION_KIND) == 0 && vector != DF ? FLAG_RF : 0);
    if (!deliver(vector, 1)) return delivered();
    if (load<u32>(ST, S_UNWIND) == UNWIND_EXIT) {
      // a device in the way: the event is begun and goes on at the next VM entry
      store<u32>(ST, 0xc000_0300 | vector | (event_has_code ? 0x800 : 0), S_INJECT_PENDING);
      store<u32>(ST, event_code, S_INJECT_ERROR_CODE);
      return 1;
    }
    first = vector as i32;
    vector = load<u32>(ST, S_EXCEPTION_VECTOR);
  }
  return 1;
}
function delivered(): i32 {
  store<u32>(ST, 0, S_STEPPING);
  store<u32>(ST, UNWIND_NONE, S_UNWIND);
  store<u32>(ST, 0, S_SHADOW_KIND);
  store<u32>(ST, 0, S_DEBUG_HITS);
  replay_clear();
  return 0;
}

/** Called by resolve() with `rip` set: 0 delivered (rip is the handler's), 1 VM exit filled. */
export function deliver_exception(): i32 {
  store<u32>(ST, 0, S_RECORD);
  return deliver_pending(-1);
}
/** Delivers the pending fault of a task switch in the new task and goes on there. An exit (record = 0) leaves `rip` there. */
export function deliver_in_new_task(): i32 {
  if (!deliver_pending(-1)) return go_to(load<u64>(ST, S_RIP));
  store<u32>(ST, 0, S_RECORD);
  return 1;
}

/** VM-entry event injection from injectPending; 0 delivered or nothing to do, 1 VM exit filled. */
export function inject_event(): i32 {
  const information = load<u32>(ST, S_INJECT_PENDING);
  if (!(information & 0x8000_0000)) return 0;
  store<u32>(ST, 0, S_RECORD);
  store<u32>(ST, 0, S_ACTIVITY);
  const vector = information & 0xff;
  const type = (information >> 8) & 7;
  event_soft = type == 4 || type == 6;
  event_has_code = (information & 0x800) != 0 && protected_mode();
  event_code = load<u32>(ST, S_INJECT_ERROR_CODE);
  event_return = load<u64>(ST, S_RIP);
  if (type >= 4) event_return += load<u32>(ST, S_EXIT_INSTRUCTION_LENGTH) as u64;
  event_flags = rflags_full() | (type == 3 && vector != DB && vector != DF ? FLAG_RF : 0);
  const status = deliver(vector, event_soft ? 0 : 1);
  if (status && load<u32>(ST, S_UNWIND) == UNWIND_EXIT) {
    // a device in the way: the event stays pending, begun
    store<u32>(ST, information | 0x4000_0000, S_INJECT_PENDING);
    return 1;
  }
  store<u32>(ST, 0, S_INJECT_PENDING);
  if (type == 2) store<u32>(ST, 1, S_NMI_BLOCKED);
  if (!status) return delivered();
  return deliver_pending(type == 3 ? (vector as i32) : 1);
}

/** The bit of the TSS's interrupt redirection map, below the I/O permission map: 0 handled in virtual-8086 mode; -1: unwinds. */
function redirection(vector: u32): i32 {
  const limit = seg_limit(TR);
  const base = seg_base(TR);
  if (limit < 103) {
    gp0();
    return -1;
  }
  const map = sys_read16(base + 102);
  if (bad) return -1;
  const at = map - 32 + (vector >> 3);
  if (at > limit || map < 32) {
    gp0();
    return -1;
  }
  const bits = sys_read16(base + (at as u64));
  if (bad) return -1;
  return ((bits >> (vector & 7)) & 1) as i32;
}
/** INT n to the handler in the 8086 interrupt vector table at linear address 0. Intel SDM Vol. 3B, "Class 3—Software Interrupt Handling". */
function redirected(vector: u32): i32 {
  const virtual = virtual_interrupts();
  const image = virtual ? virtual_image() : rflags_full();
  const entry = read32((vector * 4) as u64);
  if (bad) return 1;
  if (frame_open(seg_base(SS), seg_limit(SS), seg_access(SS), 0xffff, gpr(RSP), 3, 6, 0)) return 1;
  if (frame_push(2, image)) return 1;
  if (frame_push(2, seg_selector(CS) as u64)) return 1;
  if (frame_push(2, next_rip())) return 1;
  set_sp(frame_sp);
  write_system_flags(rflags() & ~(FLAG_TF | FLAG_RF | FLAG_NT | (virtual ? FLAG_VIF : FLAG_IF)));
  load_real_segment(CS, entry >> 16);
  update_mode();
  store<u32>(ST, 0, S_STEPPING);
  return go_to((entry & 0xffff) as u64);
}
/** INT n, INT3, INTO, INT1 (kind 0..3). */
export function interrupt(vector: u32, kind: u32): i32 {
  if (kind == 0) {
    if (v86()) {
      const how = cr4() & CR4_VME ? redirection(vector) : 1;
      if (how < 0) return 1;
      if (how == 0) return redirected(vector);
      if (iopl() < 3) return gp0();
    }
  } else if (exits_on(vector)) {
    store<u64>(ST, 0, S_EXCEPTION_ADDRESS);
    return exit_for_exception(vector, kind == 3 ? 5 : 6, false, 0);
  }
  // breakpoints that MOV SS has held off come with the trap of ICEBP
  if (kind == 3) {
    const hits = take_hits();
    if (hits) note_debug_status(hits as u64);
  }
  event_soft = kind != 3;
  event_has_code = false;
  event_return = next_rip();
  event_flags = rflags_full();
  if (deliver(vector, kind == 3 ? 1 : 0)) return 1;
  store<u32>(ST, 0, S_SHADOW_KIND);
  store<u32>(ST, 0, S_STEPPING);
  return go_to(load<u64>(ST, S_RIP));
}

/** Before an instruction: 1 when RFLAGS.TF is set; then run exactly one instruction and call single_step_end(). */
export function single_step_begin(): i32 {
  const on: u32 = rflags() & FLAG_TF ? 1 : 0;
  store<u32>(ST, on, S_STEPPING);
  return on as i32;
}
/** After that instruction (count committed, `rip` set): delivers the #DB trap unless an event was delivered or MOV SS holds it off. 1: VM exit filled. */
export function single_step_end(): i32 {
  const on = load<u32>(ST, S_STEPPING);
  store<u32>(ST, 0, S_STEPPING);
  store<u32>(ST, 0, S_RECORD);
  if (!on || shadow(instruction_count()) & 2) return 0;
  store<u64>(ST, 0x4000 | (take_hits() as u64), S_EXCEPTION_ADDRESS);
  raise_trap(DB);
  return deliver_exception();
}
/** After an instruction (count committed, `rip` set): delivers the #DB trap of data and I/O breakpoints. 1: VM exit filled. */
export function debug_trap(): i32 {
  store<u32>(ST, 0, S_RECORD);
  if (!load<u32>(ST, S_DEBUG_HITS) || shadow(instruction_count()) & 2 || replay_pending()) return 0;
  store<u64>(ST, take_hits() as u64, S_EXCEPTION_ADDRESS);
  raise_trap(DB);
  return deliver_exception();
}
/** In front of every instruction while a breakpoint is enabled: the trap of the instruction before, then instruction breakpoints. Status. */
export function breakpoint_record(linear: u64): i32 {
  const count = instruction_count();
  if (shadow(count) & 2) return 0;
  if (load<u32>(ST, S_REPLAY_COUNT) != 0 && load<u64>(ST, S_REPLAY_OWNER) == count) return 0;
  if (load<u32>(ST, S_DEBUG_HITS)) {
    store<u64>(ST, take_hits() as u64, S_EXCEPTION_ADDRESS);
    raise(DB, 0);
    store<u32>(ST, KIND_BETWEEN, S_EXCEPTION_KIND);
    return 1;
  }
  if (take_resume_flag()) return 0;
  const hits = instruction_breakpoints(linear);
  if (!hits) return 0;
  store<u64>(ST, hits as u64, S_EXCEPTION_ADDRESS);
  return raise(DB, 0);
}

/** Interrupt shadow in force before the next instruction: 0 none, 1 STI, 2 MOV SS. `count`: instructions retired so far. */
export function shadow(count: u64): u32 {
  return load<u64>(ST, S_SHADOW_RETIRED) == count ? load<u32>(ST, S_SHADOW_KIND) : 0;
}
/** Call between instructions, all retired ones committed and record = 0. 0: no window asked for or closed; 1: exit filled; 2: look again after one more instruction. */
export function check_windows(): i32 {
  const primary = load<u32>(ST, S_PRIMARY);
  if (!(primary & 0x40_0004)) return 0;
  store<u32>(ST, 0, S_RECORD);
  if (replay_pending()) return 2;
  const blocked = shadow(instruction_count());
  if (primary & 4 && rflags() & FLAG_IF) return blocked ? 2 : vm_exit(EXIT_INTERRUPT_WINDOW, 0);
  if (primary & 0x40_0000 && !load<u32>(ST, S_NMI_BLOCKED)) return blocked & 2 ? 2 : vm_exit(EXIT_NMI_WINDOW, 0);
  return 0;
}
