// The controls that the monitor sets before the first entry. Intel SDM Vol. 3C, "VM-Execution Control Fields".
import { Primary, Secondary, setMsrBitmap, type VcpuControls } from '../vmx/index.js';
import { PROCESSOR_MSRS } from './msr-policy.js';

/**
 * All ports exit, all MSRs but those the processor keeps, HLT, CR8; nothing else that need not. RDTSC, INVLPG and moves
 * of CR0, CR3 and CR4 run without an exit.
 */
export function setDefaultControls(c: VcpuControls): void {
  c.pinBased = 0;
  c.primary =
    Primary.hltExiting +
    Primary.cr8LoadExiting +
    Primary.cr8StoreExiting +
    Primary.useTscOffsetting +
    Primary.useIoBitmaps +
    Primary.useMsrBitmaps +
    Primary.activateSecondaryControls;
  c.secondary = Secondary.enableEpt + Secondary.enableRdtscp + Secondary.unrestrictedGuest + Secondary.enableInvpcid;
  c.exceptionBitmap = 0;
  c.ioBitmap.fill(0xff);
  c.msrBitmap.fill(0xff);
  for (const index of PROCESSOR_MSRS) setMsrBitmap(c.msrBitmap, index, 'both', false);
  c.cr0GuestHostMask = 0n;
  c.cr0ReadShadow = 0n;
  c.cr4GuestHostMask = 0n;
  c.cr4ReadShadow = 0n;
  c.tscOffset = 0n;
}
