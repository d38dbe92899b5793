// Identity map of the first 16 MiB. Intel SDM 3A "32-Bit Paging".
// Page 0 is absent so that null pointers fault; the image's text is read-only (CR0.WP is set).
#include <board/board.h>
#include <board/cpu.h>

#define ENTRY_PRESENT 0x001u
#define ENTRY_WRITE 0x002u
#define ENTRY_PAGE_SIZE 0x080u
#define PAGE_BYTES 4096u
#define LARGE_PAGE_BYTES (4u << 20)
#define MAPPED_BYTES (16u << 20)
#define TABLES (MAPPED_BYTES / LARGE_PAGE_BYTES)

static uint32_t directory[1024] __attribute__((aligned(4096)));
static uint32_t tables[TABLES][1024] __attribute__((aligned(4096)));

static uint32_t pageEntry(uint32_t address)
{
  if (address == 0)
    return 0;
  bool readOnly = address >= (uint32_t)imageStart && address < (uint32_t)readOnlyEnd;
  return address | ENTRY_PRESENT | (readOnly ? 0 : ENTRY_WRITE);
}

void pagingInit(void)
{
  bool largePages = cpuidFeatures() & CPUID1_EDX_PSE;
  for (uint32_t t = 0; t < TABLES; t++) {
    uint32_t base = t * LARGE_PAGE_BYTES;
    if (t > 0 && largePages) {
      directory[t] = base | ENTRY_PAGE_SIZE | ENTRY_WRITE | ENTRY_PRESENT;
      continue;
    }
    for (uint32_t i = 0; i < 1024; i++)
      tables[t][i] = pageEntry(base + i * PAGE_BYTES);
    directory[t] = (uint32_t)tables[t] | ENTRY_WRITE | ENTRY_PRESENT;
  }
  if (largePages)
    writeCr4(readCr4() | CR4_PSE);
  writeCr3((uint32_t)directory);
  writeCr0((readCr0() | CR0_PG | CR0_WP) & ~(CR0_CD | CR0_NW));
}
