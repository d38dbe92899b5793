// Numbers as people read them: short, of equal width.

const UNITS = ['', 'k', 'M', 'G', 'T'];
/** 1234567 -> 1.23M */
export function short(n: number): string {
  if (n < 1000) return n < 10 && n % 1 !== 0 ? n.toFixed(1) : n.toFixed(0);
  let unit = 0;
  let value = n;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value.toPrecision(3)}${UNITS[unit]}`;
}
/** Bytes in binary units. */
export function bytes(n: number): string {
  for (const [size, unit] of [
    [2 ** 30, 'GiB'],
    [2 ** 20, 'MiB'],
    [2 ** 10, 'KiB'],
  ] as const)
    if (n >= size) return `${Number((n / size).toPrecision(3))} ${unit}`;
  return `${n} B`;
}
/** Nanoseconds in the unit that suits them. */
export function time(ns: number): string {
  if (ns < 1000) return `${ns.toFixed(0)} ns`;
  if (ns < 1e6) return `${(ns / 1e3).toPrecision(3)} µs`;
  if (ns < 1e9) return `${(ns / 1e6).toPrecision(3)} ms`;
  return `${(ns / 1e9).toFixed(2)} s`;
}
export const percent = (share: number): string => `${(share * 100).toFixed(share < 0.0995 ? 1 : 0)} %`;
/** 90061 s -> 1 d 1 h */
export function duration(seconds: number): string {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}
/** 'ioInstruction' -> 'I/O instruction', in the SDM's words. */
export function exitTitle(name: string): string {
  const known: Readonly<Record<string, string>> = {
    ioInstruction: 'I/O instruction',
    eptViolation: 'EPT violation (MMIO)',
    cpuid: 'CPUID',
    hlt: 'HLT',
    rdmsr: 'RDMSR',
    wrmsr: 'WRMSR',
    rdtsc: 'RDTSC',
    rdtscp: 'RDTSCP',
    invlpg: 'INVLPG',
    preemptionTimer: 'VMX-preemption timer',
    interruptWindow: 'Interrupt window',
    nmiWindow: 'NMI window',
    externalInterrupt: 'External interrupt',
    exceptionOrNmi: 'Exception or NMI',
    controlRegister: 'Control-register access',
    movDr: 'MOV DR',
    kick: 'Kick (by the host)',
  };
  return known[name] ?? name.replace(/([A-Z])/g, ' $1').replace(/^./, (c) => c.toUpperCase());
}
