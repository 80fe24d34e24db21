/**
 * Decides who runs a request that asks for one thing of one server. Pure.
 *
 * @module
 */

import type { ParamHeader } from "../shared/catalog.ts";
import type { ServerConfig } from "../shared/config/model.ts";
import type { Refusal } from "../shared/errors.ts";
import type { RequestMessage } from "../shared/jsonrpc/message.ts";
import { removePrefix } from "../shared/jsonrpc/splice.ts";
import type { Era } from "../shared/mcp.ts";
import { callTarget, type TargetKind } from "../shared/routing/call_target.ts";
import type { RouteTable } from "../shared/routing/route_table.ts";

/** A request that asks for one thing of one server. */
export interface Call {
  /** Who has it. */
  readonly server: ServerConfig;
  /** JSON-RPC method. */
  readonly method: string;
  /** What the request is about. */
  readonly target: TargetKind;
  /** The tool's or prompt's own name, prefix removed; the resource's URI. */
  readonly name: string;
  /** The request's id, raw JSON. */
  readonly id: string;
  /** Arguments of the tool that headers mirror, where the catalog knows any. */
  readonly paramHeaders?: readonly ParamHeader[];
}

/** A call that goes straight to a server of the client's own era. */
export interface ServerCall extends Call {
  /** `call`. */
  readonly kind: "call";
  /** What the server gets: the client's bytes, but for the name's prefix. */
  readonly body: Uint8Array;
}

/** A call that the broker translates: its server is of the other era. */
export interface BridgedCall extends Call {
  /** `bridge`. */
  readonly kind: "bridge";
}

/** A request that is not passed on. */
export interface Refused {
  /** `refuse`. */
  readonly kind: "refuse";
  /** Why. */
  readonly refusal: Refusal;
  /** The request's id, raw JSON. */
  readonly id: string | null;
}

/** Who runs a request. */
export type CallDecision =
  | ServerCall
  | BridgedCall
  | Refused
  /** It asks for nothing that one server has. */
  | { readonly kind: "none" };

/** What a message is decided by. */
export interface MessageContext {
  /** The body that was scanned. */
  readonly bytes: Uint8Array;
  /** The table in force. */
  readonly table: RouteTable;
  /** The virtual server that was asked for. */
  readonly virtualServer: string | undefined;
}

/**
 * Decides who runs a request.
 *
 * | request | of its server is known | decision |
 * |---|---|---|
 * | is malformed, names what there is not | | refuse |
 * | asks for nothing of a server | | none |
 * | asks for something | that it is of the request's era | call |
 * | asks for something | that it is of the other era | bridge |
 * | of the session era | nothing | call: so it was before there was another |
 * | of the stateless era | nothing | refuse: catalog unavailable |
 *
 * @param era The request's.
 */
export function decideCall(
  request: RequestMessage,
  era: Era,
  { bytes, table, virtualServer }: MessageContext,
): CallDecision {
  const { method, id } = request;
  const refuse = (refusal: Refusal): Refused => ({
    kind: "refuse",
    refusal,
    id,
  });
  const asked = callTarget(bytes, request);
  switch (asked.kind) {
    case "none":
      return asked;
    case "refused":
      return refuse(asked.refusal);
    case "target":
      break;
    default:
      return asked satisfies never;
  }
  const { target, named } = asked;
  const resolution = table.resolve(target, named.value, virtualServer);
  if (resolution.kind === "refused") return refuse(resolution.refusal);
  const { server, name, entry } = resolution;
  const paramHeaders = method === "tools/call"
    ? entry?.paramHeaders
    : undefined;
  const call: Call = {
    server,
    method,
    target,
    name,
    id,
    ...(paramHeaders === undefined ? {} : { paramHeaders }),
  };
  const serverEra = table.eraFor(server, era) ??
    (era === "session" ? era : undefined);
  if (serverEra === undefined) return refuse({ kind: "catalog unavailable" });
  if (serverEra !== era) return { kind: "bridge", ...call };
  const body = target === "resource" || server.prefix === ""
    ? bytes
    : removePrefix(bytes, named, server.prefix);
  return { kind: "call", ...call, body };
}

/** Longest method that goes on: it becomes a header. */
const MAX_METHOD = 128;

/** Refuses a request whose method goes nowhere. */
export function refuseMethod(
  { method, id }: RequestMessage,
): Refused | undefined {
  return method.length > MAX_METHOD
    ? { kind: "refuse", refusal: { kind: "unknown method" }, id }
    : undefined;
}
