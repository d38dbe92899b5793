// Producer and consumer over a message queue; a watchdog counts silences of more than a second.
#include <app/app.h>

#define QUEUE_MESSAGES 16
#define PERIOD_MS 5
#define SILENCE_MS 1000
#define CHECK_KEY 0x5ca1ab1eu

typedef struct {
  uint32_t sequence, tick, check;
} Message;

static MSG_Q_ID queue;
static WDOG_ID silence;
static volatile uint32_t sent, refused, received, errors, silences, slowest;

static void silenceElapsed(long parameter) /* interrupt level */
{
  (void)parameter;
  silences++;
  wdStart(silence, msToTicks(SILENCE_MS), silenceElapsed, 0);
}

static void producer(long arg1, long arg2)
{
  (void)arg1, (void)arg2;
  Message message = { 0, 0, 0 };
  for (;;) {
    message.tick = tickGet();
    message.check = message.sequence ^ message.tick ^ CHECK_KEY;
    if (msgQSend(queue, &message, sizeof message, NO_WAIT, MSG_PRI_NORMAL) == OK) {
      sent++;
      message.sequence++;
    } else {
      refused++;
    }
    taskDelay(msToTicks(PERIOD_MS));
  }
}

static void consumer(long arg1, long arg2)
{
  (void)arg1, (void)arg2;
  Message message;
  uint32_t expected = 0;
  for (;;) {
    if (msgQReceive(queue, &message, sizeof message, WAIT_FOREVER) != (int)sizeof message) {
      errors++;
      continue;
    }
    uint32_t age = tickGet() - message.tick;
    if (message.sequence != expected || message.check != (message.sequence ^ message.tick ^ CHECK_KEY))
      errors++;
    if (age > slowest)
      slowest = age;
    expected = message.sequence + 1;
    received++;
    wdStart(silence, msToTicks(SILENCE_MS), silenceElapsed, 0);
  }
}

void mqStart(void)
{
  queue = msgQCreate(QUEUE_MESSAGES, sizeof(Message), MSG_Q_FIFO);
  silence = wdCreate();
  wdStart(silence, msToTicks(SILENCE_MS), silenceElapsed, 0);
  taskSpawn("tConsumer", PRIORITY_CONSUMER, 0, STACK_BYTES, consumer, 0, 0);
  taskSpawn("tProducer", PRIORITY_PRODUCER, 0, STACK_BYTES, producer, 0, 0);
}

void mqPrint(void)
{
  printf("mq: sent %u, received %u, queued %d, refused %u, errors %u\n", sent, received, msgQNumMsgs(queue), refused, errors);
  printf("mq: slowest delivery %u ticks, silences %u\n", slowest, silences);
}
