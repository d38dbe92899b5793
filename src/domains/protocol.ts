// What the manager and the physical CPUs tell each other. Plain data: it crosses threads.

import {
  BugError,
  ConfigError,
  type ErrorDetails,
  GuestError,
  HostError,
  SnapshotError,
  VmError,
} from '../base/index.js';
import type {
  ExitBatch,
  ExitTraceOptions,
  MachineOutcome,
  MachineShare,
  MachineStats,
  ProfileBatch,
  ProfileOptions,
} from '../machine/index.js';
import type { DomainConfig } from './config.js';
import type { PartStat } from './parts.js';
import type { AccessBatch } from './policy.js';
import type { SchedulingStats } from './scheduler.js';
import type { TimelineBatch } from './timeline.js';

/** `created`: loaded, not started. `stopped`: see the outcome. */
export type DomainState = 'created' | 'running' | 'paused' | 'stopped';

/** How a domain ended: as its machine did, or by a script or the user. */
export type DomainOutcome =
  | MachineOutcome
  | { readonly kind: 'stopped'; readonly by: 'user' | 'script' }
  | { readonly kind: 'scriptFailed'; readonly message: string };

export interface DomainRings {
  readonly output: SharedArrayBuffer | ArrayBuffer;
  readonly input: SharedArrayBuffer | ArrayBuffer;
}

export interface DomainStat {
  readonly name: string;
  readonly cpu: number;
  readonly state: DomainState;
  readonly outcome: DomainOutcome | null;
  readonly engine: string;
  readonly time: 'real' | 'virtual';
  readonly memoryBytes: number;
  readonly machine: MachineStats;
  readonly scheduling: SchedulingStats;
  readonly script: { readonly done: number; readonly of: number } | null;
}
export interface PcpuStat {
  readonly cpu: number;
  /** Time of its domains, nanoseconds. */
  readonly timelineNs: number;
  /** Host time spent in domains, and since the first one started. */
  readonly busyNs: number;
  readonly hostNs: number;
  readonly domains: readonly DomainStat[];
  /** What processors of other CPUs' domains have counted here. */
  readonly parts?: readonly PartStat[];
}

export type PcpuRequest =
  | {
      readonly kind: 'create';
      readonly id: number;
      readonly config: DomainConfig;
      readonly rings: DomainRings;
      /** Doorbells of the CPUs in the configuration's `pcpus`. */
      readonly bells?: readonly Int32Array[];
    }
  /** Processors of a domain that lives elsewhere. */
  | {
      readonly kind: 'attach';
      readonly id: number;
      readonly share: MachineShare;
      readonly part: number;
      readonly weight?: number;
    }
  | { readonly kind: 'detach'; readonly id: number }
  /** Another CPU with processors of the domain has failed. */
  | { readonly kind: 'fail'; readonly id: number; readonly error: PlainError }
  | { readonly kind: 'start'; readonly ids: readonly number[] }
  | { readonly kind: 'pause' | 'resume' | 'stop' | 'reset' | 'powerButton' | 'destroy'; readonly id: number }
  | { readonly kind: 'screenshot'; readonly id: number }
  /** The screen as dots, unless it is still the one that `known` names. */
  | { readonly kind: 'frame'; readonly id: number; readonly known: number }
  | { readonly kind: 'input'; readonly id: number; readonly input: DeviceInput }
  | { readonly kind: 'readMemory'; readonly id: number; readonly gpa: number; readonly sizeBytes: number }
  | { readonly kind: 'writeMemory'; readonly id: number; readonly gpa: number; readonly bytes: Uint8Array }
  /** Starts, changes or (null) ends the record of single exits that `key` reads. */
  | { readonly kind: 'trace'; readonly id: number; readonly key: number; readonly options: ExitTraceOptions | null }
  | { readonly kind: 'exits'; readonly id: number; readonly key: number; readonly since: number; readonly max: number }
  /** Starts a profile anew or (null) ends it. */
  | { readonly kind: 'profile'; readonly id: number; readonly options: ProfileOptions | null }
  | { readonly kind: 'samples'; readonly id: number }
  | { readonly kind: 'accesses'; readonly id: number; readonly since: number }
  /** Records who runs when. */
  | { readonly kind: 'timeline'; readonly on: boolean }
  | { readonly kind: 'slices'; readonly since: number }
  | { readonly kind: 'stat' };
