// The application: demonstration workload, measurements and shell.
#ifndef APP_APP_H
#define APP_APP_H

#include <rtos.h>

enum { PRIORITY_PERIODIC = 10, PRIORITY_CONSUMER = 50, PRIORITY_PRODUCER = 51, PRIORITY_PI_HIGH = 60,
       PRIORITY_PI_MEDIUM = 70, PRIORITY_PI_LOW = 80, PRIORITY_FP_HIGH = 90, PRIORITY_FP_LOW = 91,
       PRIORITY_SHELL = 100, PRIORITY_LOAD = 200 };
#define STACK_BYTES 4096

void appRoot(long arg1, long arg2); /* body of the root task */

/* latency.c */
void latencyStart(void);
void latencyPrint(void);
void latencyReset(void);

/* mqdemo.c */
void mqStart(void);
void mqPrint(void);

/* pidemo.c, fpdemo.c: print their findings; true when all is as it should be */
bool piDemo(void);
bool fpDemo(void);
bool selfTest(void); /* selftest.c */

/* load.c */
void loadSet(uint32_t percent);
uint32_t loadGet(void);
void burnCycles(uint64_t cycles);

/* taskinfo.c */
void taskInfoPrint(void);
void spyPrint(uint32_t seconds);

/* shell.c, commands.c */
void shellTask(long arg1, long arg2);
void commandRun(char *line);

#endif
