// Which VM-execution controls KVM lets user space choose. Linux api.rst; Intel SDM Vol. 3C, "VM-Execution Control Fields".
import { Exception } from '../arch/index.js';
import { type AllowedControls, PinBased, Primary, Secondary, type VcpuControls } from '../vmx/index.js';

/** #BP exits through KVM_SET_GUEST_DEBUG; no other exception does. */
const EXCEPTIONS = 1 << Exception.BP;

export const KVM_CONTROLS: AllowedControls = {
  pinBased: PinBased.nmiExiting | PinBased.virtualNmis,
  primary:
    (Primary.hltExiting |
      Primary.interruptWindowExiting |
      Primary.nmiWindowExiting |
      Primary.useTscOffsetting |
      Primary.cr8LoadExiting | // not an exit but `Vcpu.cr8`
      Primary.cr8StoreExiting |
      Primary.useIoBitmaps |
      Primary.unconditionalIoExiting |
      Primary.useMsrBitmaps |
      Primary.activateSecondaryControls) >>>
    0,
  secondary:
    Secondary.enableEpt |
    Secondary.enableRdtscp |
    Secondary.enableVpid |
    Secondary.unrestrictedGuest |
    Secondary.enableInvpcid,
  exceptionBitmap: EXCEPTIONS,
  guestHostMask: 0n,
};

const names = (word: number, masks: Readonly<Record<string, number>>): string[] =>
  Object.entries(masks).flatMap(([name, mask]) => ((word & mask) >>> 0 === mask ? [name] : []));

/** What of the controls KVM cannot do, by name. */
export function unsupportedControls(c: VcpuControls): string[] {
  const a = KVM_CONTROLS;
  const failed = [
    ...names(c.pinBased & ~a.pinBased, PinBased),
    ...names(c.primary & ~a.primary, Primary),
    ...names(c.secondary & ~a.secondary, Secondary),
  ].map((name) => `KVM has no ${name}`);
  for (let vector = 0; vector < 32; vector++) {
    if (((c.exceptionBitmap & ~a.exceptionBitmap) >>> vector) & 1)
      failed.push(`KVM has no exits by exception ${vector}`);
  }
  if (c.cr0GuestHostMask !== 0n || c.cr4GuestHostMask !== 0n) failed.push('KVM has no guest/host masks of CR0 and CR4');
  if ((c.primary & Primary.hltExiting) === 0) failed.push('KVM needs hltExiting');
  return failed;
}
