/**
 * What only one client sees: the tools and prompts of servers whose lists
 * differ by caller, merged behind the shared catalog and cut down to what the
 * client's virtual server selects.
 *
 * @module
 */

import type { CurrentCatalog } from "../catalog/current_catalog.ts";
import type { ListKind } from "../catalog/kinds.ts";
import { type MergedItem, mergeForCaller } from "../catalog/merge.ts";
import { type View, WHOLE_CATALOG } from "../catalog/views.ts";
import { ownItemServers } from "../lists/own_items.ts";
import type { CallerLists, ListingCaller } from "./caller_lists.ts";

/** A client that lists, and what of the catalog it sees. */
export interface CallerView extends ListingCaller {
  /** What of the catalog it sees. */
  readonly view: View;
}

/**
 * Makes the function that finds what only one client sees.
 *
 * @param isOut Tells whether a server is known to be of no use.
 */
export function callerItems(
  catalog: CurrentCatalog,
  lists: CallerLists,
  isOut: (server: string) => boolean,
): (kind: ListKind, client: CallerView) => Promise<readonly MergedItem[]> {
  return async (kind, client) => {
    const { state } = catalog;
    if (state === undefined || (kind !== "tools" && kind !== "prompts")) {
      return [];
    }
    const { config } = state;
    const { key } = client.view;
    const virtual = config.virtualServers.find(({ name }) => name === key);
    const selected = virtual && new Set(virtual[kind]);
    const servers = ownItemServers(
      kind,
      key === WHOLE_CATALOG ? undefined : key,
      config,
    ).filter(({ name }) => !isOut(name));
    if (servers.length === 0) return [];
    const listed = await lists.of(client, servers);
    const own = mergeForCaller(config, listed)[kind];
    return selected === undefined
      ? own
      : own.filter(({ exposed }) => selected.has(exposed));
  };
}
