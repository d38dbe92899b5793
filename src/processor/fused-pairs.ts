// Which two instructions in a row are run by one handler of the interpreter: the pairs that Linux executes most often outside
// of regions (boot, fork and exec, pipes, page faults; 64- and 32-bit kernels), each at least about one in a thousand.
import type { Form } from '../isa/index.js';

/** First instruction, those that may follow. Operands: r register, m memory, i immediate, each with its width. */
const PAIRS: readonly (readonly [first: string, seconds: string])[] = [
  ['add r32,i32', 'pop r32'],
  ['add r32,r32', 'mov r32,m32; xor r32,r32; mov m32,r32; add r32,r32; mov m16,r16'],
  ['add r64,i64', 'pop r64; mov r64,r64; mov m64,r64'],
  ['and r32,i32', 'jz'],
  ['cmp m32,i32', 'jz; jbe; jnz; jnbe; jle'],
  ['cmp m32,r32', 'jz; jnz; jb; jnb; jle; jnle'],
  ['cmp m64,i64', 'jz; jnz; jnle'],
  ['cmp m64,r64', 'jz; jnz; jb; jnb'],
  ['cmp m8,i8', 'jnz; jz'],
  ['cmp m8,r8', 'jnz; jb; jz'],
  ['cmp r32,i32', 'jnbe; jz; jbe; jnz; jb; jnle; jnb; jle'],
  ['cmp r32,m32', 'jb; jnb; jnz; jz; jnl'],
  ['cmp r32,r32', 'jb; jnb; jz; jnz; jl; jle; jnl; jnbe; js; jnle'],
  ['cmp r64,i64', 'jz; jnz; jnbe; jbe; jb; jnb'],
  ['cmp r64,m64', 'jb; jz; jnz; jnb'],
  ['cmp r64,r64', 'jz; jb; jnz; jnb; jnbe; jl; jle; jnle; js'],
  ['cmp r8,i8', 'jz; jnz; jnbe; jbe; jle'],
  ['cmp r8,m8', 'jz; jnz; jnb'],
  ['cmp r8,r8', 'jz; jnb; jb; jnz'],
  ['dec m32', 'jz'],
  ['lea r32,m0', 'push r32; mov r32,m32; mov m32,r32; mov r32,r32; lea r32,m0; pop r32'],
  ['lea r64,m0', 'mov r64,r64; mov m64,r64; mov r64,m64; lea r64,m0'],
  ['leave', 'ret'],
  ['mov m32,i32', 'mov m32,i32'],
  [
    'mov m32,r32',
    'mov r32,m32; mov m32,r32; mov r32,r32; xor r32,r32; lea r32,m0; sub r32,r32; add r32,i32; mov r32,i32',
  ],
  ['mov m64,i64', 'mov m64,i64'],
  ['mov m64,r64', 'mov m64,r64; mov r64,m64; xor r32,r32; mov r64,r64; call; jmp'],
  ['mov r32,i32', 'sub r32,r32; mov r64,r64; call'],
  [
    'mov r32,m32',
    'mov r32,m32; mov m32,r32; lea r32,m0; mov r32,r32; add r32,r32; xor r32,r32; call; mov r64,m64; and r32,i32; add r32,i32; mov r32,i32; mov r64,r64',
  ],
  [
    'mov r32,r32',
    'push r32; call; mov r32,m32; mov r32,r32; shr r32,i8; sub r32,i32; pop r32; mov r64,r64; push r64; and r32,i32; mov r32,i32; mov m32,r32; lea r32,m0; pop r64',
  ],
  [
    'mov r64,m64',
    'mov r64,m64; mov r64,r64; mov m64,r64; lea r64,m0; mov r32,m32; sub r64,m64; call; add r64,i64; mov r32,r32; shr r64,i8',
  ],
  [
    'mov r64,r64',
    'call; mov r64,r64; push r64; mov r64,m64; pop r64; mov r32,r32; sub r64,i64; and r64,i64; sub r64,r64; lea r64,m0; shr r64,i8; and r32,i32; mov r32,i32; add r64,i64; jmp; mov m64,r64; xor r32,r32; nop m32',
  ],
  ['movzx r32,m16', 'imul r32,r32; mov r32,r32'],
  ['nop m32', 'push r64; mov r64,m64; mov r64,r64'],
  ['nop', 'mov r64,m64'],
  ['pop r32', 'pop r32; ret'],
  ['pop r64', 'pop r64; ret; jmp'],
  ['push r32', 'mov r32,r32; push r32; mov r32,m32; sub r32,i32'],
  ['push r64', 'push r64; mov r64,r64; mov r32,r32; mov r64,m64; sub r64,i64'],
  ['sar r32,i8', 'add r32,r32'],
  ['shl r64,i8', 'add r64,r64'],
  ['shr r32,i8', 'movzx r32,m16'],
  ['sub r32,i32', 'mov r32,m32; mov m32,r32'],
  ['sub r32,r32', 'mov m32,r32; sar r32,i8'],
  ['sub r64,i64', 'mov r64,m64'],
  ['sub r64,m64', 'jnz'],
  ['test m32,i32', 'jnz; jz'],
  ['test m64,i64', 'jnz; jz'],
  ['test m8,i8', 'jnz; jz'],
  ['test r32,i32', 'jnz; jz'],
  ['test r32,r32', 'jz; jnz; js; jle; jns; jnle'],
  ['test r64,i64', 'jz; jnz'],
  ['test r64,r64', 'jz; jnz; jnle; jle; js'],
  ['test r8,i8', 'jnz; jz'],
  ['test r8,r8', 'jz; jnz; jns; js'],
  ['xor r32,r32', 'mov m32,r32; mov r32,r32; xor r32,r32; add r32,r32; jmp; mov r64,r64'],
];
const SECONDS: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  PAIRS.map(([first, seconds]) => [first, new Set(seconds.split('; '))]),
);

const LETTER: Partial<Record<string, string>> = { gpr: 'r', mem: 'm', imm: 'i' };
/** What a form looks like in the table. */
function shape(form: Form): string {
  const operands = form.operands
    .filter(({ kind }) => kind !== 'rel')
    .map((o) => `${LETTER[o.kind] ?? o.kind}${o.bits}`);
  return `${form.instruction.name} ${operands.join()}`.trimEnd();
}
/** One handler runs `second` behind `first`. */
export const isFusedPair = (first: Form, second: Form): boolean =>
  SECONDS.get(shape(first))?.has(shape(second)) === true;
