// How hot code is run: the options of tier 1 and its modes by name.
import { ConfigError } from '../../base/index.js';

/** Instructions of a region, by what code it is made of. */
export interface RegionLimits {
  /** 64-bit code. */
  readonly long: number;
  /** 16-bit and 32-bit code. */
  readonly legacy: number;
}
export interface TierOptions {
  /** Entries of a block before it is translated. */
  readonly threshold: number;
  readonly maxInstructions: RegionLimits;
  /** Translates a block as soon as it is hot, on the vCPU's thread, instead of between two runs of the interpreter. */
  readonly eager: boolean;
  /** Closes random regions for a while: code changes between translated and interpreted at any time. */
  readonly mixed: boolean;
}
/**
 * A region costs milliseconds of the translator and of V8's optimizing compiler: with lower thresholds and larger regions these
 * take more of the processors than the guest gains. 32-bit code, with half the registers, gains more than that from regions of
 * 500 instructions, 64-bit code does not (docs/decisions/0010).
 */
export const TIER_DEFAULTS: TierOptions = {
  threshold: 24_000,
  maxInstructions: { long: 180, legacy: 500 },
  eager: false,
  mixed: false,
};

/** How hot code is run: translated, only interpreted; for tests: all of it translated at once, and that now and then not. */
export type JitMode = 'on' | 'off' | 'forced' | 'mixed';
export const JIT_MODES: Record<JitMode, Partial<TierOptions> | null> = {
  on: {},
  off: null,
  forced: { threshold: 1, eager: true },
  mixed: { threshold: 20, eager: true, mixed: true },
};
/** The mode of that name; on when there is none. Throws ConfigError. */
export function jitMode(name: string | undefined): JitMode {
  if (name === undefined || name === '') return 'on';
  if (Object.hasOwn(JIT_MODES, name)) return name as JitMode;
  throw new ConfigError('JIT_MODE', `JIT mode '${name}': expected ${Object.keys(JIT_MODES).join(', ')}`);
}
