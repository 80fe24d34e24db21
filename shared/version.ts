/**
 * Which build of the gateway this is.
 *
 * @module
 */

/** The gateway's version (semantic versioning), the same for all programs. */
export const VERSION = "0.1.0";

/**
 * Commit the build was made from, short form. A release build replaces the
 * value in its own copy of this file; a checkout says `unknown`.
 */
export const COMMIT: string = "unknown";

/**
 * Writes what `--version` prints: program, version, commit, Deno.
 *
 * @param deno Release of the Deno that runs it, or is built into it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { describeVersion, VERSION } from "./version.ts";
 *
 * assertEquals(
 *   describeVersion("router", "4f2a91c", "2.9.6"),
 *   `router ${VERSION} (commit 4f2a91c, Deno 2.9.6)`,
 * );
 * ```
 */
export function describeVersion(
  program: string,
  commit: string = COMMIT,
  deno: string = Deno.version.deno,
): string {
  return `${program} ${VERSION} (commit ${commit}, Deno ${deno})`;
}
