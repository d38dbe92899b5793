// Errors as answers: status, code, message, details.

import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { ConfigError, type ErrorDetails, HostError, VmError } from '../../base/index.js';

/** Codes that are not 'the request is wrong'. */
const STATUS: Readonly<Record<string, 404 | 409 | 504>> = {
  DOMAIN_UNKNOWN: 404,
  DOMAIN_EXISTS: 409,
  DOMAIN_BUSY: 409,
  DOMAIN_STATE: 409,
  DOMAIN_LIMIT: 409,
  MEMORY_LIMIT: 409,
  ADMISSION: 409,
  DOMAIN_TIME: 409,
  NO_DISPLAY: 409,
  KEYBOARD_FULL: 409,
  CONSOLE_FULL: 409,
  LATENCY_TIMEOUT: 504,
};

export const statusOf = (error: unknown): ContentfulStatusCode =>
  error instanceof ConfigError ? (STATUS[error.code] ?? 400) : 500;

/** An error as JSON. What is not meant for users (our own mistakes) keeps its message to the log. */
export function errorBody(error: unknown): { error: { code: string; message: string; details: ErrorDetails } } {
  if (error instanceof ConfigError || error instanceof HostError) {
    const { code, message, details } = error;
    return { error: { code, message, details } };
  }
  const code = error instanceof VmError ? error.code : 'INTERNAL';
  return { error: { code, message: 'the server made a mistake; its log says more', details: {} } };
}

export const refusal = (
  code: string,
  message: string,
): { error: { code: string; message: string; details: ErrorDetails } } => ({ error: { code, message, details: {} } });
