// tPeriodic: a task released by every tick, which measures the time from the timer's edge to its own first
// instruction. A tick is missed when the next edge comes before the task has run for it.
#include <app/app.h>
#include <board/board.h>
#include <board/cpu.h>

/* 1 us buckets below 1024 us, then 16 buckets per octave. */
#define LINEAR 1024
#define OCTAVE_BUCKETS 16
#define OCTAVES 16
#define BUCKETS (LINEAR + OCTAVES * OCTAVE_BUCKETS)

typedef struct {
  uint32_t count;
  uint64_t sum, min, max; /* TSC cycles */
} Summary;

static SEM_ID release;
static Summary toTask, toIsr;
static uint32_t buckets[BUCKETS];
static uint32_t missed, served, edgesAtReset, interruptsAtReset, lostAtReset, lateAtReset;

static void summaryAdd(Summary *s, uint64_t cycles)
{
  if (!s->count || cycles < s->min)
    s->min = cycles;
  if (cycles > s->max)
    s->max = cycles;
  s->sum += cycles;
  s->count++;
}

static uint32_t bucketOf(uint32_t us)
{
  if (us < LINEAR)
    return us;
  uint32_t octave = 31 - (uint32_t)__builtin_clz(us) - 10;
  if (octave >= OCTAVES)
    return BUCKETS - 1;
  return LINEAR + octave * OCTAVE_BUCKETS + (us >> (octave + 6)) % OCTAVE_BUCKETS;
}

static uint32_t bucketStartUs(uint32_t bucket)
{
  if (bucket < LINEAR)
    return bucket;
  uint32_t octave = (bucket - LINEAR) / OCTAVE_BUCKETS;
  return (OCTAVE_BUCKETS + (bucket - LINEAR) % OCTAVE_BUCKETS) << (octave + 6);
}

static void tickHook(void) /* interrupt level */
{
  ClockState clock = clockRead();
  summaryAdd(&toIsr, clock.isrTsc - clock.edgeTsc);
  semGive(release);
}

static void job(void)
{
  uint32_t flags = intLock();
  uint64_t now = rdtsc();
  ClockState clock = clockRead();
  uint32_t edges = clock.edges - served;
  served = clock.edges;
  if (edges) { /* else the interrupt was a late one for an edge that has been served */
    uint64_t sinceNewest = now > clock.edgeTsc ? now - clock.edgeTsc : 0;
    uint64_t latency = sinceNewest + (uint64_t)(edges - 1) * clockPeriodCycles();
    uint64_t us = udiv64(clockCyclesToNs(latency), 1000);
    missed += edges - 1 + (sinceNewest >= clockPeriodCycles() ? 1 : 0);
    summaryAdd(&toTask, latency);
    buckets[bucketOf(us > 0xffffffff ? 0xffffffff : (uint32_t)us)]++;
  }
  intUnlock(flags);
}

static void periodicTask(long arg1, long arg2)
{
  (void)arg1, (void)arg2;
  for (;;) {
    semTake(release, WAIT_FOREVER);
    job();
  }
}

void latencyReset(void)
{
  uint32_t flags = intLock();
  ClockState clock = clockRead();
  memset(&toTask, 0, sizeof toTask);
  memset(&toIsr, 0, sizeof toIsr);
  memset(buckets, 0, sizeof buckets);
  missed = 0;
  served = edgesAtReset = clock.edges;
  interruptsAtReset = clock.interrupts;
  lostAtReset = clock.lostInterrupts;
  lateAtReset = clock.lateInterrupts;
  intUnlock(flags);
}

void latencyStart(void)
{
  release = semBCreate(SEM_Q_PRIORITY, 0);
  taskSpawn("tPeriodic", PRIORITY_PERIODIC, 0, STACK_BYTES, periodicTask, 0, 0);
  latencyReset();
  tickHookAdd(tickHook);
}

/* The bucket in which the given share of the samples, in 1/1000, is reached. */
static uint32_t percentileUs(const uint32_t *counts, uint32_t total, uint32_t perMille)
{
  uint64_t need = udiv64((uint64_t)total * perMille + 999, 1000), seen = 0;
  for (uint32_t i = 0; i < BUCKETS; i++) {
    seen += counts[i];
    if (seen >= need && seen)
      return bucketStartUs(i);
  }
  return 0;
}

static void printUs(const char *label, uint64_t cycles)
{
  uint32_t tenths = (uint32_t)udiv64(clockCyclesToNs(cycles), 100);
  printf("%s %u.%u", label, tenths / 10, tenths % 10);
}

static void printSummary(const char *name, const Summary *s)
{
  printf("%s", name);
  printUs("min", s->min);
  printUs(" avg", s->count ? udiv64(s->sum, s->count) : 0);
  printUs(" max", s->max);
  printf(" us\n");
}

static void printRows(const uint32_t *counts, uint32_t total)
{
  uint32_t largest = 1, i = 0, rows[32] = { 0 };
  for (; i < BUCKETS; i++) { /* row 0: below 1 us; row n: [2^(n-1), 2^n) us */
    uint32_t start = bucketStartUs(i), row = start ? 32 - (uint32_t)__builtin_clz(start) : 0;
    rows[row] += counts[i];
    if (rows[row] > largest)
      largest = rows[row];
  }
  printf("      from us        to us        count  percent\n");
  for (i = 0; i < 32; i++) {
    if (!rows[i])
      continue;
    uint32_t share = (uint32_t)udiv64((uint64_t)rows[i] * 100000, total);
    char bar[41];
    uint32_t length = (uint32_t)udiv64((uint64_t)rows[i] * 40 + largest - 1, largest);
    memset(bar, '#', length);
    bar[length] = 0;
    printf("%13u%13u%13u %4u.%03u %s\n", i ? 1u << (i - 1) : 0, 1u << i, rows[i], share / 1000, share % 1000, bar);
  }
}

void latencyPrint(void)
{
  uint32_t *counts = memAlloc(sizeof buckets); /* a consistent copy: printing takes long */
  if (!counts) {
    printf("lat: not enough memory\n");
    return;
  }
  uint32_t flags = intLock();
  Summary task = toTask, isr = toIsr;
  uint32_t misses = missed;
  ClockState clock = clockRead();
  uint32_t interrupts = clock.interrupts - interruptsAtReset, edges = clock.edges - edgesAtReset;
  uint32_t lost = clock.lostInterrupts - lostAtReset, late = clock.lateInterrupts - lateAtReset;
  memcpy(counts, buckets, sizeof buckets);
  intUnlock(flags);

  printUs("tPeriodic: period", clockPeriodCycles());
  printf(" us, %u runs, missed ticks %u\n", task.count, misses);
  printf("clock: %u edges, %u interrupts, %u lost, %u late\n", edges, interrupts, lost, late);
  printSummary("timer to ISR:  ", &isr);
  printSummary("timer to task: ", &task);
  printf("percentiles: p50 %u p99 %u p99.9 %u us\n", percentileUs(counts, task.count, 500),
         percentileUs(counts, task.count, 990), percentileUs(counts, task.count, 999));
  if (task.count)
    printRows(counts, task.count);
  memFree(counts);
}
