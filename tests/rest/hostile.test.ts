// What hostile or broken clients send: nothing of it harms the server, its guests, or files outside the images folder.

import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { Guard } from '../../src/apps/testing.js';
import { noRtos, rtos, scratch, serve } from './client.js';

const skip = noRtos;
const D = '/api/v1/domains';
const TOKEN = 'a-token-of-more-than-sixteen-characters';

test('definitions name no file outside the images folder', async (t) => {
  const folder = scratch(t);
  const images = join(folder, 'images');
  mkdirSync(images);
  writeFileSync(join(folder, 'secret'), 'secret');
  symlinkSync('../secret', join(images, 'link'));
  symlinkSync('..', join(images, 'up'));
  const { client } = await serve(t, { imagesFolder: images });
  for (const file of [
    '../secret',
    '/etc/passwd',
    'a/../../secret',
    '..\\secret',
    'C:\\secret',
    '\\\\host\\share',
    'a\0b',
  ]) {
    for (const key of ['kernel', 'multiboot', 'bios', 'cdrom', 'disk', 'floppy']) {
      const a = await client.post(D, { definition: { name: 'x', [key]: file } });
      assert.deepEqual([a.status, a.json.error.code], [400, 'FILE_FORBIDDEN'], `${key} ${file}`);
    }
    for (const more of [{ initrd: file }, { modules: [file] }, { modules: [{ file }] }]) {
      const a = await client.post(D, { definition: { name: 'x', kernel: 'k', ...more } });
      assert.deepEqual([a.status, a.json.error.code], [400, 'FILE_FORBIDDEN']);
    }
  }
  // Links are followed when the domain starts.
  for (const [name, kernel] of [
    ['l', 'link'],
    ['u', 'up/secret'],
  ] as const) {
    assert.equal((await client.post(D, { definition: { name, kernel } })).status, 201);
    const started = await client.post(`${D}/${name}/actions/start`);
    assert.deepEqual([started.status, started.json.error.code], [400, 'FILE_FORBIDDEN']);
    assert.ok(!started.text.includes(folder));
    assert.equal((await client.get(`${D}/${name}`)).json.error.code, 'FILE_FORBIDDEN');
  }
  // Code and scripts do not come over the network.
  for (const more of [{ policyModule: 'evil.mjs' }, { script: [{ expect: '(a+)+$' }] }]) {
    assert.equal((await client.post(D, { definition: { name: 'x', kernel: 'k', ...more } })).status, 400);
  }
});

test('paths lead to no file', async (t) => {
  const web = scratch(t);
  writeFileSync(join(web, 'index.html'), '<title>dashboard</title>');
  writeFileSync(join(web, '..', 'outside.txt'), 'outside');
  const { client, daemon } = await serve(t, { webFolder: web });
  assert.match((await client.get('/')).text, /dashboard/);
  const raw = (path: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(daemon.server.port, '127.0.0.1');
      let seen = '';
      socket.on('data', (d) => {
        seen += d;
      });
      socket.on('close', () => resolve(seen));
      socket.on('error', reject);
      socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    });
  for (const path of [
    '/../outside.txt',
    '/%2e%2e/outside.txt',
    '/..%2foutside.txt',
    '//etc/passwd',
    '/%00',
    '/..\\outside.txt',
  ]) {
    const answer = await raw(path);
    assert.match(answer, /^HTTP\/1\.1 (400|404) /, `${path}: ${answer.slice(0, 100)}`);
    assert.ok(!answer.includes('outside\n') && !answer.includes('root:'));
  }
});

test('tokens: wrong ones are refused, too many wrong ones are slowed down, a cookie stands for the right one', async (t) => {
  const { client } = await serve(t, { token: TOKEN, failures: { perSecond: 0.01, burst: 5 } });
  const bare = (headers: Record<string, string>) => client.ask('GET', D, undefined, { Authorization: '', ...headers });
  const login = await client.ask('POST', '/api/v1/session', { token: TOKEN }, { Authorization: '' });
  const cookie = login.headers.get('set-cookie') ?? '';
  assert.match(cookie, /HttpOnly; SameSite=Strict/);
  assert.ok(!cookie.includes(TOKEN));
  assert.equal((await bare({ Cookie: cookie.split(';')[0] ?? '' })).status, 200);
  assert.equal((await client.get(D)).status, 200);
  const wrong = [`Bearer ${TOKEN}x`, 'Bearer ', `Basic ${TOKEN}`, `Bearer ${TOKEN.slice(0, -1)}`];
  for (const value of wrong) assert.equal((await bare({ Authorization: value })).status, 401, value);
  assert.equal((await bare({ Cookie: 'pcanel_session=wrong' })).status, 401);
  const slowed = await bare({});
  assert.deepEqual([slowed.status, slowed.json.error.code], [429, 'RATE']);
  assert.equal((await client.get(D)).status, 200); // who has the token is not slowed down
  assert.equal((await client.ask('GET', '/healthz', undefined, { Authorization: '' })).status, 200);
  assert.equal(await client.socket('/api/v1/live', { Authorization: 'Bearer x' }).closed, 429);
});

