// Procedures that are not written yet: #UD.
import { raise } from './exceptions';

export function string_movs(a0: i32, a1: i32, a2: i32, a3: i32): i32 {
  return raise(6, 0);
}
export function string_stos(a0: i32, a1: i32, a2: i32, a3: i32): i32 {
  return raise(6, 0);
}
export function string_lods(a0: i32, a1: i32, a2: i32, a3: i32): i32 {
  return raise(6, 0);
}
export function string_cmps(a0: i32, a1: i32, a2: i32, a3: i32): i32 {
  return raise(6, 0);
}
export function string_scas(a0: i32, a1: i32, a2: i32, a3: i32): i32 {
  return raise(6, 0);
}
export function string_ins(a0: i32, a1: i32, a2: i32, a3: i32): i32 {
  return raise(6, 0);
}
export function string_outs(a0: i32, a1: i32, a2: i32, a3: i32): i32 {
  return raise(6, 0);
}
export function enter(a0: i32, a1: i32, a2: i32): i32 {
  return raise(6, 0);
}
export function bound(a0: i64, a1: i32, a2: i32): i32 {
  return raise(6, 0);
}
export function cmpxchg8b(a0: i64): i32 {
  return raise(6, 0);
}
export function cmpxchg16b(a0: i64): i32 {
  return raise(6, 0);
}
export function fpu_check(): i32 {
  return raise(6, 0);
}
export function fpu_check_nowait(): i32 {
  return raise(6, 0);
}
export function wait_check(): i32 {
  return raise(6, 0);
}
export function mmx_check(): i32 {
  return raise(6, 0);
}
export function sse_check(): i32 {
  return raise(6, 0);
}
export function fxsave(a0: i64, a1: i32): i32 {
  return raise(6, 0);
}
export function fxrstor(a0: i64, a1: i32): i32 {
  return raise(6, 0);
}
export function xsave(a0: i64, a1: i32): i32 {
  return raise(6, 0);
}
export function xrstor(a0: i64, a1: i32): i32 {
  return raise(6, 0);
}
export function ldmxcsr(a0: i32): i32 {
  return raise(6, 0);
}
