/**
 * HTTP with one MCP server (streamable HTTP, session era): posts messages,
 * reads JSON or event-stream answers within limits, opens the notification
 * stream. Knows the transport and JSON-RPC, not what the messages are about.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#streamable-http
 * @module
 */

import { readBody } from "../body.ts";
import { SESSION_HEADER, VERSION_HEADER } from "../headers.ts";
import {
  type EventStreamLimits,
  readEvents,
  type ServerEvent,
} from "../sse/read_events.ts";
import { readServerMessage, type ServerMessage } from "./server_message.ts";
import { UpstreamError } from "./upstream_error.ts";
import { errorText } from "../error_text.ts";

/** As much of `fetch` as is used here. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** What an exchange needs from outside. */
export interface ExchangeOptions {
  /** URL of the server. */
  readonly url: string;
  /** Sends requests. Redirects must be left alone (`redirect: "manual"`). */
  readonly fetch: Fetch;
  /** Reads the headers that carry credentials, anew for each request. */
  readonly headers: () => Promise<readonly (readonly [string, string])[]>;
  /** Is told of each notification, on whatever stream it comes. */
  readonly onNotification: (method: string) => void;
  /** Largest answer, bytes. */
  readonly maxBytes: number;
}

/** How one request is made. */
export interface RequestLimits {
  /** Ends the request. */
  readonly signal: AbortSignal;
  /** Milliseconds until the whole answer must be there. */
  readonly timeoutMs: number;
  /** Largest answer, bytes; the exchange's own limit by default. */
  readonly maxBytes?: number;
}

/** A successful answer. */
export type ResultMessage = Extract<ServerMessage, { kind: "result" }>;

/** How a notification stream ended, or that there is none. */
export type ListenOutcome =
  | { readonly kind: "unsupported" }
  | { readonly kind: "ended"; readonly retryMs?: number };

