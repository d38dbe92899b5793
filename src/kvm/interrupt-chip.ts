// Interrupt controllers and 8254 that KVM models itself. Linux api.rst, "KVM_CREATE_IRQCHIP", "KVM_CREATE_PIT2",
// "KVM_IRQ_LINE", "KVM_IRQFD".
import type { EngineInterruptChip } from '../vmx/index.js';
import { Ioctl } from './abi.js';
import type { Libc } from './libc.js';

const PIT_SPEAKER_DUMMY = 1;
const PIT_CONFIG_BYTES = 64;
const IRQCHIP_BYTES = 520;
const PIT_BYTES = 112;
const LAPIC_BYTES = 1024;
const IRQFD_BYTES = 32;

/** Reads a block that KVM keeps, to write it back at a reset. */
interface Saved {
  readonly fd: number;
  readonly set: number;
  readonly block: Uint8Array;
  readonly what: string;
}

/** 8259 pair, I/O APIC, local APICs and 8254 in the kernel. */
export class KvmInterruptChip implements EngineInterruptChip {
  #powerOn: Saved[] = [];
  constructor(
    private readonly libc: Libc,
    private readonly fd: number,
  ) {
    libc.check(libc.ioctl(fd, Ioctl.CREATE_IRQCHIP, 0), 'KVM_CREATE_IRQCHIP');
    const pit = new DataView(new ArrayBuffer(PIT_CONFIG_BYTES));
    pit.setUint32(0, PIT_SPEAKER_DUMMY, true);
    libc.check(libc.ioctlBytes(fd, Ioctl.CREATE_PIT2, pit), 'KVM_CREATE_PIT2');
  }
  /** Keeps the state as it is now for `reset`; called when the vCPUs are there. */
  keep(vcpuFds: readonly number[]): void {
    const get = (fd: number, request: number, set: number, block: Uint8Array, what: string): Saved => {
      this.libc.check(this.libc.ioctlBytes(fd, request, block), `KVM_GET_${what}`);
      return { fd, set, block, what };
    };
    const chips = [0, 1, 2].map((id) => {
      const block = new Uint8Array(IRQCHIP_BYTES);
      block[0] = id;
      return get(this.fd, Ioctl.GET_IRQCHIP, Ioctl.SET_IRQCHIP, block, 'IRQCHIP');
    });
    const pit = get(this.fd, Ioctl.GET_PIT2, Ioctl.SET_PIT2, new Uint8Array(PIT_BYTES), 'PIT2');
    const apics = vcpuFds.map((fd) => get(fd, Ioctl.GET_LAPIC, Ioctl.SET_LAPIC, new Uint8Array(LAPIC_BYTES), 'LAPIC'));
    this.#powerOn = [...chips, pit, ...apics];
  }
  reset(): void {
    for (const { fd, set, block, what } of this.#powerOn)
      this.libc.check(this.libc.ioctlBytes(fd, set, block), `KVM_SET_${what}`);
  }
  setLine(gsi: number, on: boolean): void {
    const level = Uint32Array.of(gsi, on ? 1 : 0);
    this.libc.check(this.libc.ioctlBytes(this.fd, Ioctl.IRQ_LINE, level), `KVM_IRQ_LINE of line ${gsi}`);
  }
  /** Every write to the eventfd pulses interrupt line `gsi`. */
  connectIrqfd(eventfd: number, gsi: number): void {
    const v = new DataView(new ArrayBuffer(IRQFD_BYTES));
    v.setUint32(0, eventfd, true);
    v.setUint32(4, gsi, true);
    this.libc.check(this.libc.ioctlBytes(this.fd, Ioctl.IRQFD, v), `KVM_IRQFD of line ${gsi}`);
  }
}
