// Code seen through translations that change: INVLPG, loads of CR3, global and large pages, instructions across a page
// border. Intel SDM Vol. 3A, "Invalidation of TLBs and Paging-Structure Caches".
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Gpr } from '../../src/arch/index.js';
import { type EngineVm, longModeState, type Vcpu } from '../../src/vmx/index.js';
import { describeExit, machineCode, plainControls } from '../../src/vmx/testing.js';
import { softwareEngine } from '../support/engine.js';

const RAM = 8 << 20;
const SPACE_A = 0x1000;
const SPACE_B = 0x5000;
/** Page tables of linear 1 GiB in the two spaces, and the page-directory entries that name them. */
const TABLE = { a: 0x4000, b: 0xa000 } as const;
const DIRECTORY_ENTRY = { a: 0xb000, b: 0xc000 } as const;
const CODE = 0x8000;
const REGION = 0x4000_0000;
/** Where the pages of the two spaces lie: page n of A returns n, page n of B returns 1000 + n. */
const MEMORY = { a: 0x20_0000, b: 0x40_0000 } as const;
const PAGES = 512;
const INVLPG = 0x8010n;
const LOAD_CR3 = 0x8020n;
const NOTHING = 0x8030n;
const STORE = 0x8050n;
const FORGET_ALL = 0x8070n;
const INVPCID = 0x8090n;
/** The descriptor of INVPCID. */
const DESCRIPTOR = 0x9000;
/** MOV CR3, bit 63: what the PCID has cached stays valid. */
const KEEP = 1n << 63n;
const CR4_PCIDE = 1n << 17n;
const GLOBAL = 0x100;

