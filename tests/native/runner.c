/* Runs single user-mode instructions on the host processor. Reads cases from standard input, writes results to standard
 * output, both in the layout of host.ts. Code, data and stack lie at the same linear addresses as in the guest. Compiled
 * by the test with gcc, for 64-bit or (-m32) 32-bit mode. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define CODE 0x12000u
#define DATA 0x14000u
#define DATA_BYTES 0x2000u
#define STACK 0x16000u
#define STACK_BYTES 0x1000u
#define BLOCK 0x18000u
#define TAKEN 128u /* a branch that is taken lands that far behind CODE */

struct state {
  uint64_t gpr[16];
  uint64_t flags;
  uint32_t code_bytes, patch;
  uint8_t code[32];
  uint8_t patch_bytes[32];
  uint8_t pad[48];
  uint8_t fx[512] __attribute__((aligned(16)));
};
struct result {
  uint64_t gpr[16];
  uint64_t flags;
  uint32_t trap, error;
  uint64_t rip, hash, address;
  uint8_t window[64];
  uint8_t pad[24];
  uint8_t fx[512] __attribute__((aligned(16)));
};
/* At BLOCK, reached by absolute addresses: GPRs in and out, FXSAVE images, the host's stack pointer, where to go. */
struct block {
  uint64_t in[16];    /* 0x000 */
  uint64_t in_flags;  /* 0x080 */
  uint64_t target;    /* 0x088 */
  uint64_t host_sp;   /* 0x090 */
  uint64_t taken;     /* 0x098 */
  uint64_t out[16];   /* 0x0a0 */
  uint64_t out_flags; /* 0x120 */
  uint64_t pad[3];
  uint8_t fx_in[512] __attribute__((aligned(64)));
  uint8_t fx_out[512] __attribute__((aligned(64)));
};
_Static_assert(sizeof(struct state) == 768 && sizeof(struct result) == 768, "layout of host.ts");
static struct block *const block = (struct block *)(uintptr_t)BLOCK;

void enter_code(void);
void back_next(void);
void back_taken(void);
#ifdef __x86_64__
__asm__(".text\n"
        "enter_code:\n"
        "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
        "mov %rsp, 0x18090\n"
        "fxrstor64 0x18140\n"
        "pushq 0x18080; popfq\n"
        "mov 0x18000, %rax; mov 0x18008, %rcx; mov 0x18010, %rdx; mov 0x18018, %rbx\n"
        "mov 0x18020, %rsp; mov 0x18028, %rbp; mov 0x18030, %rsi; mov 0x18038, %rdi\n"
        "mov 0x18040, %r8; mov 0x18048, %r9; mov 0x18050, %r10; mov 0x18058, %r11\n"
        "mov 0x18060, %r12; mov 0x18068, %r13; mov 0x18070, %r14; mov 0x18078, %r15\n"
        "jmp *0x18088\n"
        "back_taken: movq $1, 0x18098\n"
        "back_next:\n"
        "mov %rax, 0x180a0; mov %rcx, 0x180a8; mov %rdx, 0x180b0; mov %rbx, 0x180b8\n"
        "mov %rsp, 0x180c0; mov %rbp, 0x180c8; mov %rsi, 0x180d0; mov %rdi, 0x180d8\n"
        "mov %r8, 0x180e0; mov %r9, 0x180e8; mov %r10, 0x180f0; mov %r11, 0x180f8\n"
        "mov %r12, 0x18100; mov %r13, 0x18108; mov %r14, 0x18110; mov %r15, 0x18118\n"
        "mov 0x18090, %rsp\n"
        "pushfq; popq 0x18120; cld\n"
        "fxsave64 0x18340\n"
        "fninit\n"
        "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
        "ret\n");
