// VM-execution, VM-exit and VM-entry control bits. Intel SDM Vol. 3C, "Pin-Based VM-Execution Controls",
// "Processor-Based VM-Execution Controls", "VM-Exit Controls", "VM-Entry Controls".
import { type BitFields, type BitLayout, bits } from '../base/index.js';

/** Masks of every field of a layout, by field name (unsigned). */
export function masksOf<F extends BitFields>(layout: BitLayout<F>): { readonly [K in keyof F]: number } {
  const out = {} as Record<keyof F, number>;
  for (const name of Object.keys(layout.fields) as (keyof F)[]) out[name] = layout.mask(name);
  return out;
}

export const PIN_BASED_CONTROLS = bits({
  externalInterruptExiting: 0,
  nmiExiting: 3,
  virtualNmis: 5,
  activateVmxPreemptionTimer: 6,
  processPostedInterrupts: 7,
});
export const PinBased = masksOf(PIN_BASED_CONTROLS);
/** Reserved bits that read as one in IA32_VMX_PINBASED_CTLS ("default1"); accepted with either value. */
export const PIN_BASED_DEFAULT1 = 0x16;

export const PRIMARY_CONTROLS = bits({
  interruptWindowExiting: 2,
  useTscOffsetting: 3,
  hltExiting: 7,
  invlpgExiting: 9,
  mwaitExiting: 10,
  rdpmcExiting: 11,
  rdtscExiting: 12,
  cr3LoadExiting: 15,
  cr3StoreExiting: 16,
  activateTertiaryControls: 17,
  cr8LoadExiting: 19,
  cr8StoreExiting: 20,
  useTprShadow: 21,
  nmiWindowExiting: 22,
  movDrExiting: 23,
  unconditionalIoExiting: 24,
  useIoBitmaps: 25,
  monitorTrapFlag: 27,
  useMsrBitmaps: 28,
  monitorExiting: 29,
  pauseExiting: 30,
  activateSecondaryControls: 31,
});
export const Primary = masksOf(PRIMARY_CONTROLS);
/** Bits 1, 4-6, 8, 13-16 and 26 ("default1" of IA32_VMX_PROCBASED_CTLS; 15 and 16 have a meaning). */
export const PRIMARY_DEFAULT1 = 0x0401_e172;

export const SECONDARY_CONTROLS = bits({
  virtualizeApicAccesses: 0,
  enableEpt: 1,
  descriptorTableExiting: 2,
  enableRdtscp: 3,
  virtualizeX2apicMode: 4,
  enableVpid: 5,
  wbinvdExiting: 6,
  unrestrictedGuest: 7,
  apicRegisterVirtualization: 8,
  virtualInterruptDelivery: 9,
  pauseLoopExiting: 10,
  rdrandExiting: 11,
  enableInvpcid: 12,
  enableVmFunctions: 13,
  vmcsShadowing: 14,
  enableEnclsExiting: 15,
  rdseedExiting: 16,
  enablePml: 17,
  eptViolationVe: 18,
  concealVmxFromPt: 19,
  enableXsaves: 20,
  enablePasidTranslation: 21,
  modeBasedExecuteControl: 22,
  subPageWritePermissions: 23,
  intelPtUsesGuestPhysical: 24,
  useTscScaling: 25,
  enableUserWaitAndPause: 26,
  enablePconfig: 27,
  enableEnclvExiting: 28,
  vmmBusLockDetection: 30,
  instructionTimeout: 31,
});
export const Secondary = masksOf(SECONDARY_CONTROLS);

export const VM_EXIT_CONTROLS = bits({
  saveDebugControls: 2,
  hostAddressSpaceSize: 9,
  loadIa32PerfGlobalCtrl: 12,
  acknowledgeInterruptOnExit: 15,
  saveIa32Pat: 18,
  loadIa32Pat: 19,
  saveIa32Efer: 20,
  loadIa32Efer: 21,
  saveVmxPreemptionTimerValue: 22,
  clearIa32Bndcfgs: 23,
  concealVmxFromPt: 24,
  clearIa32RtitCtl: 25,
  clearIa32LbrCtl: 26,
  clearUinv: 27,
  loadCetState: 28,
  loadPkrs: 29,
  saveIa32PerfGlobalCtrl: 30,
  activateSecondaryControls: 31,
});
export const VmExitControl = masksOf(VM_EXIT_CONTROLS);