/** A guest that calls RBX at `level`, stops, does what RDX says at CPL 0 and begins anew. */
class Guest {
  private constructor(
    readonly vm: EngineVm,
    private readonly vcpu: Vcpu,
  ) {}
  static async make(level: 0 | 3, cr4 = 0n): Promise<Guest> {
    const engine = await softwareEngine();
    const vm = await engine.createVm({ memoryBytes: RAM, vcpus: 1, time: 'virtual', tscHz: 1e9, nowNs: () => 0 });
    const [vcpu] = vm.vcpus;
    assert.ok(vcpu);
    const { memory } = vm;
    for (const [root, pointers, directory] of [
      [SPACE_A, 0x2000, 0x3000],
      [SPACE_B, 0x6000, 0x7000],
    ] as const) {
      memory.writeU32(root, pointers | 7);
      memory.writeU32(pointers, directory | 7);
      memory.writeU32(directory, 0x87);
      memory.writeU32(pointers + 8, DIRECTORY_ENTRY[root === SPACE_A ? 'a' : 'b'] | 7);
    }
    for (const space of ['a', 'b'] as const) {
      memory.writeU32(DIRECTORY_ENTRY[space], TABLE[space] | 7);
      for (let n = 0; n < PAGES; n++) {
        const page = MEMORY[space] + n * 4096;
        memory.writeU32(TABLE[space] + n * 8, page | 7);
        const value = (space === 'b' ? 1000 : 0) + n;
        memory.writeBytes(page + offset(n), Uint8Array.of(0xb8, value & 0xff, value >> 8, 0, 0, 0xc3));
      }
    }
    memory.writeBytes(CODE, machineCode(['ffd3 call rbx', level === 3 ? '0f05 syscall' : 'eb3c jmp 8040h']));
    memory.writeBytes(0x8010, machineCode(['0f013e invlpg [rsi]', 'eb4b jmp 8060h']));
    memory.writeBytes(0x8020, machineCode(['0f22d9 mov cr3, rcx', 'eb3b jmp 8060h']));
    memory.writeBytes(0x8030, machineCode(['eb2e jmp 8060h']));
    memory.writeBytes(0x8050, machineCode(['890e mov [rsi], ecx', 'eb0c jmp 8060h']));
    const twice = ['483580000000 xor rax, 80h', '0f22e0 mov cr4, rax'];
    memory.writeBytes(0x8070, machineCode(['0f20e0 mov rax, cr4', ...twice, ...twice, 'ebd9 jmp 8060h']));
    memory.writeBytes(0x8090, machineCode(['660f38820e invpcid rcx, [rsi]', 'ebc9 jmp 8060h']));
    memory.writeBytes(0x8040, machineCode(['0f01c1 vmcall', 'ffe2 jmp rdx']));
    const back =
      level === 3 ? ['b900800000 mov ecx, 8000h', '41bb02000000 mov r11d, 2', '480f07 sysret'] : ['eb9e jmp 8000h'];
    memory.writeBytes(0x8060, machineCode(back));
    Object.assign(vcpu.controls, plainControls(), { exceptionBitmap: 0xffff_ffff });
    vcpu.applyControls();
    const state = longModeState(0x8060n, SPACE_A, 0xf000n);
    state.cr4 |= cr4;
    state.lstar = 0x8040n;
    state.star = 0x0010_0008_0000_0000n;
    vcpu.writeState(state);
    const guest = new Guest(vm, vcpu);
    guest.call(target(0));
    return guest;
  }
  /** What the code at `linear` answers. */
  call(linear: number): number {
    this.vcpu.writeGpr(Gpr.RBX, BigInt(linear));
    for (let n = 0; n < 10; n++) {
      const exit = this.vcpu.enter(10_000);
      if (exit.name === 'preemptionTimer') continue;
      assert.equal(exit.name, 'vmcall', describeExit(exit));
      this.vcpu.skipInstruction();
      this.vcpu.writeGpr(Gpr.RDX, NOTHING);
      return Number(this.vcpu.readGpr(Gpr.RAX));
    }
    throw new Error('the guest does not get on');
  }
  /** Before the next call. */
  invlpg(linear: number): void {
    this.vcpu.writeGpr(Gpr.RDX, INVLPG);
    this.vcpu.writeGpr(Gpr.RSI, BigInt(linear));
  }
  loadCr3(value: number, keep = 0n): void {
    this.vcpu.writeGpr(Gpr.RDX, LOAD_CR3);
    this.vcpu.writeGpr(Gpr.RCX, BigInt(value) | keep);
  }
  invpcid(type: number, pcid: number, linear: number): void {
    this.vcpu.writeGpr(Gpr.RDX, INVPCID);
    this.vcpu.writeGpr(Gpr.RSI, BigInt(DESCRIPTOR));
    this.vcpu.writeGpr(Gpr.RCX, BigInt(type));
    this.vm.memory.writeU64(DESCRIPTOR, BigInt(pcid));
    this.vm.memory.writeU64(DESCRIPTOR + 8, BigInt(linear));
  }
  store(linear: number, value: number): void {
    this.vcpu.writeGpr(Gpr.RDX, STORE);
    this.vcpu.writeGpr(Gpr.RSI, BigInt(linear));
    this.vcpu.writeGpr(Gpr.RCX, BigInt(value));
  }
  /** CR4.PGE changes. */
  forgetAll(): void {
    this.vcpu.writeGpr(Gpr.RDX, FORGET_ALL);
  }
  entry(space: 'a' | 'b', page: number, value: number): void {
    this.vm.memory.writeU32(TABLE[space] + page * 8, value);
  }
}
/** Offset of the function in page `n`: they do not all share one place of a cache. */
const offset = (n: number): number => (n * 16) & 0xff0;
const target = (n: number): number => REGION + n * 4096 + offset(n);

