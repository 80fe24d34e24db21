/**
 * What servers say of how long their lists may be kept, and for whom. A list
 * that is put together of several keeps what the strictest of them wants.
 * Pure.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/server/utilities/caching
 * @module
 */

import { SERVER_JSON } from "../../shared/jsonrpc/json_limits.ts";
import type { Span } from "../../shared/jsonrpc/message.ts";
import { asString, kindOf, text } from "../../shared/jsonrpc/values.ts";

/** Who may be given an answer that was kept. */
export type CacheScope = "public" | "private";

/** How long an answer may be kept, and for whom. */
export interface ListHints {
  /** Milliseconds. */
  readonly ttlMs: number;
  /** Who may be given it. */
  readonly cacheScope: CacheScope;
}

/** What holds where a server that has to say something says nothing. */
export const STRICTEST: ListHints = { ttlMs: 0, cacheScope: "private" };

/**
 * Reads what a result says.
 *
 * @param message The message that it stands in.
 * @param result Its members.
 * @returns Undefined where it says neither, as servers with sessions do; what
 * is missing or wrong of the two counts as the strictest.
 */
export function readListHints(
  message: Uint8Array,
  result: ReadonlyMap<string, Span>,
): ListHints | undefined {
  const ttl = result.get("ttlMs");
  const scope = result.get("cacheScope");
  if (ttl === undefined && scope === undefined) return undefined;
  const ms = ttl !== undefined && kindOf(message, ttl) === "number"
    ? Number(text(message, ttl))
    : 0;
  return {
    ttlMs: Number.isFinite(ms) ? Math.max(0, Math.floor(ms)) : 0,
    cacheScope: asString(message, scope, SERVER_JSON) === "public"
      ? "public"
      : "private",
  };
}

/** The strictest of several; undefined where nobody says anything. */
export function strictestOf(
  all: readonly (ListHints | undefined)[],
): ListHints | undefined {
  return all.reduce((a, b) =>
    a === undefined || b === undefined ? a ?? b : {
      ttlMs: Math.min(a.ttlMs, b.ttlMs),
      cacheScope: a.cacheScope === "private" ? "private" : b.cacheScope,
    }, undefined);
}
