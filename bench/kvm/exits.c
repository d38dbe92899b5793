// VM exits of a port write in a loop of plain C: what KVM itself costs, for comparison with the engine.
// Linux Documentation/virt/kvm/api.rst. Prints one number: nanoseconds of processor time per exit.   exits N
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

static void fail(const char *what)
{
  perror(what);
  exit(1);
}
static double now(void)
{
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv)
{
  long count = argc > 1 ? atol(argv[1]) : 100000;
  static const unsigned char code[] = { 0xe6, 0x80, 0xeb, 0xfc }; /* again: out 0x80, al; jmp again */
  int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
  if (kvm < 0)
    fail("/dev/kvm");
  int vm = ioctl(kvm, KVM_CREATE_VM, 0);
  if (vm < 0)
    fail("KVM_CREATE_VM");
  unsigned char *ram = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  memcpy(ram + 0x1000, code, sizeof code);
  struct kvm_userspace_memory_region region = { .memory_size = 1 << 20, .userspace_addr = (unsigned long)ram };
  if (ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000) < 0 || ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
    fail("memory");
  int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
  struct kvm_run *run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
  if (vcpu < 0 || run == MAP_FAILED)
    fail("KVM_CREATE_VCPU");
  struct kvm_sregs sregs;
  ioctl(vcpu, KVM_GET_SREGS, &sregs);
  sregs.cs.base = sregs.cs.selector = 0;
  ioctl(vcpu, KVM_SET_SREGS, &sregs);
  struct kvm_regs regs = { .rip = 0x1000, .rflags = 2 };
  ioctl(vcpu, KVM_SET_REGS, &regs);
  run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_EVENTS; /* as the engine asks for */
  double begin = 0;
  for (long i = -1000; i < count; i++) {
    if (i == 0)
      begin = now();
    if (ioctl(vcpu, KVM_RUN, 0) < 0)
      fail("KVM_RUN");
    if (run->exit_reason != KVM_EXIT_IO || run->io.port != 0x80) {
      fprintf(stderr, "unexpected exit %u\n", run->exit_reason);
      return 1;
    }
  }
  printf("%.1f\n", (now() - begin) / count);
  return 0;
}
