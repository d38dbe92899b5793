// Machine code of WebAssembly modules: what V8 gives is what it takes, and nothing else is given to it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { compileRegions, deserialize, keepsMachineCode, serializeRegions } from './machine-code.js';

/** (module (func (export "r0") (result i32) i32.const 42)) */
const wasm = Uint8Array.from([
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 5, 1, 0x60, 0, 1, 0x7f, 3, 2, 1, 0],
  ...[7, 6, 1, 2, 0x72, 0x30, 0, 0, 10, 6, 1, 4, 0, 0x41, 42, 0x0b],
]);
const skip = keepsMachineCode() ? false : `Node.js ${process.versions.node} does not give machine code away`;

test('a module without optimized code has nothing to keep, and does not end the process', { skip }, () => {
  const module = new WebAssembly.Module(wasm);
  assert.deepEqual(serializeRegions(module), new Uint8Array(0));
});

test('what is compiled step by step has something to keep', { skip }, () => {
  const module = new WebAssembly.Module(wasm);
  assert.equal([...compileRegions(module)].length, 1);
  assert.ok((serializeRegions(module) as Uint8Array).length > 0);
});

test('code of another build is refused', { skip }, () => {
  assert.equal(deserialize(new Uint8Array(100), wasm), null);
});

test('optimized code comes back in another process, the flags are as before', { skip }, () => {
  const program = `
    import(${JSON.stringify(new URL('./machine-code.js', import.meta.url).href)}).then((code) => {
      const wasm = Uint8Array.from([${wasm}]);
      const [given] = process.argv.slice(1);
      if (given === undefined) {
        const module = new WebAssembly.Module(wasm);
        for (const _ of code.compileRegions(module));
        process.stdout.write(Buffer.from(code.serializeRegions(module)).toString('base64'));
        return;
      }
      const module = code.deserialize(Buffer.from(given, 'base64'), wasm);
      process.stdout.write(String(new WebAssembly.Instance(module).exports.r0()));
      try { new Function('return %IsTurboFanFunction(0)'); } catch (e) { process.stdout.write(' ' + e.name); }
    });`;
  const run = (...args: string[]): string => {
    const { stdout, stderr } = spawnSync(process.execPath, ['-e', program, ...args], { encoding: 'utf8' });
    assert.equal(stderr, '');
    return stdout;
  };
  const code = run();
  assert.ok(code.length > 100);
  assert.equal(run(code), '42 SyntaxError');
});