export interface PcpuCommand {
  readonly requestId: number;
  readonly request: PcpuRequest;
}

export interface PlainError {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly details: ErrorDetails;
}
/** What `create` answers. */
export interface CreatedDomain {
  readonly engine: string;
  /** The vCPU's kick word, where threads can share it. */
  readonly kickWord: Int32Array | null;
  /** For the other CPUs with processors of the domain. */
  readonly share?: MachineShare;
}
/** The screen of a domain. */
export interface Screenshot {
  readonly png: Uint8Array;
}
/** What people do at the devices of a domain. */
export type DeviceInput =
  /** Scan codes of set 2, as the keys send them. */
  | { readonly kind: 'keys'; readonly codes: readonly number[] }
  /** Counts of movement, dy up; buttons: left 1, right 2, middle 4. */
  | { readonly kind: 'mouse'; readonly dx: number; readonly dy: number; readonly buttons: number };
/** The screen of a domain as dots; null dots: unchanged. */
export interface Frame {
  /** Names this picture. */
  readonly version: number;
  readonly width: number;
  readonly height: number;
  /** Four bytes per dot: red, green, blue, 255. */
  readonly rgba: Uint8Array | null;
}
export interface MemoryBytes {
  readonly bytes: Uint8Array;
}
export type PcpuReply =
  | PcpuStat
  | CreatedDomain
  | Screenshot
  | Frame
  | MemoryBytes
  | ExitBatch
  | AccessBatch
  | ProfileBatch
  | TimelineBatch
  | null;
export type PcpuEvent =
  | { readonly kind: 'reply'; readonly requestId: number; readonly value: PcpuReply }
  | { readonly kind: 'refused'; readonly requestId: number; readonly error: PlainError }
  | {
      readonly kind: 'state';
      readonly id: number;
      readonly state: DomainState;
      readonly outcome: DomainOutcome | null;
    }
  /** The output ring of a domain has new bytes. */
  | { readonly kind: 'output'; readonly id: number }
  | { readonly kind: 'log'; readonly id: number; readonly text: string }
  /** A line from the firmware's debug port. */
  | { readonly kind: 'debug'; readonly id: number; readonly text: string }
  | { readonly kind: 'scriptDone'; readonly id: number };

/** A thread that is a physical CPU, as the manager sees it. */
export interface PcpuLink {
  send(command: PcpuCommand): void;
  /** The word that the thread sleeps on; absent where it shares the manager's thread. */
  readonly bell?: Int32Array;
  /** Tells the thread that something has changed (input, room). */
  ring(): void;
  /** Ends the thread. */
  close(): Promise<void>;
}
/** Makes physical CPU `cpu`; `onEvent` gets what it says, `onCrash` why it has gone away unasked. */
export type PcpuSpawner = (
  cpu: number,
  onEvent: (event: PcpuEvent) => void,
  onCrash: (error: Error) => void,
) => PcpuLink;

export function toPlainError(error: unknown): PlainError {
  if (error instanceof VmError) return error.toJSON();
  const message = error instanceof Error ? error.message : String(error);
  return { name: 'BugError', code: 'PCPU_BUG', message, details: {} };
}
const CLASSES = { ConfigError, GuestError, HostError, SnapshotError, BugError } as const;
export function fromPlainError(e: PlainError): VmError {
  const Class = CLASSES[e.name as keyof typeof CLASSES] ?? BugError;
  return new Class(e.code, e.message, e.details);
}
