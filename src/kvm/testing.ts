// What the room publishes for tests and benchmarks: the numbers of the interface and the C functions.
export { Ioctl } from './abi.js';
export { unsupportedControls } from './controls.js';
export { describeInternalError, PendingAccess } from './exit-decoder.js';
export { readFpu, writeFpu } from './fpu.js';
export { importKoffi, type Koffi, Libc } from './libc.js';
