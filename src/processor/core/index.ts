// Door of procedures.wasm: everything the interpreter, the JIT and the vCPU call.
export * from './arithmetic';
export * from './blocks';
export { raise, raise_page_fault, raise_trap } from './exceptions';
export { cli, flags_get, flags_set, popf, pushf_check, pushf_value, rflags_full, sti, write_rflags } from './flags';
export { mem_read_slow, mem_rmw_slow, mem_write_slow, translate_exec } from './memory';
export { load_pdptes, phys_host, phys_read64 } from './paging';
export { current_rip, instruction_count, next_rip } from './position';
export { replay_clear } from './replay';
export * from './stubs';
export { jump_cache_flush, tlb_flush_all, tlb_flush_nonglobal, tlb_flush_page, tlb_protect_page } from './tlb';
