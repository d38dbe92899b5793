// The C functions that the KVM engine calls, through koffi 3. Linux system calls: man pages open(2), ioctl(2), mmap(2),
// timer_create(2), sigprocmask(2), eventfd(2). x86-64 numbers.
import { HostError } from '../base/index.js';

/** What is used of koffi. */
export interface Koffi {
  readonly version: string;
  load(path: string | null): { func(prototype: string): (...args: unknown[]) => unknown };
  address(value: unknown): bigint;
  view(address: bigint, sizeBytes: number): ArrayBuffer;
  errno(): number;
}
/** Gives koffi or throws. */
export type KoffiImport = () => Promise<Koffi>;

export const importKoffi: KoffiImport = async () => {
  const module = (await import('koffi')) as unknown as { default?: Koffi } & Koffi;
  return module.default ?? module;
};

const SYS = { TIMER_CREATE: 222, TIMER_SETTIME: 223, TIMER_DELETE: 226, TGKILL: 234, GETTID: 186 } as const;
const SYS_SIGNALS = { PROCMASK: 14, TIMEDWAIT: 128 } as const;
const O_RDWR = 2;
const O_CLOEXEC = 0x8_0000;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const EFD_CLOEXEC = 0x8_0000;

const ERRNO_NAMES: Readonly<Record<number, string>> = {
  1: 'EPERM',
  2: 'ENOENT',
  4: 'EINTR',
  6: 'ENXIO',
  7: 'E2BIG',
  9: 'EBADF',
  11: 'EAGAIN',
  12: 'ENOMEM',
  13: 'EACCES',
  14: 'EFAULT',
  16: 'EBUSY',
  17: 'EEXIST',
  19: 'ENODEV',
  22: 'EINVAL',
  24: 'EMFILE',
  25: 'ENOTTY',
  28: 'ENOSPC',
};
export const errnoName = (errno: number): string => ERRNO_NAMES[errno] ?? `errno ${errno}`;

type Call = (...args: unknown[]) => number;

/** C functions of this process. Every one that may fail has a form that throws a HostError naming what was tried. */
export class Libc {
  readonly #koffi: Koffi;
  /** ioctl with a number; with a buffer that koffi pins. koffi wants the two declared apart. */
  readonly ioctl: (fd: number, request: number, argument: number) => number;
  readonly ioctlBytes: (fd: number, request: number, bytes: ArrayBufferView) => number;
  readonly #open: Call;
  readonly #close: Call;
  readonly #mmap: (...args: unknown[]) => number | bigint;
  readonly #munmap: Call;
  readonly #eventfd: Call;
  readonly #syscall: Call;
  readonly #syscallBytes: Call;

  constructor(koffi: Koffi) {
    this.#koffi = koffi;
    const c = koffi.load(null);
    const declare = (prototype: string) => c.func(prototype) as Call;
    this.ioctl = declare('int ioctl(int fd, unsigned long request, intptr_t argument)');
    this.ioctlBytes = declare('int ioctl(int fd, unsigned long request, void *argument)');
    this.#open = declare('int open(const char *path, int flags, int mode)');
    this.#close = declare('int close(int fd)');
    this.#mmap = c.func('intptr_t mmap(intptr_t at, size_t length, int prot, int flags, int fd, int64_t offset)') as (
      ...args: unknown[]
    ) => number | bigint;
    this.#munmap = declare('int munmap(intptr_t at, size_t length)');
    this.#eventfd = declare('int eventfd(unsigned int initial, int flags)');
    this.#syscall = declare('long syscall(long number, intptr_t a, intptr_t b, intptr_t c)');
    this.#syscallBytes = declare('long syscall(long number, intptr_t a, void *b, void *c, intptr_t d)');
  }

  get version(): string {
    return this.#koffi.version;
  }
  /** errno of the last call. */
  errno(): number {
    return this.#koffi.errno();
  }
  /** Throws when `result` is negative; `what` names the call. */
  check(result: number, what: string): number {
    if (result >= 0) return result;
    const errno = this.errno();
    throw new HostError('KVM_CALL', `${what} failed: ${errnoName(errno)}`, { what, errno });
  }
  /** The address of a buffer's first byte; the caller keeps the buffer alive. */
  address(bytes: ArrayBufferView): bigint {
    return BigInt(this.#koffi.address(bytes));
  }
  /** Memory of this process as an ArrayBuffer. It must not be touched after it is unmapped. */
  view(address: bigint, sizeBytes: number): ArrayBuffer {
    return this.#koffi.view(address, sizeBytes);
  }
  /** File descriptor, or minus the errno. */
  open(path: string): number {
    const fd = this.#open(path, O_RDWR | O_CLOEXEC, 0);
    return fd < 0 ? -this.errno() : fd;
  }
  close(fd: number): void {
    this.#close(fd);
  }
  mmap(fd: number, sizeBytes: number): bigint {
    const at = BigInt(this.#mmap(0, sizeBytes, PROT_READ_WRITE, MAP_SHARED, fd, 0));
    if (at === -1n) this.check(-1, `mmap of ${sizeBytes} bytes`);
    return at;
  }
  munmap(at: bigint, sizeBytes: number): void {
    this.#munmap(at, sizeBytes);
  }
  eventfd(): number {
    return this.check(this.#eventfd(0, EFD_CLOEXEC), 'eventfd');
  }
  gettid(): number {
    return this.#syscall(SYS.GETTID, 0, 0, 0);
  }
  tgkill(pid: number, tid: number, signal: number): number {
    return this.#syscall(SYS.TGKILL, pid, tid, signal);
  }
  timerCreate(clock: number, sigevent: Uint8Array, id: Int32Array): void {
    this.check(this.#syscallBytes(SYS.TIMER_CREATE, clock, sigevent, id, 0), 'timer_create');
  }
  timerSettime(id: number, flags: number, spec: BigInt64Array): void {
    this.#timerSettime ??= this.#koffi
      .load(null)
      .func('long syscall(long number, intptr_t a, intptr_t b, void *c, void *d)') as Call;
    this.check(this.#timerSettime(SYS.TIMER_SETTIME, id, flags, spec, null), 'timer_settime');
  }
  #timerSettime: Call | null = null;
  timerDelete(id: number): void {
    this.#syscall(SYS.TIMER_DELETE, id, 0, 0);
  }
  /** `how` 0 blocks, 1 unblocks the signals of an 8-byte set for the calling thread. */
  sigprocmask(how: number, set: BigUint64Array): void {
    this.check(this.#syscallBytes(SYS_SIGNALS.PROCMASK, how, set, null, 8), 'rt_sigprocmask');
  }
  /** Takes a pending signal of the set; false when there is none. */
  takeSignal(set: BigUint64Array, zero: BigInt64Array): boolean {
    this.#timedwait ??= this.#koffi
      .load(null)
      .func('long syscall(long number, void *a, void *b, void *c, intptr_t d)') as Call;
    return this.#timedwait(SYS_SIGNALS.TIMEDWAIT, set, null, zero, 8) > 0;
  }
  #timedwait: Call | null = null;
}
