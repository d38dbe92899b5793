// 16550 on COM1 at 115200 8N1: interrupt-driven receive and transmit rings, polled output for reports.
// TI PC16550D data sheet, "Registers", "FIFO Interrupt Mode Operation".
#include <board/board.h>
#include <board/cpu.h>
#include <rtos.h>

#define COM1 0x3f8
enum { RBR = COM1, THR = COM1, DLL = COM1, IER = COM1 + 1, DLM = COM1 + 1, IIR = COM1 + 2, FCR = COM1 + 2,
       LCR = COM1 + 3, MCR = COM1 + 4, LSR = COM1 + 5, MSR = COM1 + 6 };
#define IER_ERBFI 0x01 /* received data available */
#define IER_ETBEI 0x02 /* transmitter holding register empty */
#define IER_ELSI 0x04  /* receiver line status */
#define IIR_NOT_PENDING 0x01
#define IIR_FIFOS 0xc0
#define FCR_ENABLE_CLEAR_TRIGGER8 0x87
#define LCR_8N1 0x03
#define LCR_DLAB 0x80
#define MCR_DTR_RTS_OUT2 0x0b /* OUT2 gates the interrupt line on PCs */
#define LSR_DR 0x01
#define LSR_OE 0x02
#define LSR_THRE 0x20
#define FIFO_BYTES 16
#define RX_RING 1024 /* powers of two */
#define TX_RING 4096

uint32_t uartOverruns;
static struct { uint8_t data[RX_RING]; uint32_t head, tail; } rx;
static struct { uint8_t data[TX_RING]; uint32_t head, tail; } tx;
static uint32_t txBurst = 1;
static uint8_t ier;
static bool txWaiting;
static SEM_ID rxReady, txSpace, txLock;

static void setIer(uint8_t value)
{
  if (value != ier)
    outb(IER, ier = value);
}

void uartInit(void)
{
  outb(IER, 0);
  outb(LCR, LCR_DLAB);
  outb(DLL, 1);
  outb(DLM, 0);
  outb(LCR, LCR_8N1);
  outb(FCR, FCR_ENABLE_CLEAR_TRIGGER8);
  outb(MCR, MCR_DTR_RTS_OUT2);
  if ((inb(IIR) & IIR_FIFOS) == IIR_FIFOS)
    txBurst = FIFO_BYTES;
}

/* Sends at most one FIFO full, so that the time with interrupts off is bounded. */
static void transmit(void)
{
  if (tx.head != tx.tail && (inb(LSR) & LSR_THRE)) {
    for (uint32_t n = 0; n < txBurst && tx.head != tx.tail; n++)
      outb(THR, tx.data[tx.tail++ % TX_RING]);
  }
  setIer(tx.head != tx.tail ? ier | IER_ETBEI : ier & ~IER_ETBEI);
  if (txWaiting && tx.head - tx.tail <= TX_RING / 2) {
    txWaiting = false;
    semGive(txSpace);
  }
}

static void receive(void)
{
  bool any = false;
  for (int n = 0; n < 4 * FIFO_BYTES; n++) {
    uint8_t status = inb(LSR);
    if (status & LSR_OE)
      uartOverruns++;
    if (!(status & LSR_DR))
      break;
    uint8_t byte = inb(RBR);
    if (rx.head - rx.tail < RX_RING)
      rx.data[rx.head++ % RX_RING] = byte;
    else
      uartOverruns++;
    any = true;
  }
  if (any)
    semGive(rxReady);
}

static void interrupt(void)
{
  for (int n = 0; n < 16; n++) { /* the 8259 sees edges: leave only when nothing is pending */
    uint8_t cause = inb(IIR);
    if (cause & IIR_NOT_PENDING)
      return;
    switch (cause & 0x0e) {
    case 0x02: transmit(); break;
    case 0x00: inb(MSR); break;
    default: receive(); /* data, character timeout, line status */
    }
  }
}

void uartStart(void)
{
  rxReady = semBCreate(SEM_Q_FIFO, 0);
  txSpace = semBCreate(SEM_Q_FIFO, 0);
  txLock = semMCreate(SEM_INVERSION_SAFE);
  picConnect(IRQ_COM1, interrupt);
  setIer(IER_ERBFI | IER_ELSI);
}

static bool txPut(uint8_t byte)
{
  if (tx.head - tx.tail >= TX_RING)
    return false;
  tx.data[tx.head++ % TX_RING] = byte;
  return true;
}

/* "\n" is sent as CR LF. */
void uartWrite(const char *text, size_t length)
{
  semTake(txLock, WAIT_FOREVER);
  while (length) {
    uint32_t flags = intLock();
    for (uint32_t n = 0; n < 64 && length && tx.head - tx.tail <= TX_RING - 2; n++, text++, length--) {
      if (*text == '\n')
        txPut('\r');
      txPut((uint8_t)*text);
    }
    bool full = length && tx.head - tx.tail > TX_RING - 2;
    txWaiting = full;
    transmit();
    intUnlock(flags);
    if (full) /* the timeout only guards against a transmitter interrupt that got lost */
      semTake(txSpace, msToTicks(100));
  }
  semGive(txLock);
}

static void polledPut(uint8_t byte)
{
  for (uint32_t n = 0; n < 1000000 && !(inb(LSR) & LSR_THRE); n++)
    cpuRelax();
  outb(THR, byte);
}

void uartWritePolled(const char *text, size_t length)
{
  uint32_t flags = intLock();
  while (tx.head != tx.tail)
    polledPut(tx.data[tx.tail++ % TX_RING]);
  for (; length; text++, length--) {
    if (*text == '\n')
      polledPut('\r');
    polledPut((uint8_t)*text);
  }
  intUnlock(flags);
}

int uartGetChar(int timeoutTicks)
{
  for (;;) {
    uint32_t flags = intLock();
    int byte = rx.head == rx.tail ? -1 : rx.data[rx.tail++ % RX_RING];
    intUnlock(flags);
    if (byte >= 0 || semTake(rxReady, timeoutTicks) != OK)
      return byte;
  }
}
