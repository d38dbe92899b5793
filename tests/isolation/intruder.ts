// A 32-bit guest that writes wherever it can: all of its guest-physical addresses, all ports, model-specific registers.
// Whatever faults is counted and passed over. It ends by writing 0 to the debug-exit port.
// Sources: SDM 2 (encodings); SDM 3A "Interrupt 13—General Protection Exception"; SDM 4 "Model-Specific Registers".

import type { BootSource } from '../../src/machine/index.js';
import { Assembler } from '../support/assembler.js';

const BASE = 0x100000;
/** The intruder itself and its stack: the only part of its memory that it spares. */
const SPARED_END = 0x110000;
const PATTERN = 0xa5a5a5a5;
const CODE = 0x08;
const DATA = 0x10;

/** Ports that would end or restart its own machine: PM1a control, reset control, 8042 commands, fast reset, debug exit. */
export const SPARED_PORTS = [0x604, 0x605, 0xcf9, 0x64, 0x92, 0xf4, 0xf5, 0xf6, 0xf7];
const MSR_RANGES = [
  [0, 0x2000],
  [0x40000000, 0x40000200],
  [0xc0000000, 0xc0002000],
  [0xc0010000, 0xc0012000],
] as const;

export interface Intruder {
  readonly boot: BootSource;
  /** Guest-physical addresses of its 32-bit counters. */
  readonly counters: { readonly faults: number; readonly pages: number; readonly ports: number; readonly msrs: number };
}

