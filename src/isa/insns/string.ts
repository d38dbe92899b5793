// String instructions, with and without repeat prefixes; port input and output. Intel SDM Vol. 2, "MOVS/MOVSB/MOVSW/
// MOVSD/MOVSQ" and the like, "IN", "OUT", "INS", "OUTS". The work of repeated ones and of those of ports is in procedures:
// element size, address size, repeat kind, source segment.
import { enc, type Instruction, insn } from '../declare.js';
import { AL, DX, eAX, Ib, type OperandSpec, Xb, Xv, Yb, Yv } from '../operands.js';
import type { Bits, Operand, Sem } from '../sem.js';
import { bitsOf, truncTo, zextTo } from './helpers.js';

const REP = { none: 0, rep: 1, repne: 2 } as const;

function callString<V>(s: Sem<V>, procedure: string, sizeBytes: number, source: boolean): void {
  s.call(
    procedure,
    s.const(sizeBytes, 32),
    s.const(s.addrBits, 32),
    s.const(REP[s.rep], 32),
    source ? s.effectiveSegment(3) : s.const(0, 32),
  );
}
const ES = 0;
const DS = 3;
/** rSI or rDI, and what moves it to the next element. */
function index<V>(s: Sem<V>, name: 'rsi' | 'rdi', bits: Bits): { readonly at: V; next(): void } {
  const at = s.reg(name, s.addrBits);
  return {
    at,
    next: () => {
      const size = bits / 8;
      const step = s.select(s.directionFlag(), s.const(-size, s.addrBits), s.const(size, s.addrBits));
      s.setReg(name, s.add(at, step));
    },
  };
}
const loadAt = <V>(s: Sem<V>, segment: number, address: V, bits: Bits): V =>
  truncTo(s, s.load(segment, address, bits, segment === DS), bits);
function compare<V>(s: Sem<V>, a: V, b: V): void {
  s.flags('sub', a, b, s.sub(a, b));
}
/** One element, without a repeat prefix. Registers and flags change when nothing can fault any more. */
const ONE: Readonly<Record<string, <V>(s: Sem<V>, bits: Bits) => void>> = {
  movs: (s, bits) => {
    const [from, to] = [index(s, 'rsi', bits), index(s, 'rdi', bits)];
    s.store(ES, to.at, loadAt(s, DS, from.at, bits));
    from.next();
    to.next();
  },
  cmps: (s, bits) => {
    const [from, to] = [index(s, 'rsi', bits), index(s, 'rdi', bits)];
    const a = loadAt(s, DS, from.at, bits);
    compare(s, a, loadAt(s, ES, to.at, bits));
    from.next();
    to.next();
  },
  stos: (s, bits) => {
    const to = index(s, 'rdi', bits);
    s.store(ES, to.at, s.reg('rax', bits));
    to.next();
  },
  lods: (s, bits) => {
    const from = index(s, 'rsi', bits);
    s.setReg('rax', loadAt(s, DS, from.at, bits));
    from.next();
  },
  scas: (s, bits) => {
    const to = index(s, 'rdi', bits);
    compare(s, s.reg('rax', bits), loadAt(s, ES, to.at, bits));
    to.next();
  },
};
/** The byte form and the operand-sized form. Operands are implied: execute gets none. */
const pair = (
  name: string,
  opcode: number,
  byteOperands: readonly OperandSpec[],
  wideOperands: readonly OperandSpec[],
  sdm: string,
): Instruction[] => {
  const procedure = `string_${name}`;
  const source = byteOperands.some((o) => o.method === 'X');
  const port = name === 'ins' || name === 'outs';
  const run = <V>(s: Sem<V>, bits: Bits): void => {
    const one = s.rep === 'none' ? ONE[name] : undefined;
    if (one !== undefined) one(s, bits);
    else callString(s, procedure, (port ? Math.min(bits, 32) : bits) / 8, source);
  };
  return [
    insn(`${name}b`, {
      sdm,
      encodings: [enc(opcode.toString(16), byteOperands, { rep: true, opBits: 32 })],
      execute(s) {
        run(s, 8);
      },
    }),
    insn(name, {
      sdm,
      encodings: [enc((opcode + 1).toString(16), wideOperands, { rep: true })],
      execute(s) {
        run(s, s.opBits);
      },
    }),
  ];
};

const portOf = <V>(s: Sem<V>, port: Operand): V => zextTo(s, s.read(port), 32);
const IN = insn('in', {
  sdm: 'SDM 2A "IN—Input From Port"',
  encodings: [
    enc('e4 ib', [AL, Ib], { opBits: 32 }),
    enc('e5 ib', [eAX, Ib]),
    enc('ec', [AL, DX], { opBits: 32 }),
    enc('ed', [eAX, DX]),
  ],
  execute(s, dst, port) {
    const bits: Bits = bitsOf(dst);
    s.call('port_in', portOf(s, port), s.const(bits / 8, 32));
    s.write(dst, s.loadScratch(0, bits));
  },
});
const OUT = insn('out', {
  sdm: 'SDM 2B "OUT—Output to Port"',
  encodings: [
    enc('e6 ib', [Ib, AL], { opBits: 32 }),
    enc('e7 ib', [Ib, eAX]),
    enc('ee', [DX, AL], { opBits: 32 }),
    enc('ef', [DX, eAX]),
  ],
  execute(s, port, src) {
    s.call('port_out', portOf(s, port), s.const(src.bits / 8, 32), zextTo(s, s.read(src), 32));
  },
});

export const STRING: readonly Instruction[] = [
  ...pair('movs', 0xa4, [Yb, Xb], [Yv, Xv], 'SDM 2B "MOVS/MOVSB/MOVSW/MOVSD/MOVSQ—Move Data From String to String"'),
  ...pair('cmps', 0xa6, [Xb, Yb], [Xv, Yv], 'SDM 2A "CMPS/CMPSB/CMPSW/CMPSD/CMPSQ—Compare String Operands"'),
  ...pair('stos', 0xaa, [Yb], [Yv], 'SDM 2B "STOS/STOSB/STOSW/STOSD/STOSQ—Store String"'),
  ...pair('lods', 0xac, [Xb], [Xv], 'SDM 2A "LODS/LODSB/LODSW/LODSD/LODSQ—Load String"'),
  ...pair('scas', 0xae, [Yb], [Yv], 'SDM 2B "SCAS/SCASB/SCASW/SCASD—Scan String"'),
  ...pair('ins', 0x6c, [Yb], [Yv], 'SDM 2A "INS/INSB/INSW/INSD—Input from Port to String"'),
  ...pair('outs', 0x6e, [Xb], [Xv], 'SDM 2B "OUTS/OUTSB/OUTSW/OUTSD—Output String to Port"'),
  IN,
  OUT,
];
