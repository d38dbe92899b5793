// 8259A pair: vectors 20h-2Fh, edge triggered, non-specific end of interrupt.
// Intel 8259A data sheet, "Initialization Command Words", "Operation Command Words".
#include <board/board.h>
#include <board/cpu.h>

#define MASTER_COMMAND 0x20
#define MASTER_DATA 0x21
#define SLAVE_COMMAND 0xa0
#define SLAVE_DATA 0xa1
#define ICW1_INIT_ICW4 0x11
#define ICW4_8086 0x01
#define OCW2_EOI 0x20
#define OCW3_READ_ISR 0x0b
#define IRQ_CASCADE 2
#define IRQ_LINES 16

uint32_t picSpurious;
static IrqHandler handlers[IRQ_LINES];
static uint16_t mask = 0xffff & ~(1u << IRQ_CASCADE);

static void writeMask(void)
{
  outb(MASTER_DATA, (uint8_t)mask);
  outb(SLAVE_DATA, (uint8_t)(mask >> 8));
}

void picInit(void)
{
  outb(MASTER_COMMAND, ICW1_INIT_ICW4);
  outb(SLAVE_COMMAND, ICW1_INIT_ICW4);
  outb(MASTER_DATA, IRQ_VECTOR_BASE);
  outb(SLAVE_DATA, IRQ_VECTOR_BASE + 8);
  outb(MASTER_DATA, 1 << IRQ_CASCADE);
  outb(SLAVE_DATA, IRQ_CASCADE);
  outb(MASTER_DATA, ICW4_8086);
  outb(SLAVE_DATA, ICW4_8086);
  writeMask();
}

void picConnect(unsigned irq, IrqHandler handler)
{
  uint32_t flags = intLock();
  handlers[irq] = handler;
  mask &= (uint16_t)~(1u << irq);
  writeMask();
  intUnlock(flags);
}

/* IRQ 7 and 15 also report requests that went away before the acknowledge: "IR7 routine". */
static bool spurious(unsigned irq)
{
  uint16_t port = irq < 8 ? MASTER_COMMAND : SLAVE_COMMAND;
  if ((irq & 7) != 7)
    return false;
  outb(port, OCW3_READ_ISR);
  return !(inb(port) & 0x80);
}

/* Interrupts stay disabled throughout, so the end of interrupt may come first: a new edge waits in the IRR. */
void picDispatch(unsigned irq)
{
  if (spurious(irq)) {
    picSpurious++;
    if (irq >= 8)
      outb(MASTER_COMMAND, OCW2_EOI);
    return;
  }
  if (irq >= 8)
    outb(SLAVE_COMMAND, OCW2_EOI);
  outb(MASTER_COMMAND, OCW2_EOI);
  if (handlers[irq])
    handlers[irq]();
}
