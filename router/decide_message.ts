/**
 * Decides who answers a message: the broker, a server, or nobody. Pure.
 *
 * @module
 */

import type { ServerConfig } from "../shared/config/model.ts";
import type { Refusal } from "../shared/errors.ts";
import type { RequestMessage, Scanned } from "../shared/jsonrpc/message.ts";
import { removePrefix } from "../shared/jsonrpc/splice.ts";
import type { RouteTable } from "./route_table.ts";

/** What becomes of a message. */
export type MessageDecision =
  | {
    readonly kind: "refuse";
    readonly refusal: Refusal;
    /** The request's id, raw JSON. */
    readonly id: string | null;
  }
  /** The broker answers; `method` is absent for responses and batches. */
  | {
    readonly kind: "broker";
    readonly method?: string;
    /** The request's id, raw JSON; null where there is none. */
    readonly id: string | null;
  }
  /** A server answers, in the client's session. */
  | ServerCall;

/** A request that goes straight to a server. */
export interface ServerCall {
  /** `call`. */
  readonly kind: "call";
  /** Who answers. */
  readonly server: ServerConfig;
  /** JSON-RPC method. */
  readonly method: "tools/call";
  /** The tool's own name, prefix removed. */
  readonly name: string;
  /** The request's id, raw JSON. */
  readonly id: string;
  /** What the server gets: the client's bytes, but for the name's prefix. */
  readonly body: Uint8Array;
}

/**
 * Decides about a scanned body.
 *
 * @param bytes The body that was scanned.
 */
export function decideMessage(
  scanned: Scanned,
  bytes: Uint8Array,
  table: RouteTable,
  virtualServer: string | undefined,
): MessageDecision {
  switch (scanned.kind) {
    case "malformed":
      return {
        kind: "refuse",
        refusal: {
          kind: scanned.refusal,
          detail: `${scanned.reason} at byte ${scanned.offset}`,
        },
        id: scanned.id,
      };
    case "request":
      return scanned.method === "tools/call"
        ? decideCall(scanned, bytes, table, virtualServer)
        : { kind: "broker", method: scanned.method, id: scanned.id };
    case "notification":
      return { kind: "broker", method: scanned.method, id: null };
    case "response":
    case "batch":
      return { kind: "broker", id: null };
    default:
      return scanned satisfies never;
  }
}

function decideCall(
  request: RequestMessage,
  bytes: Uint8Array,
  table: RouteTable,
  virtualServer: string | undefined,
): MessageDecision {
  const { id } = request;
  const name = request.params?.name;
  if (name === undefined) {
    return {
      kind: "refuse",
      refusal: {
        kind: "invalid params",
        detail: "params.name must be a string",
      },
      id,
    };
  }
  const resolution = table.resolve("tool", name.value, virtualServer);
  switch (resolution.kind) {
    case "refused":
      return { kind: "refuse", refusal: resolution.refusal, id };
    case "server":
      return {
        kind: "call",
        server: resolution.server,
        method: "tools/call",
        name: resolution.name,
        id,
        body: removePrefix(bytes, name, resolution.server.prefix),
      };
    default:
      return resolution satisfies never;
  }
}
