// A multiboot image that checks what it is given and what the board does, one line per check on COM1; the number of
// failures is its exit value at port 0xf4. Multiboot Specifications; ACPI 6.4 "RSDP", "MADT"; QEMU documentation
// "fw_cfg", "pc-testdev"; Intel 82093AA data sheet.
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned long word;

extern u32 boot_magic, boot_information;
extern volatile u32 interrupts;
extern u8 trampoline[], trampoline_end[];
void interrupt_entry(void);

static inline void outb(u16 p, u8 v) { __asm__ volatile("outb %0,%1" ::"a"(v), "Nd"(p)); }
static inline void outw(u16 p, u16 v) { __asm__ volatile("outw %0,%1" ::"a"(v), "Nd"(p)); }
static inline void outl(u16 p, u32 v) { __asm__ volatile("outl %0,%1" ::"a"(v), "Nd"(p)); }
static inline u8 inb(u16 p) { u8 v; __asm__ volatile("inb %1,%0" : "=a"(v) : "Nd"(p)); return v; }
static inline u16 inw(u16 p) { u16 v; __asm__ volatile("inw %1,%0" : "=a"(v) : "Nd"(p)); return v; }
static inline u32 inl(u16 p) { u32 v; __asm__ volatile("inl %1,%0" : "=a"(v) : "Nd"(p)); return v; }
static volatile u32 *at(u32 gpa) { return (volatile u32 *)(word)gpa; }

static void put(const char *s)
{
  for (; *s; s++) {
    while (!(inb(0x3fd) & 0x20)) {}
    outb(0x3f8, *s);
  }
}
static void putHex(u64 v)
{
  char t[19] = "0x";
  int n = 2;
  for (int i = 60; i >= 0; i -= 4)
    if ((v >> i) || i == 0) t[n++] = "0123456789abcdef"[(v >> i) & 15];
  t[n] = 0;
  put(t);
}
static u32 failures;
static void check(const char *what, u64 got, u64 expected)
{
  put(got == expected ? "ok " : "FAIL ");
  put(what);
  if (got != expected) {
    put(": got ");
    putHex(got);
    put(", expected ");
    putHex(expected);
    failures++;
  }
  put("\n");
}
static int same(const char *a, const char *b, u32 n)
{
  while (n--) {
    if (*a != *b) return 0;
    if (!*a) return 1;
    a++, b++;
  }
  return 1;
}
static u32 length(const char *s) { u32 n = 0; while (s[n]) n++; return n; }

static u8 bss[3 << 20];
static u32 highBytes;
static const char *cmdline;
static u32 moduleStart, moduleEnd, modules;
static const char *moduleWords;
static u64 ramBytes, ramAt1M;
static u32 rsdpGiven;

