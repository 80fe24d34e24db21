/**
 * Says how many exchanges may be ended before Envoy ends them. Envoy answers
 * each with a reset, of which node:http2 takes a burst of 1,000 on a
 * connection and 33 a second before it closes that connection: most of these
 * are left to clients that go away. Pure.
 *
 * @module
 */

/** Exchanges that may be let go at once. */
const BURST = 200;
/** Exchanges that may be let go in a second, in the long run. */
const PER_SECOND = 10;

/**
 * Makes a function that asks for one more.
 *
 * @param now Milliseconds since some point.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createLetGoBudget } from "./let_go_budget.ts";
 *
 * let now = 0;
 * const mayLetGo = createLetGoBudget(() => now);
 * for (let i = 0; i < 200; i++) mayLetGo();
 * assertEquals(mayLetGo(), false);
 * now += 100;
 * assertEquals([mayLetGo(), mayLetGo()], [true, false]);
 * ```
 */
export function createLetGoBudget(now: () => number): () => boolean {
  let left = BURST;
  let at = now();
  return () => {
    const elapsedMs = now() - at;
    at += elapsedMs;
    left = Math.min(BURST, left + elapsedMs * PER_SECOND / 1000);
    if (left < 1) return false;
    left--;
    return true;
  };
}
