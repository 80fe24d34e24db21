/**
 * Decides who answers a message of the session era: the broker, a server, or
 * nobody. Pure.
 *
 * @module
 */

import type { ServerConfig } from "../shared/config/model.ts";
import type {
  Batch,
  Message,
  NotificationMessage,
  RawSpan,
  RequestMessage,
} from "../shared/jsonrpc/message.ts";
import { replaceText } from "../shared/jsonrpc/splice.ts";
import { readRoutedId } from "../shared/relay/routed_id.ts";
import {
  type BridgedCall,
  decideCall,
  type MessageContext,
  type Refused,
  refuseMethod,
  type ServerCall,
} from "./decide_call.ts";

/** What becomes of a message. */
export type MessageDecision =
  | Refused
  /** The broker answers; `method` is absent for responses and batches. */
  | {
    readonly kind: "broker";
    readonly method?: string;
    /** The request's id, raw JSON; null where there is none. */
    readonly id: string | null;
  }
  /** A server answers, in the client's session. */
  | ServerCall
  /** The broker translates for a server of the other era. */
  | BridgedCall
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

/**
 * Decides about a message, or several.
 *
 * | message | decision |
 * |---|---|
 * | asks for one thing of one server | by `decideCall()` |
 * | a response to a server's request | relay, by its id |
 * | progress of a server's request | relay, by its token |
 * | notifications/cancelled | cancel |
 * | anything else | broker |
 */
export function decideMessage(
  scanned: Message | Batch,
  context: MessageContext,
): MessageDecision {
  switch (scanned.kind) {
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
  context: MessageContext,
): MessageDecision {
  const refused = refuseMethod(request);
  if (refused !== undefined) return refused;
  const call = decideCall(request, "session", context);
  return call.kind === "none"
    ? { kind: "broker", method: request.method, id: request.id }
    : call;
}
