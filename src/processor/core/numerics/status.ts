// Flag constants and the global results of the numeric procedures. Source: SDM 1 "x87 FPU Status Register",
// "MXCSR Control and Status Register" (IE..PE have the same bits in both).

export const IE: u32 = 0x01;
export const DE: u32 = 0x02;
export const ZE: u32 = 0x04;
export const OE: u32 = 0x08;
export const UE: u32 = 0x10;
export const PE: u32 = 0x20;
export const C0: u32 = 0x100;
export const C1: u32 = 0x200;
export const C2: u32 = 0x400;
export const C3: u32 = 0x4000;

/** Classes of an operand. */
export const ZERO: u32 = 0;
export const NORMAL: u32 = 1;
export const DENORMAL: u32 = 2;
export const INFINITE: u32 = 3;
export const QNAN: u32 = 4;
export const SNAN: u32 = 5;
export const UNSUPPORTED: u32 = 6;

/** Exception flags (and C1) of the functions that return a value. */
export let fp_flags: u32 = 0;
/** ZF, PF, CF of the last (U)COMISS / (U)COMISD. */
export let fp_eflags: u32 = 0;

export function get_fp_flags(): u32 {
  return fp_flags;
}
export function set_fp_flags(flags: u32): void {
  fp_flags = flags;
}
@inline
export function raise(flags: u32): void {
  fp_flags |= flags;
}
export function get_fp_eflags(): u32 {
  return fp_eflags;
}
export function set_fp_eflags(eflags: u32): void {
  fp_eflags = eflags;
}