/** Waits `delay` loop turns, then attacks; beyond its RAM it writes one double word in every `stride` bytes. */
export function intruder(ramBytes: number, delay: number, stride: number): Intruder {
  const a = new Assembler(BASE);
  const movEax = (v: number): Assembler => a.bytes(0xb8).dword(v);
  const movEcx = (v: number): Assembler => a.bytes(0xb9).dword(v);
  const movEdx = (v: number): Assembler => a.bytes(0xba).dword(v);
  const movEdi = (v: number): Assembler => a.bytes(0xbf).dword(v);
  const recoverAt = (label: string): Assembler => a.bytes(0xbd).address(label); // mov ebp, label
  const count = (label: string): Assembler => a.bytes(0xff, 0x05).address(label); // inc dword [label]
  const jump = (condition: number, label: string): Assembler => a.bytes(0x0f, 0x80 | condition).distance(label);
  const [BELOW, EQUAL, NOT_EQUAL] = [2, 4, 5];
  /** Goes on behind `work` when it faults. */
  const attempt = (work: () => void): void => {
    const after = a.name();
    recoverAt(after);
    work();
    a.label(after);
  };

  a.bytes(0xfa, 0xfc); // cli; cld
  a.bytes(0xbc).address('stackTop'); // mov esp, stackTop
  a.bytes(0x0f, 0x01, 0x15).address('gdtr'); // lgdt
  a.bytes(0x0f, 0x01, 0x1d).address('idtr'); // lidt
  a.bytes(0xea).address('loaded').bytes(CODE, 0); // jmp CODE:loaded
  a.label('loaded');
  movEax(DATA).bytes(0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0); // mov ds/es/ss, ax
  movEcx(delay).bytes(0xe2, 0xfe); // loop $

  // All of its RAM but itself, and what lies between.
  movEax(PATTERN);
  movEdi(0)
    .bytes(0xb9)
    .dword(BASE / 4)
    .bytes(0xf3, 0xab); // rep stosd
  movEdi(SPARED_END);
  movEcx((ramBytes - SPARED_END) / 4).bytes(0xf3, 0xab);
  // Across the end of RAM and of the address space.
  attempt(() => a.bytes(0xa3).dword(ramBytes - 2)); // mov [..], eax
  attempt(() => a.bytes(0xa3).dword(0xfffffffe));
  // All addresses above RAM, each time at another offset in the page.
  movEdi(ramBytes);
  a.label('page');
  attempt(() => {
    a.bytes(0x89, 0xfa, 0xc1, 0xea, 10); // mov edx, edi; shr edx, 10
    a.bytes(0x81, 0xe2).dword(0xffc); // and edx, 0xffc
    a.bytes(0x89, 0x04, 0x17); // mov [edi + edx], eax
  });
  count('pages');
  a.bytes(0x81, 0xc7).dword(stride); // add edi, stride
  jump(NOT_EQUAL, 'page');
  // Every register of the I/O APIC and of the local APIC.
  a.bytes(0x31, 0xc9).label('ioApic'); // xor ecx, ecx
  a.bytes(0x89, 0x0d).dword(0xfec00000); // mov [select], ecx
  a.bytes(0xa3).dword(0xfec00010); // mov [window], eax
  a.bytes(0x41, 0x83, 0xf9, 0x40); // inc ecx; cmp ecx, 40h
  jump(NOT_EQUAL, 'ioApic');
  movEdi(0xfee00000).label('localApic');
  attempt(() => a.bytes(0x89, 0x07)); // mov [edi], eax
  a.bytes(0x83, 0xc7, 0x10, 0x81, 0xff).dword(0xfee01000); // add edi, 10h; cmp edi, ..
  jump(NOT_EQUAL, 'localApic');

  a.bytes(0x31, 0xd2).label('port'); // xor edx, edx
  for (const port of SPARED_PORTS) {
    a.bytes(0x81, 0xfa).dword(port); // cmp edx, port
    jump(EQUAL, 'nextPort');
  }
  attempt(() => {
    movEax(PATTERN).bytes(0xee, 0xec); // out dx, al; in al, dx
    a.bytes(0x81, 0xfa).dword(0x1000);
    jump(BELOW, 'narrow');
    movEax(PATTERN).bytes(0xef, 0xed); // out dx, eax; in eax, dx
    a.label('narrow');
    count('ports');
  });
  a.label('nextPort').bytes(0x42, 0x81, 0xfa).dword(0x10000); // inc edx; cmp edx, 10000h
  jump(NOT_EQUAL, 'port');

  for (const [low, high] of MSR_RANGES) {
    const loop = a.name();
    movEcx(low).label(loop);
    attempt(() => {
      a.bytes(0x0f, 0x32); // rdmsr
      count('msrs');
      a.bytes(0x0f, 0x30); // wrmsr
    });
    attempt(() => a.bytes(0x31, 0xc0, 0x31, 0xd2, 0x0f, 0x30)); // xor eax, eax; xor edx, edx; wrmsr
    attempt(() => movEax(-1).bytes(0x89, 0xc2, 0x0f, 0x30)); // mov edx, eax; wrmsr
    a.bytes(0x41, 0x81, 0xf9).dword(high); // inc ecx; cmp ecx, high
    jump(NOT_EQUAL, loop);
  }
  attempt(() => a.bytes(0x0f, 0x01, 0xc1)); // vmcall
  attempt(() => a.bytes(0xf3, 0x0f, 0xc7, 0x34, 0x24)); // vmxon [esp]
  attempt(() => a.bytes(0x0f, 0x78, 0xc0)); // vmread eax, eax
  attempt(() => movEax(-1).bytes(0x0f, 0x22, 0xe0)); // mov cr4, eax
  attempt(() => movEdx(-1).bytes(0x0f, 0x23, 0xfa)); // mov dr7, edx

  a.bytes(0x31, 0xc0, 0xe6, 0xf4, 0xeb, 0xfe); // xor eax, eax; out 0f4h, al; jmp $

  a.label('fault').bytes(0xbc).address('stackTop'); // mov esp, stackTop
  count('faults').bytes(0xff, 0xe5); // jmp ebp

  a.align(8).label('gdt').dword(0).dword(0);
  a.dword(0x0000ffff).dword(0x00cf9b00).dword(0x0000ffff).dword(0x00cf9300); // flat code, flat data
  a.label('gdtr').bytes(23, 0).address('gdt');
  a.label('idtr').bytes(0xff, 0x07).address('idt');
  a.align(4);
  for (const counter of ['faults', 'pages', 'ports', 'msrs']) a.label(counter).dword(0);
  const handler = a.at('fault');
  a.align(8).label('idt');
  for (let i = 0; i < 256; i++) {
    a.bytes(handler & 0xff, (handler >> 8) & 0xff, CODE, 0, 0, 0x8e, (handler >> 16) & 0xff, handler >>> 24);
  }
  for (let i = 0; i < 64; i++) a.dword(0);
  a.label('stackTop');
  const data = a.image();
  if (a.here > SPARED_END) throw new Error('the intruder does not fit into the part that it spares');
  return {
    boot: { kind: 'flat', kernel: { name: 'intruder', data }, gpa: BASE, mode: 'protected32' },
    counters: { faults: a.at('faults'), pages: a.at('pages'), ports: a.at('ports'), msrs: a.at('msrs') },
  };
}
