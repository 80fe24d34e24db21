/**
 * Parses JSON that is passed on: numbers that no double holds stay what they
 * are.
 *
 * @module
 */

/** The part of `JSON` that TypeScript does not know yet. */
interface SourceJson {
  parse(
    text: string,
    revive: (
      key: string,
      value: unknown,
      context: { readonly source?: string },
    ) => unknown,
  ): unknown;
  rawJSON(text: string): unknown;
}

const json = JSON as unknown as SourceJson;

/** Shorter numbers are doubles. */
const LONG_NUMBER = /\d{16}/;

/**
 * As `JSON.parse`, but a number that would become another one is an object
 * that `JSON.stringify` writes as it stood there.
 *
 * @throws {SyntaxError} Where it is not JSON.
 * @see https://tc39.es/proposal-json-parse-with-source/
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseExactly } from "./parse_exactly.ts";
 *
 * const text = '{"small":1,"large":9007199254740993}';
 * assertEquals(JSON.stringify(parseExactly(text)), text);
 * ```
 */
export function parseExactly(text: string): unknown {
  if (!LONG_NUMBER.test(text)) return JSON.parse(text);
  return json.parse(
    text,
    (_key, value, { source }) =>
      typeof value !== "number" || source === undefined ||
        String(value) === source
        ? value
        : json.rawJSON(source),
  );
}
