// Tasks: creation, deletion, suspension, delay and priorities.
#include <board/board.h>
#include <board/cpu.h>
#include <kernel/kernel.h>

static Node deadTasks = { &deadTasks, &deadTasks };

STATUS errnoSet(int value)
{
  if (currentTask && !intNesting)
    currentTask->errorStatus = value;
  return ERROR;
}

int errnoGet(void) { return currentTask ? currentTask->errorStatus : 0; }

bool taskVerify(const Tcb *task)
{
  for (const Node *n = allTasks.next; n != &allTasks; n = n->next)
    if (containerOf(n, Tcb, all) == task)
      return true;
  return false;
}

/* First code of every task, entered by contextSwitch() with interrupts locked. */
static void taskMain(void)
{
  Tcb *self = currentTask;
  cpuEnableInterrupts();
  self->entry(self->arg1, self->arg2);
  taskDelete(NULL);
  __builtin_unreachable();
}

Tcb *taskCreate(const char *name, int priority, size_t stackBytes, TASK_ENTRY entry, long arg1, long arg2)
{
  Tcb *task = memAlloc(sizeof *task);
  if (!task)
    return NULL;
  task->stackBytes = (stackBytes + 15) & ~(size_t)15;
  task->stack = memAlloc(task->stackBytes);
  if (!task->stack) {
    memFree(task);
    return NULL;
  }
  memset(task->stack, STACK_FILL & 0xff, task->stackBytes);
  snprintf(task->name, sizeof task->name, "%s", name);
  task->priority = task->basePriority = priority;
  task->entry = entry;
  task->arg1 = arg1;
  task->arg2 = arg2;
  nodeInit(&task->link);
  nodeInit(&task->heldMutexes);
  nodeInit(&task->timer.link);

  uint32_t *sp = (uint32_t *)(task->stack + task->stackBytes);
  *--sp = 0;                   /* return address of taskMain: ends back traces */
  *--sp = (uint32_t)taskMain;  /* popped by contextSwitch(), as are the next four */
  for (int i = 0; i < 4; i++)
    *--sp = 0;
  task->sp = sp;

  uint32_t flags = intLock();
  nodeInsertBefore(&allTasks, &task->all);
  intUnlock(flags);
  return task;
}

TASK_ID taskSpawn(const char *name, int priority, int options, size_t stackBytes, TASK_ENTRY entry, long arg1, long arg2)
{
  (void)options; /* none is defined: every task may use x87 and SSE */
  if (priority < 0 || priority >= PRIORITY_COUNT || !entry || stackBytes < 1024) {
    errnoSet(S_taskLib_ILLEGAL_PRIORITY);
    return NULL;
  }
  if (intNesting) {
    errnoSet(S_intLib_NOT_ISR_CALLABLE);
    return NULL;
  }
  taskReap();
  Tcb *task = taskCreate(name, priority, stackBytes, entry, arg1, arg2);
  if (!task) {
    errnoSet(S_memLib_NOT_ENOUGH_MEMORY);
    return NULL;
  }
  uint32_t flags = intLock();
  readyInsert(task);
  reschedule();
  intUnlock(flags);
  return task;
}

/* Takes a task out of whatever queue it is in. */
static void detach(Tcb *task)
{
  if (task->state == TASK_READY)
    readyRemove(task);
  else
    nodeRemove(&task->link);
  timerStop(&task->timer);
  task->pendQ = NULL;
}

STATUS taskDelete(TASK_ID task)
{
  if (intNesting)
    return errnoSet(S_intLib_NOT_ISR_CALLABLE);
  uint32_t flags = intLock();
  if (!task)
    task = currentTask;
  if (!taskVerify(task) || task->priority == PRIORITY_IDLE) {
    intUnlock(flags);
    return errnoSet(S_objLib_OBJ_ID_ERROR);
  }
  detach(task);
  task->state = TASK_DEAD;
  mutexWaiterGone(task);
  mutexReleaseAll(task);
  fpuForget(task);
  nodeRemove(&task->all);
  nodeInsertBefore(&deadTasks, &task->all);
  reschedule();
  intUnlock(flags);
  return OK;
}

void taskReap(void)
{
  for (;;) {
    uint32_t flags = intLock();
    Tcb *task = NULL;
    if (!listEmpty(&deadTasks)) {
      task = containerOf(deadTasks.next, Tcb, all);
      nodeRemove(&task->all);
    }
    intUnlock(flags);
    if (!task)
      return;
    memFree(task->stack);
    memFree(task);
  }
}

