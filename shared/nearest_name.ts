/**
 * Guesses which of some names a mistyped one was meant to be. Pure.
 *
 * @module
 */

/** Longest name that is looked at: what is longer was no slip. */
const MAX_NAME = 64;

/**
 * Returns the name that fewest edits lead to, if they are few for its length.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { nearestName } from "./nearest_name.ts";
 *
 * assertEquals(nearestName("drain-second", ["drain-seconds"]), "drain-seconds");
 * assertEquals(nearestName("colour", ["drain-seconds"]), undefined);
 * ```
 */
export function nearestName(
  name: string,
  candidates: readonly string[],
): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of candidates) {
    // Half a name is a better guess than many edits.
    const distance = name.length >= 3 && candidate.startsWith(name)
      ? 1
      : editDistance(name.slice(0, MAX_NAME), candidate);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const replaced = row[j]! + (a[i] === b[j] ? 0 : 1);
      next.push(Math.min(replaced, row[j + 1]! + 1, next[j]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