#define REG(n) uc->uc_mcontext.gregs[n]
static const int GREGS[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
#define COUNT 16
#define FLAGS REG_EFL
#define IP REG_RIP
#else
__asm__(".text\n"
        "enter_code:\n"
        "push %ebx; push %ebp; push %esi; push %edi\n"
        "mov %esp, 0x18090\n"
        "fxrstor 0x18140\n"
        "pushl 0x18080; popfl\n"
        "mov 0x18000, %eax; mov 0x18008, %ecx; mov 0x18010, %edx; mov 0x18018, %ebx\n"
        "mov 0x18020, %esp; mov 0x18028, %ebp; mov 0x18030, %esi; mov 0x18038, %edi\n"
        "jmp *0x18088\n"
        "back_taken: movl $1, 0x18098\n"
        "back_next:\n"
        "mov %eax, 0x180a0; mov %ecx, 0x180a8; mov %edx, 0x180b0; mov %ebx, 0x180b8\n"
        "mov %esp, 0x180c0; mov %ebp, 0x180c8; mov %esi, 0x180d0; mov %edi, 0x180d8\n"
        "mov 0x18090, %esp\n"
        "pushfl; popl 0x18120; cld\n"
        "fxsave 0x18340\n"
        "fninit\n"
        "pop %edi; pop %esi; pop %ebp; pop %ebx\n"
        "ret\n");
#define REG(n) uc->uc_mcontext.gregs[n]
static const int GREGS[8] = {REG_EAX, REG_ECX, REG_EDX, REG_EBX, REG_ESP, REG_EBP, REG_ESI, REG_EDI};
#define COUNT 8
#define FLAGS REG_EFL
#define IP REG_EIP
#endif

static sigjmp_buf again;
static struct result out;

static void on_fault(int signal, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  (void)signal;
  for (int i = 0; i < COUNT; i++) out.gpr[i] = (unsigned long)REG(GREGS[i]);
  out.flags = (unsigned long)REG(FLAGS);
  out.trap = REG(REG_TRAPNO);
  out.error = REG(REG_ERR);
  out.rip = (unsigned long)REG(IP);
  out.address = (uintptr_t)info->si_addr;
#ifdef __x86_64__
  memcpy(out.fx, uc->uc_mcontext.fpregs, 512);
#else
  memcpy(out.fx, (char *)uc->uc_mcontext.fpregs + 112, 512);
#endif
  siglongjmp(again, 1);
}
static void put_jump(uint8_t *at, void (*to)(void)) {
#ifdef __x86_64__
  static const uint8_t JUMP[] = {0xff, 0x25, 0, 0, 0, 0};
  uint64_t target = (uintptr_t)to;
  memcpy(at, JUMP, 6);
  memcpy(at + 6, &target, 8);
#else
  int32_t displacement = (int32_t)((uintptr_t)to - ((uintptr_t)at + 5));
  at[0] = 0xe9;
  memcpy(at + 1, &displacement, 4);
#endif
}
static void map(uintptr_t at, size_t bytes, int protection) {
  void *got = mmap((void *)at, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (got != (void *)at) {
    perror("mmap");
    _exit(2);
  }
}
static int all(int fd, void *buffer, size_t bytes, int reading) {
  for (size_t done = 0; done < bytes;) {
    ssize_t n = reading ? read(fd, (char *)buffer + done, bytes - done) : write(fd, (char *)buffer + done, bytes - done);
    if (n <= 0) return 0;
    done += n;
  }
  return 1;
}
static uint32_t hash_of(uint32_t h, uint32_t at, uint32_t bytes) {
  const uint8_t *p = (const uint8_t *)(uintptr_t)at;
  for (uint32_t i = 0; i < bytes; i++) h = (h ^ p[i]) * 0x01000193u;
  return h;
}

int main(void) {
  static struct state in;
  static uint8_t alternate[65536];
  stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  static const int SIGNALS[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS};
  map(CODE, 0x1000, PROT_READ | PROT_WRITE | PROT_EXEC);
  map(DATA, DATA_BYTES, PROT_READ | PROT_WRITE);
  map(STACK, STACK_BYTES, PROT_READ | PROT_WRITE);
  map(BLOCK, 0x1000, PROT_READ | PROT_WRITE);
  sigaltstack(&stack, NULL);
  for (unsigned i = 0; i < sizeof SIGNALS / sizeof *SIGNALS; i++) sigaction(SIGNALS[i], &action, NULL);
  uint8_t *code = (uint8_t *)(uintptr_t)CODE, *data = (uint8_t *)(uintptr_t)DATA, *st = (uint8_t *)(uintptr_t)STACK;
  while (all(0, &in, sizeof in, 1)) {
    memset(code, 0xcc, 0x1000);
    memcpy(code, in.code, in.code_bytes);
    put_jump(code + in.code_bytes, back_next);
    put_jump(code + TAKEN, back_taken);
    for (uint32_t i = 0; i < DATA_BYTES; i++) data[i] = (uint8_t)(i * 37 + (i >> 8) * 11);
    for (uint32_t i = 0; i < STACK_BYTES; i++) st[i] = (uint8_t)(i * 13);
    if (in.patch <= DATA_BYTES - 32) memcpy(data + in.patch, in.patch_bytes, 32);
    memcpy(block->in, in.gpr, sizeof in.gpr);
    block->in_flags = in.flags;
    block->target = CODE;
    block->taken = 0;
    memcpy(block->fx_in, in.fx, 512);
    memset(&out, 0, sizeof out);
    memset(block->out, 0, sizeof block->out);
    if (sigsetjmp(again, 1) == 0) {
      enter_code();
      memcpy(out.gpr, block->out, sizeof out.gpr);
      out.flags = block->out_flags;
      memcpy(out.fx, block->fx_out, 512);
      out.trap = 0xffffffffu;
      out.rip = block->taken ? CODE + TAKEN : CODE + in.code_bytes;
    }
    uint32_t hash = hash_of(0x811c9dc5u, DATA, DATA_BYTES);
    out.hash = hash_of(hash, STACK, STACK_BYTES);
    uint32_t from = in.patch <= DATA_BYTES - 48 && in.patch >= 16 ? in.patch - 16 : 0;
    memcpy(out.window, data + from, 64);
    if (!all(1, &out, sizeof out, 0)) return 1;
  }
  return 0;
}
