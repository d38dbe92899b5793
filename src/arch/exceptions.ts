// Exception and interrupt vectors, error codes, double-fault classes.
// Intel SDM Vol. 3A, "Exception and Interrupt Vectors", "Interrupt 8—Double Fault Exception (#DF)", "Error Code".
import { bits } from '../base/index.js';

export type ExceptionClass = 'benign' | 'contributory' | 'pageFault';
export type ExceptionKind = 'fault' | 'trap' | 'faultOrTrap' | 'abort' | 'interrupt';

export const Exception = {
  DE: 0,
  DB: 1,
  NMI: 2,
  BP: 3,
  OF: 4,
  BR: 5,
  UD: 6,
  NM: 7,
  DF: 8,
  TS: 10,
  NP: 11,
  SS: 12,
  GP: 13,
  PF: 14,
  MF: 16,
  AC: 17,
  MC: 18,
  XM: 19,
  VE: 20,
  CP: 21,
} as const;

export interface ExceptionFacts {
  readonly mnemonic: string;
  readonly kind: ExceptionKind;
  /** Pushes an error code (in protected mode). */
  readonly hasErrorCode: boolean;
  readonly class: ExceptionClass;
}

const row = (
  mnemonic: string,
  kind: ExceptionKind,
  hasErrorCode = false,
  cls: ExceptionClass = 'benign',
): ExceptionFacts => ({ mnemonic, kind, hasErrorCode, class: cls });

/** Facts by vector; absent vectors below 32 are reserved. */
export const EXCEPTIONS: Readonly<Record<number, ExceptionFacts>> = {
  0: row('#DE', 'fault', false, 'contributory'),
  1: row('#DB', 'faultOrTrap'),
  2: row('NMI', 'interrupt'),
  3: row('#BP', 'trap'),
  4: row('#OF', 'trap'),
  5: row('#BR', 'fault'),
  6: row('#UD', 'fault'),
  7: row('#NM', 'fault'),
  8: row('#DF', 'abort', true),
  10: row('#TS', 'fault', true, 'contributory'),
  11: row('#NP', 'fault', true, 'contributory'),
  12: row('#SS', 'fault', true, 'contributory'),
  13: row('#GP', 'fault', true, 'contributory'),
  14: row('#PF', 'fault', true, 'pageFault'),
  16: row('#MF', 'fault'),
  17: row('#AC', 'fault', true),
  18: row('#MC', 'abort'),
  19: row('#XM', 'fault'),
  20: row('#VE', 'fault', false, 'pageFault'),
  21: row('#CP', 'fault', true, 'contributory'),
};

const maskOf = (keep: (e: ExceptionFacts) => boolean): number =>
  Object.entries(EXCEPTIONS).reduce((m, [v, e]) => (keep(e) ? m | (1 << Number(v)) : m), 0) >>> 0;
/** Bit n set: vector n pushes an error code. */
export const ERROR_CODE_VECTORS = maskOf((e) => e.hasErrorCode);
/** Bit n set: vector n is contributory. */
export const CONTRIBUTORY_VECTORS = maskOf((e) => e.class === 'contributory');
/** Bit n set: vector n belongs to the page-fault class. */
export const PAGE_FAULT_VECTORS = maskOf((e) => e.class === 'pageFault');

export const exceptionHasErrorCode = (vector: number): boolean => EXCEPTIONS[vector]?.hasErrorCode ?? false;
export const exceptionName = (vector: number): string => EXCEPTIONS[vector]?.mnemonic ?? `vector ${vector}`;

/** What follows when `second` is raised while `first` is delivered. SDM "Conditions for Generating a Double Fault". */
export function combineExceptions(first: number, second: number): 'serial' | 'doubleFault' | 'shutdown' {
  if (first === Exception.DF) return EXCEPTIONS[second]?.class === 'benign' ? 'serial' : 'shutdown';
  const a = EXCEPTIONS[first]?.class ?? 'benign';
  const b = EXCEPTIONS[second]?.class ?? 'benign';
  if (a === 'contributory' && b === 'contributory') return 'doubleFault';
  if (a === 'pageFault' && b !== 'benign') return 'doubleFault';
  return 'serial';
}

/** Selector error code. */
export const SELECTOR_ERROR = bits({ EXT: 0, IDT: 1, TI: 2, index: [3, 15] });
