// Domains over HTTP and WebSockets, with the real-time kernel as guest.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inflateSync } from 'node:zlib';
import { noRtos, rtos, serve } from './client.js';

const skip = noRtos;
const D = '/api/v1/domains';

test('a domain is defined, started, talked to, paused, reset, stopped and removed', { skip }, async (t) => {
  const { client } = await serve(t);
  const made = await client.post(D, { definition: rtos('rt') });
  assert.equal(made.status, 201, made.text);
  assert.deepEqual([made.json.state, made.json.boots, made.json.engine], ['defined', 'multiboot rtos.elf', null]);
  assert.equal((await client.post(`${D}/rt/actions/pause`)).status, 409);
  const started = await client.post(`${D}/rt/actions/start`);
  assert.equal(started.status, 200, started.text);
  assert.deepEqual([started.json.state, started.json.engine], ['running', 'software']);
  const seen = await client.until(`${D}/rt/console`, (a) => a.text.includes('rtos> '));
  assert.match(seen.text, /Pcanel RTOS/);
  assert.equal((await client.post(`${D}/rt/console`, { text: 'tick\n' })).status, 204);
  await client.until(`${D}/rt/console`, (a) => /tick: \d+/.test(a.text));
  assert.equal((await client.post(`${D}/rt/actions/pause`)).json.state, 'paused');
  const before = (await client.get(`${D}/rt/stat`)).json.machine.instructions;
  assert.equal((await client.get(`${D}/rt/stat`)).json.machine.instructions, before);
  assert.equal((await client.post(`${D}/rt/actions/resume`)).json.state, 'running');
  assert.equal((await client.post(`${D}/rt/actions/reset`)).json.state, 'running');
  const stopped = await client.post(`${D}/rt/actions/stop`);
  assert.deepEqual([stopped.json.state, stopped.json.outcome], ['stopped', { kind: 'stopped', by: 'user' }]);
  assert.equal((await client.post(`${D}/rt/console`, { text: 'x' })).status, 409);
  assert.equal((await client.post(`${D}/rt/actions/start`)).json.state, 'running');
  assert.equal((await client.ask('DELETE', `${D}/rt`)).status, 204);
  assert.equal((await client.get(`${D}/rt`)).status, 404);
});

test('memory is read and written, statistics and metrics tell of exits', { skip }, async (t) => {
  const { client } = await serve(t);
  await client.post(D, { definition: rtos('rt'), start: true });
  await client.until(`${D}/rt/console`, (a) => a.text.includes('rtos> '));
  const put = await client.ask('PUT', `${D}/rt/memory`, {
    gpa: '0xf00000',
    base64: Buffer.from('hello').toString('base64'),
  });
  assert.equal(put.status, 204, put.text);
  assert.equal((await client.get(`${D}/rt/memory?gpa=0xf00000&length=5`)).text, 'hello');
  assert.equal((await client.get(`${D}/rt/memory?gpa=15728640&length=2`)).text, 'he');
  const outside = await client.get(`${D}/rt/memory?gpa=0x1000000&length=1`);
  assert.deepEqual([outside.status, outside.json.error.code], [400, 'MEMORY_RANGE']);
  const io = (await client.get(`${D}/rt/stat`)).json.machine.exits.find(
    (e: { name: string }) => e.name === 'ioInstruction',
  );
  assert.ok(io.count > 100);
  const metrics = await client.get('/metrics');
  assert.match(metrics.text, /pcanel_domain_vm_exits_total\{domain="rt",reason="ioInstruction"\} \d+/);
  assert.match(metrics.text, /pcanel_domain_state\{domain="rt",state="running"\} 1/);
  assert.equal((await client.get('/healthz')).json.status, 'ok');
});

test('the latency table of the real-time kernel is read', { skip }, async (t) => {
  const { client } = await serve(t);
  await client.post(D, { definition: rtos('rt'), start: true });
  await client.until(`${D}/rt/console`, (a) => a.text.includes('rtos> '));
  assert.equal((await client.get(`${D}/rt/latency`)).json, null);
  let measured = await client.post(`${D}/rt/latency`);
  // the first prompt may be there before the first tick
  while (measured.status === 200 && measured.json.runs === 0) measured = await client.post(`${D}/rt/latency`);
  assert.equal(measured.status, 200, measured.text);
  const { runs, missedTicks, buckets, p50Us } = measured.json;
  assert.equal(missedTicks, 0);
  assert.equal(
    buckets.reduce((sum: number, b: { count: number }) => sum + b.count, 0),
    runs,
  );
  assert.ok(p50Us <= measured.json.p999Us && measured.json.toTaskUs.max > 0);
  assert.deepEqual((await client.get(`${D}/rt/latency`)).json, measured.json);
});

test('a console WebSocket has what was sent before, and both directions', { skip }, async (t) => {
  const { client } = await serve(t);
  await client.post(D, { definition: rtos('rt'), start: true });
  await client.until(`${D}/rt/console`, (a) => a.text.includes('rtos> '));
  const socket = await client.socket(`${D}/rt/console`).open();
  await socket.says('Pcanel RTOS');
  socket.type('tick\r');
  await socket.says('tick: ');
  await client.post(`${D}/rt/actions/stop`);
  await socket.message((m) => m.type === 'state' && m.domain.state === 'stopped');
  socket.type('x');
  await socket.message((m) => m.type === 'error' && m.code === 'DOMAIN_STATE');
  await client.ask('DELETE', `${D}/rt`);
  assert.equal(await socket.closed, 4010);
});

