/**
 * What the router itself says to MCP servers: the handshake that opens a
 * session on behalf of a client, and a call that has to be run again because
 * the server lost its session. All other traffic is Envoy's.
 *
 * @module
 */

import type { ServerConfig } from "../shared/config/model.ts";
import { type SecretIo, serverHeaders } from "../shared/config/secrets.ts";
import { GatewayError } from "../shared/errors.ts";
import { SESSION_HEADER, VERSION_HEADER } from "../shared/headers.ts";
import { LIMITS } from "../shared/limits.ts";
import type { SessionRevision } from "../shared/mcp.ts";
import type {
  BackendSession,
  SessionDetails,
} from "../shared/sessions/sessions.ts";
import { readBody } from "../shared/body.ts";
import { ServerExchange } from "../shared/upstream/server_exchange.ts";
import { handshake } from "../shared/upstream/handshake.ts";
import type { HttpPool } from "../shared/upstream/http_pool.ts";
import { UpstreamError } from "../shared/upstream/upstream_error.ts";
import { VERSION } from "../shared/version.ts";
import type { HeaderEntry } from "./answer.ts";
import type { ServerCall } from "./decide_message.ts";
import type { FetchedAnswer } from "./exchange.ts";

/** What opening a session takes. */
export interface OpenRequest {
  /** The server. */
  readonly server: ServerConfig;
  /** What the client said of itself. */
  readonly details: SessionDetails;
  /** The client's revision: offered to the server. */
  readonly revision: SessionRevision;
  /** The client's `Authorization`, where the server is to have it. */
  readonly authorization: string | undefined;
}

/** Largest answer to a handshake, bytes. */
const HANDSHAKE_BYTES = 1024 * 1024;
/** Largest answer that a complete reply of Envoy is made from, bytes. */
const RUN_BYTES = 1024 * 1024;
/** What a message that a server answers has to accept. */
const ACCEPT = "application/json, text/event-stream";
/** Milliseconds to find out whether a server knows a session. */
const PING_MS = 2_000;
/** Milliseconds for the whole answer of a call run again. */
const RUN_MS = LIMITS.initializeMs;

/**
 * A handshake that takes longer goes on in the background for a while: the
 * next call finds its result.
 */
const HANDSHAKE_MS = 15_000;

/** Speaks to servers. */
export class ServerClient {
  readonly #http: HttpPool;
  readonly #secrets: SecretIo;

  /** Speaks over the connections of `http`. */
  constructor(http: HttpPool, secrets: SecretIo) {
    this.#http = http;
    this.#secrets = secrets;
  }

  /**
   * Opens a session with a server.
   *
   * @throws {GatewayError} If the server cannot be reached or will not.
   */
  async open(
    request: OpenRequest,
    signal: AbortSignal,
  ): Promise<BackendSession> {
    const { server, details, revision, authorization } = request;
    const exchange = new ServerExchange({
      url: server.url,
      fetch: (_url, init) => this.#http.fetch(server, init),
      headers: async () => [
        ...(authorization === undefined
          ? []
          : [["authorization", authorization] as const]),
        ...await this.callHeaders(server),
      ],
      onNotification: () => {},
      maxBytes: HANDSHAKE_BYTES,
    });
    try {
      const { revision: agreed } = await handshake(exchange, {
        revision,
        capabilities: details.capabilities,
        clientInfo: details.clientInfo ??
          { name: "mcp-gateway", version: VERSION },
        timeoutMs: HANDSHAKE_MS,
        now: () => performance.now(),
      }, signal);
      const id = exchange.sessionId;
      return { revision: agreed, ...(id === undefined ? {} : { id }) };
    } catch (error) {
      throw asGatewayError(error, server.name, "server unreachable");
    }
  }

  /** Headers that the gateway itself sets on calls to a server. */
  async callHeaders(server: ServerConfig): Promise<HeaderEntry[]> {
    try {
      return await serverHeaders(server, "calls", this.#secrets);
    } catch (cause) {
      throw new GatewayError({
        kind: "server refused",
        detail: `credential of ${server.name} cannot be read`,
      }, { cause });
    }
  }

  /**
   * Whether a server still knows a session, asked with `ping`. True where it
   * cannot be told: then nothing is run again.
   */
  async knows(
    server: ServerConfig,
    backend: BackendSession,
    headers: readonly HeaderEntry[],
  ): Promise<boolean> {
    try {
      const response = await this.#http.fetch(server, {
        method: "POST",
        headers: inSession(headers, backend),
        body: '{"jsonrpc":"2.0","id":"mcp-gateway","method":"ping"}',
        signal: AbortSignal.timeout(PING_MS),
      });
      await response.body?.cancel();
      return response.status !== 400 && response.status !== 404;
    } catch {
      return true;
    }
  }

  /**
   * Runs a call and reads the whole answer, JSON or event stream.
   *
   * @throws {GatewayError} If the answer is not there in time, or too large
   * for the complete reply it has to become.
   */
  async run(
    call: ServerCall,
    backend: BackendSession,
    headers: readonly HeaderEntry[],
  ): Promise<FetchedAnswer> {
    try {
      const response = await this.#http.fetch(call.server, {
        method: "POST",
        headers: inSession(headers, backend),
        body: Uint8Array.from(call.body),
        signal: AbortSignal.timeout(RUN_MS),
      });
      const type = response.headers.get("content-type");
      const body = await readBody(
        response.body,
        response.headers.get("content-length"),
        RUN_BYTES,
      );
      if (body === undefined) {
        throw new UpstreamError("too large", {
          message: `the answer is larger than ${RUN_BYTES} bytes`,
        });
      }
      return {
        status: response.status,
        headers: type === null ? [] : [["content-type", type]],
        body,
      };
    } catch (error) {
      throw asGatewayError(error, call.server.name, "connection lost");
    }
  }
}

/** Headers of a message in a backend session. */
function inSession(
  headers: readonly HeaderEntry[],
  backend: BackendSession,
): Headers {
  const sent = new Headers(headers.map(([name, value]) => [name, value]));
  sent.set("accept", sent.get("accept") ?? ACCEPT);
  sent.set("content-type", "application/json");
  sent.set(VERSION_HEADER, backend.revision);
  if (backend.id !== undefined) sent.set(SESSION_HEADER, backend.id);
  return sent;
}

/**
 * Names a server's failure for the client; the cause stays for the log.
 *
 * @param broken What a connection that fails means.
 */
function asGatewayError(
  error: unknown,
  server: string,
  broken: "server unreachable" | "connection lost",
): unknown {
  if (error instanceof GatewayError) return error;
  if (error instanceof Error && error.cause instanceof GatewayError) {
    return error.cause;
  }
  const timedOut = error instanceof DOMException &&
      error.name === "TimeoutError" ||
    error instanceof UpstreamError && error.kind === "timed out";
  if (timedOut) {
    return new GatewayError({ kind: "server timed out", detail: server }, {
      cause: error,
    });
  }
  const refused = error instanceof UpstreamError &&
    error.kind !== "unreachable";
  return new GatewayError({
    kind: refused ? "server refused" : broken,
    detail: server,
  }, { cause: error });
}
