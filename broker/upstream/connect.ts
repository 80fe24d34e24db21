/**
 * Opens sessions with real servers: the edge where a server's configuration
 * becomes an HTTP client with its certificate authority and its credentials.
 *
 * @module
 */

import type { ServerConfig } from "../../shared/config/model.ts";
import {
  readCertificates,
  type SecretIo,
  serverHeaders,
} from "../../shared/config/secrets.ts";
import { LIMITS } from "../../shared/limits.ts";
import { VERSION } from "../../shared/version.ts";
import type { FetchServer } from "./end_sessions.ts";
import type { OpenUpstream } from "./supervisor.ts";
import {
  openUpstream,
  type UpstreamLimits,
  type UpstreamSession,
} from "./upstream_session.ts";

/** The project's limits, as they concern a server. */
export const UPSTREAM_LIMITS: UpstreamLimits = {
  initializeMs: LIMITS.initializeMs,
  listMs: LIMITS.listMs,
  pingMs: 5_000,
  listBytes: LIMITS.listBytes,
  tools: LIMITS.toolsPerServer,
  pages: LIMITS.pagesPerServer,
};

/**
 * Makes the function that opens sessions. Each session has an HTTP client of
 * its own, so a changed certificate is in force from the next session on;
 * credentials are read for each request.
 */
export function connectWith(
  secrets: SecretIo,
  limits: UpstreamLimits = UPSTREAM_LIMITS,
): OpenUpstream {
  return async (server, onNotification, signal) => {
    const client = await httpClient(server, secrets);
    try {
      const session = await openUpstream({
        url: server.url,
        fetch: (url, init) => fetch(url, { ...init, client }),
        headers: () => serverHeaders(server, "discovery", secrets),
        version: VERSION,
        limits,
        onNotification,
        now: () => performance.now(),
      }, signal);
      return closingClient(session, client);
    } catch (error) {
      client.close();
      throw error;
    }
  };
}

/** Makes the function that sends single requests to servers. */
export function fetchWith(secrets: SecretIo): FetchServer {
  return async (server, init) => {
    const client = await httpClient(server, secrets);
    try {
      const response = await fetch(server.url, { ...init, client });
      await response.body?.cancel();
      return response;
    } finally {
      client.close();
    }
  };
}

async function httpClient(
  server: ServerConfig,
  secrets: SecretIo,
): Promise<Deno.HttpClient> {
  const caCerts = server.caCert === undefined
    ? []
    : [await readCertificates(server.caCert, secrets)];
  return Deno.createHttpClient({ caCerts });
}

/** The same session, whose end is the HTTP client's too. */
function closingClient(
  session: UpstreamSession,
  client: Deno.HttpClient,
): UpstreamSession {
  return {
    introduction: session.introduction,
    listTools: (signal) => session.listTools(signal),
    ping: (signal) => session.ping(signal),
    listen: (signal, onOpen) => session.listen(signal, onOpen),
    close: async () => {
      await session.close();
      client.close();
    },
  };
}
