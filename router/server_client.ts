/**
 * What the router itself says to MCP servers: the handshake that opens a
 * session on behalf of a client, and a call that has to be run again because
 * the server lost its session. All other traffic is Envoy's.
 *
 * @module
 */

import { POST_ACCEPT } from "../shared/accept.ts";
import type { ServerConfig } from "../shared/config/model.ts";
import { type SecretIo, serverHeaders } from "../shared/config/secrets.ts";
import { GatewayError } from "../shared/errors.ts";
import { SESSION_HEADER, VERSION_HEADER } from "../shared/headers.ts";
import type { SessionRevision } from "../shared/mcp.ts";
import { isObject, member } from "../shared/jsonrpc/parsed.ts";
import type { Logger } from "../shared/log.ts";
import { EventStreamRewriter } from "../shared/relay/event_stream_rewriter.ts";
import { backendTag, type MessageSource } from "../shared/relay/routed_id.ts";
import type {
  BackendSession,
  ClientSession,
  SessionDetails,
  StandingRequests,
} from "../shared/sessions/sessions.ts";
import { readBody } from "../shared/body.ts";
import { joinBytes } from "../shared/bytes.ts";
import { readEvents } from "../shared/sse/read_events.ts";
import { writeEvent } from "../shared/sse/write_event.ts";
import { ServerExchange } from "../shared/upstream/server_exchange.ts";
import {
  handshake,
  type ServerIntroduction,
} from "../shared/upstream/handshake.ts";
import type { HttpPool } from "../shared/upstream/http_pool.ts";
import { readServerMessage } from "../shared/upstream/server_message.ts";
import { UpstreamError } from "../shared/upstream/upstream_error.ts";
import { VERSION } from "../shared/version.ts";
import type { HeaderEntry } from "./answer.ts";
import type { ServerCall } from "./decide_call.ts";
import type { Deadline, FetchedAnswer } from "./exchange_ports.ts";

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
  /** What the client asked for that holds in each session with a server. */
  readonly standing: () => Promise<StandingRequests>;
  /** Told of a subscription that the server will not have. */
  readonly onRefused: (uri: string) => Promise<void>;
}

/** Largest answer to a handshake, bytes. */
const HANDSHAKE_BYTES = 1024 * 1024;
/** Largest answer that a complete reply of Envoy is made from, bytes. */
const RUN_BYTES = 1024 * 1024;
/**
 * Milliseconds for all that is asked again in a new session: the call that
 * opened it waits for that.
 */
const STANDING_MS = 3_000;
/** Requests of those at once. */
const STANDING_AT_ONCE = 8;
/** Milliseconds to find out whether a server knows a session. */
const PING_MS = 2_000;

/**
 * A handshake that takes longer goes on in the background for a while: the
 * next call finds its result.
 */
const HANDSHAKE_MS = 15_000;

/** Speaks to servers. */
export class ServerClient {
  readonly #http: HttpPool;
  readonly #secrets: SecretIo;
  readonly #log: Logger;

