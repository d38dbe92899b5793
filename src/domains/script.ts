// Types into a guest and checks its answers, in domain time, so that a scripted run is the same every time.

import { DEFAULT_TIMEOUT_S, type ScriptStep } from './config.js';

const KEEP_CHARS = 1 << 16;
const NS = 1e9;
const CARRIAGE_RETURN = 0x0d;

export type ScriptAction =
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  | { readonly kind: 'stop' }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly message: string };

/** UTF-8. */
export function utf8(text: string): Uint8Array {
  const out: number[] = [];
  for (const ch of text) {
    const c = ch.codePointAt(0) as number;
    if (c < 0x80) out.push(c);
    else if (c < 0x800) out.push(0xc0 | (c >> 6), 0x80 | (c & 63));
    else if (c < 0x10000) out.push(0xe0 | (c >> 12), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
    else out.push(0xf0 | (c >> 18), 0x80 | ((c >> 12) & 63), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
  }
  return Uint8Array.from(out);
}

/** The last line of text that says something, for messages. */
const lastWords = (text: string): string => {
  const lines = text.split(/[\r\n]+/).filter((l) => l.trim() !== '');
  return (lines.at(-1) ?? '').trim().slice(-100);
};

export class ScriptRunner {
  readonly #steps: readonly { readonly step: ScriptStep; readonly expect: RegExp | null }[];
  #text = '';
  #fresh = true;
  #index = 0;
  /** When the current step began, and when its delay ends (null: still waiting for its text). */
  #sinceNs: number;
  #delayEndNs: number | null = null;
  #over = false;

  constructor(steps: readonly ScriptStep[], nowNs: number) {
    this.#steps = steps.map((step) => ({
      step,
      expect: step.expect === undefined ? null : new RegExp(step.expect, 'm'),
    }));
    this.#sinceNs = nowNs;
  }

  get over(): boolean {
    return this.#over;
  }
  /** Steps finished, of all. */
  get progress(): { readonly done: number; readonly of: number } {
    return { done: this.#index, of: this.#steps.length };
  }

  /** A byte that the guest has sent. Carriage returns are left out. */
  feed(byte: number): void {
    if (this.#over || byte === CARRIAGE_RETURN) return; // so that `.` and `$` mean what they seem to
    this.#text += String.fromCharCode(byte);
    this.#fresh = true;
    if (this.#text.length > 2 * KEEP_CHARS) this.#text = this.#text.slice(-KEEP_CHARS);
  }

  /** When `poll` has something to do though the guest is silent; null when never. */
  nextNs(): number | null {
    const current = this.#steps[this.#index];
    if (this.#over || current === undefined) return null;
    if (this.#delayEndNs !== null) return this.#delayEndNs;
    return current.expect === null && !current.step.ended ? this.#sinceNs : this.#timeoutNs(current.step);
  }

  /** What is to be done now; call until null. */
  poll(nowNs: number): ScriptAction | null {
    if (this.#over) return null;
    const current = this.#steps[this.#index];
    if (current === undefined) {
      this.#over = true;
      return { kind: 'done' };
    }
    const { step, expect } = current;
    if (this.#delayEndNs === null) {
      if (step.ended || (expect !== null && !this.#match(expect))) return this.#checkTimeout(step, nowNs);
      this.#delayEndNs = nowNs + Math.round((step.delayS ?? 0) * NS);
    }
    if (nowNs < this.#delayEndNs) return null;
    this.#index++;
    this.#sinceNs = nowNs;
    this.#delayEndNs = null;
    this.#fresh = true;
    if (step.stop) {
      this.#over = true;
      return { kind: 'stop' };
    }
    return step.send === undefined ? this.poll(nowNs) : { kind: 'send', bytes: utf8(step.send) };
  }

  /** The guest has ended: fine only when nothing was expected any more. */
  guestEnded(): ScriptAction | null {
    if (this.#over) return null;
    // What the guest said last may still satisfy the step that waits.
    for (let current = this.#steps[this.#index]; current !== undefined; current = this.#steps[this.#index]) {
      if (this.#delayEndNs === null && current.expect !== null) {
        this.#fresh = true;
        if (!this.#match(current.expect)) break;
      }
      if (current.step.send !== undefined && !current.step.ended) break;
      this.#delayEndNs = null;
      this.#index++;
    }
    this.#over = true;
    const current = this.#steps[this.#index];
    if (current === undefined) return { kind: 'done' };
    const what = current.step.expect === undefined ? 'could type' : `had sent '${current.step.expect}'`;
    return {
      kind: 'failed',
      message: `script step ${this.#index + 1}: the guest ended before it ${what}; last output: '${lastWords(this.#text)}'`,
    };
  }

  #timeoutNs(step: ScriptStep): number {
    return this.#sinceNs + Math.round((step.timeoutS ?? DEFAULT_TIMEOUT_S) * NS);
  }

  #match(expect: RegExp): boolean {
    if (!this.#fresh) return false;
    this.#fresh = false;
    const found = expect.exec(this.#text);
    if (found === null) return false;
    this.#text = this.#text.slice(found.index + found[0].length);
    return true;
  }

  #checkTimeout(step: ScriptStep, nowNs: number): ScriptAction | null {
    if (nowNs < this.#timeoutNs(step)) return null;
    this.#over = true;
    const seconds = step.timeoutS ?? DEFAULT_TIMEOUT_S;
    const what = step.ended ? 'the guest did not end' : `'${step.expect}' did not come`;
    return {
      kind: 'failed',
      message: `script step ${this.#index + 1}: ${what} within ${seconds} s; last output: '${lastWords(this.#text)}'`,
    };
  }
}
