// The shell's commands, by table.
#include <app/app.h>
#include <board/board.h>
#include <board/cpu.h>

typedef struct {
  const char *name, *arguments, *help;
  void (*run)(const char *argument); /* "" when there is none */
} Command;

static void help(const char *argument);

static void info(const char *argument) { (void)argument, taskInfoPrint(); }
static void pi(const char *argument) { (void)argument, piDemo(); }
static void fp(const char *argument) { (void)argument, fpDemo(); }
static void test(const char *argument) { (void)argument, selfTest(); }
static void mq(const char *argument) { (void)argument, mqPrint(); }
static void tick(const char *argument) { (void)argument, printf("tick: %u\n", tickGet()); }

static void spy(const char *argument)
{
  uint32_t seconds = 1;
  if (*argument && (!parseUnsigned(argument, &seconds) || seconds < 1 || seconds > 60))
    printf("spy: '%s': expected 1 to 60 seconds\n", argument);
  else
    spyPrint(seconds);
}

static void lat(const char *argument)
{
  if (!*argument) {
    latencyPrint();
  } else if (strcmp(argument, "reset") == 0) {
    latencyReset();
    printf("lat: reset\n");
  } else {
    printf("lat: '%s': expected nothing or 'reset'\n", argument);
  }
}

static void load(const char *argument)
{
  uint32_t percent = loadGet();
  if (*argument && (!parseUnsigned(argument, &percent) || percent > 100)) {
    printf("load: '%s': expected a percentage from 0 to 100\n", argument);
    return;
  }
  if (*argument)
    loadSet(percent);
  printf("load: %u %%\n", percent);
}

static void version(const char *argument)
{
  (void)argument;
  uint32_t khz = clockTscKHz();
  printf("Pcanel RTOS %s, %u Hz, TSC %u.%03u MHz, fpu %s\n", RTOS_VERSION, sysClkRateGet(), khz / 1000, khz % 1000, fpuName());
}

static void mem(const char *argument)
{
  (void)argument;
  printf("mem: %u bytes free; console overruns %u, spurious interrupts %u\n", (uint32_t)memFreeBytes(), uartOverruns, picSpurious);
}

static void nullTask(long arg1, long arg2)
{
  (void)arg2;
  *(volatile uint32_t *)arg1 = 1;
}

static void fault(const char *argument)
{
  (void)argument;
  TASK_ID task = taskSpawn("tFault", PRIORITY_SHELL - 1, 0, STACK_BYTES, nullTask, 8, 0);
  printf("fault: task tFault %s\n", task && taskNameToId("tFault") == task ? "was caught; deleting it" : "was not caught");
  if (task)
    taskDelete(task);
}

static void panic(const char *argument)
{
  (void)argument;
  kprintf("panic: triple fault\n");
  boardTripleFault();
}

static void hang(const char *argument)
{
  (void)argument;
  kprintf("hang: looping with interrupts off\n");
  __asm__ volatile("cli\n1: jmp 1b");
}

static void reboot(const char *argument)
{
  (void)argument;
  kprintf("reboot: keyboard controller reset\n");
  boardReboot();
}

static void poweroff(const char *argument)
{
  (void)argument;
  kprintf("poweroff: debug exit\n");
  boardPowerOff();
}

static const Command commands[] = {
  { "help", "", "this list", help },
  { "i", "", "tasks: state, priority, stack, processor ticks", info },
  { "spy", "[SECONDS]", "processor share of each task", spy },
  { "lat", "[reset]", "timer-to-task latency histogram and missed ticks", lat },
  { "pi", "", "priority-inheritance demonstration", pi },
  { "fp", "", "x87 and SSE context check", fp },
  { "test", "", "self-test of the kernel's services", test },
  { "mq", "", "producer/consumer counters", mq },
  { "tick", "", "tick count", tick },
  { "load", "[PERCENT]", "burn a share of the processor at the lowest priority", load },
  { "mem", "", "free memory and driver counters", mem },
  { "version", "", "version and clock", version },
  { "fault", "", "a task dereferences a null pointer", fault },
  { "panic", "", "triple fault", panic },
  { "hang", "", "loop with interrupts off", hang },
  { "reboot", "", "reset by the keyboard controller", reboot },
  { "poweroff", "", "write 0 to debug-exit port 0xf4, else halt", poweroff },
};

static void help(const char *argument)
{
  (void)argument;
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
    printf("%-9s%-10s %s\n", commands[i].name, commands[i].arguments, commands[i].help);
}

void commandRun(char *line)
{
  while (*line == ' ')
    line++;
  char *end = line + strlen(line);
  while (end > line && end[-1] == ' ')
    *--end = 0;
  if (!*line)
    return;
  char *argument = line;
  while (*argument && *argument != ' ')
    argument++;
  while (*argument == ' ')
    *argument++ = 0;
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
    if (strcmp(line, commands[i].name) == 0) {
      if (*argument && !*commands[i].arguments)
        printf("%s: takes no argument, got '%s'\n", line, argument);
      else
        commands[i].run(argument);
      return;
    }
  }
  printf("%s: unknown command; 'help' lists them\n", line);
}
