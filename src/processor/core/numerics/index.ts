// Door of the numerics procedures: x87 extended precision and SSE arithmetic, exact with all flags.
export * from './f32';
export * from './f64';
export * from './f80';
export * from './f80-convert';
export * from './f80-transcendental';
export * from './sse';
export { get_fp_eflags, get_fp_flags, set_fp_flags } from './status';
