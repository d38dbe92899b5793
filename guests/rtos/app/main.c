// Root task: banner, workload, demonstrations, then the shell.
#include <app/app.h>
#include <board/board.h>

static void banner(void)
{
  uint32_t khz = clockTscKHz();
  printf("\nPcanel RTOS %s: 8254 at %u Hz, TSC %u.%03u MHz\n", RTOS_VERSION, sysClkRateGet(), khz / 1000, khz % 1000);
  if (bootOptions.quiet)
    return;
  printf("memory: image %u KiB, heap %u KiB free, RAM above 1 MiB %u KiB\n", (uint32_t)(imageEnd - imageStart) / 1024,
         (uint32_t)memFreeBytes() / 1024, bootOptions.memoryKiB);
  printf("fpu: %s, switched lazily\n", fpuName());
  printf("cmdline: %s\n", bootOptions.cmdline);
}

void appRoot(long arg1, long arg2)
{
  (void)arg1, (void)arg2;
  banner();
  latencyStart();
  mqStart();
  if (!bootOptions.quiet) {
    piDemo();
    fpDemo();
    printf("Type 'help' for the commands.\n");
  }
  if (bootOptions.loadPercent)
    loadSet(bootOptions.loadPercent);
  taskSpawn("tShell", PRIORITY_SHELL, 0, 2 * STACK_BYTES, shellTask, 0, 0);
}
