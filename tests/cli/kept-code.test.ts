// `pcanel run` twice with the same guest: the second run takes what the first one has compiled, and does the same to the
// instruction.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { buildInitramfs } from '../../src/apps/testing.js';
import { linuxFiles, repository } from '../support/guests.js';

const { value: files, skip } = await linuxFiles();
const work = mkdtempSync(join(tmpdir(), 'pcanel-kept-'));
after(() => rmSync(work, { recursive: true, force: true }));

/** Boots Linux, computes a checksum and powers off; gives what the run printed and its statistics. */
function boot(folder: string): { output: string; instructions: string; exits: string; kept: number } {
  const args = ['run', '--time', 'virtual', '--plain', '--memory', '128M', '--stats', '--timeout', '100'];
  const guest = [
    '--kernel',
    join(work, 'kernel'),
    '--initrd',
    join(work, 'initrd'),
    '--cmdline',
    'console=ttyS0 quiet',
  ];
  const r = spawnSync(process.execPath, [join(repository, 'bin/pcanel.js'), ...args, ...guest], {
    encoding: 'utf8',
    env: { ...process.env, PCANEL_CODE_CACHE: folder },
    timeout: 120_000,
  });
  assert.equal(r.status, 0, r.stderr);
  const found = (pattern: RegExp): string => pattern.exec(`${r.stdout}${r.stderr}`)?.[1] ?? '';
  return {
    output: r.stdout,
    instructions: found(/^ +instructions +(\d+)/m),
    exits: found(/^ +VM exits +(\d+)/m),
    kept: Number.parseFloat(found(/([\d.]+)% of them kept/)),
  };
}

test('a guest that ran before runs on kept code, and does the same', { skip }, () => {
  assert.ok(files);
  writeFileSync(join(work, 'kernel'), files.kernel.data);
  writeFileSync(join(work, 'initrd'), buildInitramfs(files.busybox, { init: 'seq 20000 | md5sum\npoweroff -f\n' }));
  const folder = join(work, 'compiled');
  const [first, second] = [boot(folder), boot(folder)];
  assert.match(first.output, /[0-9a-f]{32} {2}-/);
  assert.equal(first.kept, 0);
  assert.ok(second.kept > 30, `${second.kept} % of the regions were kept`);
  const { instructions, exits } = second;
  assert.ok(Number(instructions) > 1e8);
  assert.deepEqual({ instructions, exits }, { instructions: first.instructions, exits: first.exits });
});
