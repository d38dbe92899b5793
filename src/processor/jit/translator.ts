// The program of the thread that translates: takes requests of many vCPUs, reads their code in shared memory while they go on,
// answers with compiled modules. Knows no host: who runs it hands it messages and time.
import { ALL_INSTRUCTIONS, Decoder } from '../../isa/index.js';
import type { CodeStore } from './code-store.js';
import { hostMs } from './host-clock.js';
import { RegionTranslator } from './region.js';
import { RegionSource, type Translated } from './region-source.js';
import type { FromTranslator, Subject, ToTranslator, TranslationRequest } from './translation-messages.js';
import { WorkAhead } from './work-ahead.js';

/** A module is put together at the latest with so many regions or after so many milliseconds. */
const BATCH = 32;
const BATCH_MS = 25;

interface Client {
  readonly id: number;
  readonly source: RegionSource;
  readonly translator: RegionTranslator;
  readonly seed: number;
  queue: TranslationRequest[];
}
/** An answer with regions that take the place of others: those run until these are optimized. */
interface Replacement {
  readonly answer: FromTranslator;
  readonly compiling: Iterator<void>;
}
const replaces = ({ again, deep }: TranslationRequest): boolean => again > 0 || deep;

const nothing = (client: number): FromTranslator => ({
  ...{ client, module: null, codeBytes: 0, regions: [] },
  ...{ covered: [], refused: [], stale: [], translateMs: 0, compileMs: 0 },
});

export class Translator {
  private readonly clients = new Map<number, Client>();
  /** By CPUID features. */
  private readonly translators = new Map<string, RegionTranslator>();
  private turn = 0;
  /** Host time when a region was made last. */
  madeAt = 0;
  private readonly ahead: WorkAhead | null;
  /** Those that wait, and the one that is being compiled. */
  private readonly replacements: Replacement[] = [];
  private replacement: Replacement | null = null;

  constructor(
    private readonly post: (answer: FromTranslator) => void,
    /** Keeps regions for later runs. */
    private readonly store: CodeStore | null = null,
  ) {
    this.ahead = store && new WorkAhead(store);
  }

  hear(message: ToTranslator): void {
    if (message.kind === 'end') {
      this.store?.save();
      return;
    }
    if (message.kind === 'used') {
      for (const used of message.modules) this.store?.use(used);
      return;
    }
    if (message.kind === 'finish') {
      this.ahead?.finish(message.module);
      return;
    }
    if (message.kind === 'attach') {
      const translator = this.translatorFor(message.subject);
      const source = new RegionSource(message.subject, translator);
      const { seed } = message.subject;
      this.clients.set(message.client, { id: message.client, source, translator, seed, queue: [] });
      this.ahead?.attach(message.client, message.subject, translator);
      return;
    }
    const client = this.clients.get(message.client);
    if (client === undefined) return;
    if (message.kind === 'translate') client.queue.push(...message.requests);
    else if (message.kind === 'note') this.ahead?.note(message.client, message.blocks);
    else if (message.kind === 'detach') {
      this.clients.delete(message.client);
      this.ahead?.detach(message.client);
    } else {
      const first = client.queue.filter(({ id }) => message.ids.includes(id));
      client.queue = [...first, ...client.queue.filter(({ id }) => !message.ids.includes(id))];
    }
  }
  private translatorFor({ features }: Subject): RegionTranslator {
    const name = features?.join() ?? '*';
    const known = this.translators.get(name);
    if (known !== undefined) return known;
    const made = new RegionTranslator(new Decoder(ALL_INSTRUCTIONS, features && new Set(features)));
    this.translators.set(name, made);
    return made;
  }

