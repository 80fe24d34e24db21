/**
 * Reads values out of JSON bytes by their spans, so that a list can be
 * merged, filtered and renamed without any other byte of it changing.
 * Nothing here prints JSON.
 *
 * All is read strictly unless limits say otherwise: {@linkcode ReadLimits}.
 *
 * @module
 */

import { decodeString, decodeText } from "./_decode.ts";
import { Reader } from "./_reader.ts";
import { JSON_LIMITS, type ReadLimits } from "./json_limits.ts";
import type { Malformed, Span, StringSpan } from "./message.ts";

const SPACE = 0x20;
const QUOTE = 0x22;
const OPEN_ARRAY = 0x5b;
const LETTER_F = 0x66;
const LETTER_N = 0x6e;
const LETTER_T = 0x74;
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
  limits: ReadLimits = JSON_LIMITS,
): ValidJson | Malformed {
  const reader = readerOf(bytes, { start: 0, end: bytes.length }, limits);
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

/** What a JSON value can be. */
export type JsonKind =
  | "object"
  | "array"
  | "string"
  | "number"
  | "boolean"
  | "null";

/** Tells what the value in a span is, by its first byte: nothing is checked. */
export function kindOf(bytes: Uint8Array, span: Span): JsonKind {
  let p = span.start;
  while (p < span.end && bytes[p]! <= SPACE) p++;
  switch (bytes[p]) {
    case OPEN_OBJECT:
      return "object";
    case OPEN_ARRAY:
      return "array";
    case QUOTE:
      return "string";
    case LETTER_T:
    case LETTER_F:
      return "boolean";
    case LETTER_N:
      return "null";
    default:
      return "number";
  }
}

/**
 * Finds an object's members: decoded keys, in order, and where their values
 * stand. Where limits let a key be repeated, its last value counts, as with
 * `JSON.parse`; {@linkcode validate} tells whether one is.
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
export function members(
  bytes: Uint8Array,
  span: Span,
  limits: ReadLimits = JSON_LIMITS,
): Map<string, Span> {
  const reader = open(bytes, span, limits, "object");
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
export function elements(
  bytes: Uint8Array,
  span: Span,
  limits: ReadLimits = JSON_LIMITS,
): Span[] {
  const reader = open(bytes, span, limits, "array");
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
export function stringSpan(
  bytes: Uint8Array,
  span: Span,
  limits: ReadLimits = JSON_LIMITS,
): StringSpan {
  const reader = open(bytes, span, limits, "string");
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
export function stringValue(
  bytes: Uint8Array,
  span: Span,
  limits: ReadLimits = JSON_LIMITS,
): string {
  return stringSpan(bytes, span, limits).value;
}

/** Reads a string where one stands; undefined for everything else. */
export function asString(
  bytes: Uint8Array,
  span: Span | undefined,
  limits: ReadLimits = JSON_LIMITS,
): string | undefined {
  return span !== undefined && kindOf(bytes, span) === "string"
    ? stringValue(bytes, span, limits)
    : undefined;
}

/** The raw JSON text of a span. */
export function text(bytes: Uint8Array, span: Span): string {
  return decodeText(bytes, span.start, span.end);
}

/**
 * What `JSON.parse` makes of a span: for values that are used and not passed
 * on, as numbers beyond 2^53 do not survive it.
 *
 * @throws {SyntaxError} Where the span does not hold a value.
 */
export function parseValue(bytes: Uint8Array, span: Span): unknown {
  return JSON.parse(text(bytes, span));
}

function readerOf(bytes: Uint8Array, span: Span, limits: ReadLimits): Reader {
  const { maxDepth, lenient } = limits;
  return new Reader(bytes, span.start, span.end, maxDepth, lenient);
}

function open(
  bytes: Uint8Array,
  span: Span,
  limits: ReadLimits,
  what: JsonKind,
): Reader {
  const reader = readerOf(bytes, span, limits);
  if (!reader.begin()) throw unreadable(reader);
  if (kindOf(bytes, { start: reader.position, end: span.end }) !== what) {
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