STATUS taskSuspend(TASK_ID task)
{
  uint32_t flags = intLock();
  if (!task)
    task = currentTask;
  if (!taskVerify(task) || task->priority == PRIORITY_IDLE) {
    intUnlock(flags);
    return errnoSet(S_objLib_OBJ_ID_ERROR);
  }
  if (task->state == TASK_READY)
    readyRemove(task);
  task->state |= TASK_SUSPEND;
  reschedule();
  intUnlock(flags);
  return OK;
}

STATUS taskResume(TASK_ID task)
{
  uint32_t flags = intLock();
  if (!task || !taskVerify(task) || !(task->state & TASK_SUSPEND)) {
    intUnlock(flags);
    return errnoSet(S_objLib_OBJ_ID_ERROR);
  }
  task->state &= ~TASK_SUSPEND;
  if (task->state == TASK_READY)
    readyInsert(task);
  reschedule();
  intUnlock(flags);
  return OK;
}

static void delayExpire(Timer *timer)
{
  Tcb *task = containerOf(timer, Tcb, timer);
  task->state &= ~TASK_DELAY;
  if (task->state == TASK_READY)
    readyInsert(task);
}

STATUS taskDelay(int ticks)
{
  if (intNesting)
    return errnoSet(S_intLib_NOT_ISR_CALLABLE);
  uint32_t flags = intLock();
  Tcb *self = currentTask;
  if (ticks <= 0) {
    readyRotate(self);
  } else {
    readyRemove(self);
    self->state |= TASK_DELAY;
    timerStart(&self->timer, (uint32_t)ticks, delayExpire);
  }
  reschedule();
  intUnlock(flags);
  return OK;
}

/* Sets the effective priority and moves the task within its queue. */
void taskPriorityApply(Tcb *task, int priority)
{
  if (task->priority == priority)
    return;
  if (task->state == TASK_READY) {
    readyRemove(task);
    task->priority = priority;
    readyInsert(task);
    return;
  }
  task->priority = priority;
  if (task->pendQ)
    pendRequeue(task);
}

STATUS taskPrioritySet(TASK_ID task, int priority)
{
  if (priority < 0 || priority >= PRIORITY_COUNT)
    return errnoSet(S_taskLib_ILLEGAL_PRIORITY);
  uint32_t flags = intLock();
  if (!task)
    task = currentTask;
  if (!taskVerify(task) || task->priority == PRIORITY_IDLE) {
    intUnlock(flags);
    return errnoSet(S_objLib_OBJ_ID_ERROR);
  }
  task->basePriority = priority;
  mutexPriorityUpdate(task);
  reschedule();
  intUnlock(flags);
  return OK;
}

STATUS taskPriorityGet(TASK_ID task, int *priority)
{
  uint32_t flags = intLock();
  if (!task)
    task = currentTask;
  bool known = taskVerify(task);
  if (known)
    *priority = task->priority;
  intUnlock(flags);
  return known ? OK : errnoSet(S_objLib_OBJ_ID_ERROR);
}

TASK_ID taskIdSelf(void) { return currentTask; }

TASK_ID taskNameToId(const char *name)
{
  TASK_ID found = NULL;
  uint32_t flags = intLock();
  for (Node *n = allTasks.next; n != &allTasks && !found; n = n->next) {
    Tcb *task = containerOf(n, Tcb, all);
    if (strcmp(task->name, name) == 0)
      found = task;
  }
  intUnlock(flags);
  return found;
}

size_t taskStackUsed(const Tcb *task)
{
  const uint32_t *word = (const uint32_t *)task->stack;
  const uint32_t *end = (const uint32_t *)(task->stack + task->stackBytes);
  while (word < end && *word == STACK_FILL)
    word++;
  return (size_t)((const char *)end - (const char *)word);
}

const char *taskStateName(const Tcb *task)
{
  static const char *const names[] = {
    [TASK_READY] = "READY",
    [TASK_PEND] = "PEND",
    [TASK_DELAY] = "DELAY",
    [TASK_SUSPEND] = "SUSPEND",
    [TASK_SUSPEND | TASK_PEND] = "PEND+S",
    [TASK_SUSPEND | TASK_DELAY] = "DELAY+S",
    [TASK_DEAD] = "DEAD",
  };
  const char *name = task->state < sizeof names / sizeof names[0] ? names[task->state] : NULL;
  return name ? name : "?";
}
