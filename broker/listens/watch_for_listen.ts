/**
 * Has the servers of resources tell a `subscriptions/listen` stream of
 * updates, and finds out which of them do: only those are acknowledged.
 *
 * @module
 */

import type { ServerConfig } from "../../shared/config/model.ts";
import type { Logger } from "../../shared/log.ts";
import type { Era } from "../../shared/mcp.ts";
import type { RouteTable } from "../../shared/routing/route_table.ts";
import type { Wait } from "../../shared/wait_on_timer.ts";
import { WHOLE_CATALOG } from "../catalog/views.ts";
import type { WatchResources } from "../era_bridge/watch_resources.ts";
import type { Listen } from "./listen.ts";

/** How resources are watched at servers of each era; absent for not at all. */
export type Watches = Readonly<Partial<Record<Era, WatchResources>>>;

/** What watching needs. */
export interface WatchForListenOptions {
  /** How resources are watched. */
  readonly watches: Watches;
  /** Milliseconds that servers have to agree. */
  readonly patienceMs: number;
  /** Waits. */
  readonly wait: Wait;
  /** Told of what fails. */
  readonly log: Logger;
}

/** A server, the resources that are to be watched there, and how. */
interface Group {
  readonly server: ServerConfig;
  readonly era: Era;
  readonly watch: WatchResources;
  readonly uris: string[];
}

/**
 * Watches resources until the stream ends.
 *
 * @param uris What the client asked for.
 * @param table Who owns what.
 * @param authorization The credential that the stream was opened with.
 * @returns What is granted, in the order asked for: what the client's view has
 * and whose server agreed in time. One that is late is not asked any more.
 */
export async function watchForListen(
  listen: Listen,
  uris: readonly string[],
  table: RouteTable,
  authorization: string | undefined,
  { watches, patienceMs, wait, log }: WatchForListenOptions,
): Promise<readonly string[]> {
  const groups = groupByServer(uris, listen.owner.view, table, watches);
  if (groups.length === 0) return [];
  const decided = new AbortController();
  const late = wait(
    patienceMs,
    AbortSignal.any([listen.signal, decided.signal]),
  )
    .then(() => undefined);
  const granted = await Promise.all(
    groups.map(async ({ server, era, watch, uris }) => {
      const leaving = new AbortController();
      const agreed = watch({
        server,
        uris,
        identity: listen.owner.identity,
        authorization,
        onUpdated: (params) => listen.resourceUpdated(params),
        signal: AbortSignal.any([listen.signal, leaving.signal]),
      }).catch((error: unknown) => {
        log.info("resources not watched", { server: server.name, error });
        return [];
      });
      const honoured = await Promise.race([agreed, late]);
      if (honoured === undefined || honoured.length === 0) {
        leaving.abort();
        return [];
      }
      listen.watch(server, era);
      return honoured;
    }),
  );
  decided.abort();
  const all = new Set(granted.flat());
  return uris.filter((uri) => all.has(uri));
}

function groupByServer(
  uris: readonly string[],
  view: string,
  table: RouteTable,
  watches: Watches,
): readonly Group[] {
  const groups = new Map<string, Group>();
  const virtualServer = view === WHOLE_CATALOG ? undefined : view;
  for (const uri of uris) {
    const found = table.resolve("resource", uri, virtualServer);
    if (found.kind === "refused") continue;
    const { server } = found;
    const era = table.eraFor(server, "stateless");
    const watch = era && watches[era];
    if (era === undefined || watch === undefined) continue;
    const group = groups.get(server.name);
    if (group === undefined) {
      groups.set(server.name, { server, era, watch, uris: [uri] });
    } else group.uris.push(uri);
  }
  return [...groups.values()];
}
