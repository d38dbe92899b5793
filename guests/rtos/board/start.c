// Brings the board up in order and starts the kernel with the application's root task.
#include <app/app.h>
#include <board/board.h>
#include <board/cpu.h>
#include <kernel/kernel.h>

#define MEMORY_END (4u << 20) /* the system lives in the first 4 MiB */
#define ONE_MIB (1u << 20)
#define ROOT_STACK_BYTES 8192

static uintptr_t memoryEnd(void)
{
  uintptr_t end = ONE_MIB + bootOptions.memoryKiB * 1024;
  if (bootOptions.memoryKiB == 0 || bootOptions.memoryKiB > (MEMORY_END - ONE_MIB) / 1024)
    end = MEMORY_END;
  return end;
}

void boardStart(uint32_t magic, const void *information)
{
  uartInit();
  trapsInit();
  picInit();
  if (!multibootParse(magic, information)) {
    kprintf("panic: not started by a multiboot loader (eax %08x)\n", magic);
    boardHalt();
  }
  if (!(cpuidFeatures() & CPUID1_EDX_TSC)) {
    kprintf("panic: this processor has no time-stamp counter\n");
    boardHalt();
  }
  if (!bootOptions.flat) {
    pagingInit();
    fpuInit();
  }
  clockCalibrate();
  heapInit((uintptr_t)imageEnd, memoryEnd());
  schedInit();
  tickInit(bootOptions.tickHz);
  consoleInit();
  uartStart();
  clockStart(bootOptions.tickHz);
  kernelStart(appRoot, ROOT_STACK_BYTES);
}
