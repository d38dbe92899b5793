// Bit layouts declared once: name -> bit or [low, high], numbered as in the manual (low bit first).

/** A field is one bit or an inclusive range [low, high]. */
export type BitField = number | readonly [low: number, high: number];
export type BitFields = Readonly<Record<string, BitField>>;
/** Decoded form: single bits are booleans, ranges are numbers. */
export type BitValues<F extends BitFields> = { -readonly [K in keyof F]: F[K] extends number ? boolean : number };

export interface BitLayout<F extends BitFields> {
  readonly fields: F;
  /** Splits `word` (at most 53 bits used) into its fields. */
  decode(word: number): BitValues<F>;
  /** Packs fields; absent ones are zero. */
  encode(values: Partial<BitValues<F>>): number;
  /** Mask of one field. */
  mask(name: keyof F): number;
  /** "port=3f8 isIn" style text of the non-zero fields. */
  format(word: number): string;
}

const range = (f: BitField): readonly [number, number] => (typeof f === 'number' ? [f, f] : f);
const pow2 = (n: number): number => 2 ** n;

/** Declares a bit layout of at most 53 bits. */
export function bits<const F extends BitFields>(fields: F): BitLayout<F> {
  const names = Object.keys(fields) as (keyof F & string)[];
  const extract = (word: number, f: BitField): number => {
    const [low, high] = range(f);
    return Math.floor(word / pow2(low)) % pow2(high - low + 1);
  };
  return {
    fields,
    decode(word) {
      const out: Record<string, boolean | number> = {};
      for (const name of names) {
        const f = fields[name] as BitField;
        const v = extract(word, f);
        out[name] = typeof f === 'number' ? v === 1 : v;
      }
      return out as BitValues<F>;
    },
    encode(values) {
      let word = 0;
      for (const name of names) {
        const f = fields[name] as BitField;
        const [low, high] = range(f);
        const v = Number((values as Record<string, boolean | number | undefined>)[name] ?? 0);
        if (!Number.isInteger(v) || v < 0 || v >= pow2(high - low + 1)) {
          throw new RangeError(`field ${name} is ${v}, expected an integer of ${high - low + 1} bits`);
        }
        word += v * pow2(low);
      }
      return word;
    },
    mask(name) {
      const [low, high] = range(fields[name] as BitField);
      return (pow2(high - low + 1) - 1) * pow2(low);
    },
    format(word) {
      return names
        .map((name) => [name, extract(word, fields[name] as BitField)] as const)
        .filter(([, v]) => v !== 0)
        .map(([name, v]) => (typeof fields[name] === 'number' ? name : `${name}=${v.toString(16)}`))
        .join(' ');
    },
  };
}
