// Queues of tasks that wait for an object, with optional timeout.
#include <kernel/kernel.h>

void pendQueueInit(PendQueue *queue, int options)
{
  nodeInit(&queue->tasks);
  queue->byPriority = options & SEM_Q_PRIORITY;
}

Tcb *pendFirst(const PendQueue *queue)
{
  return listEmpty(&queue->tasks) ? NULL : containerOf(queue->tasks.next, Tcb, link);
}

static void insert(PendQueue *queue, Tcb *task)
{
  Node *at = queue->tasks.next;
  while (at != &queue->tasks && (!queue->byPriority || containerOf(at, Tcb, link)->priority <= task->priority))
    at = at->next;
  nodeInsertBefore(at, &task->link);
}

void pendRequeue(Tcb *task)
{
  if (!task->pendQ->byPriority)
    return;
  nodeRemove(&task->link);
  insert(task->pendQ, task);
}

static void timeoutExpire(Timer *timer)
{
  Tcb *task = containerOf(timer, Tcb, timer);
  pendWake(task, ERROR, S_objLib_OBJ_TIMEOUT);
  mutexWaiterGone(task);
}

void pendStart(PendQueue *queue, int timeout)
{
  Tcb *self = currentTask;
  readyRemove(self);
  self->state |= TASK_PEND;
  self->pendQ = queue;
  self->wakeStatus = OK;
  insert(queue, self);
  if (timeout != WAIT_FOREVER)
    timerStart(&self->timer, (uint32_t)timeout, timeoutExpire);
}

void pendWake(Tcb *task, STATUS status, int errorStatus)
{
  nodeRemove(&task->link);
  timerStop(&task->timer);
  task->pendQ = NULL;
  task->wakeStatus = status;
  if (status != OK)
    task->errorStatus = errorStatus;
  task->state &= ~TASK_PEND;
  if (task->state == TASK_READY)
    readyInsert(task);
}