  /** Answers some requests of the next client that has any; false: nobody has. */
  work(): boolean {
    const waiting = [...this.clients.values()].filter(({ queue }) => queue.length > 0);
    const client = waiting[this.turn++ % waiting.length];
    if (client === undefined) return this.compileReplacement();
    this.answer(client);
    return true;
  }
  /** Optimizes a region that takes the place of another one; false: there is none. Those asked for last serve what runs now. */
  private compileReplacement(): boolean {
    this.replacement ??= this.replacements.pop() ?? null;
    if (this.replacement === null) return false;
    if (this.replacement.compiling.next().done === true) {
      this.post(this.replacement.answer);
      this.replacement = null;
    }
    return true;
  }
  /** Makes something for later runs; false: there is nothing. */
  workAhead(): boolean {
    return this.ahead?.step() === true;
  }
  private answer({ id: client, source, translator, seed, queue }: Client): void {
    const start = hostMs();
    const made: { request: TranslationRequest; translated: Translated }[] = [];
    const [covered, refused, stale]: [number[], number[], number[]] = [[], [], []];
    const replacing = replaces(queue[0] as TranslationRequest);
    do {
      const request = queue.shift() as TranslationRequest;
      const { id, hot, jumps, again, deep } = request;
      try {
        const translated = source.isCurrent(hot) ? source.translate(hot, { jumps, again, deep }) : 'stale';
        if (translated === 'stale') stale.push(id);
        else if (translated === 'covered') covered.push(id);
        else if (translated === null) refused.push(id);
        else made.push({ request, translated });
      } catch (error) {
        // memory that changes while it is read may show anything, an address out of range too
        (error instanceof RangeError ? stale : refused).push(id);
      }
    } while (
      queue[0] !== undefined &&
      replaces(queue[0]) === replacing &&
      made.length < BATCH &&
      hostMs() - start < BATCH_MS
    );
    let module: WebAssembly.Module | null = null;
    let codeBytes = 0;
    let assembled = 0;
    if (made.length > 0) {
      this.madeAt = start;
      const wasm = translator.assemble(made.map((m) => m.translated.plan));
      codeBytes = wasm.length;
      assembled = hostMs();
      module = new WebAssembly.Module(wasm as Uint8Array<ArrayBuffer>);
      this.store?.add({
        ...{ module, wasm },
        regions: made.map(({ request: { hot, again, deep }, translated: { plan, contents } }) => {
          return { kept: source.keptOf(hot, seed, plan, again, deep), contents };
        }),
      });
    } else assembled = hostMs();
    const answer: FromTranslator = {
      ...{ ...nothing(client), module, codeBytes },
      regions: made.map(({ request: { id, again, deep }, translated: { plan, contents } }, index) => {
        const { code: _, counts: __, ...facts } = plan;
        return { id, index, plan: facts, contents, again, deep };
      }),
      covered,
      refused,
      stale,
      translateMs: assembled - start,
      compileMs: hostMs() - assembled,
    };
    if (replacing && module !== null && this.store !== null)
      this.replacements.push({ answer, compiling: this.store.compiling(module) });
    else this.post(answer);
  }
}

/** What the thread's host gives. */
export interface TranslatorHost {
  post(answer: FromTranslator): void;
  /** Calls back with every message that arrives. */
  listen(hear: (message: ToTranslator) => void): void;
  /** Lets messages arrive. */
  pause(): Promise<void>;
  /** Waits, milliseconds; does not keep the thread alive. */
  rest(ms: number): Promise<void>;
  /** Processors of the host that had nothing to do, or nothing but this thread, since the last call, on average. */
  idleProcessors(): number;
  /** Regions of earlier runs and for later ones; null: they are not kept. */
  readonly store: CodeStore | null;
  /** Nobody will ask any more. */
  ended(): void;
}
/** Milliseconds after the last request before the thread works ahead, and after it made something: V8 may optimize that now. */
const QUIET_MS = 5;
const MADE_MS = 20;
/** It looks so often whether a processor is there for it, or would be. */
const LOOK_MS = 250;
const IDLE_ENOUGH = 0.6;
/**
 * Between two steps it rests twice as long as the first one took: two processors of a host are often one core's, and what works on one
 * slows the other.
 */
const REST_SHARE = 2;

/** The main program of a thread that translates; it lives as long as the thread. */
export function runTranslator(host: TranslatorHost): void {
  const translator = new Translator((answer) => host.post(answer), host.store);
  let busy = false;
  let asked = 0;
  let working = false;
  let ended = false;
  /** Works ahead a third of the time that nobody asks for anything and a processor has nothing else to do. */
  const workAhead = async (): Promise<void> => {
    if (working) return;
    working = true;
    host.idleProcessors();
    let mayWork = false;
    let lookAt = hostMs() + LOOK_MS;
    let rested = 0;
    for (let more = true; more && !ended; ) {
      const start = hostMs();
      if (start >= lookAt) {
        mayWork = host.idleProcessors() >= IDLE_ENOUGH;
        lookAt = start + LOOK_MS;
      }
      const wait = Math.max(asked + QUIET_MS, translator.madeAt + MADE_MS, mayWork ? rested : lookAt) - start;
      if (!busy && wait <= 0) {
        more = translator.workAhead();
        const end = hostMs();
        rested = end + (end - start) * REST_SHARE;
      }
      await (wait > 0 ? host.rest(Math.ceil(wait)) : host.pause());
    }
    working = false;
  };
  const work = async (): Promise<void> => {
    if (busy) return;
    busy = true;
    await host.pause();
    while (translator.work()) await host.pause();
    busy = false;
  };
  host.listen((message) => {
    translator.hear(message);
    if (message.kind === 'end') {
      ended = true;
      host.ended();
    } else if (message.kind === 'note' || message.kind === 'finish') void workAhead();
    else {
      asked = hostMs();
      void work();
    }
  });
}
