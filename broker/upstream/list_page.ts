/**
 * Reads one page of a server's list: items as they were written, and the
 * cursor of the next page. Pure.
 *
 * @module
 */

import { SERVER_JSON } from "../../shared/jsonrpc/json_limits.ts";
import type { Span } from "../../shared/jsonrpc/message.ts";
import {
  asString,
  elements,
  kindOf,
  members,
} from "../../shared/jsonrpc/values.ts";
import { type ListHints, readListHints } from "../catalog/list_hints.ts";

/** One page. */
export interface ListPage {
  /** Each item as it was written, checked no further: parts of the message. */
  readonly items: readonly Uint8Array[];
  /** Cursor of the next page; "" is one too (2025-11-25, pagination). */
  readonly nextCursor?: string;
  /** How long the page may be kept, and for whom, where it says so. */
  readonly hints?: ListHints;
}

/**
 * Reads a page.
 *
 * @param message A message that {@linkcode SERVER_JSON} accepts.
 * @param result Where the message's `result` stands.
 * @param member Which list, such as `tools`.
 * @returns Undefined where the result has no such list.
 */
export function readPage(
  message: Uint8Array,
  result: Span,
  member: string,
): ListPage | undefined {
  if (kindOf(message, result) !== "object") return undefined;
  const page = members(message, result, SERVER_JSON);
  const list = page.get(member);
  if (list === undefined || kindOf(message, list) !== "array") return undefined;
  const items = elements(message, list, SERVER_JSON)
    .map(({ start, end }) => message.subarray(start, end));
  // null is not a cursor, though some servers write it for "no more".
  const nextCursor = asString(message, page.get("nextCursor"), SERVER_JSON);
  const hints = readListHints(message, page);
  return {
    items,
    ...(nextCursor === undefined ? {} : { nextCursor }),
    ...(hints === undefined ? {} : { hints }),
  };
}
