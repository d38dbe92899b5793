// Formatted output: printf() from tasks through the interrupt-driven UART, kprintf() polled.
#include <board/board.h>
#include <board/cpu.h>
#include <kernel/kernel.h>

#define LINE_BYTES 256

static SEM_ID consoleLock;

void consoleInit(void) { consoleLock = semMCreate(SEM_INVERSION_SAFE); }

int printf(const char *format, ...)
{
  char line[LINE_BYTES];
  va_list args;
  va_start(args, format);
  int length = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  size_t bytes = length < LINE_BYTES ? (size_t)length : LINE_BYTES - 1;
  if (!kernelRunning || intNesting) {
    uartWritePolled(line, bytes);
    return length;
  }
  semTake(consoleLock, WAIT_FOREVER);
  uartWrite(line, bytes);
  semGive(consoleLock);
  return length;
}

void kprintf(const char *format, ...)
{
  char line[LINE_BYTES];
  va_list args;
  va_start(args, format);
  int length = vsnprintf(line, sizeof line, format, args);
  va_end(args);
  uartWritePolled(line, length < LINE_BYTES ? (size_t)length : LINE_BYTES - 1);
}
