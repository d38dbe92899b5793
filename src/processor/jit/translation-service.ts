// The translation service of a thread: vCPUs hand over hot blocks and take compiled regions, another thread makes them. One
// service has one such thread, started when the first block is hot, for all vCPUs of all domains of its own thread.
import type { CodeStore, ModuleName, UsedModule } from './code-store.js';
import { hostMs } from './host-clock.js';
import { KeptCode } from './kept-code.js';
import type { Hot } from './region-source.js';
import type { FromTranslator, Subject, ToTranslator, TranslationRequest } from './translation-messages.js';

/** A running translator thread (`runTranslator`). */
export interface TranslatorLink {
  post(message: ToTranslator): void;
  /** The next answer, or undefined. Called very often: it must cost next to nothing while there is none. */
  receive(): FromTranslator | undefined;
  /** The thread is known to have ended. */
  readonly ended: boolean;
  /** Has the thread keep what it made, for later runs, and end; resolves when it has. */
  close(): Promise<void>;
  /** Ends it now. */
  kill(): void;
}
export interface ServiceOptions {
  /** Starts a translator thread. It must not keep the process alive. May throw. */
  readonly spawn: () => TranslatorLink;
  /** Host time without any answer to a request after which the thread counts as dead, milliseconds. */
  readonly patienceMs?: number;
  /** Times a dead thread is replaced. */
  readonly restarts?: number;
  /** Opens what earlier runs made, for the vCPUs' own thread; null: nothing is kept. */
  readonly kept?: () => CodeStore | null;
  /** Its threads make regions for later runs while there is nothing else to do. */
  readonly worksAhead?: boolean;
}
const PATIENCE_MS = 20_000;
const RESTARTS = 2;
/** Calls of `poll` between two looks at the clock, and what counts of the time between: this thread may have slept. */
const POLLS = 256;
const MOST_MS = 1000;

/** A vCPU's end of the service. */
export class TranslationClient {
  /** Requests without an answer, by id. */
  readonly open = new Map<number, TranslationRequest>();
  private inbox: FromTranslator[] = [];
  private attachedTo: TranslatorLink | null = null;

  constructor(
    private readonly service: TranslationService,
    readonly id: number,
    private readonly subject: Subject,
  ) {}

  /** False: the service has given up; what is open will not be answered. */
  get alive(): boolean {
    return this.service.alive;
  }
  request(requests: readonly TranslationRequest[]): void {
    for (const request of requests) this.open.set(request.id, request);
    const link = this.service.start();
    if (link !== null) this.ask(link, requests);
  }
  /** They may be worth a region to later runs. */
  note(blocks: readonly Hot[]): void {
    const link = this.service.start();
    if (link !== null) this.attach(link).post({ kind: 'note', client: this.id, blocks });
  }
  /** They became hot once more. */
  hurry(ids: readonly number[]): void {
    if (this.attachedTo !== null) this.service.start()?.post({ kind: 'hurry', client: this.id, ids });
  }
  private ask(link: TranslatorLink, requests: readonly TranslationRequest[]): void {
    this.attach(link).post({ kind: 'translate', client: this.id, requests });
  }
  private attach(link: TranslatorLink): TranslatorLink {
    if (this.attachedTo !== link) link.post({ kind: 'attach', client: this.id, subject: this.subject });
    this.attachedTo = link;
    return link;
  }
  /** Answers that have arrived. */
  take(): readonly FromTranslator[] {
    this.service.poll();
    if (this.inbox.length === 0) return NOTHING;
    const answers = this.inbox;
    this.inbox = [];
    return answers;
  }
  close(): void {
    this.open.clear();
    this.inbox = [];
    this.service.forget(this.id);
  }
  // --- called by the service ---
  deliver(answer: FromTranslator): void {
    this.inbox.push(answer);
    for (const { id } of answer.regions) this.open.delete(id);
    for (const ids of [answer.covered, answer.refused, answer.stale]) for (const id of ids) this.open.delete(id);
  }
  /** Asks another thread again. */
  restart(link: TranslatorLink): void {
    this.attachedTo = null;
    if (this.open.size > 0) this.ask(link, [...this.open.values()]);
  }
}
const NOTHING: readonly FromTranslator[] = [];

