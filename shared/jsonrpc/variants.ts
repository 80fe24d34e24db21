/**
 * Finds keys that a lenient reader would take for another one: what the
 * scanner does for a message's own members, for objects deeper in it. Pure.
 *
 * @module
 */

import { matchName } from "./_fold.ts";

const ENCODER = new TextEncoder();

/**
 * Finds a key that is a variant of one of `names` without being it.
 *
 * @param names ASCII.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { variantAmong } from "./variants.ts";
 *
 * assertEquals(variantAmong(["type", "Name"], ["type", "name"]), "Name");
 * assertEquals(variantAmong(["type", "names"], ["type", "name"]), undefined);
 * ```
 */
export function variantAmong(
  keys: Iterable<string>,
  names: readonly string[],
): string | undefined {
  const wanted = names.map((name) => ENCODER.encode(name));
  for (const key of keys) {
    const bytes = ENCODER.encode(key);
    const isVariant = wanted.some((name) =>
      matchName(bytes, 0, bytes.length, name) === "variant"
    );
    if (isVariant) return key;
  }
  return undefined;
}
