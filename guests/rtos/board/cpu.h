// Inline access to processor instructions and register bits.
// Intel SDM 3A "Control Registers"; SDM 2A "CPUID-CPU Identification", leaf 1.
#ifndef BOARD_CPU_H
#define BOARD_CPU_H

#include <stdint.h>

#define CR0_MP (1u << 1)
#define CR0_EM (1u << 2)
#define CR0_TS (1u << 3)
#define CR0_NE (1u << 5)
#define CR0_WP (1u << 16)
#define CR0_NW (1u << 29)
#define CR0_CD (1u << 30)
#define CR0_PG (1u << 31)
#define CR4_PSE (1u << 4)
#define CR4_OSFXSR (1u << 9)
#define CR4_OSXMMEXCPT (1u << 10)
#define EFLAGS_IF (1u << 9)
#define CPUID1_EDX_FPU (1u << 0)
#define CPUID1_EDX_PSE (1u << 3)
#define CPUID1_EDX_TSC (1u << 4)
#define CPUID1_EDX_FXSR (1u << 24)
#define CPUID1_EDX_SSE (1u << 25)

static inline void outb(uint16_t port, uint8_t value)
{
  __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint8_t inb(uint16_t port)
{
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
  return value;
}

static inline uint64_t rdtsc(void)
{
  uint64_t value;
  __asm__ volatile("rdtsc" : "=A"(value));
  return value;
}

/* Disables interrupts; returns the previous EFLAGS for intUnlock(). */
static inline uint32_t intLock(void)
{
  uint32_t flags;
  __asm__ volatile("pushfl; popl %0; cli" : "=r"(flags) : : "memory");
  return flags;
}

static inline void intUnlock(uint32_t flags)
{
  if (flags & EFLAGS_IF)
    __asm__ volatile("sti" : : : "memory");
}

static inline void cpuEnableInterrupts(void) { __asm__ volatile("sti" : : : "memory"); }
static inline void cpuHalt(void) { __asm__ volatile("hlt" : : : "memory"); }
static inline void cpuRelax(void) { __asm__ volatile("pause" : : : "memory"); }

static inline uint32_t readCr0(void)
{
  uint32_t value;
  __asm__ volatile("movl %%cr0, %0" : "=r"(value));
  return value;
}

static inline uint32_t readCr2(void)
{
  uint32_t value;
  __asm__ volatile("movl %%cr2, %0" : "=r"(value));
  return value;
}

static inline uint32_t readCr3(void)
{
  uint32_t value;
  __asm__ volatile("movl %%cr3, %0" : "=r"(value));
  return value;
}

static inline uint32_t readCr4(void)
{
  uint32_t value;
  __asm__ volatile("movl %%cr4, %0" : "=r"(value));
  return value;
}

static inline void writeCr0(uint32_t value) { __asm__ volatile("movl %0, %%cr0" : : "r"(value) : "memory"); }
static inline void writeCr3(uint32_t value) { __asm__ volatile("movl %0, %%cr3" : : "r"(value) : "memory"); }
static inline void writeCr4(uint32_t value) { __asm__ volatile("movl %0, %%cr4" : : "r"(value) : "memory"); }

static inline uint32_t cpuidFeatures(void)
{
  uint32_t eax = 1, ebx, ecx = 0, edx;
  __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
  return edx;
}

#endif
