// Kernel internals: task control block, queues, scheduler and timer interfaces.
// Everything here is called with interrupts locked unless it says otherwise.
#ifndef KERNEL_KERNEL_H
#define KERNEL_KERNEL_H

#include <rtos.h>

#define PRIORITY_COUNT 256
#define PRIORITY_IDLE PRIORITY_COUNT /* below every task */
#define TASK_NAME_BYTES 16
#define STACK_FILL 0xeeeeeeeeu
#define containerOf(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))

/* circular doubly linked list; an empty list and an unlinked node point to themselves */
typedef struct node {
  struct node *next, *prev;
} Node;

static inline void nodeInit(Node *n) { n->next = n->prev = n; }
static inline bool listEmpty(const Node *list) { return list->next == list; }
static inline void nodeInsertBefore(Node *at, Node *n)
{
  n->next = at;
  n->prev = at->prev;
  at->prev->next = n;
  at->prev = n;
}
static inline void nodeRemove(Node *n)
{
  n->prev->next = n->next;
  n->next->prev = n->prev;
  nodeInit(n);
}

typedef struct {
  Node tasks;
  bool byPriority;
} PendQueue;

typedef struct timer {
  Node link;
  uint32_t expiry; /* tick */
  bool active;
  void (*expire)(struct timer *timer);
} Timer;

enum { TASK_READY = 0, TASK_PEND = 1, TASK_DELAY = 2, TASK_SUSPEND = 4, TASK_DEAD = 8 };

typedef struct tcb {
  uint8_t fpuArea[512] __attribute__((aligned(16)));
  bool fpuValid;
  uint32_t *sp; /* saved by contextSwitch() */
  char name[TASK_NAME_BYTES];
  int priority, basePriority; /* effective, own */
  uint32_t state;
  Node link;         /* ready queue or pend queue */
  Node all;          /* list of all tasks */
  PendQueue *pendQ;  /* where the task pends, or NULL */
  SEM_ID pendMutex;  /* the mutex it waits for, or NULL */
  Node heldMutexes;
  Timer timer;       /* delay or timeout */
  STATUS wakeStatus;
  int errorStatus;
  TASK_ENTRY entry;
  long arg1, arg2;
  uint8_t *stack;
  size_t stackBytes;
  uint32_t ticks;    /* ticks that found this task running */
  uint32_t sliceUsed;
  uint64_t cycles;   /* TSC cycles spent */
  uint32_t switches;
} Tcb;

/* sched.c */
extern Tcb *currentTask;
extern Node allTasks;
extern uint32_t intNesting;
extern uint64_t interruptCycles;
extern bool kernelRunning;
void schedInit(void);
void readyInsert(Tcb *task);
void readyRemove(Tcb *task);
void readyRotate(Tcb *task);
void reschedule(void); /* switches now, or on interrupt exit at interrupt level */
void sliceTick(void);
void interruptEnter(void);
void interruptExit(void);
void kernelStart(TASK_ENTRY root, size_t stackBytes) __attribute__((noreturn)); /* unlocked */
void accountCurrent(void);

/* task.c */
bool taskVerify(const Tcb *task);
Tcb *taskCreate(const char *name, int priority, size_t stackBytes, TASK_ENTRY entry, long arg1, long arg2); /* unlocked */
void taskReap(void); /* unlocked: frees deleted tasks */
size_t taskStackUsed(const Tcb *task);
const char *taskStateName(const Tcb *task);
void taskPriorityApply(Tcb *task, int priority);
STATUS errnoSet(int value);

/* pend.c */
void pendQueueInit(PendQueue *queue, int options);
Tcb *pendFirst(const PendQueue *queue);
void pendStart(PendQueue *queue, int timeout); /* current task; call reschedule() next */
void pendWake(Tcb *task, STATUS status, int errorStatus);
void pendRequeue(Tcb *task);

/* sem.c */
void mutexPriorityUpdate(Tcb *owner);
void mutexWaiterGone(Tcb *task); /* it gave up waiting: the owner may have inherited from it */
void mutexReleaseAll(Tcb *owner);

/* timer.c */
void timerStart(Timer *timer, uint32_t ticks, void (*expire)(Timer *));
void timerStop(Timer *timer);
void tickInit(uint32_t hz);

/* heap.c */
void heapInit(uintptr_t start, uintptr_t end);

/* console.c */
void consoleInit(void);

#endif
