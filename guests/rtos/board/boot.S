// Entry from the boot loader and the initial GDT.
// Multiboot Specification 0.6.96 "OS image format", "Machine state".

#define MULTIBOOT_HEADER_MAGIC 0x1BADB002
#define MULTIBOOT_FLAGS        0x00000003      /* page-aligned modules, memory information */

        .section .multiboot, "a"
        .balign 4
        .long MULTIBOOT_HEADER_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_HEADER_MAGIC + MULTIBOOT_FLAGS)

        .text
        .global multibootEntry
multibootEntry:
        cli
        cld
        movl    $bootStackTop, %esp
        lgdt    gdtPointer
        ljmp    $0x08, $1f
1:      movl    $0x10, %ecx
        movl    %ecx, %ds
        movl    %ecx, %es
        movl    %ecx, %fs
        movl    %ecx, %gs
        movl    %ecx, %ss
        pushl   $0
        popfl
        xorl    %ebp, %ebp
        subl    $8, %esp                       // keep the call 16-byte aligned
        pushl   %ebx                           // multiboot information
        pushl   %eax                           // loader magic
        call    boardStart
2:      cli
        hlt
        jmp     2b

        .section .rodata
        .balign 8
gdt:    .quad   0
        .quad   0x00cf9b000000ffff             // 08h: flat ring 0 code, accessed
        .quad   0x00cf93000000ffff             // 10h: flat ring 0 data, accessed
gdtPointer:
        .word   . - gdt - 1
        .long   gdt

        .bss
        .balign 16
        .skip   8192
bootStackTop:
        .section .note.GNU-stack, "", @progbits
