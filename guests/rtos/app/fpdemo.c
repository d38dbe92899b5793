// Checks that tasks which preempt each other keep their own x87 and SSE registers.
#include <app/app.h>
#include <board/board.h>

#define ROUNDS 8

static SEM_ID done;
static volatile bool finished;
static volatile uint32_t bad, checks;

/* Loads registers with values made from `seed`, waits through `pause`, and compares. */
static void round(uint32_t seed, void (*pause)(void))
{
  uint32_t integer = seed * 2654435761u >> 1, back = 0;
  uint32_t vector[4] = { seed, ~seed, seed << 16, integer }, vectorBack[4] = { 0, 0, 0, 0 };
  uint16_t control = seed & 1 ? 0x037f : 0x0f7f, controlBack = 0; /* rounding differs between the tasks */
  bool sse = fpuHasSse();
  __asm__ volatile("fninit; fldcw %1; fldpi; fildl %0" : : "m"(integer), "m"(control));
  if (sse)
    __asm__ volatile("movups %0, %%xmm5" : : "m"(vector));
  pause();
  __asm__ volatile("fistpl %0; fnstcw %1; fstp %%st(0)" : "=m"(back), "=m"(controlBack));
  if (sse)
    __asm__ volatile("movups %%xmm5, %0" : "=m"(vectorBack));
  if (back != integer || controlBack != control || (sse && memcmp(vector, vectorBack, sizeof vector) != 0))
    bad++;
  checks++;
}

static void waitTick(void) { taskDelay(1); }

static void spinTicks(void)
{
  for (uint32_t from = tickGet(); tickGet() - from < 2;)
    ;
}

static void high(long seed, long arg2)
{
  (void)arg2;
  while (!finished)
    round((uint32_t)seed, waitTick);
  semGive(done);
}

static void low(long seed, long arg2)
{
  (void)arg2;
  for (int i = 0; i < ROUNDS; i++)
    round((uint32_t)seed, spinTicks);
  finished = true;
  semGive(done);
}

bool fpDemo(void)
{
  if (!fpuPresent()) {
    printf("fp: not checked, there is no x87\n");
    return true;
  }
  done = semCCreate(SEM_Q_FIFO, 0);
  finished = false;
  bad = checks = 0;
  taskSpawn("tFpHigh", PRIORITY_FP_HIGH, 0, STACK_BYTES, high, 11, 0);
  taskSpawn("tFpLow", PRIORITY_FP_LOW, 0, STACK_BYTES, low, 22, 0);
  semTake(done, WAIT_FOREVER);
  semTake(done, WAIT_FOREVER);
  semDelete(done);
  printf("fp: %s: %u register checks across task switches, %u bad\n", bad ? "FAIL" : "PASS", checks, bad);
  return bad == 0;
}