for (const level of [0, 3] as const) {
  describe(`translations of code at CPL ${level}`, () => {
    test('INVLPG: the page behind it is the one that the tables name', async () => {
      const guest = await Guest.make(level);
      for (const n of [1, 2, 3]) assert.equal(guest.call(target(n)), n);
      guest.entry('a', 2, (MEMORY.b + 2 * 4096) | 7);
      guest.invlpg(target(2));
      assert.equal(guest.call(target(2)), 1002);
      for (const n of [1, 3]) assert.equal(guest.call(target(n)), n);
      guest.entry('a', 1, (MEMORY.b + 4096) | 7);
      guest.invlpg(REGION + 4096);
      assert.equal(guest.call(target(1)), 1001);
    });
    test('INVLPG of a page 4096 pages before leaves what another one needs', async () => {
      const guest = await Guest.make(level);
      const far = 4096 * 4096;
      guest.vm.memory.writeU32(DIRECTORY_ENTRY.a + (far >> 21) * 8, TABLE.a | 7);
      for (const linear of [target(2), target(2) + far]) assert.equal(guest.call(linear), 2);
      guest.invlpg(target(2));
      assert.equal(guest.call(target(3)), 3);
      guest.entry('a', 2, (MEMORY.b + 2 * 4096) | 7);
      guest.invlpg(target(2) + far);
      assert.equal(guest.call(target(2) + far), 1002);
    });
    for (const count of [3, 200, 500])
      test(`a load of CR3: ${count} pages of code in two spaces`, async () => {
        const guest = await Guest.make(level);
        for (let turn = 0; turn < 3; turn++) {
          for (let n = 0; n < count; n++) assert.equal(guest.call(target(n)), n);
          guest.loadCr3(SPACE_B);
          for (let n = 0; n < count; n++) assert.equal(guest.call(target(n)), 1000 + n);
          guest.loadCr3(SPACE_A);
        }
      });
    test('a load of CR3 with the value it has forgets what is not global', async () => {
      const guest = await Guest.make(level);
      assert.equal(guest.call(target(7)), 7);
      guest.entry('a', 7, (MEMORY.b + 7 * 4096) | 7);
      guest.loadCr3(SPACE_A);
      assert.equal(guest.call(target(7)), 1007);
    });
    test('global pages: in both spaces alike, gone with INVLPG, and when they are global no more', async () => {
      const guest = await Guest.make(level);
      for (const space of ['a', 'b'] as const) guest.entry(space, 4, (MEMORY.a + 4 * 4096) | 7 | GLOBAL);
      for (const root of [SPACE_B, SPACE_A, SPACE_B]) {
        guest.loadCr3(root);
        assert.equal(guest.call(target(4)), 4);
        assert.equal(guest.call(target(5)), root === SPACE_B ? 1005 : 5);
      }
      guest.entry('b', 4, (MEMORY.b + 4 * 4096) | 7);
      guest.invlpg(target(4));
      assert.equal(guest.call(target(4)), 1004);
      guest.entry('a', 4, (MEMORY.a + 4 * 4096) | 7);
      for (const root of [SPACE_A, SPACE_B]) {
        guest.loadCr3(root);
        assert.equal(guest.call(target(4)), root === SPACE_B ? 1004 : 4);
      }
    });
    for (const count of [2, 500])
      test(`a change of CR4.PGE forgets ${count} global pages too`, async () => {
        const guest = await Guest.make(level);
        for (const space of ['b', 'a'] as const) {
          for (let n = 0; n < count; n++) guest.entry('a', n, (MEMORY[space] + n * 4096) | 7 | GLOBAL);
          guest.forgetAll();
          for (let n = 0; n < count; n++) assert.equal(guest.call(target(n)), (space === 'b' ? 1000 : 0) + n);
        }
      });
    test('INVLPG of any address of a large page forgets all of it', async () => {
      const guest = await Guest.make(level);
      guest.vm.memory.writeU32(DIRECTORY_ENTRY.a, MEMORY.a | 0x87);
      for (const n of [9, 10, 300, 511]) assert.equal(guest.call(target(n)), n);
      guest.vm.memory.writeU32(DIRECTORY_ENTRY.a, MEMORY.b | 0x87);
      guest.invlpg(REGION + 400 * 4096);
      for (const n of [9, 10, 300, 511]) assert.equal(guest.call(target(n)), 1000 + n);
    });
    for (const aliases of [1, 2, 3, 5])
      test(`code written through ${aliases} of its addresses`, async () => {
        const guest = await Guest.make(level);
        // pages 40 and following are page 30
        for (let n = 0; n < aliases; n++) guest.entry('a', 40 + n, (MEMORY.a + 30 * 4096) | 7);
        const place = (n: number): number => REGION + (40 + n) * 4096 + offset(30) + 1;
        for (let turn = 0; turn < 3; turn++) {
          for (let n = 0; n < aliases; n++) {
            // all of them can be written without a look at the page
            for (let k = 0; k < aliases; k++) {
              guest.store(place(k), 500);
              assert.equal(guest.call(target(1)), 1);
            }
            assert.equal(guest.call(target(30)), 500);
            guest.store(place(n), 600 + n);
            assert.equal(guest.call(target(30)), 600 + n);
          }
        }
      });
    for (const seed of [1, 2, 3])
      test(`PCIDs: what the tables say is called, whatever is kept over loads of CR3 (${seed})`, async () => {
        const guest = await Guest.make(level, CR4_PCIDE);
        let state = seed;
        const random = (n: number): number => {
          state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
          return Math.floor((state / 0x1_0000_0000) * n);
        };
        // PCIDs 1, 3, 5 ... have the tables of A, the others those of B
        const spaceOf = (pcid: number): 'a' | 'b' => (pcid & 1 ? 'a' : 'b');
        const mapped = { a: [...Array(40).keys()], b: [...Array(40).keys()].map((n) => 1000 + n) };
        const stale = new Set<number>();
        const load = (pcid: number, keep: bigint): void => {
          const root = spaceOf(pcid) === 'a' ? SPACE_A : SPACE_B;
          guest.loadCr3(root | pcid, stale.delete(pcid) ? 0n : keep);
          current = pcid;
        };
        let current = 0;
        const answer = (n: number): void => assert.equal(guest.call(target(n)), mapped[spaceOf(current)][n]);
        load(1, 0n);
        for (let step = 0; step < 1500; step++) {
          for (let k = random(4); k >= 0; k--) answer(random(random(2) ? 5 : 40));
          if (random(3)) load(1 + random(random(3) ? 3 : 11), random(6) ? KEEP : 0n);
          else if (random(2)) {
            // a page of both PCIDs' tables changes
            const pcid = 1 + random(11);
            const space = spaceOf(pcid);
            const n = random(5);
            const other = random(2) ? ('a' as const) : ('b' as const);
            guest.entry(space, n, (MEMORY[other] + n * 4096) | 7);
            mapped[space][n] = (other === 'b' ? 1000 : 0) + n;
            const sharing = [...Array(11).keys()].map((k) => k + 1).filter((k) => spaceOf(k) === space);
            if (random(4) === 0) guest.invpcid(2 + random(2), 0, 0);
            else
              for (const k of sharing) {
                const how = random(3);
                if (how === 2 && k !== current) stale.add(k);
                else {
                  guest.invpcid(how & 1, k, target(n));
                  answer(30 + random(10));
                }
              }
          } else {
            // new code, of all that map the page
            const n = 10 + random(5);
            const value = 2000 + random(1000);
            guest.store(target(n) + 1, value);
            mapped[spaceOf(current)][n] = value;
          }
        }
      });
    test('an instruction across a page border: its second page changes, then its bytes', async () => {
      const guest = await Guest.make(level);
      const { memory } = guest.vm;
      // B8 imm32 RET, its last three bytes and the RET in the next page
      const place = (page: number, value: number): void =>
        memory.writeBytes(page, Uint8Array.of((value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24, 0xc3));
      memory.writeBytes(MEMORY.a + 20 * 4096 + 4094, Uint8Array.of(0xb8, 0x11));
      place(MEMORY.a + 21 * 4096, 0x2200);
      place(MEMORY.b + 21 * 4096, 0x3300);
      const at = REGION + 20 * 4096 + 4094;
      for (let n = 0; n < 3; n++) assert.equal(guest.call(at), 0x2211);
      guest.entry('a', 21, (MEMORY.b + 21 * 4096) | 7);
      guest.invlpg(REGION + 21 * 4096);
      assert.equal(guest.call(at), 0x3311);
      place(MEMORY.b + 21 * 4096, 0x5544_4400);
      assert.equal(guest.call(at), 0x5544_4411);
      memory.writeBytes(MEMORY.a + 20 * 4096 + 4095, Uint8Array.of(0x66));
      assert.equal(guest.call(at), 0x5544_4466);
      guest.entry('a', 21, (MEMORY.a + 21 * 4096) | 7);
      guest.loadCr3(SPACE_A);
      assert.equal(guest.call(at), 0x2266);
    });
  });
}
