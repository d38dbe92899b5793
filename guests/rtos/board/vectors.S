// Interrupt and exception entry points, and the context switch.
// Intel SDM 3A "Interrupt and Exception Handling", "Error Code".

        .text
// Entry points are 16 bytes apart: vector v starts at trapVectors + 16 * v.
// Vectors 8, 10-14, 17, 21, 29 and 30 push an error code themselves.
        .global trapVectors
        .balign 16
trapVectors:
        .set    vector, 0
        .rept   48
        .balign 16
        .if     !((vector == 8) || ((vector >= 10) && (vector <= 14)) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30))
        pushl   $0
        .endif
        pushl   $vector
        jmp     trapCommon
        .set    vector, vector + 1
        .endr

        .balign 16
trapCommon:                                    // builds a TrapFrame (board.h)
        pushal
        cld
        movl    %esp, %eax
        movl    %esp, %ebp                     // restored by popal
        andl    $-16, %esp
        subl    $12, %esp
        pushl   %eax
        call    trapDispatch
        movl    %ebp, %esp
        popal
        addl    $8, %esp                       // vector, error code
        cmpb    $0, bootOptions                // .flat, the first member
        jne     flatReturn
        iret

// IRET without IRET, for one code segment in ring 0: EIP, CS, EFLAGS become EFLAGS, EIP.
// An interrupt between POPF and RET finds a stack that is as good as any.
flatReturn:
        pushl   %eax
        movl    12(%esp), %eax
        movl    %eax, 8(%esp)
        movl    4(%esp), %eax
        movl    %eax, 12(%esp)
        popl    %eax
        addl    $4, %esp
        popfl
        ret

// void contextSwitch(uint32_t **saveSp, uint32_t *newSp): interrupts are disabled.
        .global contextSwitch
        .balign 16
contextSwitch:
        movl    4(%esp), %eax
        movl    8(%esp), %edx
        pushl   %ebp
        pushl   %ebx
        pushl   %esi
        pushl   %edi
        movl    %esp, (%eax)
        movl    %edx, %esp
        popl    %edi
        popl    %esi
        popl    %ebx
        popl    %ebp
        ret
        .section .note.GNU-stack, "", @progbits
