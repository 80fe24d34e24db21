/**
 * Finds who has what a request asks for, in the view of the client that asks:
 * as the router does, since a call that goes between the eras, or missed its
 * server, ends up here. Pure.
 *
 * @module
 */

import type { ServerConfig } from "../shared/config/model.ts";
import type { Refusal } from "../shared/errors.ts";
import type { RequestMessage, StringSpan } from "../shared/jsonrpc/message.ts";
import type { Era } from "../shared/mcp.ts";
import { callTarget, type TargetKind } from "../shared/routing/call_target.ts";
import type { RouteTable } from "../shared/routing/route_table.ts";
import type { MergedItem } from "./catalog/merge.ts";
import { type View, WHOLE_CATALOG } from "./catalog/views.ts";

/** A call and who is to answer it. */
export interface ResolvedCall {
  /** Who is to answer. */
  readonly server: ServerConfig;
  /** The era in which it is to be asked; undefined where nobody knows yet. */
  readonly era: Era | undefined;
  /** What the call is about. */
  readonly target: TargetKind;
  /** The tool's or prompt's own name at the server; the resource's URI. */
  readonly name: string;
  /** The name that the client has for it, and where that stands. */
  readonly named: StringSpan;
  /** What the server lists of it to all clients, where it does. */
  readonly item?: MergedItem;
}

/** Outcome of resolving a request. */
export type CallResolution =
  | { readonly kind: "call"; readonly call: ResolvedCall }
  | { readonly kind: "refused"; readonly refusal: Refusal };

/**
 * Resolves a tools/call, prompts/get, completion/complete, or a resource's
 * read, subscribe or unsubscribe.
 *
 * @param body The body that the request stands in.
 * @param table Who owns what.
 * @param view What of the catalog the client sees.
 * @param era The client's.
 */
export function resolveCall(
  body: Uint8Array,
  request: RequestMessage,
  table: RouteTable,
  view: View,
  era: Era,
): CallResolution {
  const asked = callTarget(body, request);
  switch (asked.kind) {
    case "none":
      return refused({ kind: "unknown method", detail: request.method });
    case "refused":
      return asked;
    case "target": {
      const { target, named } = asked;
      const virtualServer = view.key === WHOLE_CATALOG ? undefined : view.key;
      const found = table.resolve(target, named.value, virtualServer);
      if (found.kind === "refused") return found;
      const { server, name } = found;
      const item = listed(target, named.value, view);
      return {
        kind: "call",
        call: {
          server,
          era: table.eraFor(server, era),
          target,
          name,
          named,
          ...(item?.server === server.name ? { item } : {}),
        },
      };
    }
    default:
      return asked satisfies never;
  }
}

function listed(
  target: TargetKind,
  named: string,
  view: View,
): MergedItem | undefined {
  switch (target) {
    case "tool":
      return view.items.tools.get(named);
    case "prompt":
      return view.items.prompts.get(named);
    case "resource":
      return view.items.resources.get(named) ?? view.items.templates.get(named);
    default:
      return target satisfies never;
  }
}

/**
 * The refusal of a call that reached the broker although Envoy carries it to
 * its server: what is wrong is the way, not the call, which did not run.
 */
export function misrouted({ target, server }: ResolvedCall): Refusal {
  return {
    kind: "server unreachable",
    detail:
      `the call of a ${target} of server ${server.name} reached the broker: send it through Envoy and its router`,
  };
}

/** The refusal of a call between the eras where nothing carries it. */
export function unbridged({ target, server, era }: ResolvedCall): Refusal {
  return {
    kind: "internal error",
    detail:
      `the ${target} is one of server ${server.name}, which speaks MCP of the ${era} era: this broker does not translate between the eras`,
  };
}

function refused(refusal: Refusal): CallResolution {
  return { kind: "refused", refusal };
}
