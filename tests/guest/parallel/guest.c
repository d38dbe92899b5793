/* What several processors do to one memory at the same time, with results that only atomic operations give. Reports on
   COM1, ends by the debug-exit port: 0 all right, 1 not. The command line tells how many processors there are, and by a
   letter behind that another end.
   Sources: SDM 3A "Locked Atomic Operations", "Handling Self- and Cross-Modifying Code", "Propagation of Page Table Entry
   Changes to Multiple Processors". */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

extern u32 multiboot_info;
extern volatile u64 pt[];
static volatile u32 *const apic = (u32 *)0xfee00000;
#define PAGE ((volatile u8 *)0x1000000)
#define MAX 16

static u32 cpus = 1;
static volatile u32 arrived, phase, failures;

static void out(u16 port, u8 v) { __asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port)); }
static void outw(u16 port, u16 v) { __asm__ volatile("outw %0, %1" ::"a"(v), "Nd"(port)); }
static u8 in(u16 port) { u8 v; __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static void pause(void) { __asm__ volatile("pause" ::: "memory"); }
static void print(const char *s) { for (; *s; s++) out(0x3f8, *s); }
static void number(u64 n) { char b[24]; int i = 23; b[i] = 0; do b[--i] = '0' + n % 10; while (n /= 10); print(b + i); }
static void line(const char *what, u64 got, u64 want) {
  print(what); print(got == want ? " ok " : " WRONG "); number(got);
  if (got != want) { print(" expected "); number(want); failures++; }
  print("\n");
}
static void serialize(void) { u32 a = 0, b, c, d; __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d) :: "memory"); }

/* All processors come here before any goes on. */
static void barrier(void) {
  u32 mine = phase;
  if (__atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST) == cpus) { arrived = 0; __atomic_store_n(&phase, mine + 1, __ATOMIC_SEQ_CST); }
  else while (phase == mine) pause();
}

/* --- counters --- */
static struct { u64 xadd, add, cmpxchg, plain, other, inc; u32 add32; u16 add16; u8 add8; u32 lock, bits; u64 pair[2] __attribute__((aligned(16))); u64 eight; } c __attribute__((aligned(64)));
static u8 odd[64] __attribute__((aligned(64)));
static volatile u32 turn, want[2];
static u64 dekker;

static void counters(u32 me, u32 n) {
  for (u32 i = 0; i < n; i++) {
    u64 one = 1;
    __asm__ volatile("lock xaddq %0, %1" : "+r"(one), "+m"(c.xadd));
    __asm__ volatile("lock addq $3, %0" : "+m"(c.add));
    __asm__ volatile("lock addl $1, %0" : "+m"(c.add32));
    __asm__ volatile("lock addw $1, %0" : "+m"(c.add16));
    __asm__ volatile("lock addb $1, %0" : "+m"(c.add8));
    __asm__ volatile("lock incq %0" : "+m"(c.inc));
    u64 old = c.cmpxchg, seen;
    do { seen = old; __asm__ volatile("lock cmpxchgq %2, %1" : "+a"(old), "+m"(c.cmpxchg) : "r"(seen + 1)); } while (old != seen);
    u32 taken = 1;
    do { taken = 1; __asm__ volatile("xchgl %0, %1" : "+r"(taken), "+m"(c.lock) :: "memory"); if (taken) pause(); } while (taken);
    c.plain++;
    __asm__ volatile("movl $0, %0" : "=m"(c.lock) :: "memory");
    u8 carry;
    do { __asm__ volatile("lock btsl $5, %1; setc %0" : "=q"(carry), "+m"(c.bits) :: "memory"); if (carry) pause(); } while (carry);
    c.other += 2; /* of a lock of its own */
    __asm__ volatile("lock btrl $5, %0" : "+m"(c.bits) :: "memory");
    u64 low = c.pair[0], high = c.pair[1];
    u8 done;
    do __asm__ volatile("lock cmpxchg16b %1; setz %0" : "=q"(done), "+m"(c.pair), "+a"(low), "+d"(high) : "b"(low + 1), "c"(high + 2)); while (!done);
    u32 l = (u32)c.eight, h = (u32)(c.eight >> 32);
    do __asm__ volatile("lock cmpxchg8b %1; setz %0" : "=q"(done), "+m"(c.eight), "+a"(l), "+d"(h) : "b"(l + 1), "c"(h + 5)); while (!done);
  }
}
static void split(u32 n) {
  for (u32 i = 0; i < n; i++) {
    u32 one = 1;
    __asm__ volatile("lock xaddl %0, %1" : "+r"(one), "+m"(*(u32 *)(odd + 1)));       /* in one 8-byte word */
    one = 1;
    __asm__ volatile("lock xaddl %0, %1" : "+r"(one), "+m"(*(u32 *)(odd + 0x1e)));    /* across two */
    one = 1;
    __asm__ volatile("lock xaddl %0, %1" : "+r"(one), "+m"(*(u32 *)(PAGE + 0xffe)));  /* across two pages */
  }
}
/* Peterson's lock: right only when a store is seen before the load behind MFENCE. */
static void fences(u32 me, u32 n) {
  if (me > 1) return;
  for (u32 i = 0; i < n; i++) {
    want[me] = 1; turn = 1 - me;
    __asm__ volatile("mfence" ::: "memory");
    while (want[1 - me] && turn == 1 - me) pause();
    dekker++;
    __asm__ volatile("" ::: "memory");
    want[me] = 0;
  }
}

