/**
 * Resolves a call as {@linkcode resolveCall} does, and finds what of it only
 * its own client is listed.
 *
 * @module
 */

import type { RequestMessage } from "../shared/jsonrpc/message.ts";
import type { RouteTable } from "../shared/routing/route_table.ts";
import type { ListClient, OwnItems } from "./lists/list_answers.ts";
import {
  type CallResolution,
  resolveCall,
  type ResolvedCall,
} from "./resolve_call.ts";

/**
 * Resolves a call.
 *
 * @param client Who calls, and what of the catalog it sees.
 * @param ownItems Finds what only one client sees; nothing unless given.
 */
export async function resolveForClient(
  body: Uint8Array,
  request: RequestMessage,
  table: RouteTable,
  client: ListClient,
  ownItems?: OwnItems,
): Promise<CallResolution> {
  const resolution = resolveCall(
    body,
    request,
    table,
    client.view,
    client.era ?? "session",
  );
  if (resolution.kind === "refused" || ownItems === undefined) {
    return resolution;
  }
  const { call } = resolution;
  const kind = ownKind(call);
  if (kind === undefined) return resolution;
  const own = await ownItems(kind, client);
  const item = own.find(({ exposed }) => exposed === call.named.value);
  return item?.server === call.server.name
    ? { kind: "call", call: { ...call, item } }
    : resolution;
}

/** The list that shows the call's target to its client alone, if one does. */
function ownKind(
  { server, target }: ResolvedCall,
): "tools" | "prompts" | undefined {
  if (!server.userSpecificList || target === "resource") return undefined;
  return target === "tool" ? "tools" : "prompts";
}
