/**
 * Reads values out of JSON bytes by their spans, so that a list can be
 * merged, filtered and renamed without any other byte of it changing.
 * Nothing here prints JSON.
 *
 * @module
 */

import { decodeString, decodeText } from "./_decode.ts";
import { Reader } from "./_reader.ts";
import { JSON_LIMITS, type JsonLimits } from "./json_limits.ts";
import type { Malformed, Span, StringSpan } from "./message.ts";

const QUOTE = 0x22;
const OPEN_ARRAY = 0x5b;
const OPEN_OBJECT = 0x7b;

/** A JSON value that stands alone. */
export interface ValidJson extends Span {
  /** Tells it from a {@linkcode Malformed}. */
  readonly kind: "valid";
}

/**
 * Checks that bytes are one JSON value as we accept it: RFC 8259, valid
 * UTF-8, no byte order mark, no duplicate keys, not nested too deeply.
 *
 * @returns Where the value stands, without white space around it; else a
 * parse error, whose id is always null.
 */
export function validate(
  bytes: Uint8Array,
  limits: JsonLimits = JSON_LIMITS,
): ValidJson | Malformed {
  const reader = new Reader(bytes, 0, bytes.length, limits.maxDepth);
  if (reader.begin()) {
    const start = reader.position;
    if (reader.value()) {
      const end = reader.position;
      if (reader.finish()) return { kind: "valid", start, end };
    }
  }
  const { offset, reason } = reader;
  return {
    kind: "malformed",
    refusal: "parse error",
    offset,
    reason,
    id: null,
  };
}

/** Whether {@linkcode validate} accepts bytes, with the default limits. */
export function isValidJson(bytes: Uint8Array): boolean {
  return validate(bytes).kind === "valid";
}

/**
 * Finds an object's members: decoded keys, in order, and where their values
 * stand.
 *
 * @throws {SyntaxError} Where the span does not hold an object.
 *
 * @example
 * ```ts
 * import { members, text } from "./values.ts";
 *
 * const bytes = new TextEncoder().encode('{"big": 9007199254740993}');
 * const found = members(bytes, { start: 0, end: bytes.length });
 * text(bytes, found.get("big")!); // "9007199254740993"
 * ```
 */
export function members(bytes: Uint8Array, span: Span): Map<string, Span> {
  const reader = open(bytes, span, OPEN_OBJECT, "object");
  const found = new Map<string, Span>();
  if (!reader.enterObject()) throw unreadable(reader);
  while (reader.nextMember()) {
    const key = decodeString(
      bytes,
      reader.keyStart + 1,
      reader.keyEnd - 1,
      reader.keyEscaped,
    );
    const start = reader.position;
    if (!reader.value()) break;
    found.set(key, { start, end: reader.position });
  }
  close(reader);
  return found;
}

/**
 * Finds an array's elements, in order.
 *
 * @throws {SyntaxError} Where the span does not hold an array.
 */
export function elements(bytes: Uint8Array, span: Span): Span[] {
  const reader = open(bytes, span, OPEN_ARRAY, "array");
  const found: Span[] = [];
  if (!reader.enterArray()) throw unreadable(reader);
  while (reader.nextElement()) {
    const start = reader.position;
    if (!reader.value()) break;
    found.push({ start, end: reader.position });
  }
  close(reader);
  return found;
}

/**
 * Reads a string and where exactly it stands, as splicing needs it.
 *
 * @throws {SyntaxError} Where the span does not hold a string.
 */
export function stringSpan(bytes: Uint8Array, span: Span): StringSpan {
  const reader = open(bytes, span, QUOTE, "string");
  const start = reader.position;
  reader.value();
  const end = reader.position;
  close(reader);
  return {
    start,
    end,
    value: decodeString(bytes, start + 1, end - 1, reader.escaped),
  };
}

/**
 * Reads a string's value, escapes resolved.
 *
 * @throws {SyntaxError} Where the span does not hold a string.
 */
export function stringValue(bytes: Uint8Array, span: Span): string {
  return stringSpan(bytes, span).value;
}

/** The raw JSON text of a span. */
export function text(bytes: Uint8Array, span: Span): string {
  return decodeText(bytes, span.start, span.end);
}

function open(
  bytes: Uint8Array,
  span: Span,
  first: number,
  what: string,
): Reader {
  const { maxDepth } = JSON_LIMITS;
  const reader = new Reader(bytes, span.start, span.end, maxDepth);
  if (!reader.begin()) throw unreadable(reader);
  if (reader.peek() !== first) {
    throw new SyntaxError(
      `Cannot read JSON: no ${what} at byte ${reader.position}`,
    );
  }
  return reader;
}

function close(reader: Reader): void {
  if (reader.reason !== "" || !reader.finish()) throw unreadable(reader);
}

function unreadable(reader: Reader): SyntaxError {
  return new SyntaxError(
    `Cannot read JSON: ${reader.reason} at byte ${reader.offset}`,
  );
}