export class TranslationService {
  private link: TranslatorLink | null = null;
  /** Regions of earlier runs, opened for the first vCPU. */
  private store: CodeStore | null = null;
  /** Modules of those that are in use, and that the translator's thread has not heard of. */
  private readonly used = new Map<WebAssembly.Module, UsedModule>();
  /** Modules of those that the thread was asked to finish. */
  private readonly missed = new Set<string>();
  /** A vCPU that is gone takes its client with it: nobody has to close one. */
  private readonly clients = new Map<number, WeakRef<TranslationClient>>();
  private readonly gone = new FinalizationRegistry<number>((id) => this.forget(id));
  private lastId = 0;
  private deaths = 0;
  private polls = 0;
  /** Host time of the last look, and how long the translator had something to do then without an answer. */
  private lastLook = 0;
  private silentMs = 0;
  /** Threads that keep what they made. */
  private readonly closing = new Set<Promise<void>>();

  constructor(private readonly options: ServiceOptions) {}

  /** False: its threads died again and again. */
  get alive(): boolean {
    return this.deaths <= (this.options.restarts ?? RESTARTS);
  }
  open(subject: Subject): TranslationClient {
    const client = new TranslationClient(this, ++this.lastId, subject);
    this.clients.set(client.id, new WeakRef(client));
    this.gone.register(client, client.id);
    return client;
  }
  /** What earlier runs translated of such a subject's code; null: nothing is kept. */
  keptCode({ seed }: Subject): KeptCode | null {
    this.store ??= this.options.kept?.() ?? null;
    const used = (module: UsedModule): unknown => this.used.set(module.module, module);
    return this.store && new KeptCode(this.store, seed, { used, missed: (module) => this.finish(module) });
  }
  private finish(module: ModuleName): void {
    const name = `${module.pack} ${module.at}`;
    if (!this.worksAhead || this.missed.has(name)) return;
    this.missed.add(name);
    this.start()?.post({ kind: 'finish', module });
  }
  get worksAhead(): boolean {
    return this.options.worksAhead === true;
  }
  /** Ends the thread, which keeps what it made; the next request starts another one. */
  close(): void {
    this.store?.close();
    this.store = null;
    if (this.used.size > 0) this.start()?.post({ kind: 'used', modules: [...this.used.values()] });
    this.used.clear();
    this.missed.clear();
    if (this.link === null) return;
    const closed = this.link.close().finally(() => this.closing.delete(closed));
    this.closing.add(closed);
    this.link = null;
  }
  /** Resolves when the threads that were closed have ended. */
  async settled(): Promise<void> {
    await Promise.all(this.closing);
  }

  // --- called by clients ---
  start(): TranslatorLink | null {
    if (this.link !== null || !this.alive) return this.link;
    this.lastLook = hostMs();
    this.silentMs = 0;
    try {
      this.link = this.options.spawn();
    } catch {
      this.deaths = Number.POSITIVE_INFINITY;
    }
    return this.link;
  }
  /** Gives arrived answers to those who asked. */
  poll(): void {
    const { link } = this;
    if (link === null) return;
    for (let answer = link.receive(); answer !== undefined; answer = link.receive()) {
      this.silentMs = 0;
      this.clients.get(answer.client)?.deref()?.deliver(answer);
    }
    if (link.ended || (++this.polls % POLLS === 0 && this.isSilent())) this.died();
  }
  private isSilent(): boolean {
    const now = hostMs();
    const asked = [...this.clients.values()].some((client) => (client.deref()?.open.size ?? 0) > 0);
    this.silentMs = asked ? this.silentMs + Math.min(now - this.lastLook, MOST_MS) : 0;
    this.lastLook = now;
    return this.silentMs > (this.options.patienceMs ?? PATIENCE_MS);
  }
  private died(): void {
    this.link?.kill();
    this.link = null;
    this.deaths++;
    const asking = [...this.clients.values()].flatMap((ref) => ref.deref() ?? []);
    if (!asking.some(({ open }) => open.size > 0)) return;
    const link = this.start();
    if (link !== null) for (const client of asking) client.restart(link);
  }
  forget(id: number): void {
    if (!this.clients.delete(id)) return;
    this.link?.post({ kind: 'detach', client: id });
    // no vCPU is left: the thread has nothing to hold on to
    if (this.clients.size === 0) this.close();
  }
}
