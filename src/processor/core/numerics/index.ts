// Door of the numerics procedures: x87 extended precision and SSE arithmetic, exact with all flags.
export * from './f32';
export * from './f64';
export * from './f80';
export * from './f80-convert';
export { fast_add, fast_compare, fast_div, fast_mul, fast_sqrt, fast_to_integer, fp_integer_flags } from './f80-fast';
export * from './f80-transcendental';
export * from './sse';
export { get_fp_eflags, get_fp_flags, set_fp_flags } from './status';
