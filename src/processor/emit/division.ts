// DIV and IDIV of translated code: in place where the quotient is known to fit, else the procedure, which raises #DE. Intel SDM
// Vol. 2A, "DIV—Unsigned Divide", "IDIV—Signed Divide".
import { at } from '../state-layout.js';
import type { Value } from './binding.js';
import type { WasmSem } from './wasm-sem.js';

/** Remainder behind quotient, as the procedures leave them. */
const QUOTIENT = at('scratch');
const REMAINDER = at('scratch') + 16;

/** `args` as of divide_unsigned and divide_signed; null: not for this width. */
export function emitDivision(s: WasmSem, name: string, args: readonly Value[]): Value | null {
  const [high, low, by, width] = args as [Value, Value, Value, Value];
  const bits = Number(width.constant);
  if (bits < 32) return null;
  const { f } = s;
  const signed = name === 'divide_signed';
  s.depth++;
  const done = f.block();
  const slow = f.block();
  let divisor = by;
  if (signed && bits === 32) {
    s.push_(by);
    f.op('i64.extend32_s');
    divisor = s.take(64);
  }
  let dividend = low;
  if (bits === 32) {
    s.push_(high);
    f.i64(32n).op('i64.shl');
    s.push_(low);
    f.op('i64.or');
    dividend = s.take(64);
  }
  if (signed) {
    // neither 0 nor -1
    s.push_(divisor);
    f.i64(1n).op('i64.add').i64(1n).op('i64.le_u').brIf(slow, false);
    if (bits === 64) {
      s.push_(low);
      f.i64(63n).op('i64.shr_s');
      s.push_(high);
      f.op('i64.ne').brIf(slow, false);
    }
  } else {
    s.push_(high);
    if (bits === 32) s.push_(divisor);
    f.op(bits === 32 ? 'i64.ge_u' : 'i64.eqz');
    if (bits === 64) f.op('i32.eqz');
    f.brIf(slow, false);
    if (bits === 64) {
      s.push_(divisor);
      f.op('i64.eqz').brIf(slow, false);
    }
  }
  s.push_(dividend);
  s.push_(divisor);
  f.op(signed ? 'i64.div_s' : 'i64.div_u');
  const quotient = s.take(64);
  if (signed && bits === 32) {
    s.push_(quotient);
    s.push_(quotient);
    f.op('i64.extend32_s').op('i64.ne').brIf(slow, false);
  }
  s.state();
  s.push_(quotient);
  f.memory('i64.store', QUOTIENT);
  s.state();
  s.push_(dividend);
  s.push_(quotient);
  s.push_(divisor);
  f.op('i64.mul').op('i64.sub').memory('i64.store', REMAINDER);
  f.br(done).end();
  s.callOut(name, args);
  f.end();
  s.depth--;
  return s.const(0, 32);
}
