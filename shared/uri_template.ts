/**
 * Matches URIs against templates (RFC 6570), to find the server that a
 * resource belongs to when no list names it. Pure.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6570
 * @see https://modelcontextprotocol.io/specification/2025-11-25/server/resources#resource-templates
 *
 * @module
 */

/** Tells whether a URI may have been made from a template. */
export type UriMatcher = (uri: string) => boolean;

/** Longest URI that is matched, UTF-16 units. */
const MAX_URI_LENGTH = 8192;
/** Expressions a template may have: matching costs a power of them. */
const MAX_EXPRESSIONS = 8;

/** What an expression's value may look like, by operator. */
const PATTERNS: ReadonlyMap<string, string> = new Map([
  ["", "[^/?#]+"],
  ["+", ".+"],
  ["#", "(?:#.*)?"],
  [".", "(?:\\.[^/?#]+)?"],
  ["/", "(?:/[^?#]+)?"],
  [";", "(?:;[^/?#]*)?"],
  ["?", "(?:\\?[^#]*)?"],
  ["&", "(?:&[^#]*)?"],
]);

/**
 * Makes the matcher of a template; undefined where it is not one.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { uriMatcher } from "./uri_template.ts";
 *
 * const matches = uriMatcher("notes://{id}/text{?rev}");
 * assertEquals(matches?.("notes://7/text?rev=2"), true);
 * assertEquals(matches?.("notes://7/8/text"), false);
 * ```
 */
export function uriMatcher(template: string): UriMatcher | undefined {
  let pattern = "";
  let expressions = 0;
  for (const part of template.split(/(\{[^{}]*\})/)) {
    if (!part.startsWith("{")) {
      if (/[{}]/.test(part)) return undefined;
      pattern += part.replace(/[\\^$.*+?()[\]|]/g, "\\$&");
      continue;
    }
    const match = /^\{([+#./;?&]?)[^{}+#/;?&]+\}$/.exec(part);
    const value = match === null ? undefined : PATTERNS.get(match[1] ?? "");
    if (value === undefined || ++expressions > MAX_EXPRESSIONS) {
      return undefined;
    }
    pattern += value;
  }
  const whole = new RegExp(`^${pattern}$`, "s");
  return (uri) => uri.length <= MAX_URI_LENGTH && whole.test(uri);
}
