// Hexadecimal text for messages and traces.

/** `value` as 0x… lower-case hex, zero-padded to `digits`. */
export const hex = (value: number | bigint, digits = 1): string => `0x${value.toString(16).padStart(digits, '0')}`;
