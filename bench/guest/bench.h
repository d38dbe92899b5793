/* What the programs share: integer types, a generator of numbers, the table of programs. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
typedef uint32_t u32; typedef uint64_t u64; typedef uint8_t u8; typedef uint16_t u16; typedef int32_t i32;
struct bench { const char *name; void (*setup)(unsigned div); u64 (*run)(unsigned div); };
#define NOINLINE __attribute__((noinline))
static inline u32 rnd(u32 *s){ *s = *s*1664525u + 1013904223u; return *s>>8; }
u32 crc32_buf(u32 c,const void*p,size_t n);
