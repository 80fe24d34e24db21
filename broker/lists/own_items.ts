/**
 * Which servers show each caller another list of tools or prompts in a view.
 * Pure.
 *
 * @module
 */

import type { GatewayConfig, ServerConfig } from "../../shared/config/model.ts";
import type { ListKind } from "../catalog/kinds.ts";
import { WHOLE_CATALOG } from "../catalog/views.ts";

/**
 * Finds the servers whose items of a kind differ by caller, and that a view
 * may show.
 *
 * @param virtualServer Name of the virtual server; undefined for the whole
 * catalog.
 */
export function ownItemServers(
  kind: ListKind,
  virtualServer: string | undefined,
  { servers, virtualServers }: GatewayConfig,
): readonly ServerConfig[] {
  // Nobody but who listed it could tell whose a URI is.
  if (kind !== "tools" && kind !== "prompts") return [];
  const virtual = virtualServers.find(({ name }) => name === virtualServer);
  if (virtualServer !== undefined && virtual === undefined) return [];
  const names = virtual?.[kind];
  return servers.filter((server) =>
    server.userSpecificList && server.state === "Enabled" &&
    // Nobody need be asked for what would not be shown.
    (names === undefined ||
      names.some((name) => name.startsWith(server.prefix)))
  );
}

/** Whether callers may see different items of a kind in a view. */
export function hasOwnItems(
  kind: ListKind,
  virtualServer: string | undefined,
  config: GatewayConfig,
): boolean {
  return ownItemServers(kind, virtualServer, config).length > 0;
}

/** Keys of the views in which a server's items of a kind differ by caller. */
export function viewsOfOwnItems(
  kind: ListKind,
  server: string,
  config: GatewayConfig,
): readonly string[] {
  const selections = [undefined, ...config.virtualServers.map((v) => v.name)];
  return selections.filter((virtualServer) =>
    ownItemServers(kind, virtualServer, config).some((s) => s.name === server)
  ).map((virtualServer) => virtualServer ?? WHOLE_CATALOG);
}
