// Host clock for the translator's own time: the engine's may be a guest's.

/** Milliseconds from some moment on; 0 where there is no clock. */
export const hostMs = (): number =>
  (globalThis as { readonly performance?: { now(): number } }).performance?.now() ?? 0;
