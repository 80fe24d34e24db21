/**
 * Tells whether a request never reached its server: then nothing was run, and
 * it may be sent again. Pure.
 *
 * @module
 */

import { errorText } from "../error_text.ts";

/**
 * Whether a request failed before there was a connection for it. Deno's `fetch`
 * says so only in the text of its error.
 */
export function isUnconnected(error: unknown): boolean {
  return /\(Connect\)/.test(errorText(error)) ||
    error instanceof Error && error.cause !== undefined &&
      isUnconnected(error.cause);
}
