/**
 * JSON whose numbers stay as they are written, however large: parsed into
 * `JSON.rawJSON` objects, which `JSON.stringify` writes out as they came.
 *
 * @see https://tc39.es/proposal-json-parse-with-source/
 * @module
 */

/** A number as it was written; opaque to everything but `JSON.stringify`. */
export interface ExactNumber {
  /** Its text. */
  readonly rawJSON: string;
}

/** What TypeScript does not know yet of `JSON`. */
interface SourceJson {
  parse(
    text: string,
    revive: (
      key: string,
      value: unknown,
      context: { readonly source?: string },
    ) => unknown,
  ): unknown;
  rawJSON(text: string): ExactNumber;
  isRawJSON(value: unknown): value is ExactNumber;
}

const json = JSON as unknown as SourceJson;

/** A number that is written with this text. */
export function exactNumber(text: string): ExactNumber {
  return json.rawJSON(text);
}

/** Whether a value is a number that {@linkcode parseExactly} read. */
export function isExactNumber(value: unknown): value is ExactNumber {
  return json.isRawJSON(value);
}

/**
 * Parses JSON, numbers as {@linkcode ExactNumber}.
 *
 * @throws {SyntaxError} Where it is not JSON.
 *
 * @example
 * ```ts
 * import { parseExactly } from "./exact_json.ts";
 *
 * JSON.stringify(parseExactly("[9007199254740993]")); // "[9007199254740993]"
 * ```
 */
export function parseExactly(text: string): unknown {
  return json.parse(
    text,
    (_key, value, { source }) =>
      typeof value === "number" && source !== undefined
        ? json.rawJSON(source)
        : value,
  );
}
