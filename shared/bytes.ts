/**
 * Puts pieces of bytes together. Pure.
 *
 * @module
 */

const OPEN_ARRAY = Uint8Array.of(0x5b);
const COMMA = Uint8Array.of(0x2c);
const CLOSE_ARRAY = Uint8Array.of(0x5d);

/** Makes one piece of many. */
export function joinBytes(
  parts: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const size = parts.reduce((sum, part) => sum + part.byteLength, 0);
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

/** Bytes from which on the text of a piece is remembered. */
const REMEMBERED_BYTES = 4 * 1024;

const texts = new WeakMap<Uint8Array, string>();
// Not `fatal`: Deno makes strings of two bytes a character then, and writing
// these takes twice the time.
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
/** Stands in a text for what was no UTF-8, seldom for itself. */
const REPLACEMENT = "\uFFFD";

/**
 * The pieces as one text, which has the same bytes. That of a large piece is
 * remembered as long as there is the piece, which must not change.
 *
 * @returns Undefined where a piece is no UTF-8 by itself, or might not be.
 */
export function joinText(parts: readonly Uint8Array[]): string | undefined {
  let whole = "";
  for (const part of parts) {
    const text = textOf(part);
    if (text === undefined) return undefined;
    whole += text;
  }
  return whole;
}

function textOf(part: Uint8Array): string | undefined {
  const known = texts.get(part);
  if (known !== undefined) return known;
  const text = utf8.decode(part);
  if (text.includes(REPLACEMENT)) return undefined;
  if (part.byteLength >= REMEMBERED_BYTES) texts.set(part, text);
  return text;
}

/**
 * The pieces of a JSON array whose elements are JSON texts: for
 * {@linkcode joinBytes}, so that each element is copied only once.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { arrayParts, joinBytes } from "./bytes.ts";
 *
 * const items = ["1e400", "{}"].map((json) => new TextEncoder().encode(json));
 * const array = joinBytes(arrayParts(items));
 * assertEquals(new TextDecoder().decode(array), "[1e400,{}]");
 * ```
 */
export function arrayParts(
  elements: readonly Uint8Array[],
): readonly Uint8Array[] {
  const separated = elements.flatMap((one, index) =>
    index === 0 ? [one] : [COMMA, one]
  );
  return [OPEN_ARRAY, ...separated, CLOSE_ARRAY];
}