static void range(u64 base, u64 bytes, u32 type)
{
  if (type != 1) return;
  ramBytes += bytes;
  if (base == 0x100000) ramAt1M = bytes;
}
static void readMultiboot1(u32 gpa)
{
  volatile u32 *info = at(gpa);
  check("flags of the information", info[0] & 0x24d, 0x24d);
  check("mem_lower", info[1], 639);
  highBytes = info[2] * 1024;
  cmdline = (const char *)(word)info[4];
  modules = info[5];
  if (modules) {
    volatile u32 *m = at(info[6]);
    moduleStart = m[0];
    moduleEnd = m[1];
    moduleWords = (const char *)(word)m[2];
  }
  for (u32 a = info[12]; a < info[12] + info[11]; a += at(a)[0] + 4)
    range(at(a)[1] | (u64)at(a)[2] << 32, at(a)[3] | (u64)at(a)[4] << 32, at(a)[5]);
}
static void readMultiboot2(u32 gpa)
{
  u32 total = at(gpa)[0];
  for (u32 a = gpa + 8; a < gpa + total; a += (at(a)[1] + 7) & ~7u) {
    volatile u32 *t = at(a);
    if (t[0] == 0) break;
    if (t[0] == 1) cmdline = (const char *)(word)(a + 8);
    if (t[0] == 3 && modules++ == 0) {
      moduleStart = t[2];
      moduleEnd = t[3];
      moduleWords = (const char *)(word)(a + 16);
    }
    if (t[0] == 4) highBytes = t[3] * 1024;
    if (t[0] == 15) rsdpGiven = a + 8;
    if (t[0] == 6)
      for (u32 e = a + 16; e < a + t[1]; e += t[2])
        range(at(e)[0] | (u64)at(e)[1] << 32, at(e)[2] | (u64)at(e)[3] << 32, at(e)[4]);
  }
  check("new ACPI tag", rsdpGiven != 0 && same((char *)(word)rsdpGiven, "RSD PTR ", 8), 1);
}
/** The number after `key` on the command line. */
static u32 number(const char *key, u32 otherwise)
{
  u32 n = length(key);
  for (const char *s = cmdline; *s; s++) {
    if (!same(s, key, n)) continue;
    u32 v = 0;
    for (s += n; *s >= '0' && *s <= '9'; s++) v = v * 10 + *s - '0';
    return v;
  }
  return otherwise;
}

static u64 fwcfg(u16 key, int bytes)
{
  u64 v = 0;
  outw(0x510, key);
  for (int i = 0; i < bytes; i++) v |= (u64)inb(0x511) << (8 * i);
  return v;
}

static u8 sum(u32 gpa, u32 bytes)
{
  u8 s = 0;
  while (bytes--) s += *(volatile u8 *)(word)gpa++;
  return s;
}
static void acpi(u32 cpus)
{
  u32 rsdp = 0;
  for (u32 a = 0xe0000; a < 0x100000 && !rsdp; a += 16)
    if (same((char *)(word)a, "RSD PTR ", 8)) rsdp = a;
  check("RSDP in the BIOS area", rsdp != 0, 1);
  check("RSDP checksum", sum(rsdp, 20), 0);
  u32 rsdt = at(rsdp)[4];
  check("RSDT", at(rsdt)[0], 0x54445352);
  check("RSDT checksum", sum(rsdt, at(rsdt)[1]), 0);
  u32 fadt = 0, madt = 0;
  for (u32 i = 36; i < at(rsdt)[1]; i += 4) {
    u32 t = at(rsdt + i)[0];
    if (at(t)[0] == 0x50434146) fadt = t;
    if (at(t)[0] == 0x43495041) madt = t;
  }
  check("FADT checksum", fadt ? sum(fadt, at(fadt)[1]) : 1, 0);
  check("FACS", at(at(fadt)[9])[0], 0x53434146);
  u32 found = 0;
  for (u32 a = madt + 44; a < madt + at(madt)[1]; a += *(volatile u8 *)(word)(a + 1))
    if (*(volatile u8 *)(word)a == 0) found++;
  check("processors in the MADT", found, cpus);
}

