/**
 * Writes what takes a request to a server: its address, the session there, and
 * what it is about, for Envoy's filters. Pure.
 *
 * @module
 */

import { GET_ACCEPT, POST_ACCEPT } from "../shared/accept.ts";
import type { ServerConfig } from "../shared/config/model.ts";
import {
  DESTINATION_HEADER,
  encodeHeaderValue,
  LAST_EVENT_HEADER,
  METHOD_HEADER,
  PROMPT_HEADER,
  RESOURCE_HEADER,
  SESSION_HEADER,
  TOOL_HEADER,
  UPSTREAM_HEADER,
  VERSION_HEADER,
} from "../shared/headers.ts";
import type { BackendSession } from "../shared/sessions/sessions.ts";
import type { Continue, HeaderChanges, HeaderEntry } from "./answer.ts";
import type { ServerCall } from "./decide_message.ts";
import type { TargetKind } from "../shared/routing/call_target.ts";

/** Where a request is to go. */
export interface Destination {
  /** The server. */
  readonly server: ServerConfig;
  /** The session there. */
  readonly backend: BackendSession;
  /** Headers that the gateway itself sets on requests to that server. */
  readonly own: readonly HeaderEntry[];
  /** Whether `:authority` is changed, or that is left to routes. */
  readonly steering: "hostname" | "header";
}

const TARGET_HEADERS: Readonly<Record<TargetKind, string>> = {
  tool: TOOL_HEADER,
  prompt: PROMPT_HEADER,
  resource: RESOURCE_HEADER,
};

/**
 * Sends a call.
 *
 * @param original The body that the client sent.
 */
export function steerCall(
  { method, target, name, body }: Omit<ServerCall, "server">,
  to: Destination,
  original: Uint8Array,
): Continue {
  const { set, remove } = changes(to);
  const about: readonly HeaderEntry[] = [
    [METHOD_HEADER, method],
    [TARGET_HEADERS[target], encodeHeaderValue(name)],
  ];
  const steered: Continue = {
    kind: "continue",
    headers: { set: [...set, ...about], remove },
    reroute: true,
    metadata: { server: to.server.name, method, [target]: name },
  };
  return body === original ? steered : withBody(steered, body);
}

/** Sends a message that wants no answer. */
export function steerRelay(to: Destination, body: Uint8Array): Continue {
  return withBody({
    kind: "continue",
    headers: changes(to),
    reroute: true,
    metadata: { server: to.server.name },
  }, body);
}

/**
 * Takes up a stream.
 *
 * @param after The server's own id of the last event that was seen.
 * @param forged Headers of the client's to be removed.
 */
export function steerResume(
  to: Destination,
  after: string,
  forged: readonly string[],
): Continue {
  const { set, remove } = changes(to, GET_ACCEPT);
  return {
    kind: "continue",
    headers: {
      set: [...set, [LAST_EVENT_HEADER, after]],
      remove: [...forged, ...remove],
    },
    reroute: true,
    phases: { requestBody: false, responseHeaders: true },
    metadata: { server: to.server.name },
  };
}

/** Header changes that take any request to a server, into a session there. */
function changes(
  { server, backend, own, steering }: Destination,
  accept = POST_ACCEPT,
): HeaderChanges {
  const url = new URL(server.url);
  const set: HeaderEntry[] = [
    ...(steering === "hostname"
      ? [[":authority", server.hostname] as const]
      : []),
    [":path", url.pathname + url.search],
    [DESTINATION_HEADER, server.name],
    [UPSTREAM_HEADER, server.fingerprint],
    [VERSION_HEADER, backend.revision],
    // A client may say it in other words, which servers do not all read.
    ["accept", accept],
    ...own,
  ];
  // What is compressed cannot be rewritten.
  const remove = ["accept-encoding"];
  if (backend.id === undefined) remove.push(SESSION_HEADER);
  else set.push([SESSION_HEADER, backend.id]);
  return { set, remove };
}

/** Envoy takes a whole new body only together with its length. */
function withBody(steered: Continue, body: Uint8Array): Continue {
  const { set = [], remove = [] } = steered.headers ?? {};
  return {
    ...steered,
    headers: {
      set: [...set, ["content-length", String(body.length)]],
      remove,
    },
    body,
  };
}