export const VM_ENTRY_CONTROLS = bits({
  loadDebugControls: 2,
  ia32eModeGuest: 9,
  entryToSmm: 10,
  deactivateDualMonitorTreatment: 11,
  loadIa32PerfGlobalCtrl: 13,
  loadIa32Pat: 14,
  loadIa32Efer: 15,
  loadIa32Bndcfgs: 16,
  concealVmxFromPt: 17,
  loadIa32RtitCtl: 18,
  loadUinv: 19,
  loadCetState: 20,
  loadIa32LbrCtl: 21,
  loadPkrs: 22,
});
export const VmEntryControl = masksOf(VM_ENTRY_CONTROLS);

const definedMask = (masks: Readonly<Record<string, number>>): number =>
  Object.values(masks).reduce((a, b) => (a | b) >>> 0, 0);
/** Bits that may be one ("allowed 1-settings" of the capability MSRs). */
export const PIN_BASED_ALLOWED = (definedMask(PinBased) | PIN_BASED_DEFAULT1) >>> 0;
export const PRIMARY_ALLOWED = (definedMask(Primary) | PRIMARY_DEFAULT1) >>> 0;
export const SECONDARY_ALLOWED = definedMask(Secondary);

/** Sizes of the bitmaps in bytes. */
export const IO_BITMAP_BYTES = 8192;
export const MSR_BITMAP_BYTES = 4096;

/** Sets whether accesses to `port` cause VM exits. Intel SDM Vol. 3C, "I/O-Bitmap Addresses". */
export function setIoBitmap(bitmap: Uint8Array, port: number, exit: boolean): void {
  const at = port >> 3;
  const old = bitmap[at] as number;
  bitmap[at] = exit ? old | (1 << (port & 7)) : old & ~(1 << (port & 7));
}
/** True when an access of `sizeBytes` at `port` causes a VM exit; an access that wraps around 0xffff always does. */
export function ioBitmapExits(bitmap: Uint8Array, port: number, sizeBytes: number): boolean {
  if (port + sizeBytes > 0x1_0000) return true;
  for (let p = port; p < port + sizeBytes; p++) if (((bitmap[p >> 3] as number) >> (p & 7)) & 1) return true;
  return false;
}

const msrBit = (index: number): number => {
  if (index < 0x2000) return index;
  if (index >= 0xc000_0000 && index < 0xc000_2000) return 0x2000 + (index - 0xc000_0000);
  return -1;
};
/** Bit number in the MSR bitmap, or -1 for an index outside it (always exits). SDM Vol. 3C, "MSR-Bitmap Address". */
export function msrBitmapBit(index: number, isWrite: boolean): number {
  const bit = msrBit(index);
  return bit < 0 ? -1 : bit + (isWrite ? 0x4000 : 0);
}
/** Sets whether RDMSR (or WRMSR) of `index` causes a VM exit; indexes outside the bitmap always exit. */
export function setMsrBitmap(
  bitmap: Uint8Array,
  index: number,
  access: 'read' | 'write' | 'both',
  exit: boolean,
): void {
  for (const isWrite of access === 'both' ? [false, true] : [access === 'write']) {
    const bit = msrBitmapBit(index, isWrite);
    if (bit < 0) continue;
    const old = bitmap[bit >> 3] as number;
    bitmap[bit >> 3] = exit ? old | (1 << (bit & 7)) : old & ~(1 << (bit & 7));
  }
}
/** True when the access causes a VM exit. */
export function msrBitmapExits(bitmap: Uint8Array, index: number, isWrite: boolean): boolean {
  const bit = msrBitmapBit(index, isWrite);
  return bit < 0 || (((bitmap[bit >> 3] as number) >> (bit & 7)) & 1) === 1;
}
