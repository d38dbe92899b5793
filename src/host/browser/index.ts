// What a web page gives: clocks, buffered output, a terminal as a byte stream, disk images in memory or behind a URL.
// Sources: W3C High Resolution Time; WHATWG HTML "Message channels"; WHATWG XMLHttpRequest; RFC 9110 "Range Requests".
export { type ClosableStore, memoryBlockStore } from './block-store.js';
export { bufferedSink, monotonicClock, nextTask, wallClock } from './clocks.js';
export { type HttpRange, httpBlockStore, synchronousRange } from './http-disk.js';
export { type TerminalLike, terminalStream } from './terminal.js';
