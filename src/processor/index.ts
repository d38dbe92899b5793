// Room `processor`: the software VT-x processor.

export type { PackFile } from './jit/code-pack.js';
export { type CodeShelf, CodeStore } from './jit/code-store.js';
export { JIT_MODES, type JitMode, jitMode, type TierOptions } from './jit/options.js';
export type { TierStatistics } from './jit/tier.js';
export type { FromTranslator, ToTranslator } from './jit/translation-messages.js';
export { type ServiceOptions, TranslationService, type TranslatorLink } from './jit/translation-service.js';
export { runTranslator, type TranslatorHost } from './jit/translator.js';
export * from './modules.js';
export { SoftwareEngine } from './software-engine.js';
