// Packs of translated regions (processor/jit/code-pack.ts) as files.

import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type CodeShelf, CodeStore, type PackFile } from '../../processor/index.js';
import { type CodePlace, codePlace, keepFile, keptFiles, noteUse, regionsIdentity } from './code-folder.js';
import { compileRegions, deserialize, serializeRegions } from './machine-code.js';

class OpenFile implements PackFile {
  private file: number;
  constructor(
    folder: string,
    readonly name: string,
  ) {
    this.file = openSync(join(folder, name), 'r');
  }
  read(offset: number, sizeBytes: number): Uint8Array {
    const bytes = new Uint8Array(sizeBytes);
    return bytes.subarray(0, readSync(this.file, bytes, 0, sizeBytes, offset));
  }
  close(): void {
    if (this.file >= 0) closeSync(this.file);
    this.file = -1;
  }
}
function openFiles(place: CodePlace): PackFile[] {
  return keptFiles(place).flatMap((name) => {
    try {
      return [new OpenFile(place.folder, name)];
    } catch {
      return []; // somebody else has just removed it
    }
  });
}

/** The place of regions; null: none are kept. */
export function regionsPlace(): CodePlace | null {
  const identity = regionsIdentity();
  return identity === null ? null : codePlace(identity);
}
/** The regions that are kept at a place. */
export const keptRegions = (place: CodePlace): CodeStore => new CodeStore(codeShelf(place));

function codeShelf(place: CodePlace): CodeShelf {
  const { folder, prefix } = place;
  return {
    open: () => openFiles(place),
    write: (parts, replaced) => {
      keepFile(place, `${prefix}-${randomBytes(6).toString('hex')}`, parts);
      for (const name of replaced) rmSync(join(folder, name), { force: true });
    },
    touch: (names) => {
      for (const name of names) noteUse(folder, name);
    },
    compiling: compileRegions,
    serialize: serializeRegions,
    deserialize,
  };
}
