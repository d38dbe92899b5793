// The processor's modules: optimized from the start where V8 can be told so.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { keepsMachineCode } from './machine-code.js';
import { processorModules } from './processor-modules.js';
import { modulesFrom, type SpareParts } from './spare-thread.js';
import { flagsSet } from './v8-flags.js';

test('the interpreter asks for optimized code of its two loops, and of nothing else', async () => {
  const { interpreter } = await processorModules();
  const [hints] = WebAssembly.Module.customSections(interpreter, 'compilationHints');
  assert.ok(hints);
  const bytes = [...new Uint8Array(hints)];
  let count = 0;
  let shift = 0;
  for (let more = true; more; shift += 7) {
    const byte = bytes.shift() as number;
    count |= (byte & 0x7f) << shift;
    more = byte >= 0x80;
  }
  assert.equal(bytes.length, count, 'one byte per function');
  assert.equal(bytes.filter((hint) => hint !== 0).length, 2);
  assert.notEqual(bytes.at(-1), 0, 'run is the last function');
});

test('a thread that starts early gets the modules of the one that started it, or hears that there are none', async () => {
  const modules = await processorModules();
  const flags = ['--set-meanwhile'];
  for (const sent of [modules, null]) {
    const { port1, port2 } = new MessageChannel();
    const got = modulesFrom({ spare: port2 });
    port1.postMessage({ modules: sent, flags } satisfies SpareParts);
    assert.equal((await got)?.interpreter instanceof WebAssembly.Module, sent !== null);
    port1.close();
  }
  assert.ok(flagsSet().includes('--set-meanwhile'), 'code is kept by the flags of the process');
  const { port1, port2 } = new MessageChannel();
  const got = modulesFrom({ spare: port2 });
  port1.close();
  assert.equal(await got, null, 'the other side is gone');
  assert.equal(modulesFrom(null), null, 'a thread that is started for what it runs');
});

const skip = keepsMachineCode() ? false : `Node.js ${process.versions.node} does not give machine code away`;

/** Gets the modules in a new process; whether it kept machine code, so had to compile. */
function compiles(first: string, flags = ''): boolean {
  const folder = join(mkdtempSync(join(tmpdir(), 'pcanel-modules-')), 'compiled');
  const script = `${first}.then(() => import(${module('processor-modules')})).then((m) => m.processorModules());`;
  const env = { ...process.env, NODE_OPTIONS: flags, PCANEL_CODE_CACHE: folder };
  const { status, stderr } = spawnSync(process.execPath, ['-'], { input: script, encoding: 'utf8', env });
  assert.equal(status, 0, stderr);
  const kept = existsSync(folder);
  rmSync(join(folder, '..'), { recursive: true, force: true });
  return kept;
}
const module = (name: string): string => JSON.stringify(new URL(`./${name}.js`, import.meta.url));

test('no start compiles what the build has compiled, unless V8 has other flags', { skip }, () => {
  const program = `import(${module('v8-flags')}).then((f) => f.optimizeLate())`;
  const script = 'Promise.resolve()';
  assert.equal(compiles(program), false, 'as the program does it');
  assert.equal(compiles(script), false, 'as a script that uses the package');
  assert.equal(compiles(script, '--max-semi-space-size=8'), true, 'with another flag');
});
