/* Runs machine code on the host processor with a given x87, SSE and register state: the judge of the float tests.
 * Source: SDM 2A "FXSAVE" (512-byte image). Records on standard input and output, see In and Out. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

typedef struct { uint8_t code[24]; uint32_t offset, pad; uint64_t gpr[4], flags; uint8_t mem[144]; uint8_t fx[512]; } In;
typedef struct { uint32_t signal, pad; uint64_t gpr[4], flags; uint8_t mem[144]; uint8_t fx[512]; } Out;

static In in __attribute__((aligned(64)));
static Out out __attribute__((aligned(64)));
static uint8_t mem[144] __attribute__((aligned(64)));
static uint8_t fx[512] __attribute__((aligned(64)));
static uint64_t gpr[4], flags;
static sigjmp_buf back;
static void *volatile code;
static uint8_t *volatile address;

static void on_signal(int number, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  (void)info;
  out.signal = number;
  memcpy(fx, uc->uc_mcontext.fpregs, 512);
  flags = uc->uc_mcontext.gregs[REG_EFL];
  gpr[0] = uc->uc_mcontext.gregs[REG_RAX];
  gpr[1] = uc->uc_mcontext.gregs[REG_RCX];
  gpr[2] = uc->uc_mcontext.gregs[REG_RDX];
  gpr[3] = uc->uc_mcontext.gregs[REG_RBX];
  siglongjmp(back, 1);
}

static void run(void) {
  __asm__ volatile(
    "push %%rbx\n push %%rbp\n"
    "fxrstor %[fx]\n"
    "mov %[code], %%r12\n mov %[address], %%rdi\n"
    "mov 0+%[gpr], %%rax\n mov 8+%[gpr], %%rcx\n mov 16+%[gpr], %%rdx\n mov 24+%[gpr], %%rbx\n"
    "push %[flags]\n popfq\n"
    "call *%%r12\n"
    "pushfq\n pop %[flags]\n"
    "mov %%rax, 0+%[gpr]\n mov %%rcx, 8+%[gpr]\n mov %%rdx, 16+%[gpr]\n mov %%rbx, 24+%[gpr]\n"
    "fxsave %[fx]\n"
    "pop %%rbp\n pop %%rbx\n cld\n"
    : [fx] "+m"(fx), [gpr] "+m"(gpr), [flags] "+m"(flags)
    : [code] "m"(code), [address] "m"(address)
    : "rax", "rcx", "rdx", "rdi", "r12", "memory", "cc");
}

int main(void) {
  struct sigaction action = {0};
  uint8_t *page = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  static uint8_t quiet[512] __attribute__((aligned(64)));
  if (page == MAP_FAILED) return 1;
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO;
  int numbers[] = {SIGFPE, SIGSEGV, SIGILL, SIGBUS};
  for (int i = 0; i < 4; i++) sigaction(numbers[i], &action, 0);
  __asm__ volatile("fxsave %0" : "=m"(quiet));
  while (fread(&in, sizeof in, 1, stdin) == 1) {
    memset(&out, 0, sizeof out);
    memcpy(page, in.code, sizeof in.code);
    code = page;
    memcpy(mem, in.mem, sizeof mem);
    address = mem + in.offset;
    memcpy(fx, in.fx, sizeof fx);
    memcpy(gpr, in.gpr, sizeof gpr);
    flags = in.flags;
    if (sigsetjmp(back, 1) == 0) run();
    __asm__ volatile("fninit\n fxrstor %0" : : "m"(quiet));
    memcpy(out.gpr, gpr, sizeof gpr);
    out.flags = flags;
    memcpy(out.mem, mem, sizeof mem);
    memcpy(out.fx, fx, sizeof fx);
    fwrite(&out, sizeof out, 1, stdout);
  }
  return 0;
}
