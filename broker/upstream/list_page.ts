/**
 * Reads one page of a server's list: items as they were written, and the
 * cursor of the next page. Pure.
 *
 * @module
 */

import {
  rawElements,
  rawMembers,
  type Slice,
} from "../../shared/jsonrpc/raw_json.ts";

/** One page. */
export interface ListPage {
  /** JSON text of each item, UTF-8. */
  readonly items: readonly Uint8Array[];
  /** Cursor of the next page; "" is one too (2025-11-25, pagination). */
  readonly nextCursor?: string;
}

/**
 * Reads a page.
 *
 * @param text A message that has been parsed.
 * @param result Where the message's `result` stands.
 * @param member Which list: `tools`.
 * @returns Undefined where the result has no such list.
 */
export function readPage(
  text: string,
  result: Slice,
  member: string,
): ListPage | undefined {
  const { values } = rawMembers(text, result.start);
  const list = values.get(member);
  if (list === undefined || text[list.start] !== "[") return undefined;
  const encoder = new TextEncoder();
  const items = rawElements(text, list.start).map(({ start, end }) =>
    encoder.encode(text.slice(start, end))
  );
  const cursor = values.get("nextCursor");
  // null is not a cursor, though some servers write it for "no more".
  if (cursor === undefined || text[cursor.start] !== '"') return { items };
  return {
    items,
    nextCursor: JSON.parse(text.slice(cursor.start, cursor.end)),
  };
}
