/**
 * Opens sessions with real servers: the edge where a server's configuration
 * becomes an HTTP client with its certificate authority and its credentials.
 *
 * @module
 */

import { type SecretIo, serverHeaders } from "../../shared/config/secrets.ts";
import { LIMITS } from "../../shared/limits.ts";
import type { HttpPool } from "../../shared/upstream/http_pool.ts";
import { VERSION } from "../../shared/version.ts";
import type { OpenAsCaller } from "./caller_lists.ts";
import { openServer } from "./open_server.ts";
import type { OpenUpstream } from "./supervisor.ts";
import type { UpstreamLimits } from "./upstream_session.ts";

/** The project's limits, as they concern a server. */
export const UPSTREAM_LIMITS: UpstreamLimits = {
  initializeMs: LIMITS.initializeMs,
  listMs: LIMITS.listMs,
  pingMs: 5_000,
  listBytes: LIMITS.listBytes,
  items: LIMITS.itemsPerServer,
  pages: LIMITS.pagesPerServer,
};

/**
 * Makes the function that opens sessions. Certificates and credentials are
 * read for each request, so a changed one is in force at once.
 */
export function connectWith(
  http: HttpPool,
  secrets: SecretIo,
  limits: UpstreamLimits = UPSTREAM_LIMITS,
): OpenUpstream {
  return async (server, onNotification, signal, known) =>
    await openServer(
      {
        url: server.url,
        fetch: (_url, init) => http.fetch(server, init),
        headers: () => serverHeaders(server, "discovery", secrets),
        version: VERSION,
        limits,
        onNotification,
        now: () => performance.now(),
      },
      server.era,
      known,
      signal,
    );
}

/**
 * Makes the function that opens sessions as a caller would: with the caller's
 * own credential, and with what the gateway itself puts on calls.
 */
export function connectAsCaller(
  http: HttpPool,
  secrets: SecretIo,
  limits: UpstreamLimits = UPSTREAM_LIMITS,
): OpenAsCaller {
  return async (server, authorization, signal, known) =>
    await openServer(
      {
        url: server.url,
        fetch: (_url, init) => http.fetch(server, init),
        headers: async () => {
          const set = await serverHeaders(server, "calls", secrets);
          // The later one of a name counts.
          return authorization === undefined
            ? set
            : [["authorization", authorization], ...set];
        },
        version: VERSION,
        limits,
        onNotification: () => {},
        now: () => performance.now(),
      },
      server.era,
      known,
      signal,
      // Others know already.
      known === undefined,
    );
}
