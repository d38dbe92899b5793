// Door of procedures.wasm: everything the interpreter, the JIT and the vCPU call.
export * from './arithmetic';
export * from './address';
export * from './blocks';
export * from './regions';
export { raise, raise_page_fault, raise_trap } from './exceptions';
export * from './fast-calls';
export { cli, flags_get, flags_set, popf, pushf_check, pushf_value, rflags_full, sti, write_rflags } from './flags';
export {
  breakpoint_record,
  check_windows,
  debug_trap,
  deliver_exception,
  inject_event,
  interrupt,
  single_step_begin,
  single_step_end,
} from './interrupts';
export {
  fetch_device,
  locked_begin,
  locked_end,
  mem_read_slow,
  mem_rmw_slow,
  mem_write_slow,
  translate_exec,
} from './memory';
export { update_mode } from './mode';
export { exclusive_begin, exclusive_end, memory_fence, run_begin, run_end, run_point, take_stale_pages } from './parallel';
export { phys_host, phys_read64 } from './paging';
export { current_rip, instruction_count, next_rip } from './position';
export { replay_clear, replay_pending } from './replay';
export { far_return, iret } from './returns';
export { load_segment, segment_linear, segment_selector } from './segments';
export * from './control-registers';
export { cpuid, cpuid_forget, cpuid_keep } from './cpuid';
export * from './debug-registers';
export { rdmsr, wrmsr } from './msrs';
export { port_in, port_out } from './ports';
export * from './fpu-state';
export * from './misc';
export { string_cmps, string_lods, string_movs, string_scas, string_stos } from './strings';
export * from './string-io';
export * from './system';
export { rdtsc, rdtscp, time_stamp } from './time';
export { lar, lgdt, lidt, lldt, lsl, ltr, protected_check, sgdt, sidt, umip_check, verr, verw } from './tables';
export { jump_cache_flush, tlb_flush_all, tlb_flush_nonglobal, tlb_flush_page, tlb_protect_page } from './tlb';
export { far_call, far_jump } from './transfers';
export * from './sse';
export * from './x87';
