// Errors that say who must act. Codes are stable literals (AREA_WHAT); messages name the value and what was expected.

/** Facts about an error, safe to print and to send as JSON. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null>>;

/** Base of every error this package throws on purpose. */
export abstract class VmError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly details: ErrorDetails = {},
    options?: { cause?: unknown },
  ) {
    super(message, options);
    this.name = new.target.name;
  }
  toJSON(): { name: string; code: string; message: string; details: ErrorDetails } {
    return { name: this.name, code: this.code, message: this.message, details: this.details };
  }
}
/** The user must change the configuration or the command line. */
export class ConfigError extends VmError {}
/** The guest did what the monitor cannot continue. */
export class GuestError extends VmError {}
/** The host (operating system, FFI, disk, network) refused. */
export class HostError extends VmError {}
/** A saved state has a version or a shape that cannot be restored. */
export class SnapshotError extends VmError {}
/** A mistake of ours. */
export class BugError extends VmError {}
