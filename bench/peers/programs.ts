// The programs of bench/guest by group, and how fast Pcanel is to be beside its peers.

/** A group of programs; `each`: every program has to meet the target by itself, else the geometric mean does. */
export interface Group {
  readonly name: string;
  readonly programs: readonly string[];
  readonly each?: boolean;
  /** Pcanel's time divided by QEMU's, at most. */
  readonly targetQemu: number;
  /** Pcanel's time divided by v86's (32-bit guests), at most. */
  readonly targetV86: number;
}

/** The time from the start of the program on the host to the guest's first process, measured like a program. */
export const BOOT = 'boot';

export const GROUPS: readonly Group[] = [
  { name: 'boot to /init', programs: [BOOT], targetQemu: 1, targetV86: 0.33 },
  {
    name: 'integer',
    programs: ['coremark', 'sieve', 'sha256', 'qsort', 'interp', 'branch', 'div64', 'fib'],
    targetQemu: 0.6,
    targetV86: 0.4,
  },
  { name: 'SSE', programs: ['nbody_sse2', 'mandel_sse2', 'mandel_ps'], targetQemu: 0.25, targetV86: 0.35 },
  { name: 'x87', programs: ['nbody_x87', 'trig_x87'], targetQemu: 0.4, targetV86: 0.3 },
  {
    name: 'memory',
    programs: ['mem_rep', 'mem_libc', 'mem_loop', 'mem_small', 'chase64M'],
    targetQemu: 0.8,
    targetV86: 0.5,
  },
  { name: 'system', programs: ['syscall', 'forkexec', 'pipe', 'pgfault'], each: true, targetQemu: 1, targetV86: 0.4 },
  { name: 'gzip/gunzip', programs: ['gzip', 'gunzip'], targetQemu: 0.6, targetV86: 0.35 },
  { name: 'code that changes', programs: ['smc', 'jitgen'], targetQemu: 0.3, targetV86: 0.3 },
];

/** No program may take longer than this many times QEMU's time. */
export const LIMIT_QEMU = 1.3;

/** Compares what gzip and gunzip have left; run after both, never timed. */
export const CHECK = 'gzcheck';

export const PROGRAMS: readonly string[] = GROUPS.flatMap((g) => g.programs).filter((p) => p !== BOOT);

/** The programs to run for those asked for, in order: gunzip needs what gzip made, and both are checked. */
export function runList(wanted: readonly string[]): string[] {
  const all = new Set(wanted);
  if (all.has('gunzip')) all.add('gzip');
  const list = PROGRAMS.filter((p) => all.has(p));
  return all.has('gunzip')
    ? [...list.slice(0, list.indexOf('gunzip') + 1), CHECK, ...list.slice(list.indexOf('gunzip') + 1)]
    : list;
}
