/* A 64-bit multiboot guest on several processors: long mode with an identity map of 4 GiB, the other processors started
   through a real-mode trampoline. Sources: Multiboot Specification 0.6.96; SDM 3A "MP Initialization Protocol Example". */
.set TRAMPOLINE, 0x8000
.section .text
.code32
.globl _start
_start:
    jmp 1f
.balign 4
    .long 0x1badb002, 0, -0x1badb002 /* the multiboot header */
1:  cli
    mov %ebx, multiboot_info
    mov $TRAMPOLINE, %edi
    mov $trampoline, %esi
    mov $trampoline_end - trampoline, %ecx
    rep movsb
    /* page tables: 2 MiB pages */
    mov $pml4, %edi
    movl $pdpt + 7, (%edi)
    mov $pdpt, %edi
    mov $pd + 7, %eax
    mov $4, %ecx
1:  mov %eax, (%edi)
    add $8, %edi
    add $4096, %eax
    loop 1b
    mov $pd, %edi
    mov $0x87, %eax
    mov $2048, %ecx
1:  mov %eax, (%edi)
    add $8, %edi
    add $0x200000, %eax
    loop 1b
    /* the page at 16 MiB has a table of its own */
    mov $pd + 8 * 8, %edi
    movl $pt + 7, (%edi)
    mov $pt, %edi
    mov $0x1000007, %eax
    mov $512, %ecx
1:  mov %eax, (%edi)
    add $8, %edi
    add $4096, %eax
    loop 1b
    mov $0, %ebp
.globl enter_long_mode
enter_long_mode: /* %ebp: processor */
    mov $pml4, %eax
    mov %eax, %cr3
    mov %cr4, %eax
    or $0x620, %eax
    mov %eax, %cr4
    mov $0xc0000080, %ecx
    rdmsr
    or $0x100, %eax
    wrmsr
    mov $0x80010033, %eax
    mov %eax, %cr0
    lgdt gdtr
    ljmp $8, $1f
.code64
1:  mov $16, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov %ebp, %edi
    inc %ebp
    shl $14, %rbp
    lea stacks(%rbp), %rsp
    call start
1:  cli
    hlt
    jmp 1b

.code16
trampoline:
    cli
    xor %ax, %ax
    mov %ax, %ds
    lgdtl TRAMPOLINE + (gdtr16 - trampoline)
    mov $0x11, %eax
    mov %eax, %cr0
    ljmpl $24, $TRAMPOLINE + (1f - trampoline)
.code32
1:  mov $32, %eax
    mov %eax, %ds
    mov $1, %ebp
    lock xaddl %ebp, next_processor
    mov $enter_long_mode, %eax
    jmp *%eax
.balign 8
gdtr16:
    .word 39
    .long gdt
trampoline_end:

.section .data
.balign 8
gdt:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdtr:
    .word 39
    .quad gdt
.globl next_processor, multiboot_info
next_processor: .long 1
multiboot_info: .long 0

.section .note.GNU-stack, "", @progbits
.section .bss
.balign 4096
.globl pt
pml4: .skip 4096
pdpt: .skip 4096
pd: .skip 4 * 4096
pt: .skip 4096
stacks: .skip 17 * 16384
