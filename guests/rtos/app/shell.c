// Line editor on COM1: echo, backspace, ^U, ^C; CR, LF or CR LF end a line; escape sequences are dropped.
#include <app/app.h>
#include <board/board.h>

#define PROMPT "rtos> "
#define LINE_BYTES 120
enum { CTRL_C = 3, BACKSPACE = 8, CTRL_U = 21, ESCAPE = 27, DELETE = 127 };

static void erase(size_t count)
{
  while (count--)
    printf("\b \b");
}

/* Drops ESC [ ... letter and ESC x. */
static void dropEscape(void)
{
  int c = uartGetChar(msToTicks(50));
  if (c != '[' && c != 'O')
    return;
  do
    c = uartGetChar(msToTicks(50));
  while (c >= 0 && (c < '@' || c > '~'));
}

static void readLine(char *line)
{
  static bool afterReturn;
  size_t length = 0;
  for (;;) {
    int c = uartGetChar(WAIT_FOREVER);
    bool second = c == '\n' && afterReturn;
    afterReturn = c == '\r';
    if (second)
      continue;
    if (c == '\r' || c == '\n') {
      printf("\n");
      line[length] = 0;
      return;
    }
    if (c == BACKSPACE || c == DELETE) {
      if (length) {
        length--;
        erase(1);
      }
    } else if (c == CTRL_U) {
      erase(length);
      length = 0;
    } else if (c == CTRL_C) {
      printf("^C\n" PROMPT);
      length = 0;
    } else if (c == ESCAPE) {
      dropEscape();
    } else if (c >= ' ' && c < DELETE && length < LINE_BYTES - 1) {
      line[length++] = (char)c;
      printf("%c", c);
    }
  }
}

void shellTask(long arg1, long arg2)
{
  (void)arg1, (void)arg2;
  char line[LINE_BYTES];
  for (;;) {
    printf(PROMPT);
    readLine(line);
    commandRun(line);
  }
}