test('live: statistics, events, exits with a filter and a pause, and a timeline', { skip }, async (t) => {
  const { client } = await serve(t);
  const live = await client.socket('/api/v1/live').open();
  await live.message((m) => m.type === 'hello' && m.protocol === 1);
  live.send({ type: 'subscribe', topic: 'events', id: 'e' });
  live.send({ type: 'subscribe', topic: 'stat', id: 's', intervalMs: 100 });
  const realtime = { priority: 50, periodUs: 1000, budgetUs: 800 };
  await client.post(D, { definition: rtos('rt', { time: 'real', realtime }), start: true });
  await live.message((m) => m.type === 'event' && m.event.kind === 'domain' && m.event.domain.state === 'running');
  await live.message((m) => m.type === 'stat' && m.cpus[0]?.domains[0]?.machine.exitsTotal > 0);
  live.send({
    type: 'subscribe',
    topic: 'exits',
    id: 'x',
    domain: 'rt',
    filter: { names: ['ioInstruction'] },
    intervalMs: 100,
  });
  live.send({ type: 'subscribe', topic: 'timeline', id: 't', cpu: 0, intervalMs: 100 });
  const exits = await live.message((m) => m.type === 'exits' && m.batch.records.length > 0);
  const [record] = exits.batch.records;
  assert.deepEqual([record.name, record.reason], ['ioInstruction', 30]);
  assert.match(record.rip, /^0x10[0-9a-f]{4}$/);
  assert.match(record.detail, /^(in|out) 0x/);
  const timeline = await live.message((m) => m.type === 'timeline' && m.batch.slices.length > 0);
  assert.ok(
    timeline.batch.slices.every(
      (s: { domain: string; startNs: number; endNs: number }) => s.domain === 'rt' && s.endNs > s.startNs,
    ),
  );
  assert.ok(timeline.batch.slices.some((s: { reserved: boolean }) => s.reserved));
  live.send({ type: 'filter', id: 'x', filter: { names: ['hlt'] } });
  const halts = await live.message(
    (m) => m.type === 'exits' && m.batch.records.some((r: { name: string }) => r.name === 'hlt'),
  );
  const hlt = halts.batch.records.find((r: { name: string }) => r.name === 'hlt');
  assert.deepEqual(
    hlt.changes.map((c: { field: string }) => c.field),
    ['GUEST_RIP'],
  );
  live.send({ type: 'pause', id: 'x', on: true });
  live.send({ type: 'subscribe', topic: 'exits', id: 'y', domain: 'nobody' });
  await live.message((m) => m.type === 'error' && m.id === 'y' && m.code === 'DOMAIN_UNKNOWN');
  const count = live.messages.filter((m) => m.type === 'exits').length;
  await live.message((m) => m.type === 'stat' && m !== live.messages.findLast((o) => o.type === 'stat'));
  assert.equal(live.messages.filter((m) => m.type === 'exits').length, count);
  live.send({ type: 'unsubscribe', id: 't' });
  await client.ask('DELETE', `${D}/rt`);
  await live.message((m) => m.type === 'event' && m.event.kind === 'removed' && m.event.name === 'rt');
  live.send({ type: 'pause', id: 'x', on: false });
  await live.message((m) => m.type === 'error' && m.id === 'x');
  live.ws.send('no JSON');
  assert.equal(await live.closed, 4000);
});

test('a screen comes as pictures; keys reach the guest', { skip }, async (t) => {
  const { client } = await serve(t);
  await client.post(D, { definition: rtos('rt', { display: 'vga' }), start: true });
  const screen = await client.socket(`${D}/rt/screen`).open();
  const frame = await screen.until((s) => s.binary[0], 'a picture');
  assert.equal(frame.readUInt32LE(0), 0x46534350);
  const [width, height] = [frame.readUInt16LE(4), frame.readUInt16LE(6)];
  assert.equal(inflateSync(frame.subarray(16)).length, width * height * 4);
  const png = await client.get(`${D}/rt/screenshot`);
  assert.deepEqual([png.status, png.headers.get('content-type')], [200, 'image/png']);
  screen.send({ type: 'keyboard', input: { keys: [{ code: 'KeyA', down: true }] } });
  screen.send({ type: 'mouse', input: { dx: 1, dy: -1, buttons: 1 } });
  assert.equal((await client.post(`${D}/rt/keyboard`, { text: 'Hi\n' })).status, 204);
  screen.send({ type: 'nonsense' });
  assert.equal(await screen.closed, 4000);
});

test('a policy of a definition denies and records', { skip }, async (t) => {
  const { client } = await serve(t);
  // The real-time kernel's console stays silent when its port says nothing but ones.
  const policy = [
    { kind: 'port', from: 0x80, do: 'observe' },
    { kind: 'port', from: '0x3f8', count: 8, access: 'write', do: 'observe' },
  ];
  await client.post(D, { definition: rtos('rt', { policy }), start: true });
  await client.until(`${D}/rt/console`, (a) => a.text.includes('rtos> '));
  const { json } = await client.get(`${D}/rt/accesses`);
  assert.ok(json.records.length > 0);
  assert.ok(
    json.records.every((r: { address: number; verdict: string }) => r.address >= 0x3f8 && r.verdict === 'allow'),
  );
  assert.equal((await client.get(`${D}/rt/accesses?since=${json.next}`)).status, 200);
});
