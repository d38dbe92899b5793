// A drive's task file and transfer buffer, common to disks and CD-ROM drives.
// Source: ATA/ATAPI-6 (T13 1410D), "Register Definitions and Descriptions", "Signature and persistence".

/** Bits of the status register. */
export const Status = { ERR: 0x01, DRQ: 0x08, DSC: 0x10, DF: 0x20, DRDY: 0x40, BSY: 0x80 } as const;
/** Bits of the error register. */
export const ErrorBit = { ABRT: 0x04, IDNF: 0x10, UNC: 0x40 } as const;
/** Interrupt reason of PACKET commands, in the sector count register. */
export const Reason = { COMMAND: 0x01, TO_HOST: 0x02 } as const;

/** What the data register carries. */
export type DataPhase = 'none' | 'in' | 'out' | 'packet';

const READY = Status.DRDY | Status.DSC;

/** Registers hold two values each: the last written and the one before (for 48-bit addresses). */
export const driveState = () => ({
  features: [0, 0],
  count: [1, 0],
  lbaLow: [1, 0],
  lbaMid: [0, 0],
  lbaHigh: [0, 0],
  device: 0,
  status: READY as number,
  error: 1,
  phase: 'none' as DataPhase,
  buffer: [] as number[],
  at: 0,
  /** Running data command: next sector, sectors left, sectors per interrupt. */
  lba: 0,
  left: 0,
  perBlock: 1,
  extended: false,
  /** SET MULTIPLE MODE; 0: off. */
  multiple: 0,
  /** Transfer modes as SET FEATURES left them: ultra DMA, multiword DMA, -1 for none. */
  ultraDma: -1,
  multiwordDma: -1,
  writeCache: true,
  /** A DMA command waits for the bus master. */
  dma: 'none' as 'none' | 'read' | 'write',
  /** ATAPI: sense data, byte count limit, bytes of the running answer that are yet to be handed over. */
  senseKey: 0,
  senseCode: 0,
  senseQualifier: 0,
  byteLimit: 0,
  answer: [] as number[],
  answerAt: 0,
  reading: false,
  locked: false,
  mediumChanged: true,
});
export type DriveState = ReturnType<typeof driveState>;

export function writeRegister(pair: number[], value: number): void {
  pair[1] = pair[0]!;
  pair[0] = value;
}

/** The signature after reset, by which hosts tell disks from packet devices. */
export function putSignature(d: DriveState, packet: boolean): void {
  d.count = [1, 0];
  d.lbaLow = [1, 0];
  d.lbaMid = [packet ? 0x14 : 0, 0];
  d.lbaHigh = [packet ? 0xeb : 0, 0];
  d.device &= 0x10;
}

/** Ends whatever runs and shows the signature. */
export function resetDrive(d: DriveState, packet: boolean): void {
  d.phase = 'none';
  d.buffer = [];
  d.at = 0;
  d.left = 0;
  d.dma = 'none';
  d.reading = false;
  d.answer = [];
  d.error = 1; // diagnostic code: passed
  d.status = packet ? 0 : READY;
  d.multiple = 0;
  putSignature(d, packet);
}

export function completed(d: DriveState): void {
  d.phase = 'none';
  d.buffer = [];
  d.at = 0;
  d.dma = 'none';
  d.error = 0;
  d.status = READY;
}
export function aborted(d: DriveState, error: number = ErrorBit.ABRT): void {
  completed(d);
  d.left = 0;
  d.error = error;
  d.status = READY | Status.ERR;
}
/** Offers `bytes` through the data register. */
export function offer(d: DriveState, bytes: ArrayLike<number>): void {
  d.buffer = Array.from(bytes);
  d.at = 0;
  d.phase = 'in';
  d.status = READY | Status.DRQ;
}
/** Asks for `sizeBytes` through the data register. */
export function demand(d: DriveState, sizeBytes: number, phase: 'out' | 'packet' = 'out'): void {
  d.buffer = new Array<number>(sizeBytes).fill(0);
  d.at = 0;
  d.phase = phase;
  d.status = READY | Status.DRQ;
}

/** Puts text into an IDENTIFY block: words with the first character high. */
export function identifyText(words: Uint16Array, first: number, count: number, text: string): void {
  const padded = text.padEnd(count * 2, ' ');
  for (let i = 0; i < count; i++) words[first + i] = (padded.charCodeAt(2 * i) << 8) | padded.charCodeAt(2 * i + 1);
}
/** Words as the data register hands them out, with the checksum of word 255. */
export function identifyBytes(words: Uint16Array): Uint8Array {
  const out = new Uint8Array(512);
  words.forEach((w, i) => {
    out[2 * i] = w & 0xff;
    out[2 * i + 1] = w >> 8;
  });
  out[510] = 0xa5;
  out[511] = 0;
  out[511] = -out.reduce((a, b) => a + b, 0) & 0xff;
  return out;
}
