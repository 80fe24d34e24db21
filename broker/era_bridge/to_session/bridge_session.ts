/**
 * A session with a server of the session era, held on behalf of one client of
 * the stateless era: carries its calls, and knows which of them the server
 * means when it says something outside of their streams.
 *
 * | what comes on the session's own stream | goes to |
 * |---|---|
 * | `ping` | nobody: it is answered |
 * | another request | the one call that is open; with none, or several, an error |
 * | progress | the call whose token it has |
 * | a request that is withdrawn | the call that it was made in |
 * | a resource has changed | whoever watches it |
 * | anything else | nobody: it belongs to no call |
 *
 * @module
 */

import { drop } from "../../../shared/upstream/http_answers.ts";
import { LAST_EVENT_HEADER } from "../../../shared/headers.ts";
import { POST_ACCEPT } from "../../../shared/accept.ts";
import type { ServerConfig } from "../../../shared/config/model.ts";
import { GatewayError } from "../../../shared/errors.ts";
import { errorText } from "../../../shared/error_text.ts";
import { isObject, member } from "../../../shared/jsonrpc/parsed.ts";
import type { Logger } from "../../../shared/log.ts";
import {
  canBeAsked,
  type ClientCapabilities,
  type Implementation,
  LATEST_SESSION_REVISION,
} from "../../../shared/mcp.ts";
import { backendTag } from "../../../shared/relay/routed_id.ts";
import {
  handshake,
  type ServerIntroduction,
} from "../../../shared/upstream/handshake.ts";
import { ServerExchange } from "../../../shared/upstream/server_exchange.ts";
import {
  messagesOf,
  readServerMessage,
} from "../../../shared/upstream/server_message.ts";
import { isUnconnected } from "../../../shared/upstream/unconnected.ts";
import { UpstreamError } from "../../../shared/upstream/upstream_error.ts";
import type { Wait } from "../../../shared/wait_on_timer.ts";
import { briefly } from "../../briefly.ts";
import { HeldStream, type Reopening } from "../../held_streams/held_stream.ts";
import type { Unfinished } from "../../held_streams/unfinished.ts";
import { LOG_LEVELS } from "../../relay/log_level.ts";
import {
  type Backend,
  backendHeaders,
  type ServerAccess,
} from "../../upstream/backend_request.ts";
import { readObjectText } from "../object_text.ts";
import type { ServerRequest } from "./questions.ts";
import { paramsOf } from "./said.ts";

/** On whose behalf a session is held. */
export interface SessionOwner {
  /** The server. */
  readonly server: ServerConfig;
  /** What the client can be asked, as the server is to be told. */
  readonly capabilities: ClientCapabilities;
  /** What the client calls itself. */
  readonly clientInfo: Implementation;
  /** The client's own credential, for servers that get to see it. */
  readonly authorization: string | undefined;
}

/** What sessions work with. */
export interface BridgeSessionOptions extends ServerAccess {
  /** Milliseconds to open one. */
  readonly initializeMs: number;
  /** Milliseconds for a short message. */
  readonly pingMs: number;
  /** Largest event of a server, bytes. */
  readonly answerBytes: number;
  /** What is held of what servers have not finished. */
  readonly unfinished: Unfinished;
  /** When a stream that ended is opened again. */
  readonly reopening: Reopening;
  /** Waits. */
  readonly wait: Wait;
  /** At least 0, below 1. */
  readonly random: () => number;
  /** Milliseconds since some point. */
  readonly now: () => number;
  /** Told of a server that asks outside of the streams of calls. */
  readonly onAskedApart?: (server: ServerConfig) => void;
  /** Told of failures. */
  readonly log: Logger;
}

/** A call, as its session sees it. */
export interface SessionCall {
  /** Whether its answer may be that the client is asked something. */
  readonly mayAsk: boolean;
  /** The server asks something. */
  asked(request: ServerRequest): void;
  /** The server tells something. */
  told(method: string, message: Uint8Array): void;
}

/** What a call needs of its session. */
export interface CallNeeds {
  /** Index of the level of log messages that it wants. */
  readonly level: number | undefined;
  /** Whether it wants progress, which servers may report anywhere. */
  readonly reports: boolean;
}

/** What became of a call that was sent. */
export type Sent =
  | { readonly kind: "answer"; readonly response: Response }
  /** The server does not know the session: nothing was run. */
  | { readonly kind: "lost" };

/** Milliseconds that a call waits for the session's own stream. */
const LISTEN_MS = 1_000;
/** Bytes read of answers that say nothing. */
const SMALL_ANSWER = 64 * 1024;

