/**
 * How long to wait before something that failed is tried again. Pure.
 *
 * @module
 */

/** Bounds of a wait, milliseconds. */
export interface BackoffBounds {
  /** Wait after the first failure; it doubles with each further one. */
  readonly firstMs: number;
  /** Longest wait. */
  readonly maxMs: number;
}

/**
 * Milliseconds to wait before the next try: doubling, capped, and between half
 * and the whole of that at random, so that replicas do not come all at once.
 *
 * @param failures Failures in a row, from 1.
 * @param random At least 0, below 1.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { backoffMs } from "./backoff.ts";
 *
 * const bounds = { firstMs: 100, maxMs: 1_000 };
 * assertEquals(backoffMs(1, 0, bounds), 50);
 * assertEquals(backoffMs(3, 0.5, bounds), 300);
 * assertEquals(backoffMs(99, 0, bounds), 500);
 * ```
 */
export function backoffMs(
  failures: number,
  random: number,
  { firstMs, maxMs }: BackoffBounds,
): number {
  const doubled = firstMs * 2 ** Math.max(0, failures - 1);
  return Math.min(maxMs, doubled) * (0.5 + random / 2);
}
