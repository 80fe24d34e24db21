/**
 * Reads the parts of a server's message that are passed on. Pure.
 *
 * @module
 */

import { SERVER_JSON } from "../../../shared/jsonrpc/json_limits.ts";
import { kindOf, members, text } from "../../../shared/jsonrpc/values.ts";

/**
 * The parameters of a message that is well-formed, raw JSON; undefined where
 * it has no object of them.
 */
export function paramsOf(message: Uint8Array): string | undefined {
  return objectIn(message, "params");
}

/** The error of an error response, raw JSON; an empty one for no object. */
export function errorOf(message: Uint8Array): string {
  return objectIn(message, "error") ?? "{}";
}

function objectIn(message: Uint8Array, key: string): string | undefined {
  const whole = { start: 0, end: message.byteLength };
  const span = members(message, whole, SERVER_JSON).get(key);
  return span !== undefined && kindOf(message, span) === "object"
    ? text(message, span)
    : undefined;
}
