// Five integer kernels for a bare 64-bit guest: CRC-32, a multiplicative hash, a bytecode interpreter, recursion, a sieve.
// Port MARK: writing k + 1 starts kernel k's clock, writing 0 stops it; the result is written as a doubleword to RESULT.
#include <stdint.h>

enum { MARK = 0x500, RESULT = 0x504, ROUND_TRIP = 0x510, DONE = 0x508 };

static inline void out8(uint16_t port, uint8_t v) { __asm__ volatile("outb %0,%1" ::"a"(v), "Nd"(port)); }
static inline void out32(uint16_t port, uint32_t v) { __asm__ volatile("outl %0,%1" ::"a"(v), "Nd"(port)); }
static inline uint8_t in8(uint16_t port) {
  uint8_t v;
  __asm__ volatile("inb %1,%0" : "=a"(v) : "Nd"(port));
  return v;
}

static uint8_t bytes[1 << 20] __attribute__((aligned(4096)));
static uint32_t table[256];
static uint32_t words[1024];

__attribute__((noinline)) static uint32_t crc(const uint8_t *p, uint32_t n) {
  uint32_t c = 0xffffffffu;
  for (uint32_t i = 0; i < n; i++) c = table[(c ^ p[i]) & 0xff] ^ (c >> 8);
  return ~c;
}
__attribute__((noinline)) static uint32_t hash(const uint64_t *q, uint32_t n) {
  uint64_t h = 0x9e3779b97f4a7c15ull;
  for (uint32_t i = 0; i < n; i++) {
    uint64_t k = q[i];
    k *= 0x87c37b91114253d5ull;
    k = (k << 31) | (k >> 33);
    h ^= k;
    h = h * 5 + 0x52dce729;
    h ^= h >> 29;
  }
  return (uint32_t)(h ^ (h >> 32));
}
enum op { HALT, LDI, ADD, SUB, MUL, XOR, SHR, JNZ, LD, ST, MOV, DEC, JLT, AND };
struct instruction {
  uint8_t op, a, b, c;
  int32_t imm;
};
static const struct instruction program[] = {
    {LDI, 0, 0, 0, 12345}, {LDI, 6, 0, 0, 1103515245}, {LDI, 5, 0, 0, 12345}, {MUL, 0, 0, 6, 0}, {ADD, 0, 0, 5, 0},
    {SHR, 2, 0, 0, 16},    {LD, 3, 2, 0, 0},           {XOR, 0, 0, 3, 0},     {ADD, 3, 3, 0, 0}, {ST, 3, 2, 0, 0},
    {ADD, 1, 1, 2, 0},     {JLT, 2, 0, 0, 12},         {XOR, 1, 1, 0, 0},     {DEC, 7, 0, 0, 0}, {JNZ, 7, 0, 0, 3},
    {HALT, 0, 0, 0, 0}};
__attribute__((noinline, optimize("no-tree-switch-conversion"))) static uint32_t bytecode(uint32_t n) {
  uint32_t r[8] = {0};
  r[7] = n;
  const struct instruction *pc = program;
  for (;;) {
    const struct instruction *i = pc++;
    switch (i->op) {
    case HALT: return r[0];
    case LDI: r[i->a] = i->imm; break;
    case ADD: r[i->a] = r[i->b] + r[i->c]; break;
    case SUB: r[i->a] = r[i->b] - r[i->c]; break;
    case MUL: r[i->a] = r[i->b] * r[i->c]; break;
    case XOR: r[i->a] = r[i->b] ^ r[i->c]; break;
    case SHR: r[i->a] = r[i->b] >> i->imm; break;
    case JNZ: if (r[i->a]) pc = program + i->imm; break;
    case LD: r[i->a] = words[r[i->b] & 1023]; break;
    case ST: words[r[i->b] & 1023] = r[i->a]; break;
    case MOV: r[i->a] = r[i->b]; break;
    case DEC: r[i->a]--; break;
    case JLT: if ((int32_t)r[i->a] < (int32_t)r[i->b]) pc = program + i->imm; break;
    case AND: r[i->a] = r[i->b] & r[i->c]; break;
    }
  }
}
__attribute__((noinline, optimize("no-optimize-sibling-calls,no-inline"), noclone, noipa)) static uint32_t fib(uint32_t n) {
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}
__attribute__((noinline)) static uint32_t sieve(uint8_t *f, uint32_t n) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < n; i++) f[i] = 1;
  for (uint32_t i = 2; i < n; i++)
    if (f[i]) {
      count++;
      for (uint32_t j = i + i; j < n; j += i) f[j] = 0;
    }
  return count;
}
static void fill(void) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t c = i;
    for (int k = 0; k < 8; k++) c = c & 1 ? (c >> 1) ^ 0xedb88320u : c >> 1;
    table[i] = c;
  }
  uint32_t s = 1;
  for (uint32_t i = 0; i < sizeof bytes; i++) {
    s = s * 1103515245u + 12345u;
    bytes[i] = s >> 16;
  }
  for (uint32_t i = 0; i < 1024; i++) words[i] = i * 2654435761u;
}

#ifdef NATIVE
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + t.tv_nsec;
}
// Prints "kernel result nanoseconds" per kernel and round.
int main(int argc, char **argv) {
  int rounds = argc > 1 ? atoi(argv[1]) : 1;
  for (int round = 0; round < rounds; round++) {
    fill();
    for (int k = 0; k < 5; k++) {
      uint32_t result = 0;
      uint64_t start = now_ns();
      switch (k) {
      case 0: result = crc(bytes, 1 << 20); break;
      case 1: result = hash((const uint64_t *)bytes, 1 << 17); break;
      case 2: result = bytecode(100000); break;
      case 3: result = fib(24); break;
      case 4: result = sieve(bytes, 1 << 20); break;
      }
      printf("%d %u %llu\n", k, result, (unsigned long long)(now_ns() - start));
    }
  }
  return 0;
}
#else
void guest_main(uint32_t rounds, uint32_t trips) {
  for (uint32_t round = 0; round < rounds; round++) {
    for (uint8_t k = 0; k < 5; k++) {
      uint32_t result = 0;
      if (k == 0) fill();
      out8(MARK, k + 1);
      switch (k) {
      case 0: result = crc(bytes, 1 << 20); break;
      case 1: result = hash((const uint64_t *)bytes, 1 << 17); break;
      case 2: result = bytecode(100000); break;
      case 3: result = fib(24); break;
      case 4: result = sieve(bytes, 1 << 20); break;
      }
      out8(MARK, 0);
      out32(RESULT, result);
    }
  }
  out8(MARK, 6);
  for (uint32_t i = 0; i < trips; i++) in8(ROUND_TRIP);
  out8(MARK, 0);
  out32(RESULT, trips);
  out8(DONE, 0);
  for (;;) __asm__ volatile("hlt");
}
#endif
