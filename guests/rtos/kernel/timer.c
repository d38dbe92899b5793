// Ticks: the tick count, the list of running timers, watchdogs and tick hooks.
#include <board/cpu.h>
#include <kernel/kernel.h>

#define WDOG_MAGIC 0x57444f47u
#define MAX_HOOKS 4

struct watchdog {
  uint32_t magic;
  Timer timer;
  WD_ROUTINE routine;
  long parameter;
};

static Node timers = { &timers, &timers }; /* by expiry, soonest first */
static volatile uint32_t ticks;
static uint32_t ticksPerSecond;
static TICK_HOOK hooks[MAX_HOOKS];

void tickInit(uint32_t hz) { ticksPerSecond = hz; }
uint32_t tickGet(void) { return ticks; }
uint32_t sysClkRateGet(void) { return ticksPerSecond; }
int msToTicks(uint32_t milliseconds) { return (int)udiv64((uint64_t)milliseconds * ticksPerSecond + 999, 1000); }

void timerStart(Timer *timer, uint32_t delay, void (*expire)(Timer *))
{
  timerStop(timer);
  timer->expiry = ticks + (delay ? delay : 1);
  timer->expire = expire;
  timer->active = true;
  Node *at = timers.next; /* signed difference: correct when the tick count wraps */
  while (at != &timers && (int32_t)(containerOf(at, Timer, link)->expiry - timer->expiry) <= 0)
    at = at->next;
  nodeInsertBefore(at, &timer->link);
}

void timerStop(Timer *timer)
{
  if (!timer->active)
    return;
  nodeRemove(&timer->link);
  timer->active = false;
}

STATUS tickHookAdd(TICK_HOOK hook)
{
  for (int i = 0; i < MAX_HOOKS; i++) {
    if (!hooks[i]) {
      hooks[i] = hook;
      return OK;
    }
  }
  return ERROR;
}

void tickAnnounce(void)
{
  ticks++;
  currentTask->ticks++;
  for (int i = 0; i < MAX_HOOKS && hooks[i]; i++)
    hooks[i]();
  while (!listEmpty(&timers)) {
    Timer *timer = containerOf(timers.next, Timer, link);
    if ((int32_t)(timer->expiry - ticks) > 0)
      break;
    timerStop(timer);
    timer->expire(timer);
  }
  sliceTick();
}

static bool valid(WDOG_ID wd) { return wd && wd->magic == WDOG_MAGIC; }

WDOG_ID wdCreate(void)
{
  WDOG_ID wd = memAlloc(sizeof *wd);
  if (!wd) {
    errnoSet(S_memLib_NOT_ENOUGH_MEMORY);
    return NULL;
  }
  wd->magic = WDOG_MAGIC;
  return wd;
}

static void wdExpire(Timer *timer)
{
  WDOG_ID wd = containerOf(timer, struct watchdog, timer);
  wd->routine(wd->parameter);
}

STATUS wdStart(WDOG_ID wd, int delay, WD_ROUTINE routine, long parameter)
{
  if (!valid(wd) || !routine || delay < 0)
    return errnoSet(S_objLib_OBJ_ID_ERROR);
  uint32_t flags = intLock();
  wd->routine = routine;
  wd->parameter = parameter;
  timerStart(&wd->timer, (uint32_t)delay, wdExpire);
  intUnlock(flags);
  return OK;
}

STATUS wdCancel(WDOG_ID wd)
{
  if (!valid(wd))
    return errnoSet(S_objLib_OBJ_ID_ERROR);
  uint32_t flags = intLock();
  timerStop(&wd->timer);
  intUnlock(flags);
  return OK;
}

STATUS wdDelete(WDOG_ID wd)
{
  if (wdCancel(wd) != OK)
    return ERROR;
  wd->magic = 0;
  memFree(wd);
  return OK;
}
