// Code that is overwritten while it runs: what is executed is what lies there, however little of it was written.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JitMode } from '../../src/processor/index.js';
import type { SoftwareVcpu } from '../../src/processor/testing.js';
import { longModeState } from '../../src/vmx/index.js';
import { plainControls } from '../../src/vmx/testing.js';
import { word } from '../support/assembler.js';
import { softwareEngine } from '../support/engine.js';

const MEMORY = 2 << 20;
const DRIVER = 0x10_0000;
/** Functions lie around the border of two pages. */
const FUNCTIONS = 0x11_0000;
const STACK = 0x12_0000;
const TABLE = 0x4000;
const RCX = 1;
const RBX = 3;

/** Runs code at DRIVER in 64-bit mode to its HLT, ECX times. */
async function run(mode: JitMode, parts: ReadonlyMap<number, readonly number[]>, rounds: number) {
  const engine = await softwareEngine({ jit: mode });
  const vm = await engine.createVm({ memoryBytes: MEMORY, vcpus: 1, time: 'virtual', tscHz: 1e9, nowNs: () => 0 });
  vm.memory.writeU64(0x1000, 0x2003n);
  vm.memory.writeU64(0x2000, 0x3003n);
  vm.memory.writeU64(0x3000, BigInt(TABLE) + 3n);
  for (let n = 0; n < 512; n++) vm.memory.writeU64(TABLE + n * 8, BigInt(n * 4096 + 3));
  for (const [where, bytes] of parts) vm.memory.loadBytes(where, Uint8Array.from(bytes));
  const vcpu = vm.vcpus[0] as SoftwareVcpu;
  Object.assign(vcpu.controls, plainControls(), { exceptionBitmap: 0xffffffff });
  vcpu.applyControls();
  const state = longModeState(BigInt(DRIVER), 0x1000, BigInt(STACK));
  state.gpr[RCX] = BigInt(rounds);
  vcpu.writeState(state);
  const exit = vcpu.enter(100_000_000);
  assert.equal(exit.name, 'hlt');
  const { gpr } = vcpu.readState();
  vm.close();
  return Number(gpr[RBX]);
}

/** A driver that writes to functions and calls them in some order; each adds a number to EBX. What EBX is in the end. */
function program(seed: number, rounds: number): { parts: Map<number, number[]>; sum: number } {
  let x = seed;
  const random = (below: number): number => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return Math.floor((x / 2 ** 32) * below);
  };
  const base = FUNCTIONS - 0x100 - random(200);
  const bytes: number[] = [];
  const places: number[] = [];
  for (let n = 0; n < 40; n++) {
    places.push(base + bytes.length);
    bytes.push(0xb8, ...word(random(1000))); // mov eax,n
    for (let k = random(9); k > 0; k--) bytes.push(0x90);
    bytes.push(0x01, 0xc3, 0xc3); // add ebx,eax; ret
  }
  const first = [...bytes];
  const driver: number[] = [];
  const steps: (() => void)[] = [];
  const now = Uint8Array.from(bytes);
  const view = new DataView(now.buffer);
  let sum = 0;
  let round = rounds;
  /** An instruction with an absolute address. */
  const at = (opcode: readonly number[], where: number, immediate: readonly number[] = []): void => {
    driver.push(...opcode, 0x25, ...word(where), ...immediate);
  };
  for (let n = 0; n < 120; n++) {
    const place = places[random(places.length)] as number;
    const number = place - base + 1;
    const value = random(2 ** 31);
    switch (random(8)) {
      case 0: {
        at([0xc7, 0x04], place + 1, word(value)); // mov dword [],value
        steps.push(() => view.setUint32(number, value, true));
        break;
      }
      case 1: {
        const byte = random(4);
        at([0xc6, 0x04], place + 1 + byte, [value & 0xff]); // mov byte [],value
        steps.push(() => view.setUint8(number + byte, value));
        break;
      }
      case 2: {
        at([0x31, 0x0c], place + 1); // xor [],ecx
        steps.push(() => view.setUint32(number, view.getUint32(number, true) ^ round, true));
        break;
      }
      case 3: {
        if (n % 3 !== 0) break;
        // all of them as they were: mov rdx,rcx; mov esi,copy; mov edi,base; mov ecx,length; rep movsb; mov rcx,rdx
        driver.push(0x48, 0x89, 0xca, 0xbe, ...word(FUNCTIONS + 0x8000), 0xbf, ...word(base));
        driver.push(0xb9, ...word(first.length), 0xf3, 0xa4, 0x48, 0x89, 0xd1);
        steps.push(() => now.set(first));
        break;
      }
      default: {
        driver.push(0xe8, ...word(place - (DRIVER + driver.length + 5))); // call place
        steps.push(() => {
          sum = (sum + view.getUint32(number, true)) >>> 0;
        });
      }
    }
  }
  driver.push(0xff, 0xc9, 0x0f, 0x85, ...word(-(driver.length + 8)), 0xf4); // dec ecx; jnz driver; hlt
  for (; round > 0; round--) for (const step of steps) step();
  const parts = new Map([
    [DRIVER, driver],
    [base, bytes],
    [FUNCTIONS + 0x8000, first],
  ]);
  return { parts, sum };
}

for (const mode of ['off', 'forced', 'mixed'] as const)
  test(`bytes of functions are written between their calls: ${mode}`, async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const { parts, sum } = program(seed, 60);
      assert.equal(await run(mode, parts, 60), sum, `seed ${seed}`);
    }
  });

test('an instruction that reached into the next page is made shorter, and that page goes', async () => {
  const place = FUNCTIONS - 3;
  const entry = TABLE + (FUNCTIONS / 4096) * 8;
  const driver: number[] = [];
  const call = (): void => void driver.push(0xe8, ...word(place - (DRIVER + driver.length + 5)));
  /** mov word [place + 1] */
  const write = (...bytes: number[]): void => void driver.push(0x66, 0xc7, 0x04, 0x25, ...word(place + 1), ...bytes);
  /** mov dword [entry]; invlpg [FUNCTIONS] */
  const map = (to: number): void =>
    void driver.push(0xc7, 0x04, 0x25, ...word(entry), ...word(to), 0x0f, 0x01, 0x3c, 0x25, ...word(FUNCTIONS));
  call(); // mov eax,[rip+16]; inc ebx; ret
  write(0xc1, 0xc3);
  map(0);
  call(); // mov eax,ecx; ret
  map(FUNCTIONS + 3);
  write(0x05, 0x10);
  driver.push(0xff, 0xc9, 0x75, 0x100 - (driver.length + 4), 0xf4); // dec ecx; jnz driver; hlt
  const parts = new Map([
    [DRIVER, driver],
    [place, [0x8b, 0x05, 0x10, 0, 0, 0, 0xff, 0xc3, 0xc3]],
  ]);
  for (const mode of ['off', 'forced', 'mixed'] as const) assert.equal(await run(mode, parts, 40), 40, mode);
});
