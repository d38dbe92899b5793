// System clock: 8254 counter 0 in mode 2, and the TSC measured against it.
// Intel 8254 data sheet, "Mode 2: Rate Generator", "Counter Latch Command".
#include <board/board.h>
#include <board/cpu.h>
#include <rtos.h>

#define COUNTER0 0x40
#define CONTROL 0x43
#define CONTROL_COUNTER0_LSB_MSB_MODE2 0x34
#define CONTROL_LATCH_COUNTER0 0x00
#define INPUT_HZ 1193182u
#define CALIBRATION_COUNTS 23864u /* 20 ms */
#define CALIBRATION_PASSES 3
#define CALIBRATION_PAUSE_CYCLES 20000
#define READ_SLACK_COUNTS 4       /* an interrupt may come this much before the counter reloads */

static ClockState state;
static uint32_t reload = 65536;
static uint32_t tscKHz, periodCycles;

static uint32_t readCounter(void)
{
  outb(CONTROL, CONTROL_LATCH_COUNTER0);
  uint32_t low = inb(COUNTER0);
  uint32_t count = low | (uint32_t)inb(COUNTER0) << 8;
  return count ? count : 65536;
}

static void program(uint32_t counts)
{
  reload = counts;
  outb(CONTROL, CONTROL_COUNTER0_LSB_MSB_MODE2);
  outb(COUNTER0, (uint8_t)counts);
  outb(COUNTER0, (uint8_t)(counts >> 8));
}

/* Reads the counter with the TSC at the middle of the reading; prefers a reading that nothing interrupted. */
static uint32_t readCounterAt(uint64_t *tsc, uint32_t slackCycles)
{
  uint32_t count = 0, best = 0xffffffff;
  for (int attempt = 0; attempt < 3; attempt++) {
    uint64_t before = rdtsc();
    uint32_t value = readCounter();
    uint64_t span = rdtsc() - before;
    if (span < best) {
      best = (uint32_t)span;
      count = value;
      *tsc = before + span / 2;
    }
    if (span <= slackCycles)
      break;
  }
  return count;
}

/* Lets some time pass without touching the counter: reading it is slow on real and on virtual machines. */
static void spinCycles(uint32_t cycles)
{
  uint64_t start = rdtsc();
  while (rdtsc() - start < cycles)
    ;
}

static uint32_t calibrateOnce(void)
{
  uint64_t from, to;
  program(65536);
  for (int i = 0; i < 16; i++)
    readCounter(); /* the new count is loaded on the next clock pulse */
  uint32_t first = readCounterAt(&from, 0), last;
  do {
    spinCycles(CALIBRATION_PAUSE_CYCLES);
    last = readCounterAt(&to, 0);
  } while (first - last < CALIBRATION_COUNTS);
  return (uint32_t)udiv64((uint64_t)udiv64((to - from) * INPUT_HZ, first - last), 1000);
}

void clockCalibrate(void)
{
  uint32_t khz[CALIBRATION_PASSES];
  for (int i = 0; i < CALIBRATION_PASSES; i++) {
    uint32_t value = calibrateOnce();
    int at = i;
    for (; at > 0 && khz[at - 1] > value; at--)
      khz[at] = khz[at - 1];
    khz[at] = value;
  }
  tscKHz = khz[CALIBRATION_PASSES / 2]; /* the median: a pass during which we were held up does not count */
}

static uint32_t countsToCycles(uint32_t counts) { return (uint32_t)udiv64((uint64_t)counts * tscKHz * 1000, INPUT_HZ); }

/* Finds the newest timer edge and how many have passed since the last interrupt. */
static void interrupt(void)
{
  uint64_t now = rdtsc(), readAt = now;
  uint32_t sinceEdge = countsToCycles(reload - readCounterAt(&readAt, periodCycles / 4));
  uint64_t edge = readAt - sinceEdge;
  uint32_t passed = 1;
  if (state.interrupts) {
    int64_t distance = (int64_t)(edge - state.edgeTsc) + periodCycles / 2;
    passed = distance > 0 ? (uint32_t)udiv64((uint64_t)distance, periodCycles) : 0;
  }
  if (passed == 0 && sinceEdge + countsToCycles(READ_SLACK_COUNTS) >= periodCycles) {
    edge += periodCycles; /* the interrupt came a moment before the counter showed its reload */
    passed = 1;
  }
  state.isrTsc = now > edge ? now : edge;
  state.edgeTsc = edge;
  state.edges += passed;
  state.interrupts++;
  if (passed > 1)
    state.lostInterrupts += passed - 1;
  if (passed == 0)
    state.lateInterrupts++;
  tickAnnounce();
}

void clockStart(uint32_t hz)
{
  program((INPUT_HZ + hz / 2) / hz);
  periodCycles = countsToCycles(reload);
  picConnect(IRQ_CLOCK, interrupt);
}

ClockState clockRead(void)
{
  uint32_t flags = intLock();
  ClockState copy = state;
  intUnlock(flags);
  return copy;
}

uint32_t clockTscKHz(void) { return tscKHz; }
uint32_t clockPeriodCycles(void) { return periodCycles; }
uint64_t clockCyclesToNs(uint64_t cycles) { return udiv64(cycles * 1000000, tscKHz); }
uint64_t clockUsToCycles(uint32_t us) { return udiv64((uint64_t)us * tscKHz, 1000); }
