// Types of zod are mutable, those of the rooms read-only; nobody writes in either.

type Mutable<T> = T extends readonly (infer U)[]
  ? Mutable<U>[]
  : T extends object
    ? { -readonly [K in keyof T]: Mutable<T[K]> }
    : T;

/** The same value for a place whose type is not read-only. */
export const mutable = <T>(value: T): Mutable<T> => value as Mutable<T>;
