// Entry in 64-bit mode at 1 MiB: EDI = rounds, ESI = round trips.
.code64
.section .start, "ax"
.globl _start
_start:
  lea stack_top(%rip), %rsp
  call guest_main
.bss
.align 16
.skip 65536
stack_top:
