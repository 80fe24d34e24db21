/**
 * What went wrong, for a log or a message: anything can be thrown. Pure.
 *
 * @module
 */

import { permissionRemedy } from "./permission_remedy.ts";

/**
 * The message of an error, and whatever else was thrown as text.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { errorText } from "./error_text.ts";
 *
 * assertEquals(errorText(new TypeError("no")), "no");
 * assertEquals(errorText("no"), "no");
 * ```
 */
export function errorText(error: unknown): string {
  return permissionRemedy(
    error instanceof Error ? error.message : String(error),
  );
}
