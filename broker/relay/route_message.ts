/**
 * Where a client's notifications and responses go that reach the broker: those
 * that name no server go to every server of the session, since each knows what
 * is its own. Pure.
 *
 * | message | goes to |
 * |---|---|
 * | `notifications/initialized` | nobody: the gateway's own handshake |
 * | progress with a routed token, a response with a routed id | the server that it names, with its own id |
 * | another notification: a cancellation, `roots/list_changed`, an unknown one | all |
 * | another response, of a client that can only be pinged | all: answers to pings are alike |
 * | another response | nobody: it cannot be told which server asked |
 *
 * @module
 */

import type {
  NotificationMessage,
  RawSpan,
  ResponseMessage,
  Span,
} from "../../shared/jsonrpc/message.ts";
import { replaceText } from "../../shared/jsonrpc/splice.ts";
import { canBeAsked, type ClientCapabilities } from "../../shared/mcp.ts";
import {
  type MessageSource,
  readRoutedId,
} from "../../shared/relay/routed_id.ts";

/** Where a message goes. */
export type MessageRoute =
  | { readonly kind: "nobody"; readonly why: string }
  | {
    readonly kind: "all";
    readonly bytes: Uint8Array;
    /** Whether it waits for nothing: a cancellation, whose call goes on. */
    readonly urgent: boolean;
  }
  | {
    readonly kind: "one";
    readonly target: MessageSource;
    readonly bytes: Uint8Array;
  };

/**
 * Routes a message.
 *
 * @param body What the message stands in: itself, or a batch.
 * @param capabilities What the client declared.
 */
export function routeMessage(
  body: Uint8Array,
  message: NotificationMessage | ResponseMessage,
  capabilities: ClientCapabilities,
): MessageRoute {
  return message.kind === "notification"
    ? routeNotification(body, message)
    : routeResponse(body, message, capabilities);
}

function routeNotification(
  body: Uint8Array,
  { method, params, span }: NotificationMessage,
): MessageRoute {
  if (method === "notifications/initialized") {
    return { kind: "nobody", why: "it is the gateway's own" };
  }
  const token = method === "notifications/progress"
    ? params?.progressToken
    : undefined;
  const urgent = method === "notifications/cancelled";
  return token && toOne(body, span, token) || toAll(body, span, urgent);
}

function routeResponse(
  body: Uint8Array,
  { id, idSpan, span }: ResponseMessage,
  capabilities: ClientCapabilities,
): MessageRoute {
  const routed = id === null
    ? undefined
    : toOne(body, span, { ...idSpan, text: id });
  if (routed !== undefined) return routed;
  return canBeAsked(capabilities)
    ? { kind: "nobody", why: "it names no server" }
    : toAll(body, span);
}

function toAll(
  body: Uint8Array,
  { start, end }: Span,
  urgent = false,
): MessageRoute {
  return { kind: "all", bytes: body.subarray(start, end), urgent };
}

/** The message with the server's own id, where this one names a server. */
function toOne(
  body: Uint8Array,
  { start, end }: Span,
  id: RawSpan,
): MessageRoute | undefined {
  const routed = readRoutedId(id.text);
  if (routed === undefined) return undefined;
  const { server, tag, id: own } = routed;
  const within = { start: id.start - start, end: id.end - start };
  return {
    kind: "one",
    target: { server, tag },
    bytes: replaceText(body.subarray(start, end), within, own),
  };
}
