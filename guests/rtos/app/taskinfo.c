// The task list (`i`) and the processor share of each task (`spy`).
#include <app/app.h>
#include <board/board.h>
#include <board/cpu.h>
#include <kernel/kernel.h>

#define MAX_TASKS 32

typedef struct {
  Tcb *task;
  char name[TASK_NAME_BYTES];
  const char *state;
  int priority, basePriority, errorStatus;
  size_t stackBytes, stackUsed;
  uint32_t ticks, switches;
  uint64_t cycles;
} Row;

typedef struct {
  Row rows[MAX_TASKS];
  int count;
  uint64_t interruptCycles;
} Snapshot;

/* Copies the list with interrupts locked, so that the slow printing sees tasks that stay. */
static Snapshot *snapshot(void)
{
  Snapshot *s = memAlloc(sizeof *s);
  if (!s) {
    printf("not enough memory\n");
    return NULL;
  }
  uint32_t flags = intLock();
  accountCurrent();
  s->interruptCycles = interruptCycles;
  for (Node *n = allTasks.next; n != &allTasks && s->count < MAX_TASKS; n = n->next) {
    Tcb *t = containerOf(n, Tcb, all);
    Row *row = &s->rows[s->count++];
    *row = (Row){ .task = t, .state = taskStateName(t), .priority = t->priority, .basePriority = t->basePriority,
                  .errorStatus = t->errorStatus, .stackBytes = t->stackBytes, .ticks = t->ticks,
                  .switches = t->switches, .cycles = t->cycles };
    memcpy(row->name, t->name, TASK_NAME_BYTES);
  }
  intUnlock(flags);
  for (int i = 0; i < s->count; i++) { /* a stack is scanned with interrupts on, if its task is still there */
    flags = intLock();
    bool alive = taskVerify(s->rows[i].task);
    intUnlock(flags);
    if (alive)
      s->rows[i].stackUsed = taskStackUsed(s->rows[i].task);
  }
  return s;
}

void taskInfoPrint(void)
{
  Snapshot *s = snapshot();
  if (!s)
    return;
  printf("NAME             TID      PRI OWN STATE    STACK used/size  CPU ticks   SWITCHES  ERRNO\n");
  for (int i = 0; i < s->count; i++) {
    const Row *r = &s->rows[i];
    printf("%-16s %p %3d %3d %-8s %10u/%5u %10u %10u %6x\n", r->name, (void *)r->task, r->priority, r->basePriority,
           r->state, (uint32_t)r->stackUsed, (uint32_t)r->stackBytes, r->ticks, r->switches, (uint32_t)r->errorStatus);
  }
  memFree(s);
}

static void share(const char *name, uint64_t cycles, uint64_t total)
{
  uint64_t scaled = total;
  int shift = 0;
  for (; scaled >> 32; shift++)
    scaled >>= 1; /* the divisor has 32 bits */
  uint32_t perMille = scaled ? (uint32_t)udiv64((cycles >> shift) * 1000, (uint32_t)scaled) : 0;
  printf("%-16s %3u.%u %%\n", name, perMille / 10, perMille % 10);
}

void spyPrint(uint32_t seconds)
{
  Snapshot *before = snapshot();
  uint64_t from = rdtsc();
  taskDelay((int)(seconds * sysClkRateGet()));
  uint64_t total = rdtsc() - from;
  Snapshot *after = snapshot();
  if (before && after) {
    printf("NAME             share of the last %u s\n", seconds);
    for (int i = 0; i < after->count; i++) {
      const Row *row = &after->rows[i];
      uint64_t earlier = 0;
      for (int k = 0; k < before->count; k++)
        if (before->rows[k].task == row->task)
          earlier = before->rows[k].cycles;
      share(row->name, row->cycles >= earlier ? row->cycles - earlier : row->cycles, total);
    }
    share("(interrupts)", after->interruptCycles - before->interruptCycles, total);
  }
  memFree(before);
  memFree(after);
}
