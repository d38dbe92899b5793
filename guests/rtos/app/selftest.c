// Self-test of the kernel's services, run by the shell command `test`. Helpers run above the shell's priority,
// so that what they do has happened when taskSpawn() returns.
#include <app/app.h>
#include <board/board.h>
#include <kernel/kernel.h>

static uint32_t failures, checks;
static volatile long counters[3];
static SEM_ID semA, semB;
static MSG_Q_ID queue;

#define CHECK(condition) check(condition, #condition, __LINE__)

static void check(bool ok, const char *what, int line)
{
  checks++;
  if (ok)
    return;
  failures++;
  printf("test: line %d: failed: %s\n", line, what);
}

static TASK_ID spawn(const char *name, int above, TASK_ENTRY entry, long arg1, long arg2)
{
  return taskSpawn(name, PRIORITY_SHELL - above, 0, STACK_BYTES, entry, arg1, arg2);
}

static int priorityOf(TASK_ID task)
{
  int priority = -1;
  taskPriorityGet(task, &priority);
  return priority;
}

static void takeThenCount(long sem, long counter)
{
  counters[counter] += semTake((SEM_ID)sem, WAIT_FOREVER) == OK ? 1 : 100;
}

static void takeGiveMutexes(long first, long second)
{
  semTake((SEM_ID)first, WAIT_FOREVER);
  if (second)
    semTake((SEM_ID)second, WAIT_FOREVER);
  counters[0]++;
  if (second)
    semGive((SEM_ID)second);
  semGive((SEM_ID)first);
}

static void takeShortly(long sem, long ticks) { counters[1] = semTake((SEM_ID)sem, (int)ticks); }
static void bump(long counter) { counters[counter]++; }

static void countForever(long counter, long arg2)
{
  (void)arg2;
  for (;;)
    counters[counter]++;
}

static void testSemaphores(void)
{
  semA = semBCreate(SEM_Q_PRIORITY, 0);
  uint32_t from = tickGet();
  CHECK(semTake(semA, NO_WAIT) == ERROR && errnoGet() == S_objLib_OBJ_UNAVAILABLE);
  CHECK(semTake(semA, 5) == ERROR && errnoGet() == S_objLib_OBJ_TIMEOUT);
  CHECK(tickGet() - from >= 5);
  semGive(semA);
  semGive(semA); /* binary: the second is absorbed */
  CHECK(semTake(semA, NO_WAIT) == OK);
  CHECK(semTake(semA, NO_WAIT) == ERROR);

  memset((void *)counters, 0, sizeof counters);
  spawn("tA", 1, takeThenCount, (long)semA, 0);
  spawn("tB", 2, takeThenCount, (long)semA, 1); /* later, but higher: first by priority */
  semGive(semA);
  CHECK(counters[0] == 0 && counters[1] == 1);
  semGive(semA);
  CHECK(counters[0] == 1);
  spawn("tA", 1, takeThenCount, (long)semA, 0);
  spawn("tB", 2, takeThenCount, (long)semA, 1);
  semFlush(semA);
  CHECK(counters[0] == 2 && counters[1] == 2);
  spawn("tA", 1, takeThenCount, (long)semA, 0);
  semDelete(semA);
  CHECK(counters[0] == 102); /* the waiter got ERROR */
  CHECK(taskNameToId("tA") == NULL);

  semA = semCCreate(SEM_Q_FIFO, 2);
  CHECK(semTake(semA, NO_WAIT) == OK && semTake(semA, NO_WAIT) == OK && semTake(semA, NO_WAIT) == ERROR);
  semDelete(semA);
}

static void testMutexes(void)
{
  semA = semMCreate(SEM_INVERSION_SAFE);
  semB = semMCreate(SEM_INVERSION_SAFE);
  memset((void *)counters, 0, sizeof counters);
  CHECK(semGive(semA) == ERROR); /* not the owner */
  CHECK(semTake(semA, NO_WAIT) == OK && semTake(semA, NO_WAIT) == OK && semGive(semA) == OK);

  spawn("tShort", 5, takeShortly, (long)semA, 5);
  CHECK(priorityOf(NULL) == PRIORITY_SHELL - 5);
  taskDelay(8); /* it gives up: nothing is inherited any more */
  CHECK(counters[1] == ERROR && priorityOf(NULL) == PRIORITY_SHELL);

  /* a chain: tHigh waits for B, held by tMiddle, which waits for A, held here */
  spawn("tMiddle", 10, takeGiveMutexes, (long)semB, (long)semA);
  CHECK(priorityOf(NULL) == PRIORITY_SHELL - 10);
  TASK_ID high = spawn("tHigh", 20, takeGiveMutexes, (long)semB, 0);
  CHECK(priorityOf(NULL) == PRIORITY_SHELL - 20);
  CHECK(priorityOf(taskNameToId("tMiddle")) == PRIORITY_SHELL - 20);
  taskPrioritySet(high, PRIORITY_SHELL - 30);
  CHECK(priorityOf(NULL) == PRIORITY_SHELL - 30);
  taskDelete(high);
  CHECK(priorityOf(NULL) == PRIORITY_SHELL - 10);
  semGive(semA);
  CHECK(counters[0] == 1 && priorityOf(NULL) == PRIORITY_SHELL);
  semDelete(semA);
  semDelete(semB);
}

