// A record of single VM exits for whoever looks: reason, guest RIP, qualification, cost, and what handling changed in the
// guest-state area. Intel SDM Vol. 3C, "Basic VM-Exit Information", "Guest-State Area". Off unless a trace is attached.
import { hex } from '../base/index.js';
import {
  type CpuState,
  type ExitName,
  qualificationOf,
  REASON_OF_EXIT,
  SEGMENT_NAMES,
  type Vcpu,
  type VmExit,
} from '../vmx/index.js';

/** A guest-state field that differs between VM exit and VM entry; values in hexadecimal. */
export interface FieldChange {
  /** Name as in SDM Appendix B (`GUEST_RIP`), registers outside the VMCS by their own (`RAX`). */
  readonly field: string;
  readonly before: string;
  readonly after: string;
}

/** One VM exit. Plain data; 64-bit values as hexadecimal text. */
export interface ExitRecord {
  /** Counts the recorded exits of a trace, from 0. */
  readonly sequence: number;
  /** Domain time of the exit in nanoseconds. */
  readonly timeNs: number;
  readonly vcpu: number;
  readonly name: ExitName;
  /** Basic exit reason of SDM Appendix C; null for exits that only software knows (a kick). */
  readonly reason: number | null;
  readonly rip: string;
  readonly qualification: string;
  /** The access in words: 'in 0x3fd, 1 byte = 0x60'. */
  readonly detail: string;
  /** Host time that handling took, in nanoseconds. */
  readonly costNs: number;
  /**
   * What handling changed. A port, MMIO or MSR access is completed by the processor at the next entry: its data is in
   * `detail`, and RIP and registers move there.
   */
  readonly changes: readonly FieldChange[];
}

/** Which exits are recorded. All given conditions must hold. */
export interface ExitFilter {
  /** Exit names; all by default. */
  readonly names?: readonly ExitName[];
  /** First and number of ports, guest-physical addresses, MSRs or CPUID leaves; exits without one do not match. */
  readonly address?: readonly [start: number, count: number];
  /** First and last guest RIP, inclusive, in hexadecimal. */
  readonly rip?: readonly [first: string, last: string];
}

export interface ExitTraceOptions {
  readonly filter?: ExitFilter;
  /** Records kept for the next `read`; 1024 by default, at most 65536. */
  readonly keep?: number;
  /** Matching exits beyond this many per second of host time are counted and not recorded; 2000 by default. */
  readonly maxPerSecond?: number;
}

/** What `read` gives. */
export interface ExitBatch {
  readonly records: readonly ExitRecord[];
  /** Sequence number to read from next time. */
  readonly next: number;
  /** Records that were overwritten before they were read. */
  readonly lost: number;
  /** Matching exits since the trace began that were not recorded because of `maxPerSecond`. */
  readonly skipped: number;
  /** Matching exits since the trace began. */
  readonly matched: number;
}

export const DEFAULT_TRACE_KEEP = 1024;
export const MAX_TRACE_KEEP = 65_536;
export const DEFAULT_TRACE_RATE = 2000;
const GPR_NAMES = [
  ...['RAX', 'RCX', 'RDX', 'RBX', 'GUEST_RSP', 'RBP', 'RSI', 'RDI'],
  ...['R8', 'R9', 'R10', 'R11', 'R12', 'R13', 'R14', 'R15'],
];

/** The address that an exit is about, null for exits without one. */
export function exitAddress(exit: VmExit): number | null {
  switch (exit.name) {
    case 'ioInstruction':
      return exit.port;
    case 'eptViolation':
      return exit.gpa;
    case 'cpuid':
      return exit.leaf;
    case 'rdmsr':
    case 'wrmsr':
      return exit.index;
    default:
      return null;
  }
}

