// Exit reasons, qualifications, interruption information and bitmaps against the manual's layouts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decodeEntryEvent,
  EXIT_INDEX,
  EXIT_NAMES,
  ExitReason,
  encodeEntryEvent,
  exitNameOf,
  exitReasonName,
  IO_BITMAP_BYTES,
  IO_QUALIFICATION,
  ioBitmapExits,
  MSR_BITMAP_BYTES,
  msrBitmapExits,
  PRIMARY_ALLOWED,
  PRIMARY_CONTROLS,
  Primary,
  qualificationOf,
  REASON_OF_EXIT,
  setIoBitmap,
  setMsrBitmap,
} from './index.js';

test('basic exit reasons are those of Appendix C', () => {
  assert.equal(ExitReason.EPT_VIOLATION, 48);
  assert.equal(ExitReason.XSETBV, 55);
  assert.equal(exitReasonName(30), 'IO_INSTRUCTION');
  assert.equal(exitReasonName(35), null);
  assert.equal(new Set(Object.values(ExitReason)).size, Object.keys(ExitReason).length);
});

test('every exit name has its own reason and its own counter index', () => {
  const reasons = EXIT_NAMES.map((n) => REASON_OF_EXIT[n]);
  assert.equal(new Set(reasons).size, EXIT_NAMES.length);
  EXIT_NAMES.forEach((n, i) => {
    assert.equal(EXIT_INDEX[n], i);
    const reason = REASON_OF_EXIT[n];
    if (reason !== null) assert.equal(exitNameOf(reason), n);
  });
  assert.equal(exitNameOf(ExitReason.VMXON), null);
});

test('the I/O qualification packs size minus one, direction and port', () => {
  const out = {
    name: 'ioInstruction',
    port: 0x3f8,
    sizeBytes: 1,
    isIn: false,
    isString: false,
    isRep: false,
    value: 65,
  };
  assert.equal(qualificationOf(out as never), 0x03f8_0000n);
  assert.deepEqual(IO_QUALIFICATION.decode(0x0060_003b), {
    size: 3,
    isIn: true,
    isString: true,
    isRep: true,
    isImmediate: false,
    port: 0x60,
  });
});

test('the CR qualification tells register, access and general register', () => {
  assert.equal(
    qualificationOf({ name: 'controlRegisterAccess', register: 4, access: 'movFrom', gpr: 3, value: 0n }),
    0x314n,
  );
  assert.equal(
    qualificationOf({ name: 'controlRegisterAccess', register: 0, access: 'lmsw', gpr: 0, value: 0x1234n }),
    0x1234_0030n,
  );
});

test('interruption information: #PF with error code, external interrupt, NMI', () => {
  const pf = { type: 'hardwareException', vector: 14, errorCode: 2 } as const;
  assert.equal(encodeEntryEvent(pf), 0x8000_0b0e);
  assert.deepEqual(decodeEntryEvent(0x8000_0b0e, 2), pf);
  assert.equal(encodeEntryEvent({ type: 'externalInterrupt', vector: 0x30 }), 0x8000_0030);
  assert.equal(encodeEntryEvent({ type: 'nmi', vector: 2 }), 0x8000_0202);
  assert.equal(decodeEntryEvent(0x0000_0030, 0), null);
});

test('primary controls: known masks, and reserved bits 0, 7..', () => {
  assert.equal(Primary.hltExiting, 0x80);
  assert.equal(Primary.activateSecondaryControls, 0x8000_0000);
  assert.equal(PRIMARY_CONTROLS.format(0x84), 'interruptWindowExiting hltExiting');
  assert.equal(PRIMARY_ALLOWED & 1, 0);
});

test('an I/O access exits when any of its ports is set, and when it wraps', () => {
  const bitmap = new Uint8Array(IO_BITMAP_BYTES);
  setIoBitmap(bitmap, 0x3fb, true);
  assert.equal(ioBitmapExits(bitmap, 0x3f8, 1), false);
  assert.equal(ioBitmapExits(bitmap, 0x3f8, 4), true);
  assert.equal(ioBitmapExits(bitmap, 0xffff, 1), false);
  assert.equal(ioBitmapExits(bitmap, 0xffff, 2), true);
  setIoBitmap(bitmap, 0x3fb, false);
  assert.equal(ioBitmapExits(bitmap, 0x3f8, 4), false);
});

test('the MSR bitmap has four quarters; indexes outside always exit', () => {
  const bitmap = new Uint8Array(MSR_BITMAP_BYTES);
  setMsrBitmap(bitmap, 0xc000_0080, 'write', true);
  assert.equal(bitmap[3072 + (0x80 >> 3)], 1);
  assert.equal(msrBitmapExits(bitmap, 0xc000_0080, true), true);
  assert.equal(msrBitmapExits(bitmap, 0xc000_0080, false), false);
  setMsrBitmap(bitmap, 0x10, 'both', true);
  assert.equal(bitmap[2], 1);
  assert.equal(bitmap[2048 + 2], 1);
  assert.equal(msrBitmapExits(bitmap, 0x4000_0000, false), true);
});