test('without a token only names of this computer are served, and only to pages of its own', async (t) => {
  const { client } = await serve(t);
  const host = new URL(client.url).host;
  const guard = new Guard({ host: '127.0.0.1', token: null });
  assert.equal(guard.checkSource({ host: 'evil.example:80' })?.code, 'HOST_FORBIDDEN');
  assert.equal(guard.checkSource({ host: '[::1]:80' }), null);
  assert.equal((await client.ask('GET', D, undefined, { Origin: `http://${host}` })).status, 200);
  assert.equal((await client.ask('POST', D, {}, { Origin: 'http://evil.example' })).status, 403);
  assert.equal(await client.socket('/api/v1/live', { Origin: 'http://evil.example' }).closed, 403);
  assert.equal(await client.socket('/api/v1/live', { Origin: 'null' }).closed, 403);
  assert.equal(await client.socket('/api/v1/nothing').closed, 404);
  assert.equal(await client.socket(`${D}/nobody/console`).closed, 404);
  assert.throws(() => new Guard({ host: '0.0.0.0', token: null }), { code: 'TOKEN_REQUIRED' });
});

test('bodies that do not end, lie about their length or are no JSON', async (t) => {
  const { client, daemon } = await serve(t, {
    http: { requestTimeout: 500, headersTimeout: 500, connectionsCheckingInterval: 100 },
  });
  for (const body of [
    '',
    '{',
    '[]',
    'null',
    '"x"',
    '{"definition":null}',
    `${'['.repeat(100_000)}`,
    '{"__proto__":{"x":1}}',
  ]) {
    const a = await client.ask('POST', D, body, { 'Content-Type': 'application/json' });
    assert.equal(a.status, 400, body.slice(0, 20));
    assert.ok(a.json.error.code);
  }
  const lines = (text: string): Promise<string> =>
    new Promise((resolve) => {
      const socket = connect(daemon.server.port, '127.0.0.1');
      let seen = '';
      socket.on('data', (d) => {
        seen += d;
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve(seen));
      socket.write(text);
    });
  // Slow clients are hung up on: headers that do not end, a body that does not come.
  assert.match(await lines('GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: '), /^(HTTP\/1\.1 408|$)/);
  assert.match(
    await lines(
      `POST ${D} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`,
    ),
    /^(HTTP\/1\.1 4\d\d|$)/,
  );
  assert.match(await lines('NONSENSE\r\n\r\n'), /^HTTP\/1\.1 400/);
  assert.equal((await client.get('/healthz')).status, 200);
});

test('fifty viewers of one console lose nothing, and one that does not read holds nobody up', { skip }, async (t) => {
  const { client } = await serve(t);
  await client.post(D, { definition: rtos('rt', { time: 'real' }), start: true });
  await client.until(`${D}/rt/console`, (a) => a.text.includes('rtos> '));
  const viewers = await Promise.all(Array.from({ length: 50 }, () => client.socket(`${D}/rt/console`).open()));
  const idle = await client.socket(`${D}/rt/console`).open();
  idle.ws.pause();
  await Promise.all(viewers.map((v) => v.says('rtos> ')));
  const starts = viewers.map((v) => v.text.length);
  // Everybody types a little, the guest answers everybody.
  const before = (await client.get(`${D}/rt/stat`)).json.machine.consoleBytesOut;
  for (let i = 0; i < 20; i++) viewers[i % 50]?.type('help\r');
  viewers[49]?.type('tick\r');
  await Promise.all(viewers.map((v) => v.until((s) => /tick: \d+\r\n/.test(s.text), 'the answer', 120)));
  await new Promise((resolve) => setTimeout(resolve, 300));
  const after = (await client.get(`${D}/rt/stat`)).json.machine.consoleBytesOut;
  const texts = new Set(viewers.map((v, i) => v.text.slice(starts[i])));
  assert.equal(texts.size, 1); // all have seen the same
  assert.equal([...texts][0]?.length, after - before); // and all of it
  assert.equal((await client.get('/healthz')).status, 200);
});

test('a message that is too large, or no message, closes that WebSocket only', { skip }, async (t) => {
  const { client } = await serve(t);
  await client.post(D, { definition: rtos('rt'), start: true });
  const other = await client.socket(`${D}/rt/console`).open();
  const large = await client.socket(`${D}/rt/console`).open();
  large.ws.send(Buffer.alloc(1 << 20));
  assert.equal(await large.closed, 1009);
  const text = await client.socket(`${D}/rt/console`).open();
  text.send({ type: 'x' });
  assert.equal(await text.closed, 4000);
  const live = await client.socket('/api/v1/live').open();
  for (let i = 0; i < 70; i++) live.send({ type: 'subscribe', topic: 'events', id: `e${i}` });
  await live.message((m) => m.type === 'error' && m.code === 'SUBSCRIPTION');
  await other.says('rtos> ');
});
