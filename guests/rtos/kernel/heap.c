// First-fit heap with address-ordered free blocks that merge on release.
#include <board/cpu.h>
#include <kernel/kernel.h>

typedef struct block {
  size_t bytes; /* with this header */
  struct block *next;
  uint32_t magic, reserved;
} Block;

#define BLOCK_MAGIC 0x48454150u

static Block *freeBlocks;

void heapInit(uintptr_t start, uintptr_t end)
{
  start = (start + 15) & ~(uintptr_t)15;
  if (end < start + sizeof(Block) + 16)
    return;
  freeBlocks = (Block *)start;
  freeBlocks->bytes = (end - start) & ~(size_t)15;
  freeBlocks->next = NULL;
}

void *memAlloc(size_t bytes)
{
  size_t need = ((bytes + 15) & ~(size_t)15) + sizeof(Block);
  if (need < bytes)
    return NULL;
  uint32_t flags = intLock();
  Block **from = &freeBlocks, *block;
  while ((block = *from) && block->bytes < need)
    from = &block->next;
  if (block) {
    if (block->bytes >= need + sizeof(Block) + 16) {
      Block *rest = (Block *)((char *)block + need);
      rest->bytes = block->bytes - need;
      rest->next = block->next;
      *from = rest;
      block->bytes = need;
    } else {
      *from = block->next;
    }
    block->magic = BLOCK_MAGIC;
  }
  intUnlock(flags);
  if (!block)
    return NULL;
  return memset(block + 1, 0, block->bytes - sizeof(Block));
}

static bool joins(const Block *a, const Block *b) { return (const char *)a + a->bytes == (const char *)b; }

void memFree(void *memory)
{
  if (!memory)
    return;
  Block *block = (Block *)memory - 1;
  uint32_t flags = intLock();
  if (block->magic != BLOCK_MAGIC) {
    intUnlock(flags);
    kprintf("memFree: %p is no allocated block\n", memory);
    return;
  }
  block->magic = 0;
  Block **from = &freeBlocks, *before = NULL;
  while (*from && *from < block) {
    before = *from;
    from = &before->next;
  }
  block->next = *from;
  *from = block;
  if (block->next && joins(block, block->next)) {
    block->bytes += block->next->bytes;
    block->next = block->next->next;
  }
  if (before && joins(before, block)) {
    before->bytes += block->bytes;
    before->next = block->next;
  }
  intUnlock(flags);
}

size_t memFreeBytes(void)
{
  size_t bytes = 0;
  uint32_t flags = intLock();
  for (const Block *block = freeBlocks; block; block = block->next)
    bytes += block->bytes;
  intUnlock(flags);
  return bytes;
}
