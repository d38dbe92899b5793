// Priority inversion, once without and once with inheritance: a low task holds a mutex that a high task wants,
// while a medium task wants the processor.
#include <app/app.h>
#include <board/board.h>
#include <board/cpu.h>

#define HOLD_US 4000    /* low's work inside the mutex */
#define MEDIUM_US 20000

static struct {
  SEM_ID mutex, done;
  int lowPriority;       /* low's effective priority at the end of its work inside the mutex */
  int lowAfter;          /* and after giving the mutex */
  bool mediumRan;        /* medium had run when high got the mutex */
  volatile bool mediumStarted;
  uint64_t highWaited;   /* TSC cycles */
} demo;

static void high(long arg1, long arg2)
{
  (void)arg1, (void)arg2;
  uint64_t from = rdtsc();
  semTake(demo.mutex, WAIT_FOREVER);
  demo.highWaited = rdtsc() - from;
  demo.mediumRan = demo.mediumStarted;
  semGive(demo.mutex);
  semGive(demo.done);
}

static void medium(long arg1, long arg2)
{
  (void)arg1, (void)arg2;
  demo.mediumStarted = true;
  burnCycles(clockUsToCycles(MEDIUM_US));
  semGive(demo.done);
}

static void low(long arg1, long arg2)
{
  (void)arg1, (void)arg2;
  semTake(demo.mutex, WAIT_FOREVER);
  taskSpawn("tHigh", PRIORITY_PI_HIGH, 0, STACK_BYTES, high, 0, 0);
  taskSpawn("tMedium", PRIORITY_PI_MEDIUM, 0, STACK_BYTES, medium, 0, 0);
  burnCycles(clockUsToCycles(HOLD_US));
  taskPriorityGet(NULL, &demo.lowPriority);
  semGive(demo.mutex);
  taskPriorityGet(NULL, &demo.lowAfter);
  semGive(demo.done);
}

static void run(int options)
{
  memset(&demo, 0, sizeof demo);
  demo.mutex = semMCreate(options);
  demo.done = semCCreate(SEM_Q_FIFO, 0);
  taskSpawn("tLow", PRIORITY_PI_LOW, 0, STACK_BYTES, low, 0, 0);
  for (int i = 0; i < 3; i++)
    semTake(demo.done, WAIT_FOREVER);
  semDelete(demo.mutex);
  semDelete(demo.done);
}

static void print(const char *kind)
{
  uint32_t us = (uint32_t)udiv64(clockCyclesToNs(demo.highWaited), 1000);
  printf("pi: %s: low (%d) held the mutex at priority %d, high (%d) waited %u us, medium (%d) ran %s\n", kind,
         PRIORITY_PI_LOW, demo.lowPriority, PRIORITY_PI_HIGH, us, PRIORITY_PI_MEDIUM, demo.mediumRan ? "first" : "after it");
}

bool piDemo(void)
{
  run(SEM_Q_PRIORITY);
  bool inverted = demo.mediumRan && demo.lowPriority == PRIORITY_PI_LOW;
  print("plain mutex      ");
  run(SEM_Q_PRIORITY | SEM_INVERSION_SAFE);
  bool safe = !demo.mediumRan && demo.lowPriority == PRIORITY_PI_HIGH && demo.lowAfter == PRIORITY_PI_LOW;
  print("with inheritance ");
  printf("pi: %s\n", inverted && safe ? "PASS: low ran at high's priority and high was not blocked by medium" : "FAIL");
  return inverted && safe;
}
