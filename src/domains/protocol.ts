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
import type { MachineOutcome, MachineStats } from '../machine/index.js';
import type { DomainConfig } from './config.js';
import type { SchedulingStats } from './scheduler.js';

/** `created`: loaded, not started. `stopped`: see the outcome. */
export type DomainState = 'created' | 'running' | 'paused' | 'stopped';

/** How a domain ended: as its machine did, or by a script or the user. */
export type DomainOutcome =
  | MachineOutcome
  | { readonly kind: 'stopped'; readonly by: 'user' | 'script' }
  | { readonly kind: 'scriptFailed'; readonly message: string };

export interface DomainRings {
  readonly output: SharedArrayBuffer;
  readonly input: SharedArrayBuffer;
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
}

export type PcpuRequest =
  | {
      readonly kind: 'create';
      readonly id: number;
      readonly config: DomainConfig;
      readonly rings: DomainRings;
    }
  | { readonly kind: 'start'; readonly ids: readonly number[] }
  | { readonly kind: 'pause' | 'resume' | 'stop' | 'reset' | 'powerButton' | 'destroy'; readonly id: number }
  | { readonly kind: 'screenshot'; readonly id: number }
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
}
/** The screen of a domain. */
export interface Screenshot {
  readonly png: Uint8Array;
}
export type PcpuReply = PcpuStat | CreatedDomain | Screenshot | null;
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