static void sendThree(long arg1, long arg2)
{
  (void)arg1, (void)arg2;
  for (int i = 10; i < 13; i++)
    counters[0] += msgQSend(queue, &i, sizeof i, WAIT_FOREVER, MSG_PRI_NORMAL) == OK;
}

static void testQueues(void)
{
  int value = 1, urgent = 2;
  queue = msgQCreate(2, sizeof value, MSG_Q_FIFO);
  memset((void *)counters, 0, sizeof counters);
  CHECK(msgQReceive(queue, &value, sizeof value, NO_WAIT) == ERROR);
  CHECK(msgQReceive(queue, &value, sizeof value, 3) == ERROR && errnoGet() == S_objLib_OBJ_TIMEOUT);
  CHECK(msgQSend(queue, &value, 64, NO_WAIT, MSG_PRI_NORMAL) == ERROR);
  CHECK(msgQSend(queue, &value, sizeof value, NO_WAIT, MSG_PRI_NORMAL) == OK);
  CHECK(msgQSend(queue, &urgent, sizeof value, NO_WAIT, MSG_PRI_URGENT) == OK);
  CHECK(msgQSend(queue, &value, sizeof value, NO_WAIT, MSG_PRI_NORMAL) == ERROR);
  CHECK(msgQReceive(queue, &value, sizeof value, NO_WAIT) == sizeof value && value == 2);
  CHECK(msgQReceive(queue, &value, sizeof value, NO_WAIT) == sizeof value && value == 1);
  spawn("tSend", 1, sendThree, 0, 0); /* blocks at the third */
  CHECK(counters[0] == 2 && msgQNumMsgs(queue) == 2);
  for (int i = 10; i < 13; i++)
    CHECK(msgQReceive(queue, &value, sizeof value, NO_WAIT) == sizeof value && value == i);
  CHECK(counters[0] == 3);
  msgQDelete(queue);
}

static void testTasksAndTime(void)
{
  memset((void *)counters, 0, sizeof counters);
  WDOG_ID wd = wdCreate();
  wdStart(wd, 3, bump, 0);
  taskDelay(5);
  CHECK(counters[0] == 1);
  wdStart(wd, 3, bump, 0);
  wdCancel(wd);
  taskDelay(5);
  CHECK(counters[0] == 1);
  wdDelete(wd);

  TASK_ID low = spawn("tCount", -1, countForever, 1, 0);
  taskDelay(3);
  taskSuspend(low);
  long seen = counters[1];
  CHECK(seen > 0);
  taskDelay(3);
  CHECK(counters[1] == seen);
  taskResume(low);
  taskDelay(3);
  CHECK(counters[1] > seen);

  TASK_ID other = spawn("tCount2", -1, countForever, 2, 0); /* same priority */
  taskDelay(6);
  CHECK(counters[2] == 0); /* starves without round robin */
  kernelTimeSlice(1);
  taskDelay(6);
  kernelTimeSlice(0);
  CHECK(counters[2] > 0);
  CHECK(taskDelete(low) == OK && taskDelete(other) == OK);
  CHECK(taskDelete(low) == ERROR);
  CHECK(taskSpawn("tBad", 256, 0, STACK_BYTES, countForever, 0, 0) == NULL);
}

bool selfTest(void)
{
  failures = checks = 0;
  taskReap(); /* tasks that ended earlier */
  size_t before = memFreeBytes();
  testSemaphores();
  testMutexes();
  testQueues();
  testTasksAndTime();
  taskReap();
  CHECK(memFreeBytes() == before);
  printf("test: %s: %u checks, %u failures\n", failures ? "FAIL" : "PASS", checks, failures);
  return failures == 0;
}
