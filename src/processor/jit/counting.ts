// How entries of a block are counted, and what they are counted for.

/** What its counting record (RECORD.extra) counts down to. */
export const COUNTED_FOR = {
  /** Its translation. */
  translation: 0,
  /** A region that an earlier run made of such a block. */
  known: 1,
  /** A note: it is not hot, but a region that is made when there is nothing else to do is worth something to later runs. */
  note: 2,
} as const;

/** Entries of a block before a region that an earlier run made is looked for. */
export const KNOWN_THRESHOLD = 256;
/** A block is noted after one in so many of the entries that make it hot. */
export const NOTE_SHARE = 40;
