// The program of the thread that translates: takes requests of many vCPUs, reads their code in shared memory while they go on,
// answers with compiled modules. Knows no host: who runs it hands it messages and time.
import { ALL_INSTRUCTIONS, Decoder } from '../../isa/index.js';
import { hostMs } from './host-clock.js';
import { RegionTranslator } from './region.js';
import { RegionSource, type Translated } from './region-source.js';
import type { FromTranslator, Subject, ToTranslator, TranslationRequest } from './translation-messages.js';

/** A module is put together at the latest with so many regions or after so many milliseconds. */
const BATCH = 32;
const BATCH_MS = 25;

interface Client {
  readonly id: number;
  readonly source: RegionSource;
  readonly translator: RegionTranslator;
  queue: TranslationRequest[];
}

export class Translator {
  private readonly clients = new Map<number, Client>();
  /** By CPUID features. */
  private readonly translators = new Map<string, RegionTranslator>();
  private turn = 0;

  constructor(private readonly post: (answer: FromTranslator) => void) {}

  hear(message: ToTranslator): void {
    if (message.kind === 'attach') {
      const translator = this.translatorFor(message.subject);
      const source = new RegionSource(message.subject, translator);
      this.clients.set(message.client, { id: message.client, source, translator, queue: [] });
      return;
    }
    const client = this.clients.get(message.client);
    if (client === undefined) return;
    if (message.kind === 'translate') client.queue.push(...message.requests);
    else if (message.kind === 'detach') this.clients.delete(message.client);
    else {
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
    if (client === undefined) return false;
    this.answer(client);
    return true;
  }
  private answer({ id: client, source, translator, queue }: Client): void {
    const start = hostMs();
    const made: { id: number; translated: Translated }[] = [];
    const [covered, refused, stale]: [number[], number[], number[]] = [[], [], []];
    do {
      const { id, hot, jumps, again, deep } = queue.shift() as TranslationRequest;
      try {
        const translated = source.isCurrent(hot) ? source.translate(hot, jumps, again, deep) : 'stale';
        if (translated === 'stale') stale.push(id);
        else if (translated === 'covered') covered.push(id);
        else if (translated === null) refused.push(id);
        else made.push({ id, translated });
      } catch (error) {
        // memory that changes while it is read may show anything, an address out of range too
        (error instanceof RangeError ? stale : refused).push(id);
      }
    } while (queue.length > 0 && made.length < BATCH && hostMs() - start < BATCH_MS);
    let module: WebAssembly.Module | null = null;
    let codeBytes = 0;
    let assembled = 0;
    if (made.length > 0) {
      const wasm = translator.assemble(made.map((m) => m.translated.plan));
      codeBytes = wasm.length;
      assembled = hostMs();
      module = new WebAssembly.Module(wasm as Uint8Array<ArrayBuffer>);
    } else assembled = hostMs();
    this.post({
      client,
      module,
      codeBytes,
      regions: made.map(({ id, translated: { plan, contents } }) => {
        const { code: _, ...facts } = plan;
        return { id, plan: facts, contents };
      }),
      covered,
      refused,
      stale,
      translateMs: assembled - start,
      compileMs: hostMs() - assembled,
    });
  }
}

/** What the thread's host gives. */
export interface TranslatorHost {
  post(answer: FromTranslator): void;
  /** Calls back with every message that arrives. */
  listen(hear: (message: ToTranslator) => void): void;
  /** Lets messages arrive. */
  pause(): Promise<void>;
}
/** The main program of a thread that translates; it lives as long as the thread. */
export function runTranslator(host: TranslatorHost): void {
  const translator = new Translator((answer) => host.post(answer));
  let busy = false;
  const work = async (): Promise<void> => {
    if (busy) return;
    busy = true;
    await host.pause();
    while (translator.work()) await host.pause();
    busy = false;
  };
  host.listen((message) => {
    translator.hear(message);
    void work();
  });
}