const bytes = (n: number): string => `${n} byte${n === 1 ? '' : 's'}`;
/** An exit in words; `data` is what the monitor answered to a read, null when there is no answer. */
function detailOf(exit: VmExit, data: bigint | null): string {
  const answer = data === null ? '' : ` = ${hex(data)}`;
  switch (exit.name) {
    case 'ioInstruction': {
      const what = `${exit.isIn ? 'in' : 'out'}${exit.isString ? 's' : ''} ${hex(exit.port)}, ${bytes(exit.sizeBytes)}`;
      return exit.isIn ? `${what}${answer}` : `${what} = ${hex(exit.value)}`;
    }
    case 'eptViolation': {
      const what = `${exit.isWrite ? 'write' : 'read'} ${hex(exit.gpa)}, ${bytes(exit.sizeBytes)}`;
      return exit.isWrite ? `${what} = ${hex(exit.value)}` : `${what}${answer}`;
    }
    case 'cpuid':
      return `leaf ${hex(exit.leaf)}, subleaf ${hex(exit.subleaf)}`;
    case 'rdmsr':
      return `MSR ${hex(exit.index)}${answer}`;
    case 'wrmsr':
      return `MSR ${hex(exit.index)} = ${hex(exit.value)}`;
    case 'controlRegisterAccess':
      return `${exit.access} CR${exit.register}${exit.access === 'movTo' ? ` = ${hex(exit.value)}` : ''}`;
    case 'movDr':
      return `${exit.isWrite ? 'write' : 'read'} DR${exit.register}`;
    case 'exceptionOrNmi':
      return `vector ${exit.vector}${exit.hasErrorCode ? `, error code ${hex(exit.errorCode)}` : ''}`;
    case 'entryFailureGuestState':
      return exit.failed.join('; ');
    case 'internalError':
      return exit.message;
    default:
      return '';
  }
}

/** Fields that differ, named as in the VMCS. */
export function stateChanges(before: CpuState, after: CpuState): FieldChange[] {
  const out: FieldChange[] = [];
  const note = (field: string, a: bigint | number, b: bigint | number): void => {
    if (a !== b) out.push({ field, before: hex(a), after: hex(b) });
  };
  note('GUEST_RIP', before.rip, after.rip);
  note('GUEST_RFLAGS', before.rflags, after.rflags);
  GPR_NAMES.forEach((name, i) => {
    note(name, before.gpr[i] ?? 0n, after.gpr[i] ?? 0n);
  });
  for (const n of ['cr0', 'cr3', 'cr4'] as const) note(`GUEST_${n.toUpperCase()}`, before[n], after[n]);
  for (const n of ['cr2', 'cr8', 'xcr0', 'star', 'lstar', 'cstar', 'fmask'] as const) {
    note(n.toUpperCase(), before[n], after[n]);
  }
  note('KERNEL_GS_BASE', before.kernelGsBase, after.kernelGsBase);
  note('TSC_AUX', before.tscAux, after.tscAux);
  note('GUEST_IA32_EFER', before.efer, after.efer);
  note('GUEST_IA32_PAT', before.pat, after.pat);
  note('GUEST_SYSENTER_CS', before.sysenterCs, after.sysenterCs);
  note('GUEST_SYSENTER_ESP', before.sysenterEsp, after.sysenterEsp);
  note('GUEST_SYSENTER_EIP', before.sysenterEip, after.sysenterEip);
  ['DR0', 'DR1', 'DR2', 'DR3', 'DR6', 'GUEST_DR7'].forEach((name, i) => {
    note(name, before.dr[i] ?? 0n, after.dr[i] ?? 0n);
  });
  for (const n of SEGMENT_NAMES) {
    const [a, b, field] = [before.segments[n], after.segments[n], `GUEST_${n.toUpperCase()}`];
    note(`${field}_SELECTOR`, a.selector, b.selector);
    note(`${field}_BASE`, a.base, b.base);
    note(`${field}_LIMIT`, a.limit, b.limit);
    note(`${field}_ACCESS_RIGHTS`, a.accessRights, b.accessRights);
  }
  for (const n of ['gdtr', 'idtr'] as const) {
    note(`GUEST_${n.toUpperCase()}_BASE`, before[n].base, after[n].base);
    note(`GUEST_${n.toUpperCase()}_LIMIT`, before[n].limit, after[n].limit);
  }
  note('GUEST_INTERRUPTIBILITY_INFO', before.interruptibility, after.interruptibility);
  if (before.activity !== after.activity) {
    out.push({ field: 'GUEST_ACTIVITY_STATE', before: before.activity, after: after.activity });
  }
  return out;
}

/** Who is told of exits. */
export interface ExitTracer {
  /** Takes an exit before it is handled; null when it is not to be recorded, else the function to call after handling. */
  begin(exit: VmExit, vcpu: Vcpu): ((data: bigint | null) => void) | null;
}

