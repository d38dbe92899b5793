// /dev/kvm as the tests use it: why there is none, and what the KVM of this host cannot do. PCANEL_KVM_DEVICE=/none hides it.
import { KvmEngine, kvmModules } from '../../src/kvm/index.js';
import { CONFORMANCE_GUESTS } from '../../src/vmx/testing.js';

export const kvmEngine = (): KvmEngine => {
  const device = process.env.PCANEL_KVM_DEVICE;
  return new KvmEngine(device === undefined ? {} : { device });
};

/** Null where KVM can be used at all, else the check that failed. Self-tests do not count. */
export async function kvmMissing(): Promise<string | null> {
  const { checks } = await kvmEngine().probe();
  const failed = checks.find((c) => !c.ok && c.selfTest !== true);
  return failed === undefined ? null : `no usable KVM: ${failed.name}: ${failed.detail}`;
}

/** KVM without VT-x. */
export const isPvm = (): boolean => kvmModules().includes('kvm_pvm');

/** What KVM's interface has no way to do, on any host. */
const NEVER: Readonly<Record<string, string>> = {
  'CPUID exits with leaf and subleaf; the monitor answers': 'KVM answers CPUID itself, from the table of loadCpuid',
  'CR0: host-owned bits read from the shadow, exit when written differently': 'KVM owns CR0, no masks for user space',
  'CR4: host-owned bits read from the shadow, exit when written differently': 'KVM owns CR4, no masks for user space',
  'controls make CR3, CR8, DR, INVLPG, PAUSE, WBINVD, RDTSC and VMCALL exit': 'KVM has no such exits for user space',
  'without those controls they run; VMCALL always exits': 'KVM takes VMCALL itself',
  'the exception bitmap makes #UD, #DE, #BP and #GP exit at the instruction': 'KVM lets #BP exit and no other',
  'an intercepted #PF tells address and error code and leaves CR2 alone': 'KVM lets #BP exit and no other',
};

const NO_IRET = "kvm_pvm's emulator has no IRET in protected mode";
const NO_SHADOW = "kvm_pvm's emulator does not look for interrupt windows and shadows";
/** What the emulator of kvm_pvm cannot do. */
const PVM: Readonly<Record<string, string>> = {
  'an injected interrupt goes through the IDT (flat32)': NO_IRET,
  'NMIs are blocked until IRET': NO_IRET,
  'an injected hardware exception pushes its error code': NO_IRET,
  'without the bitmap an exception goes to the guest': NO_IRET,
  'the interrupt window opens behind the shadow of STI': NO_SHADOW,
  'MOV SS holds interrupts off for one instruction': NO_SHADOW,
  'writeTsc moves the guest TSC': 'the time-stamp counter of a kvm_pvm guest cannot be set',
};

/** Conformance guests that this host's KVM cannot run, with the reason. */
export function unsupportedGuests(): Readonly<Record<string, string>> {
  const all = isPvm() ? { ...NEVER, ...PVM } : NEVER;
  const known = new Set(CONFORMANCE_GUESTS.map((g) => g.name));
  for (const name of Object.keys(all)) if (!known.has(name)) throw new Error(`no conformance guest '${name}'`);
  return all;
}
