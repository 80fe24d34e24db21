/**
 * Reads `logging/setLevel`. Pure.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/server/utilities/logging
 * @module
 */

import type { RequestMessage } from "../../shared/jsonrpc/message.ts";
import { asString, kindOf, members } from "../../shared/jsonrpc/values.ts";

/** Levels (RFC 5424), least severe first. */
export const LOG_LEVELS: readonly string[] = [
  "debug",
  "info",
  "notice",
  "warning",
  "error",
  "critical",
  "alert",
  "emergency",
];

/** Whether a value is one of {@linkcode LOG_LEVELS}. */
export function isLogLevel(value: unknown): value is string {
  return (LOG_LEVELS as readonly unknown[]).includes(value);
}

/**
 * Reads the level that a client wants.
 *
 * @param body The body that the request stands in.
 * @returns Undefined where it names none that there is.
 */
export function readLogLevel(
  body: Uint8Array,
  { params }: RequestMessage,
): string | undefined {
  if (params === undefined || kindOf(body, params) !== "object") {
    return undefined;
  }
  const level = asString(body, members(body, params).get("level"));
  return isLogLevel(level) ? level : undefined;
}
