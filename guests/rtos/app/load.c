// tLoad: burns a given share of the processor below every other task.
#include <app/app.h>
#include <board/board.h>
#include <board/cpu.h>

#define PERIOD_MS 10

static volatile uint32_t percentage;
static TASK_ID task;

/* Spins for this much time as the clock on the wall has it. */
void burnCycles(uint64_t cycles)
{
  for (uint64_t from = rdtsc(); rdtsc() - from < cycles;)
    for (volatile int i = 0; i < 50; i++)
      ;
}

static void loadTask(long arg1, long arg2)
{
  (void)arg1, (void)arg2;
  uint32_t period = (uint32_t)msToTicks(PERIOD_MS);
  uint64_t periodCycles = (uint64_t)period * clockPeriodCycles();
  for (;;) {
    uint32_t next = tickGet() + period;
    burnCycles(udiv64(periodCycles * percentage, 100));
    int left = (int)(next - tickGet());
    if (percentage < 100 && left > 0)
      taskDelay(left);
  }
}

void loadSet(uint32_t percent)
{
  if (task) {
    taskDelete(task);
    task = NULL;
  }
  percentage = percent;
  if (percent)
    task = taskSpawn("tLoad", PRIORITY_LOAD, 0, STACK_BYTES, loadTask, 0, 0);
}

uint32_t loadGet(void) { return percentage; }
