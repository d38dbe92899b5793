// VM-entry, VM-exit and IDT-vectoring interruption information. Intel SDM Vol. 3C, "VM-Entry Controls for Event
// Injection", "Information for VM Exits Due to Vectored Events".
import { bits } from '../base/index.js';
import type { EntryEvent } from './engine.js';

export const INTERRUPTION_INFORMATION = bits({
  vector: [0, 7],
  type: [8, 10],
  deliverErrorCode: 11,
  /** VM-exit information only. */
  nmiUnblockingByIret: 12,
  valid: 31,
});

export const InterruptionType = {
  EXTERNAL_INTERRUPT: 0,
  NMI: 2,
  HARDWARE_EXCEPTION: 3,
  SOFTWARE_INTERRUPT: 4,
  PRIVILEGED_SOFTWARE_EXCEPTION: 5,
  SOFTWARE_EXCEPTION: 6,
  OTHER_EVENT: 7,
} as const;

const TYPE_OF: Readonly<Record<EntryEvent['type'], number>> = {
  externalInterrupt: InterruptionType.EXTERNAL_INTERRUPT,
  nmi: InterruptionType.NMI,
  hardwareException: InterruptionType.HARDWARE_EXCEPTION,
  softwareInterrupt: InterruptionType.SOFTWARE_INTERRUPT,
};

/** VM-entry interruption-information field of an event. */
export const encodeEntryEvent = (event: EntryEvent): number =>
  INTERRUPTION_INFORMATION.encode({
    vector: event.vector,
    type: TYPE_OF[event.type],
    deliverErrorCode: event.errorCode !== undefined,
    valid: true,
  });

/** The event of a VM-entry interruption-information field; null when not valid or of a type this waist does not carry. */
export function decodeEntryEvent(information: number, errorCode: number): EntryEvent | null {
  const i = INTERRUPTION_INFORMATION.decode(information >>> 0);
  const type = (Object.keys(TYPE_OF) as EntryEvent['type'][]).find((t) => TYPE_OF[t] === i.type);
  if (!i.valid || type === undefined) return null;
  return i.deliverErrorCode ? { type, vector: i.vector, errorCode } : { type, vector: i.vector };
}
