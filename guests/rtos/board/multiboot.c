// Reads the boot information and the command line. Multiboot Specification 0.6.96 "Boot information format".
#include <board/board.h>
#include <rtos.h>

#define MULTIBOOT_LOADER_MAGIC 0x2BADB002u
#define INFO_MEMORY (1u << 0)
#define INFO_CMDLINE (1u << 2)
#define TICK_HZ_MIN 20
#define TICK_HZ_MAX 10000

typedef struct {
  uint32_t flags, memLowerKiB, memUpperKiB, bootDevice, cmdline;
} MultibootInfo;

BootOptions bootOptions = { .tickHz = 1000 };

static void option(const char *word)
{
  uint32_t number;
  if (strcmp(word, "quiet") == 0) {
    bootOptions.quiet = true;
  } else if (strcmp(word, "flat") == 0) {
    bootOptions.flat = true;
  } else if (strncmp(word, "load=", 5) == 0) {
    if (parseUnsigned(word + 5, &number) && number <= 100)
      bootOptions.loadPercent = number;
    else
      kprintf("cmdline: '%s': expected load= and a percentage from 0 to 100\n", word);
  } else if (strncmp(word, "hz=", 3) == 0) {
    if (parseUnsigned(word + 3, &number) && number >= TICK_HZ_MIN && number <= TICK_HZ_MAX)
      bootOptions.tickHz = number;
    else
      kprintf("cmdline: '%s': expected hz= and a rate from %d to %d\n", word, TICK_HZ_MIN, TICK_HZ_MAX);
  } /* other words (the image's own path, a loader's options) are not ours */
}

bool multibootParse(uint32_t magic, const void *information)
{
  const MultibootInfo *info = information;
  if (magic != MULTIBOOT_LOADER_MAGIC)
    return false;
  if (info->flags & INFO_MEMORY)
    bootOptions.memoryKiB = info->memUpperKiB;
  if (!(info->flags & INFO_CMDLINE))
    return true;
  snprintf(bootOptions.cmdline, sizeof bootOptions.cmdline, "%s", (const char *)info->cmdline);
  char word[64];
  for (const char *at = bootOptions.cmdline; *at;) {
    size_t length = 0;
    for (; *at && *at != ' '; at++)
      if (length < sizeof word - 1)
        word[length++] = *at;
    word[length] = 0;
    if (length)
      option(word);
    while (*at == ' ')
      at++;
  }
  return true;
}
