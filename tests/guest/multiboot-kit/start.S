// Entry of a multiboot test image: 32-bit, or into 64-bit mode where it is built so. Multiboot Specification 0.6.96,
// "OS image format", "Machine state"; SDM 3A "Initializing IA-32e Mode", "MP Initialization Protocol".
#ifndef HEADER_FLAGS
#define HEADER_FLAGS 0
#endif
        .section .init, "ax"
        .code32
        .align 8
#ifdef MULTIBOOT2
header: .long 0xe85250d6, 0, header_end - header, -(0xe85250d6 + header_end - header)
        .short 1, 0             // information request: command line, modules, memory map, ACPI
        .long 24, 1, 3, 6, 15
        .short 6, 0             // modules on pages
        .long 8
        .short 0x7fff, 1        // an optional tag that nobody knows
        .long 8
        .short 0, 0
        .long 8
header_end:
#else
header: .long 0x1badb002, HEADER_FLAGS, -(0x1badb002 + HEADER_FLAGS)
#if HEADER_FLAGS & 0x10000
        .long header, image_start, image_end, bss_end, start
#endif
#endif
        .globl start
start:
        mov     $stack_top, %esp
        mov     %eax, boot_magic
        mov     %ebx, boot_information
        push    $0
        popf
        lgdt    gdt_pointer
#ifdef __x86_64__
        mov     $page_directory, %edi
        mov     $0x83, %eax     // 2 MiB pages, one to one, 4 GiB
1:      mov     %eax, (%edi)
        movl    $0, 4(%edi)
        add     $8, %edi
        add     $0x200000, %eax
        jnc     1b
        mov     $page_directory + 3, %eax
        mov     $pointers, %edi
        mov     $4, %ecx
1:      mov     %eax, (%edi)
        add     $0x1000, %eax
        add     $8, %edi
        loop    1b
        movl    $pointers + 3, level4
        mov     $level4, %eax
        mov     %eax, %cr3
        mov     %cr4, %eax
        or      $0x20, %eax
        mov     %eax, %cr4
        mov     $0xc0000080, %ecx
        rdmsr
        or      $0x100, %eax
        wrmsr
        mov     %cr0, %eax
        or      $0x80000000, %eax
        mov     %eax, %cr0
#endif
        ljmp    $8, $1f
1:
#ifdef __x86_64__
        .code64
#endif
        mov     $16, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        call    kit_main
        mov     $0xf4, %dx
        out     %eax, %dx
2:      hlt
        jmp     2b

        .globl  interrupt_entry
interrupt_entry:
#ifdef __x86_64__
        push    %rax
        push    %rcx
        push    %rdx
        push    %rsi
        push    %rdi
        push    %r8
        push    %r9
        push    %r10
        push    %r11
        call    served
        pop     %r11
        pop     %r10
        pop     %r9
        pop     %r8
        pop     %rdi
        pop     %rsi
        pop     %rdx
        pop     %rcx
        pop     %rax
        iretq
#else
        pusha
        call    served
        popa
        iret
#endif

        // Copied to a page below 1 MiB: counts a processor that was started, and stops it.
        .code16
        .globl  trampoline, trampoline_end
trampoline:
        lock incw %cs:(started_word - trampoline)
1:      cli
        hlt
        jmp     1b
        .align 2
started_word: .word 0
trampoline_end:

        .section .data
        .align 8
gdt:    .quad 0
#ifdef __x86_64__
        .quad 0x00af9b000000ffff
#else
        .quad 0x00cf9b000000ffff
#endif
        .quad 0x00cf93000000ffff
gdt_pointer:
        .word . - gdt - 1
        .long gdt, 0
        .globl boot_magic, boot_information, interrupts
boot_magic: .long 0
boot_information: .long 0
interrupts: .long 0
        .section .bss
        .align 4096
level4: .skip 4096
pointers: .skip 4096
page_directory: .skip 4 * 4096
        .skip 16384
stack_top:
        .section .note.GNU-stack, "", @progbits
