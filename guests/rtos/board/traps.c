// Interrupt descriptor table and exception reports. Intel SDM 3A "Interrupt and Exception Handling".
#include <board/board.h>
#include <board/cpu.h>
#include <kernel/kernel.h>

#define VECTOR_COUNT 48
#define STUB_BYTES 16
#define GATE_INTERRUPT32 0x8e00u /* present, DPL 0 */
#define CODE_SELECTOR 0x08u
enum { VECTOR_NMI = 2, VECTOR_NM = 7, VECTOR_PF = 14 };

extern char trapVectors[];
static uint32_t idt[VECTOR_COUNT][2] __attribute__((aligned(8)));

static const char *const exceptionNames[32] = {
  [0] = "#DE divide error", [1] = "#DB debug", [2] = "NMI", [3] = "#BP breakpoint", [4] = "#OF overflow",
  [5] = "#BR bound range", [6] = "#UD invalid opcode", [7] = "#NM device not available", [8] = "#DF double fault",
  [9] = "coprocessor segment overrun", [10] = "#TS invalid TSS", [11] = "#NP segment not present",
  [12] = "#SS stack fault", [13] = "#GP general protection", [14] = "#PF page fault", [16] = "#MF x87 error",
  [17] = "#AC alignment check", [18] = "#MC machine check", [19] = "#XM SIMD error", [20] = "#VE virtualization",
  [21] = "#CP control protection",
};

void trapsInit(void)
{
  for (unsigned vector = 0; vector < VECTOR_COUNT; vector++) {
    uint32_t target = (uint32_t)trapVectors + vector * STUB_BYTES;
    idt[vector][0] = CODE_SELECTOR << 16 | (target & 0xffff);
    idt[vector][1] = (target & 0xffff0000) | GATE_INTERRUPT32;
  }
  struct {
    uint16_t limit;
    uint32_t base;
  } __attribute__((packed)) pointer = { sizeof idt - 1, (uint32_t)idt };
  __asm__ volatile("lidt %0" : : "m"(pointer));
}

static void report(const TrapFrame *f)
{
  const char *name = exceptionNames[f->vector];
  kprintf("\nexception %u %s, error code %08x, task %s\n", f->vector, name ? name : "reserved", f->errorCode,
          currentTask ? currentTask->name : "(none)");
  kprintf("eip %08x cs %04x eflags %08x esp %08x\n", f->eip, f->cs, f->eflags, (uint32_t)(f + 1));
  kprintf("eax %08x ebx %08x ecx %08x edx %08x\n", f->eax, f->ebx, f->ecx, f->edx);
  kprintf("esi %08x edi %08x ebp %08x\n", f->esi, f->edi, f->ebp);
  kprintf("cr0 %08x cr2 %08x cr3 %08x cr4 %08x\n", readCr0(), readCr2(), readCr3(), readCr4());
  if (f->vector == VECTOR_PF)
    kprintf("%s of %08x: page %s\n", f->errorCode & 2 ? "write" : "read", readCr2(),
            f->errorCode & 1 ? "protected" : "not present");
}

/* A task that faults is suspended; a fault of the kernel itself stops the system. */
static void exception(TrapFrame *frame)
{
  report(frame);
  if (frame->vector == VECTOR_NMI)
    return;
  bool inTask = kernelRunning && !intNesting && (frame->eflags & EFLAGS_IF) && currentTask->priority != PRIORITY_IDLE;
  if (!inTask) {
    kprintf("panic: exception in the kernel\n");
    boardHalt();
  }
  kprintf("task %s suspended\n", currentTask->name);
  taskSuspend(NULL);
}

void trapDispatch(TrapFrame *frame)
{
  if (frame->vector >= IRQ_VECTOR_BASE) {
    interruptEnter();
    picDispatch(frame->vector - IRQ_VECTOR_BASE);
    interruptExit();
  } else if (frame->vector != VECTOR_NM || !fpuDeviceNotAvailable()) {
    exception(frame);
  }
}
