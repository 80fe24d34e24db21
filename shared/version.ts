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
 * Writes what `--version` prints.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { describeVersion, VERSION } from "./version.ts";
 *
 * assertEquals(describeVersion("router", "unknown"), `router ${VERSION}`);
 * assertEquals(describeVersion("router", "4f2a91c"), `router ${VERSION} (4f2a91c)`);
 * ```
 */
export function describeVersion(
  program: string,
  commit: string = COMMIT,
): string {
  return commit === "unknown"
    ? `${program} ${VERSION}`
    : `${program} ${VERSION} (${commit})`;
}
