// A guest as a test fixture: install a program through the initial RAM disk, run it, look at what it did.
//   node --test examples/testing/
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bootLinux, linuxUnavailable } from 'pcanel/testing';

const skip = await linuxUnavailable();

test('a program runs in Linux', { skip }, async (t) => {
  const linux = await bootLinux({
    files: {
      '/usr/bin/hello': '#!/bin/sh\necho "hello from $(uname -s)"\necho "$1" > /tmp/said\nexit 3\n',
      '/etc/greeting.conf': { data: 'language = en\n', mode: 0o644 },
    },
  });
  t.after(() => linux[Symbol.asyncDispose]()); // TypeScript: await using linux = await bootLinux({ ... });

  const { output, exitCode } = await linux.run('hello world');
  assert.equal(output, 'hello from Linux\n');
  assert.equal(exitCode, 3);
  assert.equal(Buffer.from(await linux.readFile('/tmp/said')).toString(), 'world\n');
  assert.equal(await linux.output('cat /etc/greeting.conf'), 'language = en\n');

  // The machine underneath: it needed VM exits to do that.
  const { machine } = await linux.vm.stat();
  assert.ok(machine.exitsTotal > 0);
  await linux.poweroff();
  assert.deepEqual(linux.vm.outcome, { kind: 'powerOff' });
});
