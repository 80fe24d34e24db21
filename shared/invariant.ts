/**
 * Statements that must hold for the gateway to go on. Pure.
 *
 * @module
 */

/**
 * Something that cannot be, is: a defect of the gateway, never a client's or a
 * server's doing. `lifecycle.ts` drains and ends a program in which one was
 * thrown and not caught.
 */
export class BrokenInvariant extends Error {
  /** Name of the class, as it shows in logs. */
  override readonly name: string = "BrokenInvariant";
}

/**
 * Throws {@linkcode BrokenInvariant} unless `condition` holds.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * import { BrokenInvariant, invariant } from "./invariant.ts";
 *
 * const open: number = -1;
 * assertThrows(() => invariant(open >= 0, "open streams is -1"), BrokenInvariant);
 * ```
 */
export function invariant(
  condition: unknown,
  message: string,
): asserts condition {
  if (!condition) throw new BrokenInvariant(message);
}
