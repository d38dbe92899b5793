// What travels between a vCPU's thread and the thread that translates for it. All of it can be posted.

import { seedOf } from './code-key.js';
import type { ModuleName, UsedModule } from './code-store.js';
import type { PlanFacts } from './installer.js';
import type { Hot, Jump, SourceMaking } from './region-source.js';

/** A vCPU whose code is translated. */
export interface Subject extends SourceMaking {
  /** CPUID features of its decoder; absent: all. */
  readonly features?: readonly string[];
  /** Of the keys of its code (code-key.ts). */
  readonly seed: number;
}
/** What code depends on besides its bytes and its mode, as a seed of keys. */
export const seedOfSubject = ({ area, parallel, maxInstructions, features }: Omit<Subject, 'seed'>): number =>
  seedOf(JSON.stringify([area, parallel, maxInstructions, features ?? '*']));

export interface TranslationRequest {
  readonly id: number;
  readonly hot: Hot;
  /** What is known of indirect jumps and calls around it. */
  readonly jumps: readonly Jump[];
  /** Regions it has had, made when less was known. */
  readonly again: number;
  /** Functions that it calls are to be translated with it. */
  readonly deep: boolean;
}
export type ToTranslator =
  | { readonly kind: 'attach'; readonly client: number; readonly subject: Subject }
  | { readonly kind: 'translate'; readonly client: number; readonly requests: readonly TranslationRequest[] }
  /** These requests go first: their blocks became hot once more. */
  | { readonly kind: 'hurry'; readonly client: number; readonly ids: readonly number[] }
  /** Blocks that are not hot, but may be worth a region to later runs. */
  | { readonly kind: 'note'; readonly client: number; readonly blocks: readonly Hot[] }
  | { readonly kind: 'detach'; readonly client: number }
  /** A module of an earlier run that lacks machine code: later runs would take regions from it. */
  | { readonly kind: 'finish'; readonly module: ModuleName }
  /** Modules of earlier runs that this run uses. */
  | { readonly kind: 'used'; readonly modules: readonly UsedModule[] }
  /** Nobody will ask any more. */
  | { readonly kind: 'end' };

/** The answer to some of a client's requests: every request is answered once. */
export interface FromTranslator {
  readonly client: number;
  /** Exports the regions as r0, r1, ...; null: there are none. */
  readonly module: WebAssembly.Module | null;
  readonly codeBytes: number;
  readonly regions: readonly {
    readonly id: number;
    /** Number in the module. */
    readonly index: number;
    readonly plan: PlanFacts;
    readonly contents: readonly Uint8Array[];
    readonly again: number;
    readonly deep: boolean;
  }[];
  /** Inside other regions; not translatable; overwritten or otherwise gone before their turn came. */
  readonly covered: readonly number[];
  readonly refused: readonly number[];
  readonly stale: readonly number[];
  /** Time it took, milliseconds. */
  readonly translateMs: number;
  readonly compileMs: number;
}
