// Which KVM this host has: the kernel module behind /dev/kvm. sysfs "/sys/module".
import { existsSync } from 'node:fs';

/** kvm_pvm is KVM without VT-x: it emulates the guest's kernel mode. */
export const KVM_MODULES = ['kvm_intel', 'kvm_amd', 'kvm_pvm'] as const;
export type KvmModule = (typeof KVM_MODULES)[number];

/** Modules that are loaded; a KVM built into the kernel shows as one too. */
export const kvmModules = (): KvmModule[] => KVM_MODULES.filter((m) => existsSync(`/sys/module/${m}`));
