/**
 * Writes what takes a request to a server, or to the broker: its address, the
 * session there, and what it is about, for Envoy's filters. Pure.
 *
 * @module
 */

import { GET_ACCEPT, POST_ACCEPT } from "../shared/accept.ts";
import type { ServerConfig } from "../shared/config/model.ts";
import {
  BROKER_DESTINATION,
  CALLER_HEADER,
  DESTINATION_HEADER,
  encodeHeaderValue,
  LAST_EVENT_HEADER,
  MCP_NAME_HEADER,
  METHOD_HEADER,
  PROMPT_HEADER,
  RESOURCE_HEADER,
  SESSION_HEADER,
  TOOL_HEADER,
  UPSTREAM_HEADER,
  VERSION_HEADER,
} from "../shared/headers.ts";
import type { TargetKind } from "../shared/routing/call_target.ts";
import type { BackendSession } from "../shared/sessions/sessions.ts";
import { hasMirroredName } from "../shared/stateless/standard_headers.ts";
import type {
  Continue,
  HeaderChanges,
  HeaderEntry,
  Metadata,
} from "./answer.ts";
import type { Call, ServerCall } from "./decide_call.ts";

/** Where a request is to go. */
export interface Destination {
  /** The server. */
  readonly server: ServerConfig;
  /** Headers that the gateway itself sets on requests to that server. */
  readonly own: readonly HeaderEntry[];
  /** Whether `:authority` is changed, or that is left to routes. */
  readonly steering: "hostname" | "header";
}

/** Where a request of the session era is to go. */
export interface SessionDestination extends Destination {
  /** The session there. */
  readonly backend: BackendSession;
  /** The client's own session, shortened: for access logs. */
  readonly session: string;
}

const TARGET_HEADERS: Readonly<Record<TargetKind, string>> = {
  tool: TOOL_HEADER,
  prompt: PROMPT_HEADER,
  resource: RESOURCE_HEADER,
};

/**
 * Sends a call in a session.
 *
 * @param original The body that the client sent.
 */
export function steerCall(
  call: ServerCall,
  to: SessionDestination,
  original: Uint8Array,
): Continue {
  const { set, remove } = inSession(to);
  const steered: Continue = {
    kind: "continue",
    headers: { set: [...set, ...headersAbout(call)], remove },
    reroute: true,
    metadata: { ...metadataAbout(call), session: to.session },
  };
  return call.body === original ? steered : withBody(steered, call.body);
}

/**
 * Sends a call of the stateless era.
 *
 * @param original The body that the client sent.
 * @param remove Headers of the client's that mean nothing in this era.
 */
export function steerStateless(
  call: ServerCall,
  to: Destination,
  original: Uint8Array,
  remove: readonly string[],
): Continue {
  const set = [...addressed(to, POST_ACCEPT), ...headersAbout(call)];
  const metadata = metadataAbout(call);
  if (call.body === original) {
    return {
      kind: "continue",
      headers: { set, remove },
      reroute: true,
      metadata,
    };
  }
  // The header mirrors the body, hence changes with it.
  if (hasMirroredName(call.method)) {
    set.push([MCP_NAME_HEADER, encodeHeaderValue(call.name)]);
  }
  return withBody(
    { kind: "continue", headers: { set, remove }, reroute: true, metadata },
    call.body,
  );
}

/** Sends a message that wants no answer. */
export function steerRelay(to: SessionDestination, body: Uint8Array): Continue {
  return withBody({
    kind: "continue",
    headers: inSession(to),
    reroute: true,
    metadata: { server: to.server.name, session: to.session },
  }, body);
}

/**
 * Takes up a stream.
 *
 * @param after The server's own id of the last event that was seen.
 * @param forged Headers of the client's to be removed.
 */
export function steerResume(
  to: SessionDestination,
  after: string,
  forged: readonly string[],
): Continue {
  const { set, remove } = inSession(to, GET_ACCEPT);
  return {
    kind: "continue",
    headers: {
      set: [...set, [LAST_EVENT_HEADER, after]],
      remove: [...forged, ...remove],
    },
    reroute: true,
    phases: { requestBody: false, responseHeaders: true },
    metadata: { server: to.server.name, session: to.session },
  };
}

/** What the broker is sent. */
export interface BrokerRequest {
  /** Who asks, as the router signs it. */
  readonly caller: string;
  /** JSON-RPC method, where it is known. */
  readonly method?: string | undefined;
  /** What is asked of a server of the other era. */
  readonly call?: Call;
}

/**
 * Sends a request to the broker. What it asks of a server is told to Envoy's
 * filters as if it went there: what they allow by tool does not depend on eras.
 */
export function steerToBroker(
  { caller, method, call }: BrokerRequest,
): Continue {
  const set: HeaderEntry[] = [
    [DESTINATION_HEADER, BROKER_DESTINATION],
    [CALLER_HEADER, caller],
  ];
  if (call !== undefined) set.push(...headersAbout(call));
  else if (method !== undefined) {
    set.push([METHOD_HEADER, encodeHeaderValue(method)]);
  }
  return {
    kind: "continue",
    headers: { set, remove: [] },
    reroute: true,
    metadata: call === undefined
      ? {
        server: BROKER_DESTINATION,
        ...(method === undefined ? {} : { method }),
      }
      : { ...metadataAbout(call), bridged: "true" },
  };
}

/** What a call is about, for Envoy's filters. */
function headersAbout({ method, target, name }: Call): readonly HeaderEntry[] {
  return [
    [METHOD_HEADER, method],
    [TARGET_HEADERS[target], encodeHeaderValue(name)],
  ];
}

function metadataAbout({ server, method, target, name }: Call): Metadata {
  return { server: server.name, method, [target]: name };
}

const targets = new WeakMap<ServerConfig, string>();

/** Path and query of a server's URL; of a configuration, once only. */
function targetOf(server: ServerConfig): string {
  const known = targets.get(server);
  if (known !== undefined) return known;
  const { pathname, search } = new URL(server.url);
  targets.set(server, pathname + search);
  return pathname + search;
}

/** Headers that take any request to a server. */
function addressed(
  { server, own, steering }: Destination,
  accept: string,
): HeaderEntry[] {
  return [
    ...(steering === "hostname"
      ? [[":authority", server.hostname] as const]
      : []),
    [":path", targetOf(server)],
    [DESTINATION_HEADER, server.name],
    [UPSTREAM_HEADER, server.fingerprint],
    // A client may say it in other words, which servers do not all read.
    ["accept", accept],
    ...own,
  ];
}

/** Header changes that take any request to a server, into a session there. */
function inSession(
  to: SessionDestination,
  accept = POST_ACCEPT,
): HeaderChanges {
  const { backend } = to;
  const set = addressed(to, accept);
  set.push([VERSION_HEADER, backend.revision]);
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
