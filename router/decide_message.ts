/**
 * Decides who answers a message: the broker, a server, or nobody. Pure.
 *
 * @module
 */

import type { ServerConfig } from "../shared/config/model.ts";
import type { Refusal } from "../shared/errors.ts";
import type {
  NotificationMessage,
  RawSpan,
  RequestMessage,
  Scanned,
} from "../shared/jsonrpc/message.ts";
import { removePrefix, replaceText } from "../shared/jsonrpc/splice.ts";
import { readRoutedId } from "../shared/relay/routed_id.ts";
import { callTarget, type TargetKind } from "../shared/routing/call_target.ts";
import type { RouteTable } from "../shared/routing/route_table.ts";

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
  | ServerCall
  /** A server is told. */
  | Relay
  /** The server that has the call is told, else the broker. */
  | Cancellation;

/** A client's word about what a server asked of it: it wants no answer. */
export interface Relay {
  /** `relay`. */
  readonly kind: "relay";
  /** The server that asked; undefined where it is configured no more. */
  readonly server: ServerConfig | undefined;
  /** Which of the server's sessions asked. */
  readonly tag: string;
  /** What the client says. */
  readonly message: RelayedKind;
  /** What the server gets: the client's bytes, but for the server's own id. */
  readonly body: Uint8Array;
}

/** What a client says to a server without an answer of it. */
export type RelayedKind = "response" | "notification";

/** A client does not want the answer to a request of its own any more. */
export interface Cancellation {
  /** `cancel`. */
  readonly kind: "cancel";
  /** The request's id, raw JSON. */
  readonly requestId: string;
}

/** A request that goes straight to a server. */
export interface ServerCall {
  /** `call`. */
  readonly kind: "call";
  /** Who answers. */
  readonly server: ServerConfig;
  /** JSON-RPC method. */
  readonly method: string;
  /** What the request is about. */
  readonly target: TargetKind;
  /** The tool's or prompt's own name, prefix removed; the resource's URI. */
  readonly name: string;
  /** The request's id, raw JSON. */
  readonly id: string;
  /** What the server gets: the client's bytes, but for the name's prefix. */
  readonly body: Uint8Array;
}

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
 * Decides about a scanned body.
 *
 * | message | decision |
 * |---|---|
 * | tools/call, prompts/get | call, by `params.name` |
 * | resources/read | call, by `params.uri` |
 * | resources/subscribe, resources/unsubscribe | call, by `params.uri` |
 * | completion/complete | call, by `params.ref` |
 * | a response to a server's request | relay, by its id |
 * | progress of a server's request | relay, by its token |
 * | notifications/cancelled | cancel |
 * | anything else | broker |
 */
export function decideMessage(
  scanned: Scanned,
  context: MessageContext,
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
      return decideRequest(scanned, context);
    case "notification":
      return decideNotification(scanned, context);
    case "response":
      return (scanned.id === null ? undefined : relay(
        "response",
        { ...scanned.idSpan, text: scanned.id },
        context,
      )) ?? { kind: "broker", id: null };
    case "batch":
      return { kind: "broker", id: null };
    default:
      return scanned satisfies never;
  }
}

function decideNotification(
  { method, params }: NotificationMessage,
  context: MessageContext,
): MessageDecision {
  const toBroker = { kind: "broker", method, id: null } as const;
  switch (method) {
    case "notifications/progress":
      return relay("notification", params?.progressToken, context) ?? toBroker;
    case "notifications/cancelled":
      return params?.requestId === undefined
        ? toBroker
        : { kind: "cancel", requestId: params.requestId.text };
    default:
      return toBroker;
  }
}

/** Undefined where the id, or token, was given by no server. */
function relay(
  message: RelayedKind,
  id: RawSpan | undefined,
  { bytes, table }: MessageContext,
): Relay | undefined {
  const routed = id && readRoutedId(id.text);
  return id && routed && {
    kind: "relay",
    server: table.serverNamed(routed.server),
    tag: routed.tag,
    message,
    body: replaceText(bytes, id, routed.id),
  };
}

function decideRequest(
  request: RequestMessage,
  { bytes, table, virtualServer }: MessageContext,
): MessageDecision {
  const { method, id } = request;
  if (method.length > MAX_METHOD) {
    return { kind: "refuse", refusal: { kind: "unknown method" }, id };
  }
  const asked = callTarget(bytes, request);
  switch (asked.kind) {
    case "none":
      return { kind: "broker", method, id };
    case "refused":
      return { kind: "refuse", refusal: asked.refusal, id };
    case "target": {
      const { target, named } = asked;
      const resolution = table.resolve(target, named.value, virtualServer);
      if (resolution.kind === "refused") {
        return { kind: "refuse", refusal: resolution.refusal, id };
      }
      const { server, name } = resolution;
      const body = target === "resource" || server.prefix === ""
        ? bytes
        : removePrefix(bytes, named, server.prefix);
      return { kind: "call", server, method, target, name, id, body };
    }
    default:
      return asked satisfies never;
  }
}

/** Longest method that goes on: it becomes a header. */
const MAX_METHOD = 128;
