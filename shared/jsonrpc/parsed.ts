/**
 * Looks into what `JSON.parse` returned. Reads; never throws.
 *
 * @module
 */

/** Tells whether a parsed value is an object, arrays aside. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Reads an own member: names are data, and prototypes have names too. */
export function member(object: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}
