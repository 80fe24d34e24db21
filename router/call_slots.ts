/**
 * Counts the calls in flight per session, so that one client cannot take all
 * there is.
 *
 * @module
 */

import type { CallSlots } from "./exchange.ts";

/**
 * Makes slots for `perSession` calls in each session.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createCallSlots } from "./call_slots.ts";
 *
 * const slots = createCallSlots(1);
 * assertEquals(slots.take("a"), true);
 * assertEquals(slots.take("a"), false);
 * slots.free("a");
 * assertEquals(slots.take("a"), true);
 * ```
 */
export function createCallSlots(perSession: number): CallSlots {
  const taken = new Map<string, number>();
  return {
    take(sessionId) {
      const count = taken.get(sessionId) ?? 0;
      if (count >= perSession) return false;
      taken.set(sessionId, count + 1);
      return true;
    },
    free(sessionId) {
      const count = taken.get(sessionId) ?? 0;
      if (count <= 1) taken.delete(sessionId);
      else taken.set(sessionId, count - 1);
    },
  };
}
