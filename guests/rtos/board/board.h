// What the PC board offers to the kernel and the application.
#ifndef BOARD_BOARD_H
#define BOARD_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Built by trapCommon in vectors.S; registers in PUSHAL order, then vector and the processor's frame. */
typedef struct {
  uint32_t edi, esi, ebp, esp, ebx, edx, ecx, eax;
  uint32_t vector, errorCode;
  uint32_t eip, cs, eflags;
} TrapFrame;

/* boot information (multiboot.c) */
typedef struct {
  bool flat;             /* neither paging, x87 nor IRET: see README.md (vectors.S has its place) */
  bool quiet;            /* only the banner line and the prompt */
  uint32_t loadPercent;  /* start the load task with this share */
  uint32_t tickHz;
  uint32_t memoryKiB;    /* RAM above 1 MiB as told by the loader */
  char cmdline[256];
} BootOptions;
extern BootOptions bootOptions;
bool multibootParse(uint32_t magic, const void *information);

/* traps and interrupt lines (traps.c, pic.c) */
#define IRQ_VECTOR_BASE 0x20
#define IRQ_CLOCK 0
#define IRQ_COM1 4
typedef void (*IrqHandler)(void);
void trapsInit(void);
void trapDispatch(TrapFrame *frame);
void picInit(void);
void picConnect(unsigned irq, IrqHandler handler);
void picDispatch(unsigned irq);
extern uint32_t picSpurious;

/* paging (paging.c) */
void pagingInit(void);

/* x87 and SSE context, switched lazily (fpu.c) */
struct tcb;
void fpuInit(void);
bool fpuDeviceNotAvailable(void); /* #NM; false when the processor has no x87 */
void fpuSwitchTo(struct tcb *next);
void fpuForget(struct tcb *task);
const char *fpuName(void);
bool fpuPresent(void); /* and taken into use */
bool fpuHasSse(void);

/* 8254 clock and TSC (clock.c) */
typedef struct {
  uint64_t edgeTsc;        /* TSC at the newest timer edge */
  uint64_t isrTsc;         /* TSC on entry to the clock interrupt */
  uint32_t edges;          /* timer edges seen or deduced */
  uint32_t interrupts;     /* clock interrupts taken */
  uint32_t lostInterrupts; /* edges that raised no interrupt of their own */
  uint32_t lateInterrupts; /* interrupts delivered after their edge had been counted as lost */
} ClockState;
void clockCalibrate(void);
void clockStart(uint32_t hz);
ClockState clockRead(void);
uint32_t clockTscKHz(void);
uint32_t clockPeriodCycles(void);
uint64_t clockCyclesToNs(uint64_t cycles);
uint64_t clockUsToCycles(uint32_t us);

/* 16550 on COM1 (uart.c) */
void uartInit(void);
void uartStart(void);                             /* switch to interrupt operation */
void uartWrite(const char *text, size_t length);  /* blocks the task while the ring is full */
void uartWritePolled(const char *text, size_t length);
int uartGetChar(int timeoutTicks);                /* a byte, or -1 on timeout */
extern uint32_t uartOverruns;

/* ends (reset.c) */
void boardReboot(void) __attribute__((noreturn));
void boardTripleFault(void) __attribute__((noreturn));
void boardPowerOff(void) __attribute__((noreturn));
void boardHalt(void) __attribute__((noreturn));

/* start (start.c, vectors.S) */
void boardStart(uint32_t magic, const void *information);
void contextSwitch(uint32_t **saveSp, uint32_t *newSp);
extern char imageStart[], readOnlyEnd[], imageEnd[];

#endif
