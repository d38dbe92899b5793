// Public interface of the real-time kernel; names and meaning follow the VxWorks Kernel API.
// All times are in ticks. Routines marked (ISR) may be called from interrupt level.
#ifndef RTOS_H
#define RTOS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RTOS_VERSION "0.1.0"

typedef int STATUS;
#define OK 0
#define ERROR (-1)
#define NO_WAIT 0
#define WAIT_FOREVER (-1)

/* errno values, kept per task */
#define S_objLib_OBJ_ID_ERROR 0x3d0001
#define S_objLib_OBJ_UNAVAILABLE 0x3d0002
#define S_objLib_OBJ_DELETED 0x3d0003
#define S_objLib_OBJ_TIMEOUT 0x3d0004
#define S_intLib_NOT_ISR_CALLABLE 0x430001
#define S_semLib_INVALID_OPERATION 0x160068
#define S_msgQLib_INVALID_MSG_LENGTH 0x410001
#define S_memLib_NOT_ENOUGH_MEMORY 0x110001
#define S_taskLib_ILLEGAL_PRIORITY 0x30000d
int errnoGet(void);

/* tasks: priority 0 is the highest, 255 the lowest */
typedef struct tcb *TASK_ID;
typedef void (*TASK_ENTRY)(long arg1, long arg2);
TASK_ID taskSpawn(const char *name, int priority, int options, size_t stackBytes, TASK_ENTRY entry, long arg1, long arg2);
STATUS taskDelete(TASK_ID task); /* NULL is the caller, here and below */
STATUS taskSuspend(TASK_ID task);
STATUS taskResume(TASK_ID task); /* (ISR) */
STATUS taskDelay(int ticks);     /* 0 yields to tasks of the same priority */
STATUS taskPrioritySet(TASK_ID task, int priority);
STATUS taskPriorityGet(TASK_ID task, int *priority); /* the effective one, with inheritance */
TASK_ID taskIdSelf(void);
TASK_ID taskNameToId(const char *name);
STATUS kernelTimeSlice(int ticks); /* round robin within a priority; 0 switches it off */

/* semaphores */
typedef struct semaphore *SEM_ID;
#define SEM_Q_FIFO 0x0
#define SEM_Q_PRIORITY 0x1
#define SEM_INVERSION_SAFE 0x8 /* mutex: the owner inherits the priority of its highest waiter */
SEM_ID semBCreate(int options, int initialState); /* 0 empty, 1 full */
SEM_ID semCCreate(int options, int initialCount);
SEM_ID semMCreate(int options);
STATUS semTake(SEM_ID sem, int timeout);
STATUS semGive(SEM_ID sem);  /* (ISR, except for a mutex) */
STATUS semFlush(SEM_ID sem); /* (ISR) release all waiters */
STATUS semDelete(SEM_ID sem);

/* message queues */
typedef struct messageQueue *MSG_Q_ID;
#define MSG_Q_FIFO 0x0
#define MSG_Q_PRIORITY 0x1
#define MSG_PRI_NORMAL 0
#define MSG_PRI_URGENT 1
MSG_Q_ID msgQCreate(int maxMessages, size_t maxBytes, int options);
STATUS msgQSend(MSG_Q_ID queue, const void *message, size_t bytes, int timeout, int priority); /* (ISR with NO_WAIT) */
int msgQReceive(MSG_Q_ID queue, void *message, size_t bytes, int timeout); /* bytes received or ERROR */
int msgQNumMsgs(MSG_Q_ID queue);
STATUS msgQDelete(MSG_Q_ID queue);

/* watchdogs: the routine runs at interrupt level */
typedef struct watchdog *WDOG_ID;
typedef void (*WD_ROUTINE)(long parameter);
WDOG_ID wdCreate(void);
STATUS wdStart(WDOG_ID wd, int ticks, WD_ROUTINE routine, long parameter); /* (ISR) */
STATUS wdCancel(WDOG_ID wd);                                               /* (ISR) */
STATUS wdDelete(WDOG_ID wd);

/* ticks */
typedef void (*TICK_HOOK)(void);
uint32_t tickGet(void);
void tickAnnounce(void); /* called by the clock driver at interrupt level */
STATUS tickHookAdd(TICK_HOOK hook);
uint32_t sysClkRateGet(void);
int msToTicks(uint32_t milliseconds); /* rounded up */

/* memory and text */
void *memAlloc(size_t bytes); /* 16-byte aligned, zeroed; NULL when none is left */
void memFree(void *block);
size_t memFreeBytes(void);
void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t bytes);
bool parseUnsigned(const char *text, uint32_t *value); /* decimal digits only */
uint64_t udiv64(uint64_t dividend, uint32_t divisor);
int vsnprintf(char *buffer, size_t size, const char *format, va_list args);
int snprintf(char *buffer, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
int printf(const char *format, ...) __attribute__((format(printf, 1, 2)));  /* console, from tasks */
void kprintf(const char *format, ...) __attribute__((format(printf, 1, 2))); /* (ISR) polled console */

#endif
