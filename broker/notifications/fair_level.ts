/**
 * Shares out what is scarce, so that who takes little pays nothing for who
 * takes much. Pure.
 *
 * @module
 */

/**
 * The most that each may keep, so that all together keep no more than so much:
 * who has less than that keeps all of it.
 *
 * @returns Infinity where everything fits.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { fairLevel } from "./fair_level.ts";
 *
 * assertEquals(fairLevel([1, 50, 2, 70], 43), 20);
 * assertEquals(fairLevel([1, 2], 3), Infinity);
 * ```
 */
export function fairLevel(sizes: readonly number[], total: number): number {
  const ascending = sizes.toSorted((a, b) => a - b);
  let left = total;
  for (const [index, size] of ascending.entries()) {
    const share = left / (ascending.length - index);
    if (size > share) return Math.floor(share);
    left -= size;
  }
  return Infinity;
}