  /** Speaks over the connections of `http`. */
  constructor(http: HttpPool, secrets: SecretIo, log: Logger) {
    this.#http = http;
    this.#secrets = secrets;
    this.#log = log;
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
    const { tasks: _, ...capabilities } = details.capabilities;
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
      const introduction = await handshake(exchange, {
        revision,
        // Whose tasks those are is not known yet to anybody on the way.
        capabilities,
        clientInfo: details.clientInfo ??
          { name: "mcp-gateway", version: VERSION },
        timeoutMs: HANDSHAKE_MS,
        now: () => performance.now(),
      }, signal);
      await this.#repeatStanding(exchange, introduction, request, signal);
      const id = exchange.sessionId;
      return {
        revision: introduction.revision,
        ...(id === undefined ? {} : { id }),
      };
    } catch (error) {
      // A server may have opened a session that we have no use for.
      await exchange.delete({ signal: NEVER, timeoutMs: PING_MS })
        .catch(() => {});
      throw asGatewayError(error, server.name, "server unreachable");
    }
  }

  /** Asks again for what the client wants in each session. Never rejects. */
  async #repeatStanding(
    exchange: ServerExchange,
    { capabilities }: ServerIntroduction,
    { server, standing, onRefused }: OpenRequest,
    signal: AbortSignal,
  ): Promise<void> {
    const end = performance.now() + STANDING_MS;
    const ask = async (
      method: string,
      params: { readonly level: string } | { readonly uri: string },
    ) => {
      try {
        await exchange.request(method, JSON.stringify(params), {
          signal,
          timeoutMs: Math.max(1, end - performance.now()),
        });
      } catch (error) {
        const refused = error instanceof UpstreamError &&
          error.kind === "rpc error";
        if (refused && "uri" in params) {
          await onRefused(params.uri).catch(() => {});
        }
        this.#log.debug("standing request not repeated", {
          server: server.name,
          method,
          error,
        });
      }
    };
    let wanted: StandingRequests;
    try {
      wanted = await standing();
    } catch (error) {
      this.#log.debug("standing requests not known", { error });
      return;
    }
    const { logLevel, subscriptions } = wanted;
    const uris = subscriptions.filter((one) => one.server === server.name);
    const jobs = [
      ...(logLevel !== undefined && isObject(member(capabilities, "logging"))
        ? [() => ask("logging/setLevel", { level: logLevel })]
        : []),
      ...uris.map(({ uri }) => () => ask("resources/subscribe", { uri })),
    ].values();
    await Promise.all(
      Array.from({ length: STANDING_AT_ONCE }, async () => {
        for (const job of jobs) await job();
      }),
    );
  }

  /** Ends a session that nobody keeps; a server may refuse. Never rejects. */
  async end(server: ServerConfig, backend: BackendSession): Promise<void> {
    try {
      const response = await this.#http.fetch(server, {
        method: "DELETE",
        headers: inSession(await this.callHeaders(server), backend),
        signal: AbortSignal.timeout(PING_MS),
      });
      await response.body?.cancel();
    } catch {
      // A courtesy: the server forgets it by itself.
    }
  }

  /** Headers that the gateway itself sets on calls to a server. */
  async callHeaders(server: ServerConfig): Promise<HeaderEntry[]> {
    try {
      return await serverHeaders(server, "calls", this.#secrets);
    } catch (cause) {
      throw new GatewayError({
        kind: "credential missing",
        detail: server.name,
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
   * Runs a call and reads its answer, JSON or event stream: that to its end or
   * to the response, whichever comes first. Where the server asks something in
   * between, the client can be asked only if it can take up the stream
   * afterwards: then the answer ends there.
   *
   * @throws {GatewayError} If the answer is not there in time, or too large
   * for the complete reply it has to become, or cannot be waited for.
   */
  async run(
    call: ServerCall,
    session: ClientSession,
    backend: BackendSession,
    headers: readonly HeaderEntry[],
    deadline: Deadline,
  ): Promise<FetchedAnswer> {
    const { server } = call;
    try {
      const response = await this.#http.fetch(server, {
        method: "POST",
        headers: inSession(headers, backend),
        body: Uint8Array.from(call.body),
        signal: AbortSignal.timeout(deadline.left()),
      });
      const stream = eventStreamOf(response);
      return {
        status: response.status,
        headers: [...response.headers],
        body: stream === undefined ? await readWhole(response) : await this
          .#readStream(stream, call, {
            batches: session.revision === "2025-03-26",
            primes: session.revision === "2025-11-25",
            source: {
              server: server.name,
              tag: backendTag(server.fingerprint, backend.id),
            },
            tell: (text) => this.#tell(server, backend, headers, text),
          }),
      };
    } catch (error) {
      throw asGatewayError(error, server.name, "connection lost");
    }
  }

  /**
   * Reads a stream to its response: many servers leave it open for a while
   * after that. What comes before it goes to the client too; and where the
   * stream can be taken up again, that is an answer, however it ends.
   */
  async #readStream(
    stream: ReadableStream<Uint8Array>,
    { id, server }: ServerCall,
    { tell, ...rewriting }: {
      readonly source: MessageSource;
      readonly batches: boolean;
      readonly primes: boolean;
      readonly tell: (text: string) => void;
    },
  ): Promise<Uint8Array> {
    const rewriter = new EventStreamRewriter({
      ...rewriting,
      maxEventBytes: RUN_BYTES,
    });
    const events: Uint8Array[] = [];
    const limits = { eventBytes: RUN_BYTES, totalBytes: RUN_BYTES };
    try {
      for await (const event of readEvents(stream, limits)) {
        const message = readServerMessage(ENCODER.encode(event.data));
        if (message.kind === "request" && message.method === "ping") {
          tell(`{"jsonrpc":"2.0","id":${message.id},"result":{}}`);
          continue;
        }
        events.push(rewriter.push(writeEvent(event), false));
        if (rewriter.answered(id)) return joinBytes(events);
        if (!rewriter.sawRequest) continue;
        if (rewriter.sawEventId) return joinBytes(events);
        tell(
          `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${id},"reason":"The client cannot be asked now"}}`,
        );
        throw new GatewayError({
          kind: "call broken off",
          detail: server.name,
        });
      }
    } catch (error) {
      if (!rewriter.sawEventId) throw error;
    }
    const given = joinBytes(events);
    if (rewriter.sawEventId && given.length > 0) return given;
    throw new UpstreamError("unreachable", {
      message: "the stream ended without an answer",
    });
  }

  /** Sends a message that wants no answer; whether it arrives is not known. */
  #tell(
    server: ServerConfig,
    backend: BackendSession,
    headers: readonly HeaderEntry[],
    body: string,
  ): void {
    this.#http.fetch(server, {
      method: "POST",
      headers: inSession(headers, backend),
      body,
      signal: AbortSignal.timeout(PING_MS),
    })
      .then((response) => response.body?.cancel())
      .catch((error: unknown) =>
        this.#log.debug("server not told", { server: server.name, error })
      );
  }
}

/** The body of an answer that is an event stream. */
function eventStreamOf(
  response: Response,
): ReadableStream<Uint8Array> | undefined {
  const type = response.headers.get("content-type") ?? "";
  return /^text\/event-stream\b/i.test(type)
    ? response.body ?? undefined
    : undefined;
}

async function readWhole(response: Response): Promise<Uint8Array> {
  const body = await readBody(
    response.body,
    response.headers.get("content-length"),
    RUN_BYTES,
  );
  if (body !== undefined) return body;
  throw new UpstreamError("too large", {
    message: `the answer is larger than ${RUN_BYTES} bytes`,
  });
}

const ENCODER = new TextEncoder();
const NEVER = new AbortController().signal;

/** Headers of a message in a backend session. */
function inSession(
  headers: readonly HeaderEntry[],
  backend: BackendSession,
): Headers {
  const sent = new Headers(headers.map(([name, value]) => [name, value]));
  sent.set("accept", POST_ACCEPT);
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
    error.kind !== "unreachable" && error.kind !== "too large";
  return new GatewayError({
    kind: refused ? "server refused" : broken,
    detail: server,
  }, { cause: error });
}
