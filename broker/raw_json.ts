/**
 * Finds where the parts of a valid JSON text stand, so that they can be passed
 * on as they were written. Servers' answers are read with this rather than
 * with the strict scanner: one doubtful tool must not cost a whole list.
 *
 * The text must have gone through `JSON.parse` before; nothing is validated
 * here. Never recurses.
 *
 * @module
 */

/** A part of a text: `text.slice(start, end)`. */
export interface Slice {
  /** Index of the first character. */
  readonly start: number;
  /** Index behind the last character. */
  readonly end: number;
}

/** The members of an object, by decoded key. */
export interface RawMembers {
  /** Where each value stands; the last one where a key is repeated. */
  readonly values: ReadonlyMap<string, Slice>;
  /** Keys that stand more than once. */
  readonly repeated: readonly string[];
}

/**
 * Finds the members of the object that begins at `start`, white space before
 * it allowed. Something else than an object has no members.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { rawMembers } from "./raw_json.ts";
 *
 * const text = '{"n": 9007199254740993}';
 * const n = rawMembers(text).values.get("n")!;
 * assertEquals(text.slice(n.start, n.end), "9007199254740993");
 * ```
 */
export function rawMembers(text: string, start = 0): RawMembers {
  const values = new Map<string, Slice>();
  const repeated: string[] = [];
  let at = skipSpace(text, start);
  if (text[at] !== "{") return { values, repeated };
  at = skipSpace(text, at + 1);
  while (text[at] !== "}") {
    const keyEnd = skipString(text, at);
    const key: string = JSON.parse(text.slice(at, keyEnd));
    const valueStart = skipSpace(text, skipSpace(text, keyEnd) + 1);
    const end = skipValue(text, valueStart);
    if (values.has(key)) repeated.push(key);
    values.set(key, { start: valueStart, end });
    at = skipComma(text, end);
  }
  return { values, repeated };
}

/**
 * Finds the elements of the array that begins at `start`, white space before
 * it allowed. Something else than an array has no elements.
 */
export function rawElements(text: string, start = 0): readonly Slice[] {
  const elements: Slice[] = [];
  let at = skipSpace(text, start);
  if (text[at] !== "[") return elements;
  at = skipSpace(text, at + 1);
  while (text[at] !== "]") {
    const end = skipValue(text, at);
    elements.push({ start: at, end });
    at = skipComma(text, end);
  }
  return elements;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

function skipSpace(text: string, from: number): number {
  let at = from;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) {
      return at;
    }
    at++;
  }
}

/** From behind a value to the next one, or to the closing bracket. */
function skipComma(text: string, from: number): number {
  const at = skipSpace(text, from);
  return text[at] === "," ? skipSpace(text, at + 1) : at;
}

function skipString(text: string, from: number): number {
  let at = from + 1;
  while (text.charCodeAt(at) !== QUOTE) {
    at += text.charCodeAt(at) === BACKSLASH ? 2 : 1;
    if (at >= text.length) return text.length;
  }
  return at + 1;
}

function skipValue(text: string, from: number): number {
  let at = from;
  let depth = 0;
  while (at < text.length) {
    switch (text[at]) {
      case '"':
        at = skipString(text, at);
        break;
      case "{":
      case "[":
        depth++;
        at++;
        continue;
      case "}":
      case "]":
        depth--;
        at++;
        break;
      case ",":
      case ":":
      case " ":
      case "\n":
      case "\r":
      case "\t":
        at++;
        continue;
      default:
        while (at < text.length && !",]} \n\r\t".includes(text[at]!)) at++;
    }
    if (depth === 0) return at;
  }
  return at;
}