const ENCODER = new TextEncoder();

/** An open session. */
export class BridgeSession {
  /** The server as it introduced itself. */
  readonly introduction: ServerIntroduction;
  readonly #owner: SessionOwner;
  readonly #options: BridgeSessionOptions;
  readonly #exchange: ServerExchange;
  readonly #backend: Backend;
  /** By id, raw JSON. */
  readonly #calls = new Map<string, SessionCall>();
  /** Level of messages that a call wants: its index in the list of levels. */
  readonly #levels = new Map<string, number>();
  readonly #work = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  #lastCall = 0;
  #level: number | undefined;
  #settingLevel: Promise<void> = Promise.resolve();
  #held: HeldStream | undefined;
  #opened: Promise<void> | undefined;
  #onUpdated: ((uri: string, params: string) => void) | undefined;
  readonly #lost = new AbortController();

  private constructor(
    owner: SessionOwner,
    options: BridgeSessionOptions,
    exchange: ServerExchange,
    introduction: ServerIntroduction,
  ) {
    this.#owner = owner;
    this.#options = options;
    this.#exchange = exchange;
    this.introduction = introduction;
    const { server } = owner;
    const id = exchange.sessionId;
    this.#backend = {
      server,
      session: {
        revision: introduction.revision,
        ...(id === undefined ? {} : { id }),
      },
      source: { server: server.name, tag: backendTag(server.fingerprint, id) },
    };
  }

  /**
   * Opens one.
   *
   * @throws {GatewayError} If the server cannot be reached, or will not.
   */
  static async open(
    owner: SessionOwner,
    options: BridgeSessionOptions,
  ): Promise<BridgeSession> {
    const { server, capabilities, clientInfo, authorization } = owner;
    const exchange = new ServerExchange({
      url: server.url,
      fetch: (_url, init) => options.fetch(server, init),
      headers: async () => {
        const set = await options.headers(server);
        return server.passthrough && authorization !== undefined
          ? [["authorization", authorization], ...set]
          : set;
      },
      onNotification: () => {},
      maxBytes: options.answerBytes,
    });
    try {
      const introduction = await handshake(exchange, {
        revision: LATEST_SESSION_REVISION,
        capabilities,
        clientInfo,
        timeoutMs: options.initializeMs,
        now: options.now,
      }, NEVER);
      options.log.debug("bridge session opened", {
        server: server.name,
        revision: introduction.revision,
      });
      return new BridgeSession(owner, options, exchange, introduction);
    } catch (error) {
      await end(exchange, options);
      throw asGatewayError(error, server.name);
    }
  }

  /** The server. */
  get server(): ServerConfig {
    return this.#owner.server;
  }

  /** Aborts when the server turns out not to know it any more. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Is told of resources that have changed: the URI, raw parameters. */
  set onUpdated(told: (uri: string, params: string) => void) {
    this.#onUpdated = told;
  }

  /** Makes an id for a call, raw JSON; it may be its progress token, too. */
  newId(): string {
    return `"call-${++this.#lastCall}"`;
  }

  /** A call is over. */
  leave(id: string): void {
    this.#calls.delete(id);
    this.#levels.delete(id);
  }

  /**
   * Prepares the session for a call: its own stream is open where the server
   * may ask, or report, on it, and log messages come from the level on that one
   * of the calls wants. Never rejects.
   */
  async prepare(id: string, { level, reports }: CallNeeds): Promise<void> {
    const listens = reports || canBeAsked(this.#owner.capabilities);
    await Promise.all([
      listens ? this.listen() : undefined,
      level === undefined ? undefined : this.#useLevel(id, level),
    ]);
  }

  /**
   * Opens the session's own stream, unless that was done, and waits for it a
   * little. There are servers that say nothing before they have news: each call
   * would wait for that if it were done more than once.
   *
   * @returns Whether it is open.
   */
  async listen(): Promise<boolean> {
    const held = this.#held ??= this.#hold();
    this.#opened ??= briefly(
      held.settled,
      LISTEN_MS,
      this.#options.wait,
      this.#closing.signal,
    );
    await this.#opened;
    return held.state === "open";
  }

  #hold(): HeldStream {
    return new HeldStream(this.#backend, {
      ...this.#options,
      authorization: () => this.#owner.authorization,
      onData: (data) => this.#hear(data),
      onLost: () => this.#lose(),
      eventBytes: this.#options.answerBytes,
      mayHold: this.#options.unfinished.share(this.server.name),
    });
  }

  /**
   * Sends a call, which is open from now on, until it leaves. A server that
   * says 404, or 400 and does not know the session when it is asked, has not
   * run it.
   *
   * @throws {GatewayError} If it cannot be sent.
   */
  async send(
    id: string,
    call: SessionCall,
    text: string,
    authorization: string | undefined,
    signal: AbortSignal,
  ): Promise<Sent> {
    this.#calls.set(id, call);
    const response = await this.#post(text, authorization, signal)
      .catch((cause: unknown) => {
        // Only a call that never had a connection has certainly not run.
        throw cause instanceof GatewayError ? cause : this.#failure(
          isUnconnected(cause) ? "server unreachable" : "connection lost",
          cause,
        );
      });
    const { status } = response;
    if (this.#backend.session.id === undefined) {
      return { kind: "answer", response };
    }
    if (status !== 404 && !(status === 400 && !await this.#isKnown())) {
      return { kind: "answer", response };
    }
    await drop(response);
    this.#lose();
    return { kind: "lost" };
  }

  /** Takes the stream of a call up again. */
  async resume(after: string, signal: AbortSignal): Promise<Response> {
    const headers = await this.#headers({
      accept: "text/event-stream",
      [LAST_EVENT_HEADER]: after,
    }, this.#owner.authorization);
    return await this.#options.fetch(this.server, {
      method: "GET",
      headers,
      signal,
    });
  }

  /**
   * Answers a request of the server.
   *
   * @param result Raw JSON.
   * @throws {GatewayError} If the server cannot be told.
   */
  async answer(
    id: string,
    result: string,
    authorization: string | undefined,
  ): Promise<void> {
    const signal = AbortSignal.timeout(this.#options.pingMs);
    const text = `{"jsonrpc":"2.0","id":${id},"result":${result}}`;
    const response = await this.#post(text, authorization, signal)
      .catch((cause: unknown) => {
        throw cause instanceof GatewayError
          ? cause
          : this.#failure("connection lost", cause);
      });
    await drop(response);
    if (response.ok) return;
    throw new GatewayError({
      kind: "connection lost",
      detail: `${this.server.name}: HTTP ${response.status} to an answer`,
    });
  }

  /** Gives a sign of life, in the background. */
  reply(id: string): void {
    this.#tell([`{"jsonrpc":"2.0","id":${id},"result":{}}`]);
  }

  /** Refuses a request of the server, in the background. */
  refuse(id: string, code: number, message: string): void {
    this.#tell([refusal(id, code, message)]);
  }

  /**
   * Gives a call up, in the background: first what the server asked in it is
   * refused.
   *
   * @param asked Ids of its requests, raw JSON.
   */
  giveUp(id: string, asked: readonly string[], reason: string): void {
    const requestId = JSON.parse(id);
    this.#tell([
      ...asked.map((one) => refusal(one, INTERNAL_ERROR, reason)),
      JSON.stringify({
        jsonrpc: "2.0",
        method: "notifications/cancelled",
        params: { requestId, reason },
      }),
    ]);
  }

  /**
   * Sends a short request.
   *
   * @throws {UpstreamError} Whatever keeps the result from us.
   */
  async ask(method: string, params: object): Promise<void> {
    try {
      await this.#exchange.request(method, JSON.stringify(params), {
        signal: this.#closing.signal,
        timeoutMs: this.#options.pingMs,
        maxBytes: SMALL_ANSWER,
      });
    } catch (error) {
      if (error instanceof UpstreamError && error.kind === "session gone") {
        this.#lose();
      }
      throw error;
    }
  }

  /** Tells whoever watches that a resource has changed. */
  updated(params: string): void {
    const uri = readObjectText(params).get("uri");
    if (uri?.startsWith('"')) this.#onUpdated?.(JSON.parse(uri), params);
  }

  /** Ends it, at the server too. Never rejects. */
  async close(): Promise<void> {
    this.#held?.close();
    // What is still to be said is said in the session.
    while (this.#work.size > 0) await Promise.all(this.#work);
    this.#closing.abort();
    await this.#held?.finished;
    if (!this.lost.aborted) await end(this.#exchange, this.#options);
  }

  /** What came on the session's own stream. */
  #hear(data: string): void {
    for (const bytes of messagesOf(ENCODER.encode(data))) {
      const message = readServerMessage(bytes);
      switch (message.kind) {
        case "request": {
          const { id, method } = message;
          this.#asked({ id, method, params: paramsOf(bytes) });
          break;
        }
        case "notification":
          this.#told(message.method, bytes);
          break;
        case "result":
        case "error":
        case "malformed":
          break; // responses stand on the stream of their request
        default:
          message satisfies never;
      }
    }
  }

  #asked(request: ServerRequest): void {
    if (request.method === "ping") return this.reply(request.id);
    this.#options.onAskedApart?.(this.server);
    const [only, ...others] = [...this.#calls.values()]
      .filter(({ mayAsk }) => mayAsk);
    if (only !== undefined && others.length === 0) return only.asked(request);
    // The stateless era has no place for it (2026-07-28, mrtr).
    this.refuse(
      request.id,
      METHOD_NOT_FOUND,
      only === undefined
        ? "The client can be asked only while it makes a call"
        : "The client makes several calls: ask on the stream of one",
    );
  }

  #told(method: string, bytes: Uint8Array): void {
    switch (method) {
      case "notifications/progress":
      case "notifications/cancelled":
        for (const call of [...this.#calls.values()]) call.told(method, bytes);
        break;
      case "notifications/resources/updated": {
        const params = paramsOf(bytes);
        if (params !== undefined) this.updated(params);
        break;
      }
    }
  }

  /** The lowest level that a call wants is the session's. */
  #useLevel(id: string, level: number): Promise<void> {
    if (!isObject(member(this.introduction.capabilities, "logging"))) {
      return Promise.resolve();
    }
    this.#levels.set(id, level);
    return this.#settingLevel = this.#settingLevel.then(async () => {
      const lowest = Math.min(...this.#levels.values());
      if (lowest === this.#level || !Number.isFinite(lowest)) return;
      try {
        await this.ask("logging/setLevel", { level: LOG_LEVELS[lowest] });
        this.#level = lowest;
      } catch (error) {
        this.#options.log.debug("level of messages not set", {
          server: this.server.name,
          error: errorText(error),
        });
      }
    });
  }

  async #isKnown(): Promise<boolean> {
    try {
      const response = await this.#post(
        '{"jsonrpc":"2.0","id":"ping","method":"ping"}',
        this.#owner.authorization,
        AbortSignal.timeout(this.#options.pingMs),
      );
      await drop(response);
      return response.status !== 400 && response.status !== 404;
    } catch {
      // Where it cannot be told nothing is run again.
      return true;
    }
  }

  async #post(
    body: string,
    authorization: string | undefined,
    signal: AbortSignal,
  ): Promise<Response> {
    const { server } = this;
    const headers = await this.#headers({
      accept: POST_ACCEPT,
      "content-type": "application/json",
    }, authorization);
    return await this.#options.fetch(server, {
      method: "POST",
      headers,
      body,
      signal,
    });
  }

  #failure(
    kind: "server unreachable" | "connection lost",
    cause: unknown,
  ): GatewayError {
    return new GatewayError({ kind, detail: this.server.name }, { cause });
  }

  async #headers(
    given: Readonly<Record<string, string>>,
    authorization: string | undefined,
  ): Promise<Headers> {
    try {
      return await backendHeaders(
        this.#backend,
        this.#options,
        given,
        authorization,
      );
    } catch (cause) {
      throw new GatewayError({
        kind: "credential missing",
        detail: this.server.name,
      }, { cause });
    }
  }

  /** Says something that wants no answer, in order, in the background. */
  #tell(texts: readonly string[]): void {
    const work: Promise<void> = (async () => {
      for (const text of texts) {
        try {
          const signal = AbortSignal.timeout(this.#options.pingMs);
          await drop(
            await this.#post(text, this.#owner.authorization, signal),
          );
        } catch (error) {
          this.#options.log.debug("server not told", {
            server: this.server.name,
            error: errorText(error),
          });
        }
      }
    })().finally(() => this.#work.delete(work));
    this.#work.add(work);
  }

  #lose(): void {
    this.#held?.close();
    this.#lost.abort();
  }
}

const NEVER = new AbortController().signal;
const METHOD_NOT_FOUND = -32601;
const INTERNAL_ERROR = -32603;

function refusal(id: string, code: number, message: string): string {
  const error = JSON.stringify({ code, message });
  return `{"jsonrpc":"2.0","id":${id},"error":${error}}`;
}

async function end(
  exchange: ServerExchange,
  { pingMs }: BridgeSessionOptions,
): Promise<void> {
  // The server forgets it by itself, sooner or later.
  await exchange.delete({ signal: NEVER, timeoutMs: pingMs }).catch(() => {});
}

/** Names what kept a session from being opened; no call was run. */
function asGatewayError(error: unknown, server: string): unknown {
  if (!(error instanceof UpstreamError)) return error;
  const kind = error.kind === "timed out"
    ? "server timed out"
    : error.kind === "unreachable"
    ? "server unreachable"
    : "server refused";
  return new GatewayError({ kind, detail: server }, { cause: error });
}