/* --- interrupts --- */
struct frame;
struct gate { u16 low; u16 selector; u8 ist, type; u16 mid; u32 high, zero; };
static struct gate idt[256] __attribute__((aligned(16)));
static void gate(u8 n, void *f) { u64 a = (u64)f; idt[n] = (struct gate){ a, 8, 0, 0x8e, a >> 16, a >> 32, 0 }; }
static void ipi(u32 to, u32 command) { apic[0x310 / 4] = to << 24; apic[0x300 / 4] = command; while (apic[0x300 / 4] & 0x1000) pause(); }
static volatile u32 pings[MAX], flushed[MAX], faults;
__attribute__((interrupt)) static void on_ping(struct frame *f) { pings[apic[0x20 / 4] >> 24]++; apic[0xb0 / 4] = 0; }
__attribute__((interrupt)) static void on_flush(struct frame *f) {
  __asm__ volatile("invlpg (%0)" ::"r"(PAGE + 0x2000) : "memory");
  flushed[apic[0x20 / 4] >> 24]++;
  apic[0xb0 / 4] = 0;
}
__attribute__((interrupt)) static void on_page_fault(struct frame *f, u64 code) { faults++; /* tries again */ }
static void set_up(void) {
  struct { u16 limit; u64 base; } __attribute__((packed)) d = { sizeof idt - 1, (u64)idt };
  __asm__ volatile("lidt %0" ::"m"(d));
  apic[0xf0 / 4] = 0x1ff;
}
/* Each waits in HLT for the other's interrupt. */
static void ping_pong(u32 me, u32 n) {
  if (me > 1) return;
  u32 start = pings[me];
  for (u32 i = 0; i < n; i++) {
    if (me == 0) ipi(1, 0x40);
    for (;;) {
      __asm__ volatile("cli");
      if (pings[me] != start + i) break;
      __asm__ volatile("sti; hlt");
    }
    if (me == 1) ipi(0, 0x40);
  }
}
static void shoot_down(u32 others) {
  u32 before[MAX];
  for (u32 i = 1; i < cpus; i++) before[i] = flushed[i];
  __asm__ volatile("invlpg (%0)" ::"r"(PAGE + 0x2000) : "memory");
  apic[0x300 / 4] = 0xc0041;
  for (u32 i = 1; i < cpus; i++) while (flushed[i] == before[i]) pause();
}
static volatile u32 over, stale;
static volatile u64 newest, torn;
/* The page at 16 MiB + 8 KiB is moved from frame to frame; behind the shootdown nobody sees an old one. */
static void shootdown(u32 me, u32 n) {
  volatile u64 *place = (volatile u64 *)(PAGE + 0x2000);
  if (me == 0) {
    for (u32 i = 1; i <= n; i++) {
      *(volatile u64 *)(PAGE + 0x10000 + (i & 1) * 0x1000) = i;
      pt[2] = 0x1010007 + (i & 1) * 0x1000;
      shoot_down(cpus - 1);
      newest = i;
    }
    over = 1;
    return;
  }
  __asm__ volatile("sti");
  while (!over) { u64 least = newest; if (*place < least) __atomic_add_fetch(&stale, 1, __ATOMIC_SEQ_CST); }
  __asm__ volatile("cli");
}
/* An entry that is taken away while others use the page must not get their accessed and dirty bits. */
static void take_away(u32 me, u32 n) {
  volatile u64 *place = (volatile u64 *)(PAGE + 0x2000);
  if (me == 0) {
    for (u32 i = 0; i < n; i++) {
      u64 entry = __atomic_exchange_n(&pt[2], 0, __ATOMIC_SEQ_CST);
      if (!(entry & 1)) torn++;
      shoot_down(cpus - 1);
      if (pt[2] != 0) torn++;
      pt[2] = entry & ~0x60ul;
    }
    over = 2;
    return;
  }
  __asm__ volatile("sti");
  while (over != 2) place[me] = 1;
  __asm__ volatile("cli");
}

