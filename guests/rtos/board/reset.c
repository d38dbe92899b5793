// Ways to end: keyboard-controller reset, triple fault, debug exit, halt.
// Intel 8042 "Pulse Output Port" command; Intel SDM 3A "Interrupt 8-Double Fault Exception (#DF)".
#include <board/board.h>
#include <board/cpu.h>
#include <rtos.h>

#define KBC_STATUS_COMMAND 0x64
#define KBC_STATUS_IBF 0x02
#define KBC_PULSE_RESET 0xfe
#define DEBUG_EXIT 0xf4

void boardHalt(void)
{
  kprintf("System halted.\n");
  for (;;)
    __asm__ volatile("cli; hlt");
}

void boardTripleFault(void)
{
  struct {
    uint16_t limit;
    uint32_t base;
  } __attribute__((packed)) empty = { 0, 0 };
  __asm__ volatile("cli; lidt %0; int3" : : "m"(empty));
  __builtin_unreachable();
}

void boardReboot(void)
{
  intLock();
  for (uint32_t n = 0; n < 100000 && (inb(KBC_STATUS_COMMAND) & KBC_STATUS_IBF); n++)
    cpuRelax();
  outb(KBC_STATUS_COMMAND, KBC_PULSE_RESET);
  for (uint64_t end = rdtsc() + clockUsToCycles(200000); rdtsc() < end;)
    cpuRelax();
  boardTripleFault(); /* no keyboard controller answered */
}

void boardPowerOff(void)
{
  intLock();
  outb(DEBUG_EXIT, 0); /* ends a machine that has a debug-exit port there; else nothing happens */
  boardHalt();
}
