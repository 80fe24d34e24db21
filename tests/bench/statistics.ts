/**
 * What rounds come to: medians, with how far they were apart. Pure.
 *
 * @module
 */

/** The middle of several values, and the two at the ends. */
export interface Spread {
  /** The middle one; the mean of the two in the middle. */
  readonly median: number;
  /** The smallest. */
  readonly min: number;
  /** The largest. */
  readonly max: number;
}

/**
 * Sums values up.
 *
 * @throws {RangeError} Where there are none.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { spread } from "./statistics.ts";
 *
 * assertEquals(spread([3, 1, 2]), { median: 2, min: 1, max: 3 });
 * ```
 */
export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const [min, max] = [sorted[0], sorted.at(-1)];
  if (min === undefined || max === undefined) {
    throw new RangeError("Cannot sum up: there are no values");
  }
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1
    ? sorted[middle]!
    : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, min, max };
}

/**
 * Divides round by round, and sums the quotients up: whatever else the machine
 * did in a round, it did to both.
 *
 * @throws {RangeError} Where the two are not of the same rounds.
 */
export function pairedRatio(
  values: readonly number[],
  by: readonly number[],
): Spread {
  if (values.length !== by.length) {
    throw new RangeError(
      `Cannot pair ${values.length} rounds with ${by.length}`,
    );
  }
  return spread(values.map((value, round) => value / by[round]!));
}

/**
 * Orders what is measured in a round: each comes first, second, … equally
 * often over the rounds.
 */
export function rotated<T>(items: readonly T[], round: number): T[] {
  const first = items.length === 0 ? 0 : round % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}

/** Value below which a share of sorted values is. NaN where there are none. */
export function quantile(sorted: readonly number[], share: number): number {
  const at = Math.min(Math.floor(sorted.length * share), sorted.length - 1);
  return sorted[at] ?? NaN;
}