/** Several tracers as one. */
export function allTracers(tracers: readonly ExitTracer[]): ExitTracer | null {
  if (tracers.length < 2) return tracers[0] ?? null;
  return {
    begin(exit, vcpu) {
      const done = tracers.map((t) => t.begin(exit, vcpu)).filter((d) => d !== null);
      if (done.length === 0) return null;
      return (data) => {
        for (const d of done) d(data);
      };
    },
  };
}

/** Records exits of all vCPUs of one machine. */
export class ExitTrace implements ExitTracer {
  #records: ExitRecord[] = [];
  #next = 0;
  #matched = 0;
  #skipped = 0;
  #names: ReadonlySet<string> | null = null;
  #address: readonly [number, number] | null = null;
  #rip: readonly [bigint, bigint] | null = null;
  #keep = DEFAULT_TRACE_KEEP;
  #rate = DEFAULT_TRACE_RATE;
  /** Records that may be made at once, refilled by host time. */
  #allowance = DEFAULT_TRACE_RATE;
  #refilledNs: number | null = null;
  readonly #hostNs: () => number;
  readonly #clockNs: () => number;

  /** `hostNs` is the host's monotonic clock, `clockNs` the domain's. */
  constructor(hostNs: () => number, clockNs: () => number, options: ExitTraceOptions = {}) {
    this.#hostNs = hostNs;
    this.#clockNs = clockNs;
    this.configure(options);
  }

  /** Changes what is recorded; what has been recorded stays. */
  configure({ filter = {}, keep = DEFAULT_TRACE_KEEP, maxPerSecond = DEFAULT_TRACE_RATE }: ExitTraceOptions): void {
    this.#names = filter.names === undefined ? null : new Set(filter.names);
    this.#address = filter.address ?? null;
    this.#rip = filter.rip === undefined ? null : [BigInt(filter.rip[0]), BigInt(filter.rip[1])];
    this.#keep = Math.max(1, Math.min(MAX_TRACE_KEEP, Math.floor(keep)));
    this.#rate = Math.max(1, maxPerSecond);
    this.#allowance = Math.min(this.#allowance, this.#rate);
  }

  #matches(exit: VmExit, vcpu: Vcpu): boolean {
    if (this.#names !== null && !this.#names.has(exit.name)) return false;
    if (this.#address !== null) {
      const at = exitAddress(exit);
      if (at === null || at < this.#address[0] || at >= this.#address[0] + this.#address[1]) return false;
    }
    if (this.#rip !== null) {
      const rip = vcpu.readRip();
      if (rip < this.#rip[0] || rip > this.#rip[1]) return false;
    }
    return true;
  }

  #allowed(): boolean {
    const now = this.#hostNs();
    const elapsed = this.#refilledNs === null ? 0 : now - this.#refilledNs;
    this.#refilledNs = now;
    this.#allowance = Math.min(this.#rate, this.#allowance + (elapsed * this.#rate) / 1e9);
    if (this.#allowance < 1) return false;
    this.#allowance--;
    return true;
  }

  begin(exit: VmExit, vcpu: Vcpu): ((data: bigint | null) => void) | null {
    if (!this.#matches(exit, vcpu)) return null;
    this.#matched++;
    if (!this.#allowed()) {
      this.#skipped++;
      return null;
    }
    const { name } = exit;
    const before = vcpu.readState();
    const timeNs = this.#clockNs();
    const qualification = hex(qualificationOf(exit));
    const startNs = this.#hostNs();
    return (data) => {
      const costNs = Math.max(0, Math.round(this.#hostNs() - startNs));
      const record: ExitRecord = {
        sequence: this.#next++,
        timeNs,
        vcpu: vcpu.index,
        name,
        reason: REASON_OF_EXIT[name] ?? null,
        rip: hex(before.rip),
        qualification,
        detail: detailOf(exit, data),
        costNs,
        changes: stateChanges(before, vcpu.readState()),
      };
      this.#records.push(record);
      if (this.#records.length >= 2 * this.#keep) this.#records = this.#records.slice(-this.#keep);
    };
  }

  /** Records from sequence number `since` on, at most `max`. */
  read(since = 0, max = MAX_TRACE_KEEP): ExitBatch {
    const kept = this.#records.slice(-this.#keep);
    const first = kept[0]?.sequence ?? this.#next;
    const from = Math.max(since, first);
    const records = kept.slice(from - first, from - first + max);
    return {
      records,
      next: from + records.length,
      lost: Math.max(0, from - since),
      skipped: this.#skipped,
      matched: this.#matched,
    };
  }
}
