/**
 * Whether an object on the API server is what is wanted of it. Pure.
 *
 * @module
 */

import { createHash } from "node:crypto";

/** Whether two JSON values are equal; the order of members does not count. */
export function isEqual(a: unknown, b: unknown): boolean {
  return covers(a, b) && covers(b, a);
}

/**
 * Whether `live` has everything that is in `wanted`. An API server fills in
 * defaults, so that objects may have more; lists may not.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { covers } from "./same_content.ts";
 *
 * assert(covers({ port: 80, weight: 1 }, { port: 80 }));
 * assert(!covers({ ports: [80, 81] }, { ports: [80] }));
 * ```
 */
export function covers(live: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted)) {
    return Array.isArray(live) && live.length === wanted.length &&
      wanted.every((one, at) => covers(live[at], one));
  }
  if (typeof wanted !== "object" || wanted === null) return live === wanted;
  if (typeof live !== "object" || live === null || Array.isArray(live)) {
    return false;
  }
  const has = live as Readonly<Record<string, unknown>>;
  return Object.entries(wanted).every(([key, value]) =>
    // Left out and undefined are the same once written as JSON.
    value === undefined || (Object.hasOwn(has, key) && covers(has[key], value))
  );
}

/** Hash of a JSON value, whatever the order of its members: 32 hex digits. */
export function contentHash(value: unknown): string {
  const text = JSON.stringify(value, (_key, one: unknown) => sorted(one));
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

function sorted(value: unknown): unknown {
  if (
    typeof value !== "object" || value === null || Array.isArray(value)
  ) return value;
  return Object.fromEntries(
    Object.entries(value).sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0),
  );
}
