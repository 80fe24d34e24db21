/**
 * Answers the four list methods: a page of what all see, what only this client
 * sees behind it, and the cursor that leads on.
 *
 * @module
 */

import type { RequestMessage } from "../../shared/jsonrpc/message.ts";
import { asString, members } from "../../shared/jsonrpc/values.ts";
import type { Era } from "../../shared/mcp.ts";
import type { KeyRing } from "../../shared/sessions/keys.ts";
import type { ListKind } from "../catalog/kinds.ts";
import type { MergedItem } from "../catalog/merge.ts";
import type { View } from "../catalog/views.ts";
import { readCursor, writeCursor } from "./cursors.ts";
import type { Answer } from "../answer.ts";

/** The client that lists. */
export interface ListClient {
  /**
   * Random id of its session; in the stateless era, which has none, what
   * stands for the caller.
   */
  readonly session: string;
  /** Whom cursors are good for, unless for nobody else. */
  readonly cursorsFor?: string;
  /** What of the catalog it sees. */
  readonly view: View;
  /** The era that it speaks; of sessions unless given. */
  readonly era?: Era;
  /** The `authorization` header of its request, where it has one. */
  readonly authorization?: string;
}

/** What only one client sees, by kind; [] where there is no such thing. */
export type OwnItems = (
  kind: ListKind,
  client: ListClient,
) => Promise<readonly MergedItem[]>;

/**
 * Answers a list method.
 *
 * @param more Members of the result besides the list and its cursor: JSON
 * text, each with a comma before it.
 */
export type ListAnswers = (
  kind: ListKind,
  body: Uint8Array,
  request: RequestMessage,
  client: ListClient,
  more?: string,
) => Promise<Answer>;

/**
 * Makes the function that answers list methods.
 *
 * @param keys Keys that cursors are signed with.
 * @param ownItems Finds what only one client sees; nothing unless given.
 */
export function listAnswers(keys: KeyRing, ownItems?: OwnItems): ListAnswers {
  return async (kind, body, { params }, client, more = "") => {
    const { view, session, cursorsFor = session } = client;
    const scope = { kind, view: view.key, holder: cursorsFor };
    const written = params && members(body, params).get("cursor");
    const named = asString(body, written);
    const position = named === undefined
      ? undefined
      : readCursor(keys, scope, named);
    if (written !== undefined && position === undefined) {
      const detail = named === undefined
        ? "params.cursor is not a string"
        : "unknown cursor";
      return { kind: "refused", refusal: { kind: "invalid params", detail } };
    }
    const own = await ownItems?.(kind, client) ?? [];
    const { parts, next } = view.listing(kind, client.era)
      .page(position, own);
    const cursor = next === undefined
      ? ""
      : `,"nextCursor":${JSON.stringify(writeCursor(keys, scope, next))}`;
    const tail = new TextEncoder().encode(`${cursor}${more}}`);
    return { kind: "result", result: [...parts, tail] };
  };
}
