/**
 * Replaces spans of a body and leaves every other byte as it is: that is how
 * a name loses its prefix without the message being printed again.
 *
 * @module
 */

import type { Span, StringSpan } from "./message.ts";

const ENCODER = new TextEncoder();
const BACKSLASH = 0x5c;

/**
 * Makes the body in which a span is replaced by a string, as JSON, quotes
 * included.
 */
export function replaceString(
  bytes: Uint8Array,
  span: Span,
  value: string,
): Uint8Array<ArrayBuffer> {
  return replaceText(bytes, span, JSON.stringify(value));
}

/**
 * Makes the body in which a span is replaced by raw JSON text: an id that is
 * to be another one, for example.
 */
export function replaceText(
  bytes: Uint8Array,
  span: Span,
  json: string,
): Uint8Array<ArrayBuffer> {
  const behind = span.start + utf8Length(json);
  const body = new Uint8Array(behind + bytes.length - span.end);
  body.set(bytes.subarray(0, span.start));
  ENCODER.encodeInto(json, body.subarray(span.start, behind));
  body.set(bytes.subarray(span.end), behind);
  return body;
}

/**
 * Makes the body in which a name has lost its prefix. Exactly the prefix's
 * bytes go where the name is written plainly; where it has escapes among
 * them, the name alone is written anew.
 *
 * @throws {RangeError} Where the name does not begin with the prefix.
 */
export function removePrefix(
  bytes: Uint8Array,
  span: StringSpan,
  prefix: string,
): Uint8Array<ArrayBuffer> {
  if (!span.value.startsWith(prefix)) {
    throw new RangeError("Cannot remove prefix: the name begins otherwise");
  }
  const plain = ENCODER.encode(prefix);
  const from = span.start + 1;
  if (
    !plain.every((byte, i) => byte !== BACKSLASH && bytes[from + i] === byte)
  ) {
    return replaceString(bytes, span, span.value.slice(prefix.length));
  }
  return replaceText(bytes, { start: from, end: from + plain.length }, "");
}

/** How many bytes a string without unpaired surrogates takes in UTF-8. */
function utf8Length(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    // A surrogate pair is two units and four bytes.
    length += unit < 0x800 || (unit & 0xf800) === 0xd800 ? 1 : 2;
  }
  return length;
}
