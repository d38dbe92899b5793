// Prints the AssemblyScript constants of the processor state (core/generated/layout.ts) from the one table.
import { PAUSE_TICKS } from '../vmx/index.js';
import {
  AREA,
  BLOCK,
  BLOCK_HASH_ENTRIES,
  CODE_COPY_BYTES,
  CPUID_ANSWER,
  CPUID_ANSWERS,
  ENTRY_GLOBAL,
  EXIT_NONE,
  FLAGS_KIND,
  JUMP_ENTRIES,
  JUMP_ENTRY,
  JUMP_PAGES,
  LARGE_REGIONS,
  layoutFields,
  NOTED_JUMPS,
  NOTED_TRANSLATIONS,
  PARKED_JUMP,
  PARKED_JUMPS,
  PARKED_SPACE,
  PARKED_SPACES,
  PARKED_TRANSLATION,
  PARKED_TRANSLATIONS,
  RECORD,
  REGION,
  REGION_PAGES,
  REPLAY,
  REPLAY_COUNT,
  SEGMENT_ENTRY,
  SHARED,
  SINGLE,
  SINGLES,
  SLOT,
  SLOT_COUNT,
  STATE_BYTES,
  TLB_ENTRIES,
  TLB_ENTRY,
  UNWIND,
} from './state-layout.js';

const upper = (name: string): string => name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase();

/** Source text of generated/layout.ts. */
export function printLayout(): string {
  const lines = ['// Generated from src/processor/state-layout.ts by the build. Do not edit.'];
  for (const f of layoutFields())
    lines.push(`export const S_${upper(f.name)}: usize = ${f.offset};${f.what ? ` // ${f.what}` : ''}`);
  lines.push(`export const STATE_BYTES: usize = ${STATE_BYTES};`);
  const groups = {
    SEGMENT: SEGMENT_ENTRY,
    TLB: TLB_ENTRY,
    JUMP: JUMP_ENTRY,
    PARKED_SPACE,
    PARKED_TRANSLATION,
    PARKED_JUMP,
    SINGLE,
    RECORD,
    BLOCK,
    SLOT,
    REPLAY,
    AREA,
    SHARED,
    REGION,
    CPUID: CPUID_ANSWER,
  };
  for (const [group, values] of Object.entries(groups))
    for (const [name, value] of Object.entries(values))
      lines.push(`export const ${group}_${upper(name)}: usize = ${value};`);
  for (const [name, value] of Object.entries(UNWIND)) lines.push(`export const UNWIND_${upper(name)}: u32 = ${value};`);
  for (const [name, value] of Object.entries(FLAGS_KIND))
    lines.push(`export const FLAGS_${upper(name)}: u32 = ${value};`);
  const numbers = {
    TLB_ENTRIES,
    JUMP_ENTRIES,
    ENTRY_GLOBAL,
    JUMP_PAGES,
    LARGE_REGIONS,
    NOTED_TRANSLATIONS,
    NOTED_JUMPS,
    PARKED_SPACES,
    PARKED_TRANSLATIONS,
    PARKED_JUMPS,
    SINGLES,
    BLOCK_HASH_ENTRIES,
    SLOT_COUNT,
    REPLAY_COUNT,
    EXIT_NONE,
    REGION_PAGES,
    CODE_COPY_BYTES,
    CPUID_ANSWERS,
    PAUSE_TICKS,
  };
  for (const [name, value] of Object.entries(numbers)) lines.push(`export const ${name}: u32 = ${value};`);
  return `${lines.join('\n')}\n`;
}
