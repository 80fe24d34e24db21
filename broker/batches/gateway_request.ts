/**
 * A message of a batch as a request of its own: what goes to the gateway's
 * front door so that everything there, routes, authorisation and rate limits,
 * sees what it would see had the client sent the message by itself. Pure.
 *
 * @module
 */

import {
  isInternalHeader,
  LAST_EVENT_HEADER,
  VIRTUAL_SERVER_HEADER,
} from "../../shared/headers.ts";
import type { RequestCaller } from "../caller.ts";

/** The request that a batch came in. */
export interface BatchHead {
  /** Its headers. */
  readonly headers: Headers;
  /** Its URL; only the query counts. */
  readonly url: string;
  /** Who sent it, and where. */
  readonly caller: RequestCaller;
}

/** A message to post, or an event after which a stream is to go on. */
export type GatewayMessage =
  | { readonly kind: "post"; readonly bytes: Uint8Array }
  | { readonly kind: "resume"; readonly after: string };

/**
 * Headers that say something of one message on one connection: the batch's say
 * nothing of the requests that are made from it.
 */
const OF_ONE_REQUEST: ReadonlySet<string> = new Set([
  "accept",
  "accept-encoding",
  "connection",
  "content-encoding",
  "content-length",
  "content-type",
  "expect",
  "keep-alive",
  LAST_EVENT_HEADER,
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  // Each gets one of its own from Envoy.
  "x-request-id",
]);

/** Where a request of a batch goes: the batch's own path, at the gateway. */
export function gatewayTarget(
  gateway: URL,
  { url, caller }: BatchHead,
): string {
  const target = new URL(gateway.origin);
  // As the session is bound to it, whatever stands in the broker's URL.
  target.pathname = caller.route;
  target.search = new URL(url).search;
  return target.href;
}

/**
 * Makes the request.
 *
 * | header of the batch | of the request |
 * |---|---|
 * | the gateway's own, Envoy's own, of one message | left out |
 * | `host`, credentials, session, revision, trace, all others | kept |
 *
 * The virtual server, of which the router has removed the header, is named
 * again.
 */
export function gatewayInit(
  { headers, caller }: BatchHead,
  message: GatewayMessage,
): RequestInit {
  const sent = new Headers();
  for (const [name, value] of headers) {
    if (!isLeftOut(name)) sent.append(name, value);
  }
  if (caller.virtualServer !== undefined) {
    sent.set(VIRTUAL_SERVER_HEADER, caller.virtualServer);
  }
  // What is compressed would wait until enough of it is there.
  sent.set("accept-encoding", "identity");
  // A redirect could send the client's credentials anywhere.
  const redirect = "manual";
  if (message.kind === "resume") {
    sent.set("accept", "text/event-stream");
    sent.set(LAST_EVENT_HEADER, message.after);
    return { method: "GET", headers: sent, redirect };
  }
  sent.set("accept", "application/json, text/event-stream");
  sent.set("content-type", "application/json");
  const body = Uint8Array.from(message.bytes);
  return { method: "POST", headers: sent, redirect, body };
}

function isLeftOut(name: string): boolean {
  return OF_ONE_REQUEST.has(name) || isInternalHeader(name) ||
    name.startsWith("x-envoy-");
}
