// Commands about running domains, the dashboard of `up`, JSON everywhere, completion, help.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { repository } from '../support/guests.js';

const RTOS = `${repository}guests/rtos/build/rtos.elf`;
const skip = existsSync(RTOS) ? false : 'guests/rtos/build/rtos.elf has not been built';
const PROGRAM = `${repository}bin/pcanel.js`;

/** A place of its own for sockets and data, so that nothing else of this computer is found. */
function place(t: TestContext): { folder: string; env: NodeJS.ProcessEnv } {
  const folder = mkdtempSync(join(tmpdir(), 'pcanel-cli-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const { PCANEL_TOKEN: _, ...rest } = process.env;
  return { folder, env: { ...rest, XDG_RUNTIME_DIR: folder, XDG_STATE_HOME: folder } };
}
const pcanel = (env: NodeJS.ProcessEnv, ...args: string[]) =>
  spawnSync(process.execPath, [PROGRAM, ...args], { encoding: 'utf8', env });

/** Starts a program that goes on; resolves once it has printed `text`. */
async function begin(
  t: TestContext,
  env: NodeJS.ProcessEnv,
  args: string[],
  text: RegExp,
): Promise<{ child: ChildProcess; seen: () => string }> {
  const child = spawn(process.execPath, [PROGRAM, ...args], { env, stdio: ['pipe', 'pipe', 'pipe'] });
  const gone = new Promise<void>((resolve) => child.on('close', () => resolve()));
  t.after(async () => {
    child.kill('SIGTERM');
    await gone;
  });
  let seen = '';
  await new Promise<void>((resolve, reject) => {
    const take = (data: Buffer): void => {
      seen += data;
      if (text.test(seen)) resolve();
    };
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
    child.on('close', () => reject(new Error(`ended early: ${seen}`)));
  });
  return { child, seen: () => seen };
}

const YAML = `domains:
  - { name: one, multiboot: ${RTOS}, cmdline: quiet, memory: 16M }
  - { name: two, multiboot: ${RTOS}, cmdline: quiet, memory: 16M }
`;

test('up tells the dashboard; ps, logs, attach, stop, start and rm find its domains', { skip }, async (t) => {
  const { folder, env } = place(t);
  const file = join(folder, 'lab.yaml');
  writeFileSync(file, YAML);
  const { seen } = await begin(
    t,
    env,
    ['up', file, '--pace', '--port', '0'],
    /one +\| Pcanel RTOS[\s\S]*|two +\| Pcanel RTOS/,
  );
  const url = /dashboard at (http:\/\/127\.0\.0\.1:\d+\/)/.exec(seen())?.[1] ?? '';
  const page = await fetch(url);
  assert.deepEqual([page.status, page.headers.get('content-type')], [200, 'text/html; charset=utf-8']);
  assert.equal(((await (await fetch(`${url}api/v1/domains`)).json()) as unknown[]).length, 2);

  const ps = pcanel(env, 'ps');
  assert.match(ps.stdout, /^NAME +STATE +ENGINE/);
  assert.match(ps.stdout, /^one +running +software +virtual +0 +16M +multiboot rtos\.elf +\d+$/m);
  assert.ok(ps.stdout.includes(`: ${url}`));
  assert.equal(pcanel(env, 'ps', '-q').stdout, 'one\ntwo\n');
  const listed = JSON.parse(pcanel(env, 'ps', '--json').stdout);
  assert.deepEqual([listed[1].name, listed[1].state, listed[1].dashboard], ['two', 'running', url]);

  assert.equal(pcanel(env, 'stop', 'one').stdout, 'one: stopped (stopped by the user)\n');
  assert.equal(JSON.parse(pcanel(env, '--json', 'start', 'one').stdout).state, 'running');
  assert.equal(pcanel(env, 'pause', 'one').stdout, 'one: paused\n');
  const wrong = pcanel(env, 'pause', 'one');
  assert.deepEqual(
    [wrong.status, wrong.stderr],
    [2, "pcanel: DOMAIN_STATE: 'one' is paused, expected running for 'pause'\n"],
  );
  assert.equal(pcanel(env, 'resume', 'one').status, 0);

  const attached = spawnSync(process.execPath, [PROGRAM, 'attach', 'two'], {
    env,
    encoding: 'utf8',
    input: 'poweroff\n',
  });
  assert.equal(attached.status, 0, attached.stderr);
  assert.match(pcanel(env, 'logs', 'two').stdout, /Pcanel RTOS[\s\S]*rtos> poweroff/);
  assert.match(pcanel(env, 'logs', '-n', '1', 'two').stdout, /^[^\n]*\n?$/);
  assert.match(JSON.parse(pcanel(env, 'logs', '--json', 'two').stdout).text, /Pcanel RTOS/);
  assert.ok(Array.isArray(JSON.parse(pcanel(env, 'logs', '--devices', '--json', 'two').stdout)));

  assert.equal(pcanel(env, 'rm', 'two').stdout, 'two\n');
  const gone = pcanel(env, 'rm', 'tow');
  assert.deepEqual(
    [gone.status, gone.stderr.startsWith("pcanel: DOMAIN_UNKNOWN: no running domain is named 'tow'")],
    [2, true],
  );
  assert.equal(pcanel(env, 'ps', '-q').stdout, 'one\n');
  assert.equal(pcanel(env, '__complete', 'stop', 'o').stdout, 'one\n');
});

test('serve keeps definitions; a second server of the same folder is refused', { skip }, async (t) => {
  const { folder, env } = place(t);
  const args = ['serve', '--port', '0', '--images', `${repository}guests/rtos/build`];
  const first = await begin(t, env, args, /serving http/);
  const url = /serving (\S+)/.exec(first.seen())?.[1] ?? '';
  const made = await fetch(`${url}api/v1/domains`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ definition: { name: 'rt', multiboot: 'rtos.elf', memory: '16M' }, autostart: true }),
  });
  assert.equal(made.status, 201);
  const second = pcanel(env, ...args);
  assert.deepEqual([second.status, /STORE_LOCKED.*process \d+/.test(second.stderr)], [2, true]);
  const ended = new Promise<void>((resolve) => first.child.on('close', () => resolve()));
  first.child.kill('SIGKILL');
  await ended;
  await begin(t, env, args, /serving http.*1 domains defined/);
  for (let i = 0; i < 100 && !pcanel(env, 'ps').stdout.includes('running'); i++);
  assert.match(pcanel(env, 'ps').stdout, /^rt +running/m);
  assert.ok(existsSync(join(folder, 'pcanel', 'domains.db')));
});

