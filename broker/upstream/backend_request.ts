/**
 * HTTP requests in a backend session: the session that a server gave to the
 * gateway on behalf of one client.
 *
 * @module
 */

import type { ServerConfig } from "../../shared/config/model.ts";
import { SESSION_HEADER, VERSION_HEADER } from "../../shared/headers.ts";
import {
  backendTag,
  type MessageSource,
} from "../../shared/relay/routed_id.ts";
import type {
  BackendSession,
  OpenBackend,
} from "../../shared/sessions/sessions.ts";

/** How servers are reached. */
export interface ServerAccess {
  /** Sends requests, trusting the server's own authority. */
  readonly fetch: (
    server: ServerConfig,
    init: RequestInit,
  ) => Promise<Response>;
  /** Reads the headers that the gateway sets on calls to a server. */
  readonly headers: (
    server: ServerConfig,
  ) => Promise<readonly (readonly [string, string])[]>;
}

/** An open backend session, with the server's configuration of now. */
export interface Backend {
  /** The server. */
  readonly server: ServerConfig;
  /** The session. */
  readonly session: BackendSession;
  /** How messages from there are marked. */
  readonly source: MessageSource;
}

/**
 * Finds the servers of backend sessions. Those of servers that are not
 * configured any more, or not so, or disabled, are left out.
 */
export function findBackends(
  open: readonly OpenBackend[],
  servers: readonly ServerConfig[],
): readonly Backend[] {
  return open.flatMap(({ server: key, backend }) => {
    const server = servers.find((one) =>
      one.name === key.name && one.fingerprint === key.fingerprint &&
      one.state === "Enabled"
    );
    if (server === undefined) return [];
    const tag = backendTag(key.fingerprint, backend.id);
    return [{ server, session: backend, source: { server: key.name, tag } }];
  });
}

/**
 * Makes the headers of a request in a backend session.
 *
 * @param given What is particular to the request.
 * @param authorization The client's own, for servers that get to see it.
 * @throws {SecretError} If a credential cannot be read.
 */
export async function backendHeaders(
  { server, session }: Pick<Backend, "server" | "session">,
  access: Pick<ServerAccess, "headers">,
  given: Readonly<Record<string, string>>,
  authorization: string | undefined,
): Promise<Headers> {
  const headers = new Headers(given);
  if (server.passthrough && authorization !== undefined) {
    headers.set("authorization", authorization);
  }
  for (const [name, value] of await access.headers(server)) {
    headers.set(name, value);
  }
  headers.set(VERSION_HEADER, session.revision);
  if (session.id !== undefined) headers.set(SESSION_HEADER, session.id);
  return headers;
}
