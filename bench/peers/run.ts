// One boot of one peer: starts its program, reads the guest's serial line, and takes the host's clock at every marker.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { CHECK } from './programs.js';

/** How to start a peer so that its standard output is the guest's COM1. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface ProgramRun {
  /** Host seconds between the START and the END marker. */
  readonly seconds: number;
  /** Processor seconds of all threads of the peer in between (steps of 10 ms), null where /proc does not tell. */
  readonly cpuSeconds: number | null;
  /** What the guest's own clock said. */
  readonly guestSeconds: number;
  readonly checksum: string;
}
export interface BootRun {
  /** Host seconds from the start of the peer's program to the guest's first process. */
  readonly bootSeconds: number;
  readonly bootCpuSeconds: number | null;
  readonly programs: ReadonlyMap<string, ProgramRun>;
  /** Peak resident memory of the peer's process, MiB; null where /proc does not tell. */
  readonly peakMib: number | null;
  /** Why the boot did not come to its end; null when it did. */
  readonly failure: string | null;
}
export interface RunLimits {
  /** Cores that the peer may use (Linux, `taskset`); null: all. */
  readonly cores: number | null;
  /** Host seconds without a marker after which the peer is given up. */
  readonly silenceS: number;
}

const TICKS_PER_SECOND = 100;
/** utime and stime of a process with its ended threads. proc(5), /proc/pid/stat. */
function cpuSecondsOf(pid: number): number | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return null;
  }
}
function peakMibOf(pid: number): number | null {
  try {
    const m = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
    return m ? Number(m[1]) / 1024 : null;
  } catch {
    return null;
  }
}

/** Follows the markers of a serial line; `nowS` and `cpuS` are asked at each. */
export class MarkerReader {
  readonly programs = new Map<string, ProgramRun>();
  bootAt: number | null = null;
  bootCpu: number | null = null;
  failure: string | null = null;
  done = false;
  /** When the latest program ended. */
  endedAt = Number.NaN;
  #text = '';
  #start: { name: string; at: number; cpu: number | null } | null = null;
  #end: { name: string; seconds: number; cpuSeconds: number | null } | null = null;

  constructor(
    private readonly nowS: () => number,
    private readonly cpuS: () => number | null,
  ) {}

  /** Takes a piece of output; true when it held a marker. */
  feed(text: string): boolean {
    const at = this.nowS();
    const lines = (this.#text + text).split('\n');
    this.#text = (lines.pop() as string).slice(-1000);
    let marked = false;
    for (const line of lines) marked = this.#line(line.replace(/\r/g, ''), at) || marked;
    return marked;
  }
  get tail(): string {
    return this.#text;
  }

  #line(line: string, at: number): boolean {
    const boot = /BOOT-OK/.exec(line);
    if (boot !== null) {
      this.bootAt = at;
      this.bootCpu = this.cpuS();
      return true;
    }
    const start = /^START (\S+)$/.exec(line);
    if (start !== null) {
      this.#start = { name: start[1] as string, at, cpu: this.cpuS() };
      return true;
    }
    const end = /^END (\S+)$/.exec(line);
    if (end !== null) {
      this.endedAt = at;
      const s = this.#start;
      if (s === null || s.name !== end[1]) this.failure = `the guest ended '${end[1]}' without having started it`;
      else {
        const cpu = this.cpuS();
        this.#end = {
          name: s.name,
          seconds: at - s.at,
          cpuSeconds: cpu === null || s.cpu === null ? null : cpu - s.cpu,
        };
      }
      return true;
    }
    const result = /^BENCH (\S+) ([\d.]+) s sum=([0-9a-f]{16})$/.exec(line);
    if (result !== null) {
      const e = this.#end;
      if (e === null || e.name !== result[1])
        this.failure = `the guest gave a result of '${result[1]}' without its end`;
      else {
        const { seconds, cpuSeconds } = e;
        this.programs.set(e.name, {
          seconds,
          cpuSeconds,
          guestSeconds: Number(result[2]),
          checksum: result[3] as string,
        });
      }
      return true;
    }
    if (/^FAIL /.test(line)) this.failure = `in the guest: ${line}`;
    else if (/Kernel panic|segfault at/.test(line)) this.failure = `in the guest: ${line.trim()}`;
    if (/ALL-DONE/.test(line)) this.done = true;
    return this.done;
  }
}

const KILL_AFTER_MS = 3000;

/** Boots a peer once and gives what it measured. */
export function runBoot(command: Command, limits: RunLimits, programs: readonly string[]): Promise<BootRun> {
  const pinned = limits.cores !== null;
  const cores = Array.from({ length: limits.cores ?? 0 }, (_, n) => n).join(',');
  const file = pinned ? 'taskset' : command.file;
  const args = pinned ? ['-c', cores, command.file, ...command.args] : [...command.args];
  return new Promise((resolve, reject) => {
    const begin = performance.now() / 1000;
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...command.env } });
    const pid = child.pid ?? 0;
    const reader = new MarkerReader(
      () => performance.now() / 1000 - begin,
      () => cpuSecondsOf(pid),
    );
    let peakMib: number | null = null;
    let errors = '';
    let timer: NodeJS.Timeout | undefined;
    const stop = (): void => {
      clearTimeout(timer);
      peakMib = peakMibOf(pid) ?? peakMib;
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS).unref();
    };
    const watch = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        reader.failure ??= `nothing on the serial line for ${limits.silenceS} s`;
        stop();
      }, limits.silenceS * 1000);
    };
    watch();
    child.stdin.on('error', () => {}); // the peer has gone
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      if (reader.feed(text)) watch();
      if (reader.done || reader.failure !== null) stop();
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-2000);
    });
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(new Error(`'${file}' cannot be started: ${error.message}`));
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (!reader.done && reader.failure === null) {
        const why =
          errors
            .split('\n')
            .findLast((l) => /\w/.test(l))
            ?.trim() || reader.tail;
        reader.failure = `ended early (${code ?? signal}): ${why}`;
      }
      for (const p of programs)
        if (reader.failure === null && !reader.programs.has(p)) reader.failure = `no result of '${p}'`;
      const check = reader.programs.get(CHECK);
      if (check?.checksum === '0000000badbadbad') reader.failure ??= 'gunzip did not give back what gzip took';
      resolve({
        bootSeconds: reader.bootAt ?? Number.NaN,
        bootCpuSeconds: reader.bootCpu,
        programs: reader.programs,
        peakMib,
        failure: reader.failure,
      });
    });
  });
}
