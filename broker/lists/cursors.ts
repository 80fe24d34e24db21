/**
 * The cursors that clients get: signed statements of where a list goes on, for
 * one list, seen in one view, by one holder. Any replica can read them; any
 * other cursor is none. Pure.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/server/utilities/pagination
 * @module
 */

import type { KeyRing } from "../../shared/sessions/keys.ts";
import { readStatement, signStatement } from "../../shared/sessions/token.ts";
import type { ListKind } from "../catalog/kinds.ts";
import type { PagePosition } from "../catalog/listing.ts";

/** What a cursor is good for. */
export interface CursorScope {
  /** The list. */
  readonly kind: ListKind;
  /** Key of the view that the list is seen in. */
  readonly view: string;
  /**
   * Whom it is good for: the random id of a client's session; in the stateless
   * era the caller, or anybody where all see the same list.
   */
  readonly holder: string;
}

/** Writes a cursor. */
export function writeCursor(
  keys: KeyRing,
  { kind, view, holder }: CursorScope,
  { part, after }: PagePosition,
): string {
  return signStatement(keys, "cursor", {
    sub: holder,
    aud: view,
    list: kind,
    part,
    after,
  });
}

/** Reads a cursor; undefined unless we wrote it, for this very scope. */
export function readCursor(
  keys: KeyRing,
  { kind, view, holder }: CursorScope,
  cursor: string,
): PagePosition | undefined {
  const statement = readStatement(keys, "cursor", cursor);
  if (statement === undefined) return undefined;
  const { sub, aud, list, part, after } = statement;
  if (sub !== holder || aud !== view || list !== kind) return undefined;
  if (part !== "shared" && part !== "own") return undefined;
  return typeof after === "string" ? { part, after } : undefined;
}
