// What the host gives the procedures: the vCPU's state area, the clock and the block builder. See ../README.md.

/** Host address of the vCPU's state area; immutable for the life of the instance. */
// @ts-expect-error: decorator
@external("env", "state")
export declare const ST: usize;

/** Nanoseconds of the host's monotonic clock, for `real` time. */
// @ts-expect-error: decorator
@external("env", "host_clock")
export declare function host_clock(): f64;

/** Decodes the code at a host address into records; used by blocks.ts only. */
// @ts-expect-error: decorator
@external("env", "build_block")
export declare function build_block(host: i32, physical: f64, pageOffset: i32): i32;

/** A block was entered often enough to be translated; `record` is its counting record. */
// @ts-expect-error: decorator
@external("env", "block_hot")
export declare function block_hot(record: i32): void;
