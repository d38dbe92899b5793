// Segmentation: far loads, descriptor tables, selector queries, FS/GS base. Intel SDM Vol. 2, instruction reference.
import { enc, type Instruction, insn } from '../declare.js';
import { Ev_w, Ew, Gv, Gw, Mp, Ms, type OperandSpec, Ry } from '../operands.js';
import type { Sem } from '../sem.js';
import { bitsOf, resize, zextTo } from './helpers.js';

const LDTR = 6;
const TR = 7;

const farLoad = (name: string, segment: number, opcode: string, i64: boolean): Instruction =>
  insn(name, {
    sdm: 'SDM 2A "LDS/LES/LFS/LGS/LSS—Load Far Pointer"',
    serializes: true,
    encodings: [enc(`${opcode} /r`, [Gv, Mp], i64 ? { i64: true } : {})],
    execute(s, dst, src) {
      const offset = s.read(s.at(src, 0, s.opBits));
      const selector = s.read(s.at(src, s.opBits / 8, 16));
      s.call('load_segment', s.const(segment, 32), s.zext(selector, 32));
      s.write(dst, offset);
    },
  });

const table = (name: string, digit: number, store: boolean, sdm: string): Instruction =>
  insn(name, {
    sdm,
    serializes: !store,
    encodings: [enc(`0f 01 /${digit}`, [Ms], { f64: true })],
    execute(s, memory) {
      if (store) s.call('umip_check');
      s.call(name, s.linearAddress(memory, s.long ? 10 : 6, store), s.const(s.opBits, 32));
    },
  });
const storeSelector = (name: string, digit: number, register: number, sdm: string): Instruction =>
  insn(name, {
    sdm,
    encodings: [enc(`0f 00 /${digit}`, [Ev_w])],
    execute(s, dst) {
      s.call('protected_check');
      s.call('umip_check');
      s.write(dst, resize(s, s.call('segment_selector', s.const(register, 32)), bitsOf(dst)));
    },
  });
const loadSelector = (name: string, digit: number, sdm: string): Instruction =>
  insn(name, {
    sdm,
    serializes: true,
    encodings: [enc(`0f 00 /${digit}`, [Ew], { opBits: 32 })],
    execute(s, src) {
      s.call('protected_check');
      s.call(name, s.zext(s.read(src), 32));
    },
  });
const zeroFlagOfScratch = <V>(s: Sem<V>): V => s.trunc(s.loadScratch(1, 32), 1);
const verify = (name: string, digit: number): Instruction =>
  insn(name, {
    sdm: 'SDM 2C "VERR/VERW—Verify a Segment for Reading or Writing"',
    encodings: [enc(`0f 00 /${digit}`, [Ew], { opBits: 32 })],
    execute(s, src) {
      s.call('protected_check');
      s.call(name, s.zext(s.read(src), 32));
      s.setFlags({ z: zeroFlagOfScratch(s) });
    },
  });
const query = (name: string, opcode: string, sdm: string): Instruction =>
  insn(name, {
    sdm,
    encodings: [enc(`0f ${opcode} /r`, [Gv, Ew])],
    execute(s, dst, src) {
      s.call('protected_check');
      s.call(name, s.zext(s.read(src), 32), s.const(s.opBits, 32));
      const z = zeroFlagOfScratch(s);
      const bits = bitsOf(dst);
      s.when(z, () => s.write(dst, s.loadScratch(0, bits)));
      s.setFlags({ z });
    },
  });
const ARPL = insn('arpl', {
  sdm: 'SDM 2A "ARPL—Adjust RPL Field of Segment Selector"',
  encodings: [enc('63 /r', [Ew, Gw], { i64: true, opBits: 32 })],
  execute(s, dst, src) {
    s.call('protected_check');
    const rpl = s.and(s.read(src), s.const(3, 16));
    s.update(dst, (a) => {
      const lower = s.compare('ltu', s.and(a, s.const(3, 16)), rpl);
      s.setFlags({ z: lower });
      return s.select(lower, s.or(s.and(a, s.const(0xfffc, 16)), rpl), a);
    });
  },
});

const FSGSBASE = { o64: true, feature: 'fsgsbase' } as const;
const base = (name: string, digit: number, operand: OperandSpec, segment: number, write: boolean): Instruction =>
  insn(name, {
    sdm: write
      ? 'SDM 2C "WRFSBASE/WRGSBASE—Write FS/GS Segment Base"'
      : 'SDM 2B "RDFSBASE/RDGSBASE—Read FS/GS Segment Base"',
    encodings: [enc(`f3 0f ae /${digit}`, [operand], FSGSBASE)],
    execute(s, register) {
      s.call('fsgsbase_check');
      if (!write) {
        s.write(register, resize(s, s.call('segment_base', s.const(segment, 32)), bitsOf(register)));
        return;
      }
      const v = zextTo(s, s.read(register), 64);
      s.call('canonical_check', v);
      s.call('set_segment_base', s.const(segment, 32), v);
    },
  });
const SWAPGS = insn('swapgs', {
  sdm: 'SDM 2B "SWAPGS—Swap GS Base Register"',
  encodings: [enc('0f 01 /f8', [], { o64: true, opBits: 32 })],
  execute(s) {
    s.call('swapgs');
  },
});

export const SEGMENT: readonly Instruction[] = [
  farLoad('les', 0, 'c4', true),
  farLoad('lds', 3, 'c5', true),
  farLoad('lss', 2, '0f b2', false),
  farLoad('lfs', 4, '0f b4', false),
  farLoad('lgs', 5, '0f b5', false),
  table('sgdt', 0, true, 'SDM 2B "SGDT—Store Global Descriptor Table Register"'),
  table('sidt', 1, true, 'SDM 2B "SIDT—Store Interrupt Descriptor Table Register"'),
  table('lgdt', 2, false, 'SDM 2A "LGDT/LIDT—Load Global/Interrupt Descriptor Table Register"'),
  table('lidt', 3, false, 'SDM 2A "LGDT/LIDT—Load Global/Interrupt Descriptor Table Register"'),
  storeSelector('sldt', 0, LDTR, 'SDM 2B "SLDT—Store Local Descriptor Table Register"'),
  storeSelector('str', 1, TR, 'SDM 2B "STR—Store Task Register"'),
  loadSelector('lldt', 2, 'SDM 2A "LLDT—Load Local Descriptor Table Register"'),
  loadSelector('ltr', 3, 'SDM 2A "LTR—Load Task Register"'),
  verify('verr', 4),
  verify('verw', 5),
  query('lar', '02', 'SDM 2A "LAR—Load Access Rights Byte"'),
  query('lsl', '03', 'SDM 2A "LSL—Load Segment Limit"'),
  ARPL,
  base('rdfsbase', 0, Ry, 4, false),
  base('rdgsbase', 1, Ry, 5, false),
  base('wrfsbase', 2, Ry, 4, true),
  base('wrgsbase', 3, Ry, 5, true),
  SWAPGS,
];
