/**
 * Decides who may keep an answer, and for how long. Pure.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/server/utilities/caching
 * @module
 */

import type { GatewayConfig } from "../../shared/config/model.ts";
import type { RequestCaller } from "../caller.ts";
import type { ListKind } from "../catalog/kinds.ts";
import type { CacheScope } from "../catalog/list_hints.ts";
import { hasOwnItems } from "../lists/own_items.ts";

/**
 * Tells who may be given an answer that was made for one caller.
 *
 * | answer | scope |
 * |---|---|
 * | of a virtual server that a header chose, not the URL | private |
 * | a list that some of its servers make for each caller | private |
 * | any other | public |
 *
 * @param kind The list; undefined for what no caller sees otherwise.
 * @param path Where the gateway serves MCP.
 */
export function cacheScopeOf(
  kind: ListKind | undefined,
  { route, virtualServer }: RequestCaller,
  config: GatewayConfig,
  path: string,
): CacheScope {
  // Caches know answers by URL, method and params.
  const chosenByHeader = virtualServer !== undefined && route === path;
  return chosenByHeader ||
      (kind !== undefined && hasOwnItems(kind, virtualServer, config))
    ? "private"
    : "public";
}
