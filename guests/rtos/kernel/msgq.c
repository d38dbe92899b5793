// Message queues: bounded ring of fixed-size slots, with waiting senders and receivers.
#include <board/cpu.h>
#include <kernel/kernel.h>

#define MSG_Q_MAGIC 0x4d534751u

struct messageQueue {
  uint32_t magic;
  uint32_t slots, slotBytes, count, first;
  PendQueue receivers, senders;
  uint8_t *data; /* slots of { length, bytes } */
};

MSG_Q_ID msgQCreate(int maxMessages, size_t maxBytes, int options)
{
  size_t slotBytes = ((maxBytes + 3) & ~(size_t)3) + sizeof(uint32_t);
  MSG_Q_ID queue = NULL;
  if (maxMessages > 0 && maxMessages <= 65536 && maxBytes > 0 && maxBytes <= 4096)
    queue = memAlloc(sizeof *queue + (size_t)maxMessages * slotBytes);
  if (!queue) {
    errnoSet(S_memLib_NOT_ENOUGH_MEMORY);
    return NULL;
  }
  queue->magic = MSG_Q_MAGIC;
  queue->slots = (uint32_t)maxMessages;
  queue->slotBytes = slotBytes;
  queue->data = (uint8_t *)(queue + 1);
  pendQueueInit(&queue->receivers, options);
  pendQueueInit(&queue->senders, options);
  return queue;
}

static bool valid(MSG_Q_ID queue) { return queue && queue->magic == MSG_Q_MAGIC; }

static uint8_t *slot(MSG_Q_ID queue, uint32_t index)
{
  uint32_t at = queue->first + index;
  return queue->data + (at >= queue->slots ? at - queue->slots : at) * queue->slotBytes;
}

static void wakeOne(PendQueue *queue)
{
  Tcb *task = pendFirst(queue);
  if (task)
    pendWake(task, OK, 0);
}

/* Waits until woken or until `deadline`; the caller then looks at the queue again. */
static STATUS wait(PendQueue *waiters, int timeout, uint32_t deadline)
{
  if (timeout == NO_WAIT)
    return errnoSet(S_objLib_OBJ_UNAVAILABLE);
  if (intNesting || !kernelRunning)
    return errnoSet(S_intLib_NOT_ISR_CALLABLE);
  int left = timeout;
  if (timeout != WAIT_FOREVER) {
    left = (int)(deadline - tickGet());
    if (left <= 0)
      return errnoSet(S_objLib_OBJ_TIMEOUT);
  }
  pendStart(waiters, left);
  reschedule();
  return currentTask->wakeStatus;
}

STATUS msgQSend(MSG_Q_ID queue, const void *message, size_t bytes, int timeout, int priority)
{
  uint32_t deadline = tickGet() + (uint32_t)timeout, flags = intLock();
  STATUS status = valid(queue) ? OK : errnoSet(S_objLib_OBJ_ID_ERROR);
  if (status == OK && bytes > queue->slotBytes - sizeof(uint32_t))
    status = errnoSet(S_msgQLib_INVALID_MSG_LENGTH);
  while (status == OK && queue->count == queue->slots)
    status = wait(&queue->senders, timeout, deadline);
  if (status == OK) {
    uint8_t *to;
    if (priority == MSG_PRI_URGENT) {
      queue->first = (queue->first ? queue->first : queue->slots) - 1;
      to = slot(queue, 0);
    } else {
      to = slot(queue, queue->count);
    }
    queue->count++;
    *(uint32_t *)to = bytes;
    memcpy(to + sizeof(uint32_t), message, bytes);
    wakeOne(&queue->receivers);
    reschedule();
  }
  intUnlock(flags);
  return status;
}

int msgQReceive(MSG_Q_ID queue, void *message, size_t bytes, int timeout)
{
  uint32_t deadline = tickGet() + (uint32_t)timeout, flags = intLock();
  int result = valid(queue) ? OK : errnoSet(S_objLib_OBJ_ID_ERROR);
  while (result == OK && queue->count == 0)
    result = wait(&queue->receivers, timeout, deadline);
  if (result == OK) {
    const uint8_t *from = slot(queue, 0);
    uint32_t length = *(const uint32_t *)from;
    if (length > bytes)
      length = bytes; /* the rest is lost, as in VxWorks */
    memcpy(message, from + sizeof(uint32_t), length);
    queue->first = queue->first + 1 == queue->slots ? 0 : queue->first + 1;
    queue->count--;
    wakeOne(&queue->senders);
    reschedule();
    result = (int)length;
  }
  intUnlock(flags);
  return result;
}

int msgQNumMsgs(MSG_Q_ID queue)
{
  return valid(queue) ? (int)queue->count : errnoSet(S_objLib_OBJ_ID_ERROR);
}

STATUS msgQDelete(MSG_Q_ID queue)
{
  if (intNesting)
    return errnoSet(S_intLib_NOT_ISR_CALLABLE);
  uint32_t flags = intLock();
  if (!valid(queue)) {
    intUnlock(flags);
    return errnoSet(S_objLib_OBJ_ID_ERROR);
  }
  for (Tcb *task; (task = pendFirst(&queue->receivers)) || (task = pendFirst(&queue->senders));)
    pendWake(task, ERROR, S_objLib_OBJ_DELETED);
  queue->magic = 0;
  memFree(queue);
  reschedule();
  intUnlock(flags);
  return OK;
}
