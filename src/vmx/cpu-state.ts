// The guest-state area as one engine-neutral, versioned plain object (snapshots, debuggers, engine changes).
// Intel SDM Vol. 3C, "Guest-State Area"; the x87/SSE part follows the FXSAVE image.

/** Segment register with its hidden part. */
export interface SegmentState {
  selector: number;
  base: bigint;
  /** Byte-granular limit, 0..0xffffffff. */
  limit: number;
  /** Access rights as in the VMCS: type 0-3, S 4, DPL 5-6, P 7, AVL 12, L 13, D/B 14, G 15, unusable 16. */
  accessRights: number;
}
export interface TableState {
  base: bigint;
  limit: number;
}
export const SEGMENT_NAMES = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr'] as const;
export type SegmentName = (typeof SEGMENT_NAMES)[number];

export interface FpuState {
  /** Control, status, full 16-bit tag word (as FNSTENV stores it). */
  fcw: number;
  fsw: number;
  ftw: number;
  fop: number;
  fip: bigint;
  fdp: bigint;
  /** Physical registers R0..R7, 80 bits each. */
  registers: bigint[];
  xmm: bigint[];
  /** Upper halves of YMM0..YMM15; absent: zero. */
  ymmHigh?: bigint[];
  mxcsr: number;
}

export interface CpuState {
  version: 1;
  /** RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8..R15. */
  gpr: bigint[];
  rip: bigint;
  rflags: bigint;
  cr0: bigint;
  cr2: bigint;
  cr3: bigint;
  cr4: bigint;
  cr8: bigint;
  /** DR0..DR3, DR6, DR7. */
  dr: bigint[];
  efer: bigint;
  segments: Record<SegmentName, SegmentState>;
  gdtr: TableState;
  idtr: TableState;
  star: bigint;
  lstar: bigint;
  cstar: bigint;
  fmask: bigint;
  kernelGsBase: bigint;
  sysenterCs: number;
  sysenterEsp: bigint;
  sysenterEip: bigint;
  pat: bigint;
  tscAux: bigint;
  xcr0: bigint;
  fpu: FpuState;
  /** SDM "Guest Non-Register State", activity state. */
  activity: 'active' | 'hlt' | 'shutdown' | 'waitForSipi';
  /** Interruptibility state: bit 0 blocking by STI, 1 by MOV SS, 3 by NMI. */
  interruptibility: number;
}
