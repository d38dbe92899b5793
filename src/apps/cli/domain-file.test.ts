// The domain file: what is taken, and how mistakes are told.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from '../../base/index.js';
import { parseDomainFile } from './domain-yaml.js';

const parse = (text: string) => parseDomainFile(text, 'x.yaml');
const refused = (text: string): string => {
  try {
    parse(text);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    assert.ok(!error.message.includes('\n'), `one line: ${error.message}`);
    return `${error.code}: ${error.message}`;
  }
  return 'taken';
};
const one = (rest: string): string => `domains:\n  - name: a\n    kernel: vmlinuz\n${rest}`;

test('a small file gets the defaults', () => {
  const [d] = parse(one('')).domains;
  assert.deepEqual(
    [d?.memory, d?.time, d?.engine, d?.cpu, d?.onReset, d?.onTripleFault],
    ['256M', undefined, 'auto', 0, 'reset', 'stop'],
  );
});

test('every key is taken', () => {
  const file = parse(`
pace: true
domains:
  - name: linux
    image: linux-cloud-amd64
    initrd: busybox
    cmdline: console=ttyS0
    memory: 1G
    time: real
    engine: software
    cpuModel: x86-64-v2
    cpu: 3
    weight: 200
    limit: 60
    wallClock: '2026-02-03T04:05:06Z'
    script: [{ expect: x, send: y, delay: 0.5, timeout: 2 }, { stop: true }, { ended: true }]
  - name: rtos
    multiboot: rtos.elf
    modules: [a.bin, { file: b.bin, cmdline: b one }]
    realtime: { priority: 9, periodUs: 1000, budgetUs: 200 }
    onReset: stop
    onTripleFault: reset
    exitDevice: none
`);
  assert.equal(file.domains.length, 2);
  assert.equal(file.pace, true);
});

test('an unknown key is told with the one that was meant', () => {
  assert.equal(
    refused(one('    memroy: 1G\n')),
    "CONFIG_KEY: x.yaml: domains[0] (a): unknown key 'memroy', did you mean 'memory'?",
  );
  assert.match(refused('domain: []'), /unknown key 'domain', did you mean 'domains'\?/);
  assert.match(
    refused(one('    realtime: { prio: 1, periodUs: 10 }\n')),
    /realtime \(a\): unknown key 'prio', expected one of: priority/,
  );
  assert.match(
    refused(one('    script: [{ expct: x }]\n')),
    /script\[0\] \(a\): unknown key 'expct', did you mean 'expect'/,
  );
});

test('a value of the wrong kind is told with its place', () => {
  assert.equal(
    refused(one('    cpu: two\n')),
    'CONFIG_VALUE: x.yaml: domains[0].cpu (a) is "two": expected number, received string',
  );
  assert.match(
    refused(one('    time: fake\n')),
    /domains\[0\]\.time \(a\) is "fake": expected one of "virtual"\|"real"/,
  );
  assert.match(refused(one('    weight: 0\n')), /domains\[0\]\.weight \(a\) is 0: /);
  assert.match(
    refused(one('    memory: 12X\n')),
    /^SIZE: x.yaml: domains\[0\] \(a\): memory is '12X', expected a size/,
  );
  assert.match(
    refused('domains:\n  - name: "a b"\n    kernel: k\n'),
    /domains\[0\]\.name \(a b\) is "a b": expected a letter/,
  );
  assert.match(refused('domains: []'), /domains is \[\]: is empty/);
  assert.match(refused(''), /^CONFIG_/);
});

test('what is missing is told', () => {
  assert.equal(
    refused('domains:\n  - kernel: k\n'),
    'CONFIG_MISSING: x.yaml: domains[0].name is missing, expected string',
  );
  assert.match(
    refused('domains:\n  - name: a\n'),
    /domains\[0\] \(a\): none of 'image', 'kernel', 'multiboot', 'bios' given/,
  );
});

test('contradictions are refused', () => {
  assert.match(refused(one('    multiboot: m\n')), /'kernel' and 'multiboot' 'image'|'kernel' and 'multiboot'/);
  assert.match(refused(one('    weight: 1\n    realtime: { priority: 1, periodUs: 1000 }\n')), /^CONFIG_SCHEDULING/);
  assert.match(refused('domains:\n  - name: a\n    multiboot: m\n    boot: [disk]\n'), /'boot' goes with firmware/);
  assert.match(refused(one('') + one('').replace('domains:\n', '')), /^DOMAIN_EXISTS: .*'a' is used twice/);
});

test('broken YAML is told with its line', () => {
  assert.match(refused('domains:\n  - name: [a\n'), /^CONFIG_YAML: x.yaml: .*line/);
  assert.match(refused(one('    kernel: other\n')), /^CONFIG_YAML: .*unique/);
});
