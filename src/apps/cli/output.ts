// Console output without a terminal: whole lines with the domain's name before them.

import { writeFile } from 'node:fs/promises';
import { HostError } from '../../base/index.js';
import type { Domain } from '../../domains/index.js';

/** Cuts a stream into lines; CR LF and lone LF end one. */
export class LineCutter {
  #rest = '';
  readonly #decoder = new TextDecoder();
  constructor(readonly line: (text: string) => void) {}

  feed(bytes: Uint8Array): void {
    const parts = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split('\n');
    this.#rest = parts.pop() ?? '';
    for (const part of parts) this.line(part.replace(/\r+$/, ''));
  }
  /** The last line, which had no end. */
  flush(): void {
    if (this.#rest !== '') this.line(this.#rest.replace(/\r+$/, ''));
    this.#rest = '';
  }
}

/** Writes to stdout and holds the domains back while nobody reads. */
export class HeldOutput {
  #held = false;
  constructor(
    readonly stream: NodeJS.WriteStream,
    readonly domains: () => readonly Domain[],
  ) {}

  write(data: string | Uint8Array): void {
    if (this.stream.write(data) || this.#held) return;
    this.#held = true;
    for (const d of this.domains()) d.holdOutput(true);
    this.stream.once('drain', () => {
      this.#held = false;
      for (const d of this.domains()) d.holdOutput(false);
    });
  }
}

/** Prefixes the lines of several domains; returns the function that writes what is left. */
export function prefixedOutput(domains: readonly Domain[], out: HeldOutput): () => void {
  const width = Math.max(...domains.map((d) => d.name.length));
  const cutters = domains.map((d) => {
    const cutter = new LineCutter((text) => out.write(`${d.name.padEnd(width)} | ${text}\n`));
    d.onOutput((bytes) => cutter.feed(bytes));
    d.onState((state) => state === 'stopped' && cutter.flush());
    return cutter;
  });
  return () => {
    for (const c of cutters) c.flush();
  };
}

/** Console output as one line of JSON for each piece; returns the function that writes what is left. */
export function jsonOutput(domains: readonly Domain[], out: HeldOutput): () => void {
  const ends = domains.map((d) => {
    const decoder = new TextDecoder();
    const put = (text: string): void => {
      if (text !== '') out.write(`${JSON.stringify({ event: 'output', domain: d.name, text })}\n`);
    };
    d.onOutput((bytes) => put(decoder.decode(bytes, { stream: true })));
    return () => put(decoder.decode());
  });
  return () => {
    for (const end of ends) end();
  };
}

/** Writes a file that the user named. */
export async function writeOutput(path: string, data: Uint8Array): Promise<void> {
  try {
    await writeFile(path, data);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown error';
    throw new HostError('FILE_WRITE', `'${path}' cannot be written (${code})`, { file: path, errno: code }, { cause });
  }
}
