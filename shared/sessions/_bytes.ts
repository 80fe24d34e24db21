/**
 * Comparison of byte strings that are no secrets.
 *
 * @module
 */

/** Tells whether two byte strings are equal. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
