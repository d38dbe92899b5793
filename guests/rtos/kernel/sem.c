// Binary, counting and mutual-exclusion semaphores. A mutex is recursive, and with
// SEM_INVERSION_SAFE its owner runs at the priority of its highest waiter, through chains of owners.
#include <board/cpu.h>
#include <kernel/kernel.h>

enum { SEM_BINARY = 0x53454d42, SEM_COUNTING = 0x53454d43, SEM_MUTEX = 0x53454d4d };

struct semaphore {
  uint32_t type; /* also tells a live object from a freed one */
  int options;
  uint32_t count;
  Tcb *owner;
  uint32_t recursion;
  PendQueue waiters;
  Node held; /* in the owner's heldMutexes */
};

static SEM_ID create(uint32_t type, int options, uint32_t count)
{
  SEM_ID sem = memAlloc(sizeof *sem);
  if (!sem) {
    errnoSet(S_memLib_NOT_ENOUGH_MEMORY);
    return NULL;
  }
  sem->type = type;
  sem->options = options;
  sem->count = count;
  pendQueueInit(&sem->waiters, options);
  nodeInit(&sem->held);
  return sem;
}

SEM_ID semBCreate(int options, int initialState) { return create(SEM_BINARY, options, initialState ? 1 : 0); }
SEM_ID semCCreate(int options, int initialCount) { return create(SEM_COUNTING, options, (uint32_t)initialCount); }

SEM_ID semMCreate(int options)
{
  if (options & SEM_INVERSION_SAFE)
    options |= SEM_Q_PRIORITY;
  return create(SEM_MUTEX, options, 0);
}

static bool valid(SEM_ID sem)
{
  return sem && (sem->type == SEM_BINARY || sem->type == SEM_COUNTING || sem->type == SEM_MUTEX);
}

/* The highest of a task's own priority and those of the waiters for its inversion-safe mutexes. */
static int effectivePriority(Tcb *task)
{
  int priority = task->basePriority;
  for (Node *n = task->heldMutexes.next; n != &task->heldMutexes; n = n->next) {
    SEM_ID sem = containerOf(n, struct semaphore, held);
    Tcb *waiter = pendFirst(&sem->waiters);
    if ((sem->options & SEM_INVERSION_SAFE) && waiter && waiter->priority < priority)
      priority = waiter->priority;
  }
  return priority;
}

/* Recomputes one task and every owner along the chain it waits in. */
void mutexPriorityUpdate(Tcb *owner)
{
  while (owner) {
    int priority = effectivePriority(owner);
    if (priority == owner->priority)
      return;
    taskPriorityApply(owner, priority);
    owner = owner->pendMutex ? owner->pendMutex->owner : NULL;
  }
}

static void mutexOwn(SEM_ID sem, Tcb *task)
{
  sem->owner = task;
  sem->recursion = 1;
  nodeInsertBefore(&task->heldMutexes, &sem->held);
}

/* The owner lets go: the first waiter owns the mutex at once. */
static void mutexPass(SEM_ID sem)
{
  Tcb *previous = sem->owner, *next = pendFirst(&sem->waiters);
  nodeRemove(&sem->held);
  sem->owner = NULL;
  sem->recursion = 0;
  if (next) {
    next->pendMutex = NULL;
    pendWake(next, OK, 0);
    mutexOwn(sem, next);
    mutexPriorityUpdate(next);
  }
  if (previous->state != TASK_DEAD)
    mutexPriorityUpdate(previous);
}

void mutexWaiterGone(Tcb *task)
{
  SEM_ID awaited = task->pendMutex;
  task->pendMutex = NULL;
  if (awaited)
    mutexPriorityUpdate(awaited->owner);
}

void mutexReleaseAll(Tcb *owner)
{
  while (!listEmpty(&owner->heldMutexes))
    mutexPass(containerOf(owner->heldMutexes.next, struct semaphore, held));
}

static STATUS wait(SEM_ID sem, int timeout)
{
  Tcb *self = currentTask;
  if (timeout == NO_WAIT)
    return errnoSet(S_objLib_OBJ_UNAVAILABLE);
  if (intNesting || !kernelRunning)
    return errnoSet(S_intLib_NOT_ISR_CALLABLE);
  pendStart(&sem->waiters, timeout);
  if (sem->type == SEM_MUTEX) {
    self->pendMutex = sem;
    mutexPriorityUpdate(sem->owner);
  }
  reschedule();
  return self->wakeStatus;
}

STATUS semTake(SEM_ID sem, int timeout)
{
  STATUS status = OK;
  uint32_t flags = intLock();
  if (!valid(sem)) {
    status = errnoSet(S_objLib_OBJ_ID_ERROR);
  } else if (sem->type == SEM_MUTEX) {
    if (intNesting)
      status = errnoSet(S_intLib_NOT_ISR_CALLABLE);
    else if (!sem->owner)
      mutexOwn(sem, currentTask);
    else if (sem->owner == currentTask)
      sem->recursion++;
    else
      status = wait(sem, timeout);
  } else if (sem->count) {
    sem->count--;
  } else {
    status = wait(sem, timeout);
  }
  intUnlock(flags);
  return status;
}

STATUS semGive(SEM_ID sem)
{
  STATUS status = OK;
  uint32_t flags = intLock();
  if (!valid(sem)) {
    status = errnoSet(S_objLib_OBJ_ID_ERROR);
  } else if (sem->type == SEM_MUTEX) {
    if (intNesting || sem->owner != currentTask)
      status = errnoSet(S_semLib_INVALID_OPERATION);
    else if (--sem->recursion == 0)
      mutexPass(sem);
  } else {
    Tcb *waiter = pendFirst(&sem->waiters);
    if (waiter)
      pendWake(waiter, OK, 0);
    else
      sem->count = sem->type == SEM_BINARY ? 1 : sem->count + 1;
  }
  reschedule();
  intUnlock(flags);
  return status;
}

STATUS semFlush(SEM_ID sem)
{
  STATUS status = OK;
  uint32_t flags = intLock();
  if (!valid(sem) || sem->type == SEM_MUTEX) {
    status = errnoSet(S_semLib_INVALID_OPERATION);
  } else {
    for (Tcb *waiter; (waiter = pendFirst(&sem->waiters));)
      pendWake(waiter, OK, 0);
  }
  reschedule();
  intUnlock(flags);
  return status;
}

STATUS semDelete(SEM_ID sem)
{
  if (intNesting)
    return errnoSet(S_intLib_NOT_ISR_CALLABLE);
  uint32_t flags = intLock();
  if (!valid(sem)) {
    intUnlock(flags);
    return errnoSet(S_objLib_OBJ_ID_ERROR);
  }
  for (Tcb *waiter; (waiter = pendFirst(&sem->waiters));) {
    waiter->pendMutex = NULL;
    pendWake(waiter, ERROR, S_objLib_OBJ_DELETED);
  }
  if (sem->owner) {
    nodeRemove(&sem->held);
    mutexPriorityUpdate(sem->owner);
  }
  sem->type = 0;
  memFree(sem);
  reschedule();
  intUnlock(flags);
  return OK;
}
