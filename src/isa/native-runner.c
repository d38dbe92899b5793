/* Runs single instructions on the host processor with given registers, flags and memory: the judge of native.test.ts.
 * Records of struct in on standard input, of struct out on standard output. Builds with -m64 and -m32, -no-pie. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define WINDOW ((uint8_t *)0x10000000) /* the tests' memory operands; native.test.ts knows the address */
#define CODE ((uint8_t *)0x10010000)
#define WINDOW_BYTES 512

struct in { uint8_t code[16]; uint32_t length, pad; uint64_t gpr[16], flags; uint8_t memory[WINDOW_BYTES]; };
struct out { uint32_t signal, pad; uint64_t gpr[16], flags; uint8_t memory[WINDOW_BYTES]; };

uint64_t r[16], r_flags;
void *r_stack, *r_code;
static sigjmp_buf escape;

void run(void);
void back(void);
#if defined(__x86_64__)
__asm__(
    ".text\n.globl run, back\nrun:\n"
    "push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"
    "mov %rsp, r_stack(%rip)\n"
    "push r_flags(%rip)\n popfq\n"
    "mov r+0(%rip), %rax\n mov r+8(%rip), %rcx\n mov r+16(%rip), %rdx\n mov r+24(%rip), %rbx\n"
    "mov r+32(%rip), %rsp\n mov r+40(%rip), %rbp\n mov r+48(%rip), %rsi\n mov r+56(%rip), %rdi\n"
    "mov r+64(%rip), %r8\n mov r+72(%rip), %r9\n mov r+80(%rip), %r10\n mov r+88(%rip), %r11\n"
    "mov r+96(%rip), %r12\n mov r+104(%rip), %r13\n mov r+112(%rip), %r14\n mov r+120(%rip), %r15\n"
    "jmp *r_code(%rip)\n"
    "back:\n"
    "mov %rax, r+0(%rip)\n mov %rcx, r+8(%rip)\n mov %rdx, r+16(%rip)\n mov %rbx, r+24(%rip)\n"
    "mov %rsp, r+32(%rip)\n mov %rbp, r+40(%rip)\n mov %rsi, r+48(%rip)\n mov %rdi, r+56(%rip)\n"
    "mov %r8, r+64(%rip)\n mov %r9, r+72(%rip)\n mov %r10, r+80(%rip)\n mov %r11, r+88(%rip)\n"
    "mov %r12, r+96(%rip)\n mov %r13, r+104(%rip)\n mov %r14, r+112(%rip)\n mov %r15, r+120(%rip)\n"
    "mov r_stack(%rip), %rsp\n"
    "pushfq\n pop r_flags(%rip)\n cld\n"
    "pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n");
#else
__asm__(
    ".text\n.globl run, back\nrun:\n"
    "push %ebx\n push %ebp\n push %esi\n push %edi\n"
    "mov %esp, r_stack\n"
    "push r_flags\n popf\n"
    "mov r+0, %eax\n mov r+8, %ecx\n mov r+16, %edx\n mov r+24, %ebx\n"
    "mov r+32, %esp\n mov r+40, %ebp\n mov r+48, %esi\n mov r+56, %edi\n"
    "jmp *r_code\n"
    "back:\n"
    "mov %eax, r+0\n mov %ecx, r+8\n mov %edx, r+16\n mov %ebx, r+24\n"
    "mov %esp, r+32\n mov %ebp, r+40\n mov %esi, r+48\n mov %edi, r+56\n"
    "mov r_stack, %esp\n"
    "pushf\n pop r_flags\n cld\n"
    "pop %edi\n pop %esi\n pop %ebp\n pop %ebx\n ret\n");
#endif

static void on_signal(int number) { siglongjmp(escape, number); }

int main(void) {
  static uint8_t stack[65536];
  static struct in in;
  static struct out out;
  stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_NODEFER};
  const int signals[] = {SIGFPE, SIGSEGV, SIGILL, SIGBUS, SIGTRAP};
  const int all = PROT_READ | PROT_WRITE | PROT_EXEC, how = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
  if (mmap(WINDOW, 4096, all, how, -1, 0) == MAP_FAILED || mmap(CODE, 4096, all, how, -1, 0) == MAP_FAILED) return 1;
  sigaltstack(&alternate, 0);
  for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, 0);
  while (fread(&in, sizeof in, 1, stdin) == 1) {
    uint8_t *at = CODE + in.length;
    memcpy(CODE, in.code, in.length);
#if defined(__x86_64__)
    void (*target)(void) = back;
    memcpy(at, "\xff\x25\0\0\0\0", 6); /* jmp [rip+0] */
    memcpy(at + 6, &target, 8);
#else
    int32_t distance = (int32_t)((uint8_t *)back - (at + 5));
    *at = 0xe9;
    memcpy(at + 1, &distance, 4);
#endif
    memcpy(r, in.gpr, sizeof r);
    r_flags = in.flags;
    r_code = CODE;
    memcpy(WINDOW, in.memory, WINDOW_BYTES);
    memset(&out, 0, sizeof out);
    out.signal = sigsetjmp(escape, 1);
    if (out.signal == 0) run();
    __asm__ volatile("cld");
    memcpy(out.gpr, r, sizeof r);
    out.flags = r_flags;
    memcpy(out.memory, WINDOW, WINDOW_BYTES);
    fwrite(&out, sizeof out, 1, stdout);
  }
  return 0;
}
