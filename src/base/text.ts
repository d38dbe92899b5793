// Text in bytes, where no TextDecoder is known.

/** Characters that are made at once: more arguments would not fit on the stack. */
const PART_BYTES = 4096;

/** Text of one byte per character (ISO 8859-1, and so ASCII). */
export function latin1Text(bytes: Uint8Array): string {
  let text = '';
  // part by part: a megabyte one by one takes ten milliseconds
  for (let at = 0; at < bytes.length; at += PART_BYTES)
    text += String.fromCharCode(...bytes.subarray(at, at + PART_BYTES));
  return text;
}
