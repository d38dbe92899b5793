// Door of the numerics procedures: x87 extended precision and SSE arithmetic, exact with all flags.
export * from './f32';
export * from './f64';
export * from './f80';
export * from './f80-convert';
export {
  fast_add,
  fast_compare,
  fast_div,
  fast_flags,
  fast_from_f32,
  fast_from_f64,
  fast_from_integer,
  fast_mul,
  fast_sqrt,
  fast_to_f32,
  fast_to_f64,
  fast_to_integer,
  fp_integer_flags,
  REFUSED,
} from './f80-fast';
export { fast_sincos } from './f80-sincos';
export * from './f80-transcendental';
export * from './sse';
export { get_fp_eflags, get_fp_flags, set_fp_flags } from './status';
