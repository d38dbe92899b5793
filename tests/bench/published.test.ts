// The published results: README.md's section is what bench/results/latest.json says, and says what was measured.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { figure } from '../../bench/output.js';
import { bochsrc, isolinuxConfig } from '../../bench/peers/bochs.js';
import { chartSvg } from '../../bench/peers/chart.js';
import { GROUPS } from '../../bench/peers/programs.js';
import { publish } from '../../bench/peers/publish.js';
import { type Published, publishedSection, withSection } from '../../bench/peers/published.js';
import { reportText } from '../../bench/peers/report.js';
import { type Comparison, emptyResult, groupRatio, type PeerResult, virtualCost } from '../../bench/peers/results.js';
import { repository } from '../support/guests.js';

const folder = mkdtempSync(join(tmpdir(), 'pcanel-published-'));
after(() => rmSync(folder, { recursive: true }));
const readme = readFileSync(`${repository}README.md`, 'utf8');
const latest = `${repository}bench/results/latest.json`;

const host = {
  ...{ cpu: 'A CPU', cores: 2, memoryMib: 4096, kernel: '', node: 'v20', v8: '', compiler: '', loadAverage: 0.5 },
  date: '2026-01-02T03:04:05Z',
};
const peer = (name: string, label: string, wall: Record<string, number[]>): PeerResult => ({
  ...emptyResult(name, label, 'version'),
  wall,
});
const qemu = peer('qemu', 'QEMU', { boot: [4], fib: [2], sieve: [2], pipe: [1], syscall: [1] });
const v86 = peer('v86', 'v86', { boot: [8], fib: [4], sieve: [4] });
const bochs = peer('bochs', 'Bochs', { boot: [16], fib: [8] });
const real = peer('pcanel-real', 'Pcanel real', { boot: [2], fib: [1], sieve: [1], pipe: [0.25], syscall: [3] });
const virtual = peer('pcanel-virtual', 'Pcanel virtual', { boot: [2], fib: [1.5], sieve: [3], pipe: [0.25] });
const comparison = (cores: number, extra: Partial<Comparison> = {}): Comparison => ({
  ...{ host, command: 'COMMAND', cores, boots: 3, divisor: 1, skipped: [] },
  guests: [{ bits: '32', kernel: 'a kernel', native: {}, peers: [qemu, v86, bochs, real, virtual] }],
  ...extra,
});
const sections = [{ name: 'kicks', figures: [figure('median', 'us', [20, 30, 25])], notes: [] }];
const published = (...comparisons: Comparison[]): Published => ({
  ...{ command: 'npm run bench -- --peers --publish', clock: 'wall', sections },
  comparisons,
});

test("README.md's section is made from the committed results", () => {
  assert.ok(existsSync(latest), 'bench/results/latest.json is committed');
  const results = JSON.parse(readFileSync(latest, 'utf8')) as Published;
  assert.equal(readme, withSection(readme, publishedSection(results)));
  assert.ok(readme.includes(results.comparisons[0]?.host.date.slice(0, 10) ?? 'no date'));
  const svg = chartSvg(results.comparisons, results.clock, 'groups');
  assert.equal(readFileSync(`${repository}bench/results/latest.svg`, 'utf8'), svg);
  const table = readFileSync(`${repository}bench/results/latest.txt`, 'utf8');
  for (const c of results.comparisons) assert.ok(table.includes(reportText(c, results.clock)));
  const png = readFileSync(`${repository}bench/results/latest.png`);
  assert.equal(png.toString('latin1', 0, 8), '\x89PNG\r\n\x1a\n');
});

