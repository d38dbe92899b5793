// What every peer boots: Debian's kernel, an initial RAM disk with BusyBox and the programs of bench/guest, a command line.
// The same bytes for all. Also the programs' native checksums and times.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureImage } from '../../src/apps/testing.js';
import { buildCpio, type CpioEntry } from '../../src/machine/index.js';
import { CHECK, runList } from './programs.js';

export type Bits = '32' | '64';

/** The repository: this file runs from OUTPUT/bench/peers. */
export const repository = fileURLToPath(new URL('../../../', import.meta.url));

export interface Guest {
  readonly bits: Bits;
  readonly kernel: string;
  readonly initrd: string;
  readonly cmdline: string;
  readonly memoryMib: number;
  /** Programs in the order in which the guest runs them. */
  readonly programs: readonly string[];
  /** Divides the programs' work. */
  readonly divisor: number;
  readonly kernelSource: string;
}

export interface NativeResult {
  readonly seconds: number;
  readonly checksum: string;
}

const MEMORY_MIB = 256;

/** The name under which the guest tells of several runs of one program (`Copies`). */
export const COPIES = 'copies';
/** What such a guest waits for on its serial line after its boot. */
export const GO = '\n';
/** One program run several times, with one pair of markers around all. */
export interface Copies {
  readonly count: number;
  readonly way: 'at once' | 'in turn';
}

/**
 * The first process of the guest: every program, each between markers on the serial line. With $bcopies: the one program
 * of the list so many times, one after the other if $bturn is 1; all results have to be equal.
 */
const INIT = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
exec </dev/ttyS0 >/dev/ttyS0 2>&1
/bin/busybox stty -echo
read up idle </proc/uptime
echo "BOOT-OK $up"
if [ -n "$bcopies" ]; then
  read go
  n=0
  echo "START copies"
  while [ $n -lt $bcopies ]; do
    /bin/bench $blist $bdiv >/tmp/copy$n &
    [ "$bturn" = 1 ] && wait
    n=$((n + 1))
  done
  wait
  echo "END copies"
  sums=$(/bin/busybox sed -n 's/.* sum=//p' /tmp/copy*)
  for s in $sums; do
    n=$((n - 1))
    [ "$s" = "\${sums%%[^0-9a-f]*}" ] || echo "FAIL copies: $s"
  done
  [ $n = 0 ] && echo "BENCH copies 0 s sum=$s" || echo "FAIL copies: $n ended without a result"
  blist=
fi
for b in $(echo "$blist" | /bin/busybox tr , ' '); do
  /bin/bench $b $bdiv || echo "FAIL $b $?"
done
echo "ALL-DONE"
/bin/busybox sleep 1
/bin/busybox poweroff -f
`;

/** Builds the programs; throws with the compiler's words where that cannot be done. */
function buildPrograms(bits: Bits): string {
  const out = join(repository, 'bench/build/guest');
  const made = spawnSync('make', ['-s', '-C', join(repository, 'bench/guest'), `OUT=${out}`, bits], {
    encoding: 'utf8',
  });
  if (made.error) throw new Error("no 'make' found (apt-get install make gcc)");
  if (made.status !== 0) {
    const hint = bits === '32' ? '; 32-bit programs need gcc-multilib' : '';
    throw new Error(`the ${bits}-bit programs do not compile: ${made.stderr.trim().split('\n').at(-1)}${hint}`);
  }
  return join(out, bits);
}

/** Makes the images for one width in `folder`. */
export async function buildGuest(
  bits: Bits,
  folder: string,
  wanted: readonly string[],
  divisor: number,
  copies: Copies | null = null,
): Promise<Guest> {
  const programs = buildPrograms(bits);
  const progress = (line: string): void => void process.stderr.write(`bench: ${line}\n`);
  const kernel = await ensureImage(bits === '64' ? 'linux-cloud-amd64' : 'linux-i386', { progress });
  const busybox = await ensureImage(bits === '64' ? 'busybox-amd64' : 'busybox-i386', { progress });
  const file = (path: string, from: string): CpioEntry => ({
    type: 'file',
    path,
    mode: 0o755,
    data: readFileSync(from),
  });
  const entries: CpioEntry[] = [
    ...['dev', 'proc', 'sys', 'root', 'bin'].map((path): CpioEntry => ({ type: 'directory', path })),
    { type: 'directory', path: 'tmp', mode: 0o1777 },
    { type: 'char', path: 'dev/console', major: 5, minor: 1 },
    { type: 'char', path: 'dev/null', major: 1, minor: 3, mode: 0o666 },
    { type: 'file', path: 'init', mode: 0o755, data: INIT },
    file('bin/busybox', busybox.path),
    file('bin/bench', join(programs, 'bench')),
    file('bin/true_s', join(programs, 'true_s')),
  ];
  mkdirSync(folder, { recursive: true });
  const initrd = join(folder, `initramfs-${bits}.cpio`);
  writeFileSync(initrd, buildCpio(entries));
  const list = runList(wanted);
  return {
    bits,
    kernel: kernel.path,
    initrd,
    // Words that the kernel does not know become the environment of /init.
    cmdline: `console=ttyS0 cryptomgr.notests quiet blist=${list.join(',')} bdiv=${divisor}${copies === null ? '' : ` bcopies=${copies.count} bturn=${copies.way === 'in turn' ? 1 : 0}`}`,
    memoryMib: MEMORY_MIB,
    programs: list,
    divisor,
    kernelSource: kernel.source,
  };
}

/** Runs the programs on this computer; the median of `runs`. */
export async function nativeResults(guest: Guest, runs: number): Promise<Map<string, NativeResult>> {
  const built = join(repository, 'bench/build/guest', guest.bits);
  const image = await ensureImage(guest.bits === '64' ? 'busybox-amd64' : 'busybox-i386');
  const work = mkdtempSync(join(tmpdir(), 'pcanel-bench-'));
  try {
    const BB = join(work, 'busybox');
    writeFileSync(BB, readFileSync(image.path));
    chmodSync(BB, 0o755);
    const env = { ...process.env, BB, BTMP: work, TRUE_BIN: join(built, 'true_s') };
    const results = new Map<string, NativeResult>();
    for (const name of guest.programs) {
      const seconds: number[] = [];
      let checksum = '';
      for (let n = 0; n < (name === CHECK ? 1 : runs); n++) {
        const { stdout } = spawnSync(join(built, 'bench'), [name, String(guest.divisor)], { encoding: 'utf8', env });
        const m = /^BENCH \S+ ([\d.]+) s sum=([0-9a-f]{16})/m.exec(stdout ?? '');
        if (m === null) throw new Error(`the ${guest.bits}-bit program '${name}' does not run on this computer`);
        seconds.push(Number(m[1]));
        checksum = m[2] as string;
      }
      seconds.sort((a, b) => a - b);
      results.set(name, { seconds: seconds[seconds.length >> 1] as number, checksum });
    }
    return results;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
