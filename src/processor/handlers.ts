// Names of the interpreter's handlers: how the generator and the record builder agree on numbers.

/** Custom section of interpreter.wasm that carries the directory as JSON. */
export const HANDLER_SECTION = 'pcanel.handlers';

/** Handlers by number: fused pairs first, then the other cases of the loop's switch, then functions in the table. */
export interface HandlerDirectory {
  readonly names: readonly string[];
  /** Numbers below this run two records. */
  readonly fused: number;
  /** Numbers below this are cases of the switch. */
  readonly hot: number;
}
/** Identity of a handler: instruction number and probe key. */
export const handlerName = (instructionNumber: number, key: string): string => `${instructionNumber}:${key}`;
export const fusedName = (first: string, second: string): string => `${first}+${second}`;
/** The handler for memory operands without an index and a segment base. Fused pairs are for such operands, but for LEA and in front of a branch. */
export const unindexedName = (name: string): string => `${name}~`;
/** What a region returns: 0 leave the loop, this go on at RIP, else a record. */
export const REGION_LOOKUP = 1;
/** Export of interpreter.wasm: its table; translated code goes behind the interpreter's own functions. */
export const TABLE_EXPORT = 'table';
