// x87 control instructions. Intel SDM Vol. 2A, "Instruction Set Reference". The waiting mnemonics (FINIT, FSTCW, ...) are
// FWAIT (see system.ts) and one of these.
import type { Instruction } from '../../declare.js';
import { AX, M, Mw } from '../../operands.js';
import { type Execute, fpu, noWait, number32, plain, x87 } from './build.js';

const image =
  (procedure: string, bytes16: number, bytes32: number, isWrite: boolean): Execute =>
  (s, memory) => {
    const opBits = s.opBits === 16 ? 16 : 32;
    const linear = s.linearAddress(memory, opBits === 16 ? bytes16 : bytes32, isWrite);
    s.call(procedure, linear, number32(s, opBits));
  };
const nothing = (): void => {};
const step =
  (delta: number): Execute =>
  (s) => {
    s.call('x87_step', number32(s, delta));
  };

export const CONTROL: readonly Instruction[] = [
  x87('fldenv', 'FLDENV—Load x87 FPU Environment', [fpu('d9 /4', [M])], image('x87_load_environment', 14, 28, false)),
  x87('fldcw', 'FLDCW—Load x87 FPU Control Word', [fpu('d9 /5', [Mw])], (s, src) => {
    s.call('x87_load_control', s.zext(s.read(src), 32));
  }),
  noWait(
    'fnstenv',
    'FSTENV/FNSTENV—Store x87 FPU Environment',
    [fpu('d9 /6', [M])],
    image('x87_store_environment', 14, 28, true),
  ),
  noWait('fnstcw', 'FSTCW/FNSTCW—Store x87 FPU Control Word', [fpu('d9 /7', [Mw])], (s, dst) => {
    s.write(dst, s.trunc(s.call('x87_control_value'), 16));
  }),
  x87('frstor', 'FRSTOR—Restore x87 FPU State', [fpu('dd /4', [M])], image('x87_restore', 94, 108, false)),
  noWait('fnsave', 'FSAVE/FNSAVE—Store x87 FPU State', [fpu('dd /6', [M])], image('x87_save', 94, 108, true)),
  noWait('fnstsw', 'FSTSW/FNSTSW—Store x87 FPU Status Word', [fpu('dd /7', [Mw]), fpu('df /e0', [AX])], (s, dst) =>
    s.write(dst, s.trunc(s.call('x87_status_value'), 16)),
  ),
  noWait('fnclex', 'FCLEX/FNCLEX—Clear Exceptions', [fpu('db /e2')], plain('x87_clear_exceptions')),
  noWait('fninit', 'FINIT/FNINIT—Initialize Floating-Point Unit', [fpu('db /e3')], plain('x87_init')),
  // Of the 8087 and 80287: no operation since.
  noWait('fneni', 'Intel 8087: FENI/FNENI', [fpu('db /e0')], nothing),
  noWait('fndisi', 'Intel 8087: FDISI/FNDISI', [fpu('db /e1')], nothing),
  noWait('fnsetpm', 'Intel 287: FSETPM/FNSETPM', [fpu('db /e4')], nothing),
  x87('fnop', 'FNOP—No Operation', [fpu('d9 /d0')], nothing),
  x87('fdecstp', 'FDECSTP—Decrement Stack-Top Pointer', [fpu('d9 /f6')], step(7)),
  x87('fincstp', 'FINCSTP—Increment Stack-Top Pointer', [fpu('d9 /f7')], step(1)),
];
