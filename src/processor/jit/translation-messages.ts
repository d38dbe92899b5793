// What travels between a vCPU's thread and the thread that translates for it. All of it can be posted.
import type { PlanFacts } from './installer.js';
import type { Hot, Jump, SourceMaking } from './region-source.js';

/** A vCPU whose code is translated. */
export interface Subject extends SourceMaking {
  /** CPUID features of its decoder; absent: all. */
  readonly features?: readonly string[];
}
export interface TranslationRequest {
  readonly id: number;
  readonly hot: Hot;
  /** What is known of indirect jumps and calls around it. */
  readonly jumps: readonly Jump[];
  /** It has a region, made when less was known. */
  readonly again: boolean;
  /** Functions that it calls are to be translated with it. */
  readonly deep: boolean;
}
export type ToTranslator =
  | { readonly kind: 'attach'; readonly client: number; readonly subject: Subject }
  | { readonly kind: 'translate'; readonly client: number; readonly requests: readonly TranslationRequest[] }
  /** These requests go first: their blocks became hot once more. */
  | { readonly kind: 'hurry'; readonly client: number; readonly ids: readonly number[] }
  | { readonly kind: 'detach'; readonly client: number };

/** The answer to some of a client's requests: every request is answered once. */
export interface FromTranslator {
  readonly client: number;
  /** Exports the regions as r0, r1, ...; null: there are none. */
  readonly module: WebAssembly.Module | null;
  readonly codeBytes: number;
  readonly regions: readonly {
    readonly id: number;
    readonly plan: PlanFacts;
    readonly contents: readonly Uint8Array[];
  }[];
  /** Inside other regions; not translatable; overwritten or otherwise gone before their turn came. */
  readonly covered: readonly number[];
  readonly refused: readonly number[];
  readonly stale: readonly number[];
  /** Time it took, milliseconds. */
  readonly translateMs: number;
  readonly compileMs: number;
}
