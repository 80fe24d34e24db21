/**
 * HTTP with one MCP server (streamable HTTP, session era): posts messages,
 * reads JSON or event-stream answers within limits, opens the notification
 * stream. Knows the transport and JSON-RPC, not what the messages are about.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#streamable-http
 * @module
 */

import { SESSION_HEADER, VERSION_HEADER } from "../headers.ts";
import {
  drop,
  events,
  type HttpAccess,
  invalid,
  type ListenOutcome,
  mediaType,
  readAnswer,
  readError,
  refused,
  type RequestLimits,
  type ResultMessage,
  rpcError,
  send,
  unreachable,
  within,
} from "./http_answers.ts";
import { readServerMessage, type ServerMessage } from "./server_message.ts";
import { UpstreamError } from "./upstream_error.ts";

/** What an exchange needs from outside. */
export interface ExchangeOptions extends HttpAccess {
  /** Is told of each notification, on whatever stream it comes. */
  readonly onNotification: (method: string) => void;
  /** Largest answer, bytes. */
  readonly maxBytes: number;
}

const ENCODER = new TextEncoder();

/** Requests to one server in one session. */
export class ServerExchange {
  readonly #options: ExchangeOptions;
  #sessionId: string | undefined;
  #revision: string | undefined;
  #nextId = 1;

  /** Begins without a session. */
  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  /** The session id that the server gave us, where it gave one. */
  get sessionId(): string | undefined {
    return this.#sessionId;
  }

  /** Whether the server gave us a session id. */
  get hasSession(): boolean {
    return this.#sessionId !== undefined;
  }

  /** Sets the revision that later requests name in their header. */
  set revision(revision: string) {
    this.#revision = revision;
  }

  /**
   * Sends a request and reads its answer.
   *
   * @param params Raw JSON; none by default.
   * @throws {UpstreamError} Whatever keeps the result from us.
   */
  request(
    method: string,
    params: string | undefined,
    limits: RequestLimits,
  ): Promise<ResultMessage> {
    const id = String(this.#nextId++);
    const maxBytes = limits.maxBytes ?? this.#options.maxBytes;
    return within(limits, async (signal) => {
      const response = await this.#post(message(id, method, params), signal);
      // The id is the answer's to give: it stands on the response to
      // initialize (2025-11-25, transports, session management).
      if (method === "initialize") this.#sessionId = sessionIdOf(response);
      if (response.status !== 200) await this.#throwStatus(response);
      const answer = await readAnswer(
        response,
        id,
        maxBytes,
        (heard) => this.#hear(heard, signal),
      );
      if (answer.kind === "error") throw rpcError(method, answer);
      return answer;
    });
  }

  /** Sends a notification. */
  notify(method: string, limits: RequestLimits): Promise<void> {
    return this.#send(message(undefined, method, undefined), limits);
  }

  /**
   * Opens the notification stream and reads it until it ends. There is no
   * limit in time: many servers send nothing at all until they have news.
   *
   * @param onOpen Called once the server has opened it.
   * @throws {UpstreamError} `session gone`, or whatever the stream fails with.
   */
  async listen(
    signal: AbortSignal,
    onOpen: () => void,
  ): Promise<ListenOutcome> {
    let response: Response;
    try {
      response = await this.#fetch("GET", undefined, signal);
    } catch (cause) {
      throw unreachable(cause, signal);
    }
    const type = mediaType(response);
    if (response.status !== 200 || type !== "text/event-stream") {
      await drop(response);
      this.#throwIfGone(response);
      // 405 is the specification's way to say no; servers know others.
      if (response.status < 500) return { kind: "unsupported" };
      throw refused(response);
    }
    onOpen();
    let retryMs: number | undefined;
    try {
      const limits = { eventBytes: this.#options.maxBytes };
      for await (const event of events(response, limits)) {
        retryMs = event.retry ?? retryMs;
        this.#hear(readServerMessage(ENCODER.encode(event.data)), signal);
      }
    } catch (cause) {
      throw unreachable(cause, signal);
    }
    return { kind: "ended", ...(retryMs === undefined ? {} : { retryMs }) };
  }

  /** Ends the session at the server; it may refuse (405). */
  async delete(limits: RequestLimits): Promise<void> {
    if (!this.hasSession) return;
    await within(limits, async (signal) => {
      await drop(await this.#fetch("DELETE", undefined, signal));
    });
  }

  /** Deals with what is no answer to the request at hand. */
  #hear(heard: ServerMessage, signal: AbortSignal): void {
    if (heard.kind === "notification") {
      this.#options.onNotification(heard.method);
    } else if (heard.kind === "request") {
      const body = heard.method === "ping"
        ? `{"jsonrpc":"2.0","id":${heard.id},"result":{}}`
        // We declared no capabilities: nothing else may be asked of us.
        : `{"jsonrpc":"2.0","id":${heard.id},"error":{"code":-32601,"message":"Method not found"}}`;
      // A reply that does not arrive is the asking server's to notice.
      this.#send(body, { signal, timeoutMs: REPLY_MS }).catch(() => {});
    }
  }

  #send(body: string, limits: RequestLimits): Promise<void> {
    return within(limits, async (signal) => {
      const response = await this.#post(body, signal);
      if (response.ok) await drop(response);
      else await this.#throwStatus(response);
    });
  }

  #post(body: string, signal: AbortSignal): Promise<Response> {
    return this.#fetch("POST", body, signal);
  }

  #fetch(
    method: string,
    body: string | undefined,
    signal: AbortSignal,
  ): Promise<Response> {
    const headers: [string, string][] = [[
      "accept",
      method === "GET"
        ? "text/event-stream"
        : "application/json, text/event-stream",
    ]];
    if (body !== undefined) headers.push(["content-type", "application/json"]);
    if (this.#sessionId !== undefined) {
      headers.push([SESSION_HEADER, this.#sessionId]);
    }
    if (this.#revision !== undefined) {
      headers.push([VERSION_HEADER, this.#revision]);
    }
    return send(this.#options, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
    }, signal);
  }

  async #throwStatus(response: Response): Promise<never> {
    if (response.status === 404 && this.hasSession) {
      await drop(response);
      this.#throwIfGone(response);
    }
    throw refused(response, await readError(response));
  }

  /** 404 in a session: it has ended (2025-11-25, session management). */
  #throwIfGone(response: Response): void {
    if (response.status === 404 && this.hasSession) {
      throw new UpstreamError("session gone", {
        message: "the server does not know the session any more",
        status: 404,
      });
    }
  }
}

/** Milliseconds for a reply to a server's own request. */
const REPLY_MS = 10_000;

function message(
  id: string | undefined,
  method: string,
  params: string | undefined,
): string {
  const idPart = id === undefined ? "" : `"id":${id},`;
  const paramsPart = params === undefined ? "" : `,"params":${params}`;
  return `{"jsonrpc":"2.0",${idPart}"method":"${method}"${paramsPart}}`;
}

/** Visible ASCII only, as the specification has it; else it is not used. */
function sessionIdOf(response: Response): string | undefined {
  const id = response.headers.get(SESSION_HEADER);
  if (id === null) return undefined;
  if (!/^[\x21-\x7e]{1,4096}$/.test(id)) {
    throw invalid("its session id is not visible ASCII");
  }
  return id;
}
