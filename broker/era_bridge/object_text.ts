/**
 * Takes JSON objects apart and puts them together again, member by member, so
 * that one can be added or left out and every other value stays as it was
 * written. Pure.
 *
 * @module
 */

import { SERVER_JSON } from "../../shared/jsonrpc/json_limits.ts";
import type { Span } from "../../shared/jsonrpc/message.ts";
import { kindOf, members, text } from "../../shared/jsonrpc/values.ts";

/** An object's members: decoded keys, in order, and raw JSON texts. */
export type ObjectText = Map<string, string>;

const ENCODER = new TextEncoder();

/** The members of the object in a span; none where there is no object. */
export function readObject(
  bytes: Uint8Array,
  span: Span | undefined,
): ObjectText {
  if (span === undefined || kindOf(bytes, span) !== "object") return new Map();
  const found = members(bytes, span, SERVER_JSON);
  return new Map(
    Array.from(found, ([key, value]) => [key, text(bytes, value)]),
  );
}

/**
 * The members of an object that is given as text; none where it is no object.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readObjectText, writeObject } from "./object_text.ts";
 *
 * const object = readObjectText('{"big": 9007199254740993, "gone": 1}');
 * object.delete("gone");
 * assertEquals(writeObject(object), '{"big":9007199254740993}');
 * ```
 */
export function readObjectText(json: string | undefined): ObjectText {
  if (json === undefined) return new Map();
  const bytes = ENCODER.encode(json);
  return readObject(bytes, { start: 0, end: bytes.byteLength });
}

/** Writes an object of these members. */
export function writeObject(
  members: Iterable<readonly [string, string]>,
): string {
  const written = Array.from(
    members,
    ([key, value]) => `${JSON.stringify(key)}:${value}`,
  );
  return `{${written.join()}}`;
}