/** A JSON-RPC error message is shown to people: this much of it at most. */
const SHOWN_LENGTH = 200;
/** Bytes read of an answer that is an error anyway. */
const ERROR_BODY_BYTES = 64 * 1024;

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
    return this.#within(limits, async (signal) => {
      const response = await this.#post(message(id, method, params), signal);
      // The id is the answer's to give: it stands on the response to
      // initialize (2025-11-25, transports, session management).
      if (method === "initialize") this.#sessionId = sessionIdOf(response);
      const answer = await this.#answer(response, id, maxBytes, signal);
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
    await this.#within(limits, async (signal) => {
      await drop(await this.#fetch("DELETE", undefined, signal));
    });
  }

  async #answer(
    response: Response,
    id: string,
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<Extract<ServerMessage, { kind: "result" | "error" }>> {
    if (response.status !== 200) await this.#throwStatus(response);
    switch (mediaType(response)) {
      case "application/json": {
        const answer = readServerMessage(await readAll(response, maxBytes));
        if (isAnswer(answer, id)) return answer;
        const why = answer.kind === "malformed" ? `: ${answer.reason}` : "";
        throw invalid(`the body is no answer to the request${why}`);
      }
      case "text/event-stream": {
        const limits = { eventBytes: maxBytes, totalBytes: maxBytes };
        for await (const event of events(response, limits)) {
          const heard = readServerMessage(ENCODER.encode(event.data));
          if (isAnswer(heard, id)) return heard;
          this.#hear(heard, signal);
        }
        throw invalid("the stream ended without an answer");
      }
      default:
        await drop(response);
        throw invalid(
          `its content type is ${shown(mediaType(response) || "missing")}`,
        );
    }
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
    return this.#within(limits, async (signal) => {
      const response = await this.#post(body, signal);
      if (response.ok) await drop(response);
      else await this.#throwStatus(response);
    });
  }

  #post(body: string, signal: AbortSignal): Promise<Response> {
    return this.#fetch("POST", body, signal);
  }

  async #fetch(
    method: string,
    body: string | undefined,
    signal: AbortSignal,
  ): Promise<Response> {
    const headers = new Headers();
    for (const [name, value] of await this.#credentials()) {
      headers.set(name, value);
    }
    headers.set(
      "accept",
      method === "GET"
        ? "text/event-stream"
        : "application/json, text/event-stream",
    );
    if (body !== undefined) headers.set("content-type", "application/json");
    if (this.#sessionId !== undefined) {
      headers.set(SESSION_HEADER, this.#sessionId);
    }
    if (this.#revision !== undefined) {
      headers.set(VERSION_HEADER, this.#revision);
    }
    return await this.#options.fetch(this.#options.url, {
      method,
      headers,
      signal,
      // A redirect could send credentials, or us, anywhere.
      redirect: "manual",
      ...(body === undefined ? {} : { body }),
    });
  }

  async #credentials(): Promise<readonly (readonly [string, string])[]> {
    try {
      return await this.#options.headers();
    } catch (cause) {
      throw new UpstreamError("unreachable", {
        message: `cannot ask the server: ${shown(errorText(cause))}`,
        cause,
      });
    }
  }

  async #throwStatus(response: Response): Promise<never> {
    const { status } = response;
    if (status === 404 && this.hasSession) {
      await drop(response);
      this.#throwIfGone(response);
    }
    const answer = await readAll(response, ERROR_BODY_BYTES)
      .then(readServerMessage).catch(() => undefined);
    throw refused(response, answer?.kind === "error" ? answer : undefined);
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

  /** Runs one exchange within its time, and says so where it runs out. */
  async #within<T>(
    limits: RequestLimits,
    run: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), limits.timeoutMs);
    const signal = AbortSignal.any([limits.signal, deadline.signal]);
    try {
      return await run(signal);
    } catch (cause) {
      if (deadline.signal.aborted && !limits.signal.aborted) {
        throw new UpstreamError("timed out", {
          message: `no answer within ${Math.ceil(limits.timeoutMs)} ms`,
          cause,
        });
      }
      throw unreachable(cause, limits.signal);
    } finally {
      clearTimeout(timer);
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

function isAnswer(
  heard: ServerMessage,
  id: string,
): heard is Extract<ServerMessage, { kind: "result" | "error" }> {
  // Who cannot read a request cannot name its id either.
  return heard.kind === "result" && heard.id === id ||
    heard.kind === "error" && (heard.id === id || heard.id === "null");
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

function mediaType(response: Response): string {
  const type = response.headers.get("content-type") ?? "";
  return type.split(";", 1)[0]!.trim().toLowerCase();
}

function events(
  response: Response,
  limits: EventStreamLimits,
): AsyncIterable<ServerEvent> {
  return readEvents(response.body ?? new Blob([]).stream(), limits);
}

async function readAll(
  response: Response,
  maxBytes: number,
): Promise<Uint8Array> {
  const declared = response.headers.get("content-length");
  const body = await readBody(response.body, declared, maxBytes);
  if (body !== undefined) return body;
  await drop(response);
  throw new UpstreamError("too large", {
    message: `the answer is larger than ${maxBytes} bytes`,
  });
}

/** Lets a response go whose body nobody needs. */
async function drop(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => {});
}

function refused(
  response: Response,
  answer?: Extract<ServerMessage, { kind: "error" }>,
): UpstreamError {
  const { status } = response;
  const why = answer !== undefined
    ? `: ${shown(answer.error.message)} (${answer.error.code})`
    : status >= 300 && status < 400
    ? ": redirects are not followed"
    : status === 401 || status === 403
    ? ": it wants a credential, or another one"
    : "";
  return new UpstreamError("refused", {
    message: `the server answered HTTP ${status}${why}`,
    status,
    ...(answer === undefined ? {} : { code: answer.error.code }),
  });
}

function rpcError(
  method: string,
  answer: Extract<ServerMessage, { kind: "error" }>,
): UpstreamError {
  const { code, message } = answer.error;
  return new UpstreamError("rpc error", {
    message: `${method} failed: ${shown(message)} (${code})`,
    code,
  });
}

function invalid(why: string): UpstreamError {
  return new UpstreamError("invalid answer", {
    message: `the answer is not MCP: ${why}`,
  });
}

function shown(text: string): string {
  // deno-lint-ignore no-control-regex -- that is what it removes
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ");
  return clean.length > SHOWN_LENGTH
    ? `${clean.slice(0, SHOWN_LENGTH)}…`
    : clean;
}

/** Wraps what `fetch` and streams throw; our own errors pass as they are. */
function unreachable(cause: unknown, signal: AbortSignal): unknown {
  if (cause instanceof UpstreamError) return cause;
  if (signal.aborted) return signal.reason;
  return new UpstreamError("unreachable", {
    message: `cannot reach the server: ${rootMessage(cause)}`,
    cause,
  });
}

function rootMessage(error: unknown): string {
  let root = error;
  while (root instanceof Error && root.cause instanceof Error) {
    root = root.cause;
  }
  return shown(errorText(root));
}