test('up and run print events as JSON', { skip }, (t) => {
  const { env } = place(t);
  const run = pcanel(
    env,
    'run',
    '--json',
    '--multiboot',
    RTOS,
    '--cmdline',
    'quiet',
    '--timeout',
    '0.1',
    '--memory',
    '16M',
  );
  const poweroff = spawnSync(
    process.execPath,
    [PROGRAM, 'run', '--json', '--multiboot', RTOS, '--cmdline', 'quiet', '--memory', '16M'],
    { env, encoding: 'utf8', input: 'poweroff\n' },
  );
  assert.equal(run.status, 124);
  const events = poweroff.stdout
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l));
  const text = events.map((e) => e.text ?? '').join('');
  assert.match(text, /Pcanel RTOS/);
  const last = events.find((e) => e.event === 'stopped');
  assert.deepEqual([last.domain, last.ok, last.outcome], ['rtos.elf', true, { kind: 'exit', status: 1 }]);
});

test('serve needs a token where others can reach it, and says so', (t) => {
  const { env, folder } = place(t);
  const open = pcanel(env, 'serve', '--host', '0.0.0.0', '--port', '0');
  assert.deepEqual([open.status, /^pcanel: TOKEN_REQUIRED: '0\.0\.0\.0'/.test(open.stderr)], [2, true]);
  writeFileSync(join(folder, 'token'), 'short\n');
  const short = pcanel(env, 'serve', '--host', '0.0.0.0', '--port', '0', '--token-file', join(folder, 'token'));
  assert.deepEqual([short.status, /TOKEN_SHORT/.test(short.stderr)], [2, true]);
  assert.match(pcanel(env, 'serve', '--token-file', join(folder, 'none')).stderr, /TOKEN_FILE.*ENOENT/);
  assert.match(pcanel(env, 'serve', '--port', '70000').stderr, /NUMBER: --port is '70000'/);
});

test('completion knows commands, options, choices, images; scripts are there for three shells', (t) => {
  const { env } = place(t);
  const words = (...typed: string[]): string[] =>
    pcanel(env, '__complete', ...typed)
      .stdout.split('\n')
      .filter(Boolean);
  assert.ok(words('').includes('up') && words('').includes('serve'));
  assert.ok(!words('').some((w) => w.startsWith('_')));
  assert.deepEqual(words('s'), ['screenshot', 'serve', 'start', 'stat', 'stop']);
  assert.deepEqual(words('run', '--engine', ''), ['auto', 'kvm', 'software']);
  assert.deepEqual(words('run', '--no-re'), ['--no-reboot']);
  assert.deepEqual(words('images', 'f'), ['fetch']);
  assert.deepEqual(words('images', 'fetch', 'linux-cloud'), ['linux-cloud-amd64']);
  assert.deepEqual(words('completion', 'z'), ['zsh']);
  assert.deepEqual(words('up', ''), []); // a file
  for (const shell of ['bash', 'zsh', 'fish']) assert.match(pcanel(env, 'completion', shell).stdout, /__complete/);
  const bash = spawnSync('bash', ['-n'], { input: pcanel(env, 'completion', 'bash').stdout, encoding: 'utf8' });
  assert.deepEqual([bash.status, bash.stderr], [0, '']);
  assert.equal(pcanel(env, 'completion', 'tcsh').status, 2);
});

test('help has examples, exit codes and files', (t) => {
  const { env } = place(t);
  const help = pcanel(env, '--help').stdout;
  for (const heading of ['Usage:', 'Options:', 'Commands:', 'Examples:', 'Exit status:', 'Environment:']) {
    assert.ok(help.includes(heading), heading);
  }
  for (const command of ['up', 'run', 'serve', 'ps', 'logs', 'attach', 'rm', 'stat', 'images', 'completion']) {
    assert.match(pcanel(env, command, '--help').stdout, /Examples:\n {2}/, command);
  }
  assert.deepEqual(JSON.parse(pcanel(env, 'ps', '--json').stdout), []);
  assert.match(pcanel(env, 'logs', 'nobody').stderr, /NOT_RUNNING/);
});