/* --- code that another processor writes --- */
static u8 *const code = (u8 *)0x1003000;
static volatile u32 told, heard, old_code, never;
static u32 run(void) { return ((u32 (*)(void))code)(); }
static void modify(u32 me, u32 n) {
  if (me == 0) {
    code[0] = 0xb8; *(volatile u32 *)(code + 1) = 0; code[5] = 0xc3; /* mov eax, imm; ret */
    for (u32 i = 1; i <= n; i++) {
      *(volatile u32 *)(code + 1) = i;
      told = i;
      while (heard != (cpus - 1) * i) pause();
    }
    return;
  }
  for (u32 i = 1; i <= n; i++) {
    while (told < i) pause();
    serialize();
    if (run() != i) __atomic_add_fetch(&old_code, 1, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&heard, 1, __ATOMIC_SEQ_CST);
  }
}
/* Without anything that serialises the new code is seen at some time all the same. */
static void modify_loosely(u32 me) {
  if (me == 0) { for (u32 i = 0; i < 200; i++) pause(); *(volatile u32 *)(code + 1) = 0x7fffffff; return; }
  while (run() != 0x7fffffff) ;
}

/* The last word of the command line: the number of processors, then maybe a letter. */
static char choice(void) {
  u32 *info = (u32 *)(u64)multiboot_info;
  const char *s = info[0] & 4 ? (const char *)(u64)info[4] : "";
  const char *last = s;
  for (; *s; s++) if (*s == ' ') last = s + 1; /* the first word may be the image's name */
  for (cpus = 0; *last >= '0' && *last <= '9'; last++) cpus = cpus * 10 + *last - '0';
  return *last;
}
static void other_end(char how, u32 me) {
  if (me != 1) for (;;) __asm__ volatile("cli; hlt");
  print("processor 1 ends it\n");
  switch (how) {
    case 't': { /* triple fault */
      struct { u16 limit; u64 base; } __attribute__((packed)) none = { 0, 0 };
      __asm__ volatile("lidt %0; int3" ::"m"(none));
    }
    case 'p': outw(0x604, 0x2000 | 5 << 10); break; /* S5 */
    case 'r': out(0xcf9, 6); break;
    case 'e': out(0xf4, 7); break;
  }
  for (;;) __asm__ volatile("cli; hlt");
}

static volatile u64 spins;
void start(u32 me) {
  u32 id = 0;
  if (me == 0) {
    gate(0x40, on_ping); gate(0x41, on_flush); gate(14, on_page_fault);
    set_up();
    char how = choice();
    print("start\n");
    apic[0x300 / 4] = 0xc4500;
    for (int i = 0; i < 1000; i++) in(0x80);
    apic[0x300 / 4] = 0xc4608;
    extern volatile u32 next_processor;
    while (next_processor < cpus) pause();
    print("processors "); number(cpus); print("\n");
    __atomic_store_n(&over, how == 'b' ? 0x200 : how >= 'a' ? 0x100 + how : 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&told, 1, __ATOMIC_SEQ_CST);
  } else { while (!told) pause(); set_up(); }
  id = apic[0x20 / 4] >> 24;
  if (over == 0x200) { /* a load for benchmarks: until the time is up, then how much was done */
    for (u64 n = 0; ; n++) { for (u32 i = 0; i < 1000; i++) __asm__ volatile("" ::: "memory"); spins = n; }
  }
  if (over >= 0x100) other_end(over & 0xff, id);
  barrier();
  if (me == 0) { over = 0; told = 0; }
  barrier();
  const u32 N = 4000, S = 100;
  counters(me, N); barrier();
  split(S); barrier();
  fences(me, N); barrier();
  if (me == 0) {
    line("xadd", c.xadd, (u64)N * cpus); line("add64", c.add, 3ul * N * cpus); line("add32", c.add32, N * cpus);
    line("add16", c.add16, (u16)(N * cpus)); line("add8", c.add8, (u8)(N * cpus)); line("inc", c.inc, (u64)N * cpus);
    line("cmpxchg", c.cmpxchg, (u64)N * cpus); line("spin locks", c.plain + c.other, 3ul * N * cpus);
    line("cmpxchg16b", c.pair[0], (u64)N * cpus); line("cmpxchg16b high", c.pair[1], 2ul * N * cpus);
    line("cmpxchg8b", c.eight, (u64)N * cpus | (5ul * N * cpus) << 32);
    line("unaligned", *(u32 *)(odd + 1), S * cpus); line("split", *(u32 *)(odd + 0x1e), S * cpus);
    line("page split", *(volatile u32 *)(PAGE + 0xffe), S * cpus);
    line("fences", dekker, 2ul * N);
  }
  barrier();
  ping_pong(id, 200); barrier();
  if (me == 0) line("pings", pings[0] + pings[1], 400);
  if (me == 0) { *(volatile u64 *)(PAGE + 0x2000) = 0; over = 0; }
  barrier();
  shootdown(me, 100); barrier();
  if (me == 0) line("stale translations", stale, 0);
  barrier();
  take_away(me, 100); barrier();
  if (me == 0) line("bits in entries taken away", torn, 0);
  barrier();
  modify(me, 200); barrier();
  if (me == 0) line("old code behind a serialising instruction", old_code, 0);
  barrier();
  modify_loosely(me); barrier();
  if (me != 0) for (;;) __asm__ volatile("cli; hlt");
  line("failures", failures, 0);
  out(0xf4, failures != 0);
}