#define APIC 0xfee00000
#define IOAPIC 0xfec00000
static struct __attribute__((packed)) { u16 limit; word base; } idtPointer;
static u64 idt[512];
static void gate(u32 vector)
{
  word entry = (word)interrupt_entry;
  u32 slot = vector * (sizeof(word) / 4);
  idt[slot] = (entry & 0xffff) | (8 << 16) | 0x8e0000000000 | (u64)(entry & 0xffff0000) << 32;
  if (sizeof(word) == 8) idt[slot + 1] = (u64)entry >> 32;
  idtPointer.limit = sizeof idt - 1;
  idtPointer.base = (word)idt;
  __asm__ volatile("lidt %0" ::"m"(idtPointer));
}
static void ioapic(u32 r, u32 v)
{
  at(IOAPIC)[0] = r;
  at(IOAPIC)[4] = v;
}
/** Called by the interrupt's entry: the line falls after the third time. */
void served(void)
{
  if (++interrupts == 3) outb(0x200e, 0);
  at(APIC + 0xb0)[0] = 0;
}
static void line(u8 level)
{
  outb(0x200e, level);
  for (int i = 0; i < 1000; i++) __asm__ volatile("pause");
}
static void testDevice(void)
{
  outl(0xe0, 0x12345678);
  check("test device, 32 bits", inl(0xe0), 0x12345678);
  outw(0xe2, 0xabcd);
  check("test device, 16 bits", inl(0xe0), 0xabcd5678);
  outb(0xe3, 0x7f);
  check("test device, 8 bits", inb(0xe3), 0x7f);
  check("test device, two ports", inw(0xe2), 0x7fcd);
  at(0xff000000)[3] = 0xfeedf00d;
  check("test device, memory", at(0xff000000)[3], 0xfeedf00d);
  outl(0xe4, 0x100000);

  outb(0x21, 0xff);
  outb(0xa1, 0xff);
  gate(0x40);
  at(APIC + 0xf0)[0] = 0x1ff;
  ioapic(0x11 + 28, at(APIC + 0x20)[0]);
  ioapic(0x10 + 28, 0x40);
  __asm__ volatile("sti");
  line(1);
  line(0);
  check("an edge on interrupt 14", interrupts, 1);
  ioapic(0x10 + 28, 0x10040);
  line(1);
  line(0);
  check("a masked edge", interrupts, 1);
  interrupts = 0;
  ioapic(0x10 + 28, 0x8040);
  line(1);
  check("a level is served until it falls", interrupts, 3);
  line(0);
  __asm__ volatile("cli");
  ioapic(0x10 + 28, 0x10040);
}
static void processors(u32 cpus)
{
  u8 *to = (u8 *)0x80000;
  u32 bytes = trampoline_end - trampoline;
  for (u32 i = 0; i < bytes; i++) to[i] = trampoline[i];
  volatile u16 *started = (volatile u16 *)(to + bytes - 2);
  at(APIC + 0x300)[0] = 0xc4500; // INIT to all but this one
  at(APIC + 0x300)[0] = 0xc4680; // start at 80000H
  for (u32 i = 0; i < 1000000 && *started != cpus - 1; i++) __asm__ volatile("pause");
  check("processors that start", *started, cpus - 1);
}

u32 kit_main(void)
{
  if (boot_magic == 0x36d76289) readMultiboot2(boot_information);
  else {
    check("magic", boot_magic, 0x2badb002);
    readMultiboot1(boot_information);
  }
  put("cmdline=");
  put(cmdline);
  put("\n");
  if (modules) {
    put("module=");
    put(moduleWords);
    put("|");
    for (u32 a = moduleStart; a < moduleEnd; a++) {
      char c[2] = { *(char *)(word)a, 0 };
      put(c);
    }
    put("\n");
  }
  check("modules", modules, number("modules=", 0));
  check("module on a page", moduleStart & 4095, 0);
  u32 dirty = 0;
  for (u32 i = 0; i < sizeof bss; i += 4) dirty |= *(u32 *)(bss + i);
  check("cleared memory", dirty, 0);
  u32 mib = number("mib=", 256);
  u32 cpus = number("smp=", 1);
  check("memory above 1 MiB", highBytes, (mib - 1) << 20);
  check("memory map at 1 MiB", ramAt1M, (mib - 1) << 20);
  check("memory map in all", ramBytes, ((u64)(mib - 1) << 20) + 0x9fc00);
  check("fw_cfg signature", fwcfg(0, 4), 0x554d4551);
  check("fw_cfg memory", fwcfg(3, 8), (u64)mib << 20);
  check("fw_cfg processors", fwcfg(5, 2), cpus);
  check("fw_cfg most processors", fwcfg(15, 2), cpus);
  acpi(cpus);
  testDevice();
  processors(cpus);
  return number("exit=", failures);
}
