// Tests of the default initial RAM disk: what is in it, and that it boots to a shell in QEMU and powers off.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseCpio } from '../../machine/index.js';
import { buildInitramfs, cachedImage, UP_BANNER } from './index.js';

test('init is BusyBox, with a respawned shell on the console', () => {
  const entries = parseCpio(buildInitramfs(Uint8Array.of(1), { console: 'ttyS1', init: 'echo hello' }));
  const find = (path: string) => entries.find((e) => e.path === path);
  const text = (path: string): string => {
    const e = find(path);
    assert.equal(e?.type, 'file');
    return e?.type === 'file' && typeof e.data !== 'string' ? Buffer.from(e.data).toString() : '';
  };
  assert.deepEqual(find('init'), { type: 'symlink', path: 'init', target: '/bin/busybox' });
  assert.deepEqual(find('dev/console'), { type: 'char', path: 'dev/console', major: 5, minor: 1, mode: 0o600 });
  assert.match(text('etc/inittab'), /^ttyS1::respawn:-\/bin\/sh$/m);
  assert.match(text('etc/init.d/rcS'), new RegExp(`echo '${UP_BANNER}'\necho hello\n`));
});

test('extra files are added and replace defaults of the same path', () => {
  const entries = parseCpio(
    buildInitramfs(Uint8Array.of(1), {
      extraFiles: [
        { type: 'file', path: '/etc/hostname', data: 'other\n' },
        { type: 'file', path: 'opt/tool', data: 'x', mode: 0o755 },
      ],
    }),
  );
  const hostnames = entries.filter((e) => e.path === 'etc/hostname');
  assert.equal(hostnames.length, 1);
  assert.deepEqual(hostnames[0], {
    type: 'file',
    path: 'etc/hostname',
    data: new Uint8Array(Buffer.from('other\n')),
    mode: 0o644,
  });
  assert.ok(entries.some((e) => e.path === 'opt/tool'));
});

test('QEMU boots it with the Debian kernel to a shell with job control, and poweroff ends it', async (t) => {
  const kernel = await cachedImage('linux-cloud-amd64');
  const busybox = await cachedImage('busybox-amd64');
  if (!kernel || !busybox) {
    t.skip('linux-cloud-amd64 and busybox-amd64 are not in the image cache');
    return;
  }
  if (spawnSync('qemu-system-x86_64', ['--version']).error) {
    t.skip("no 'qemu-system-x86_64' found");
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'pcanel-initramfs-'));
  try {
    const initrd = join(folder, 'initramfs.cpio');
    writeFileSync(initrd, buildInitramfs(readFileSync(busybox.path), { init: 'echo from-init' }));
    const qemu = spawn(
      'qemu-system-x86_64',
      ['-m', '256', '-nodefaults', '-display', 'none', '-serial', 'stdio', '-no-reboot', '-kernel', kernel.path].concat(
        ['-initrd', initrd, '-append', 'console=ttyS0 quiet'],
      ),
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    const limit = setTimeout(() => qemu.kill(), 120_000);
    // Each answer starts the next command; '$(( ))' keeps the echo of a command from looking like its answer.
    const steps: [string, string][] = [
      [':/# ', 'sleep 99 & jobs; tty; echo done$((1+1))\n'],
      ['done2', 'poweroff\n'],
    ];
    let output = '';
    let from = 0;
    qemu.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      const step = steps[0];
      if (!step || !output.slice(from).includes(step[0])) return;
      from = output.length;
      steps.shift();
      qemu.stdin.write(step[1]);
    });
    const code = await new Promise((resolve) => qemu.on('close', resolve));
    clearTimeout(limit);
    assert.equal(code, 0, output);
    assert.match(output, new RegExp(`${UP_BANNER}\\r\\nfrom-init`));
    assert.match(output, /\[1\]\+ {2}Running +sleep 99/);
    assert.match(output, /\/dev\/ttyS0/);
    assert.doesNotMatch(output, /job control turned off/);
    assert.match(output, /reboot: Power down/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
