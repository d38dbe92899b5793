// Priority-preemptive scheduler: 256 ready queues, a two-level bitmap, the idle task.
#include <board/board.h>
#include <board/cpu.h>
#include <kernel/kernel.h>

#define WORDS (PRIORITY_COUNT / 32)

Tcb *currentTask;
Node allTasks = { &allTasks, &allTasks };
uint32_t intNesting;
uint64_t interruptCycles;
bool kernelRunning;

static Node readyQueues[PRIORITY_COUNT];
static uint32_t readyWords;       /* bit w: readyBits[w] is not zero */
static uint32_t readyBits[WORDS]; /* bit p: a task is ready at priority 32 * w + p */
static Tcb *idleTask;
static uint64_t accountedTsc;
static int sliceTicks;

void schedInit(void)
{
  for (int i = 0; i < PRIORITY_COUNT; i++)
    nodeInit(&readyQueues[i]);
}

void readyInsert(Tcb *task)
{
  if (task->priority == PRIORITY_IDLE)
    return;
  nodeInsertBefore(&readyQueues[task->priority], &task->link);
  readyBits[task->priority / 32] |= 1u << (task->priority % 32);
  readyWords |= 1u << (task->priority / 32);
}

void readyRemove(Tcb *task)
{
  nodeRemove(&task->link);
  if (!listEmpty(&readyQueues[task->priority]))
    return;
  int word = task->priority / 32;
  readyBits[word] &= ~(1u << (task->priority % 32));
  if (!readyBits[word])
    readyWords &= ~(1u << word);
}

void readyRotate(Tcb *task)
{
  nodeRemove(&task->link);
  nodeInsertBefore(&readyQueues[task->priority], &task->link);
}

static Tcb *highestReady(void)
{
  if (!readyWords)
    return idleTask;
  int word = __builtin_ctz(readyWords);
  int priority = word * 32 + __builtin_ctz(readyBits[word]);
  return containerOf(readyQueues[priority].next, Tcb, link);
}

/* Charges the time since the last call to `account`. */
static void charge(uint64_t *account)
{
  uint64_t now = rdtsc();
  *account += now - accountedTsc;
  accountedTsc = now;
}

void accountCurrent(void) { charge(&currentTask->cycles); }

static void switchTo(Tcb *next)
{
  Tcb *previous = currentTask;
  if (*(uint32_t *)previous->stack != STACK_FILL) {
    kprintf("panic: stack overflow in task %s\n", previous->name);
    boardHalt();
  }
  next->switches++;
  next->sliceUsed = 0;
  currentTask = next;
  fpuSwitchTo(next);
  contextSwitch(&previous->sp, next->sp);
}

void reschedule(void)
{
  if (intNesting || !kernelRunning)
    return;
  Tcb *next = highestReady();
  if (next == currentTask)
    return;
  accountCurrent();
  switchTo(next);
}

STATUS kernelTimeSlice(int ticks)
{
  if (ticks < 0)
    return ERROR;
  sliceTicks = ticks;
  return OK;
}

void sliceTick(void)
{
  Tcb *task = currentTask;
  if (!sliceTicks || task == idleTask || task->state != TASK_READY)
    return;
  if (++task->sliceUsed >= (uint32_t)sliceTicks) {
    task->sliceUsed = 0;
    readyRotate(task);
  }
}

void interruptEnter(void)
{
  if (intNesting++ == 0 && kernelRunning)
    accountCurrent();
}

void interruptExit(void)
{
  if (--intNesting || !kernelRunning)
    return;
  charge(&interruptCycles);
  Tcb *next = highestReady();
  if (next != currentTask)
    switchTo(next);
}

static void idle(long arg1, long arg2)
{
  (void)arg1, (void)arg2;
  for (;;) {
    taskReap();
    cpuHalt();
  }
}

void kernelStart(TASK_ENTRY root, size_t stackBytes)
{
  idleTask = taskCreate("tIdle", PRIORITY_IDLE, 4096, idle, 0, 0);
  Tcb *rootTask = taskCreate("tRoot", 100, stackBytes, root, 0, 0);
  if (!idleTask || !rootTask) {
    kprintf("panic: not enough memory for the first tasks\n");
    boardHalt();
  }
  uint32_t *bootSp;
  intLock();
  readyInsert(rootTask);
  accountedTsc = rdtsc();
  currentTask = rootTask;
  kernelRunning = true;
  fpuSwitchTo(rootTask);
  contextSwitch(&bootSp, rootTask->sp);
  __builtin_unreachable();
}