test('the section has date, machine, command, a table per number of cores, and marks what misses its target', () => {
  const text = publishedSection(published(comparison(1), comparison(2)));
  assert.match(text, /Measured 2026-01-02 with `npm run bench -- --peers --publish` on A CPU \(2 cores, 4 GiB, .*v20/);
  assert.match(text, /\*\*32-bit guest, 1 core\*\*/);
  assert.match(text, /\*\*32-bit guest, 2 cores\*\*/);
  // integer: QEMU 4 s, v86 8 s, Bochs has no sieve; ratios 0.5 and geometric mean of 0.75 and 1.5
  assert.match(
    text,
    /\| integer \| 4\.0 \| 8\.0 \| - \| 2\.0 \| 4\.5 \| 0\.50 \| \*\*1\.06\*\* \| ≤ 0\.6 \| 0\.25 \| /,
  );
  // of the system programs the worst counts
  assert.match(text, /\| system \(worst\) \|.*\| \*\*3\.00\*\* \| 0\.25 \| ≤ 1 \|/);
  assert.match(text, /Virtual time takes 1\.65 of real time's \(target ≤ 1\.3\), at most 3\.00 \(sieve\)/);
  assert.match(text, /\| median \| 25\.0 us \(20\.0 to 30\.0\) \|/);
});

test('what was left out, what failed and what was wrong is told', () => {
  const bad: PeerResult = { ...v86, wrong: ['fib'], failures: ['nothing on the serial line for 3 s'] };
  const guests = [{ bits: '32' as const, kernel: '', native: {}, peers: [qemu, bad, real] }];
  const text = publishedSection(published(comparison(1, { guests, skipped: ['bochs: no apt'] })));
  assert.match(text, /Left out: bochs: no apt\./);
  assert.match(text, /v86, 32-bit guest: wrong checksum of fib\./);
  assert.match(text, /v86, 32-bit guest: nothing on the serial line for 3 s\./);
  assert.throws(() => publishedSection(published()), /no comparison/);
});

test('the section replaces what stood between its markers, and nothing else', () => {
  const begin = '<!-- bench:begin (npm run bench -- --peers --publish) -->';
  const text = `a\n${begin}\nold\n<!-- bench:end -->\nb\n`;
  assert.equal(withSection(text, 'new'), `a\n${begin}\nnew\n<!-- bench:end -->\nb\n`);
  assert.throws(() => withSection('a\n', 'new'), /README\.md has no '<!-- bench:begin/);
});

test('a group counts by its mean or by its worst program', () => {
  const group = (name: string) => GROUPS.find((g) => g.name === name) as (typeof GROUPS)[number];
  assert.equal(groupRatio(real, qemu, group('integer'), 'wall'), 0.5);
  assert.equal(groupRatio(real, qemu, group('system'), 'wall'), 3);
  assert.equal(groupRatio(real, qemu, group('x87'), 'wall'), null);
  const [guest] = comparison(1).guests;
  const cost = virtualCost(guest as Comparison['guests'][number], 'wall');
  assert.equal(cost?.worst, 'sieve');
  assert.equal(cost?.worstRatio, 3);
  assert.ok(Math.abs((cost?.mean ?? 0) - (1.5 * 3 * 1) ** (1 / 3)) < 1e-9);
  assert.equal(virtualCost({ bits: '32', kernel: '', native: {}, peers: [qemu, real] }, 'wall'), null);
});

test('the text report tells the ratio to Bochs and the cost of virtual time', () => {
  const text = reportText(comparison(1), 'wall');
  assert.match(text, /Pcanel real: 0\.13 of Bochs' time/);
  assert.match(text, /virtual time costs 1\.65 of real time .*MISSED 1\.3\), at most 3\.00 \(sieve\)/);
});

test("the chart by groups has a bar per group and peer and a tick at the group's target", () => {
  const svg = chartSvg([comparison(1), comparison(2)], 'wall', 'groups') ?? '';
  assert.match(svg, />32-bit guest, 1 core, time over QEMU's</);
  // boot, integer and system: five bars of two, four of ... peers without a program have none
  assert.equal(svg.match(/height="8" fill=/g)?.length, 2 * (4 + 4 + 2));
  assert.equal(svg.match(/stroke="#000" stroke-width="2"/g)?.length, 2 * 3);
});

test('Bochs runs unattended: CD-ROM, serial line to a descriptor, no questions', () => {
  const files = { bios: '/a b/bios', vgaBios: '/vga', cdrom: '/cd.iso', log: '/log' };
  const rc = bochsrc(files, 256).split('\n');
  for (const line of [
    'memory: guest=256, host=256',
    'romimage: file="/a b/bios"',
    'ata0-master: type=cdrom, path="/cd.iso", status=inserted',
    'com1: enabled=1, mode=file, dev=/dev/fd/4',
    'panic: action=fatal',
  ])
    assert.ok(rc.includes(line), line);
  assert.match(
    isolinuxConfig('console=ttyS0 quiet'),
    /PROMPT 0\n.*KERNEL kernel\nINITRD initrd\nAPPEND console=ttyS0 quiet\n/s,
  );
});

test('publishing writes the files and the section; a second time gives the same', async () => {
  const home = join(folder, 'home');
  mkdirSync(join(home, 'bench/results'), { recursive: true });
  writeFileSync(join(home, 'README.md'), readme);
  const lines = await publish(home, published(comparison(1)));
  const text = readFileSync(join(home, 'README.md'), 'utf8');
  const results = JSON.parse(readFileSync(join(home, 'bench/results/latest.json'), 'utf8')) as Published;
  assert.equal(text, withSection(readme, publishedSection(results)));
  assert.notEqual(text, readme);
  assert.match(
    readFileSync(join(home, 'bench/results/latest.txt'), 'utf8'),
    /32-bit guest, a kernel.*kicks\n {2}median/s,
  );
  const png = join(home, 'bench/results/latest.png');
  assert.equal(existsSync(png), !lines.some((l) => l.startsWith('no PNG chart: ')), lines.join('\n'));
  if (existsSync(png)) assert.equal(readFileSync(png).readUInt32BE(16), 2 * 820);
  cpSync(join(home, 'README.md'), join(home, 'before.md'));
  await publish(home, results);
  assert.equal(readFileSync(join(home, 'README.md'), 'utf8'), readFileSync(join(home, 'before.md'), 'utf8'));
});

test('bad options end with one line that names the value', () => {
  const program = fileURLToPath(new URL('../../bench/index.js', import.meta.url));
  const other = join(folder, 'other.json');
  writeFileSync(other, '{"a": 1}');
  for (const [args, message] of [
    [['--from', join(folder, 'none.json')], /^bench: --from .*none\.json: ENOENT/],
    [['--from', other], /^bench: --from .*other\.json: expected results of/],
    [['--sections', 'naps'], /^bench: --sections: 'naps', expected kick, scaling, parallel/],
    [['--only', 'vmware'], /^bench: --only: 'vmware', expected qemu, v86, bochs/],
  ] as const) {
    const run = spawnSync(process.execPath, [program, '--peers', ...args], { encoding: 'utf8' });
    assert.equal(run.status, 1, run.stderr);
    assert.match(run.stderr, message);
  }
});
