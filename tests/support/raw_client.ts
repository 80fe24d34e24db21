/**
 * An MCP client of the session era that sends exactly the bytes it is given
 * and shows exactly what came back. Tests that need a well-behaved client use
 * an SDK instead.
 *
 * @module
 */

import { ServerSentEventParseStream } from "@std/http";
import { within } from "./wait.ts";

/** A JSON-RPC message that came back. */
export interface RpcMessage {
  /** Its id, where it is a response. */
  readonly id?: unknown;
  /** Its method, where it is a notification or a request. */
  readonly method?: string;
  /** Present in a success. */
  readonly result?: {
    readonly content?: readonly { readonly text: string }[];
    readonly tools?: readonly { readonly name: string }[];
    readonly isError?: boolean;
    readonly [member: string]: unknown;
  };
  /** Present in a failure. */
  readonly error?: {
    readonly code: number;
    readonly message: string;
    readonly data?: Readonly<Record<string, unknown>>;
  };
  readonly [member: string]: unknown;
}

/** What came back. */
export interface RawReply {
  /** HTTP status. */
  readonly status: number;
  /** Headers. */
  readonly headers: Headers;
  /** The body as text. */
  readonly text: string;
  /** The last JSON-RPC message in the body, JSON or event stream. */
  readonly message: RpcMessage | undefined;
}

/** How to send one request. */
export interface SendOptions {
  /** Added to, or instead of, the client's headers; `null` leaves one out. */
  readonly headers?: Readonly<Record<string, string | null>>;
  /** Ends the request. */
  readonly signal?: AbortSignal;
}

/** How to make a client. */
export interface RawClientOptions {
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Connections of its own, for tests that count them. */
  readonly http?: Deno.HttpClient;
  /** What it calls itself. Default `raw client`. */
  readonly name?: string;
  /** What it declares at `initialize`. Default: nothing. */
  readonly capabilities?: object;
  /** Revision that it asks for, and states. Default 2025-11-25. */
  readonly revision?: string;
}

/** The client. */
export class RawClient {
  /** The endpoint. */
  readonly url: string;
  /** The session, once initialized; tests may replace it. */
  session: string | undefined;

  readonly #options: RawClientOptions;
  readonly #revision: string;
  #lastId = 0;

  /** Makes a client; sends nothing. */
  constructor(url: string, options: RawClientOptions = {}) {
    this.url = url;
    this.#options = options;
    this.#revision = options.revision ?? "2025-11-25";
  }

  /** Makes a client and initializes it. */
  static async connect(
    url: string,
    options: RawClientOptions = {},
  ): Promise<RawClient> {
    const client = new RawClient(url, options);
    await client.initialize();
    return client;
  }

  /** The same client, in the same session, at another address. */
  at(url: string): RawClient {
    const same = new RawClient(url, this.#options);
    same.session = this.session;
    return same;
  }

  /** Initializes and announces it. @throws Where the answer is no session. */
  async initialize(): Promise<RawReply> {
    this.session = undefined;
    const reply = await this.send({
      jsonrpc: "2.0",
      id: 0,
      method: "initialize",
      params: {
        protocolVersion: this.#revision,
        capabilities: this.#options.capabilities ?? {},
        clientInfo: {
          name: this.#options.name ?? "raw client",
          version: "1.0.0",
        },
      },
    });
    const session = reply.headers.get("mcp-session-id");
    if (reply.status !== 200 || session === null) {
      throw new Error(`Cannot initialize: ${reply.status} ${reply.text}`);
    }
    this.session = session;
    await this.send({ jsonrpc: "2.0", method: "notifications/initialized" });
    return reply;
  }

  /** Sends a body by POST; a value that is not text or bytes as its JSON. */
  async send(
    body: string | Uint8Array<ArrayBuffer> | object,
    options: SendOptions = {},
  ): Promise<RawReply> {
    const bytes = typeof body === "string" || body instanceof Uint8Array
      ? body
      : JSON.stringify(body);
    return await this.#fetch("POST", options, bytes);
  }

  /** Sends a request of a method, with the next free id. */
  request(
    method: string,
    params: object = {},
    options: SendOptions = {},
  ): Promise<RawReply> {
    const id = ++this.#lastId;
    return this.send({ jsonrpc: "2.0", id, method, params }, options);
  }

  /** Calls a tool. */
  call(
    name: string,
    args: object = {},
    options: SendOptions = {},
  ): Promise<RawReply> {
    return this.request("tools/call", { name, arguments: args }, options);
  }

  /** Names of all tools, over every page, in the order they came. */
  async toolNames(): Promise<string[]> {
    const names: string[] = [];
    let cursor: unknown;
    do {
      const reply = await this.request("tools/list", cursor ? { cursor } : {});
      const result = reply.message?.result;
      if (result?.tools === undefined) {
        throw new Error(`Cannot list tools: ${reply.status} ${reply.text}`);
      }
      names.push(...result.tools.map(({ name }) => name));
      cursor = result.nextCursor;
    } while (cursor !== undefined);
    return names;
  }

  /** Ends the session. */
  delete(options: SendOptions = {}): Promise<RawReply> {
    return this.#fetch("DELETE", options);
  }

  /** Sends a GET and reads the answer to its end: for answers that have one. */
  get(options: SendOptions = {}): Promise<RawReply> {
    return this.#fetch("GET", options);
  }

  /** Opens the GET stream. @throws Where the answer is no event stream. */
  listen(options: SendOptions = {}): Promise<RawListener> {
    return this.#listen("GET", options);
  }

  /**
   * Sends a body by POST whose answer is an event stream, and reads that as it
   * comes. @throws Where the answer is no event stream.
   */
  open(body: object, options: SendOptions = {}): Promise<RawListener> {
    return this.#listen("POST", options, JSON.stringify(body));
  }

  async #listen(
    method: string,
    options: SendOptions,
    body?: string,
  ): Promise<RawListener> {
    const abort = new AbortController();
    const response = await fetch(
      this.url,
      this.#init(method, { ...options, signal: abort.signal }, body),
    );
    const type = response.headers.get("content-type") ?? "";
    if (!response.ok || !type.startsWith("text/event-stream")) {
      const text = await response.text();
      throw new Error(`Cannot listen: ${response.status} ${text}`);
    }
    return new RawListener(response, abort);
  }

  async #fetch(
    method: string,
    options: SendOptions,
    body?: BodyInit,
  ): Promise<RawReply> {
    const response = await fetch(this.url, this.#init(method, options, body));
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      text,
      message: lastMessage(text, response.headers.get("content-type") ?? ""),
    };
  }

  #init(
    method: string,
    options: SendOptions,
    body?: BodyInit,
  ): RequestInit & { client?: Deno.HttpClient } {
    const headers = new Headers({
      accept: method === "GET"
        ? "text/event-stream"
        : "application/json, text/event-stream",
      ...method === "POST" ? { "content-type": "application/json" } : {},
      ...this.session
        ? {
          "mcp-session-id": this.session,
          "mcp-protocol-version": this.#revision,
        }
        : {},
      ...this.#options.headers,
    });
    for (const [name, value] of Object.entries(options.headers ?? {})) {
      if (value === null) headers.delete(name);
      else headers.set(name, value);
    }
    return {
      method,
      headers,
      ...body === undefined ? {} : { body },
      ...options.signal ? { signal: options.signal } : {},
      ...this.#options.http ? { client: this.#options.http } : {},
    };
  }
}

/** An event stream that is open. Disposing of it closes it. */
export class RawListener implements AsyncDisposable {
  /** The id of the last event; undefined where none had one. */
  lastEventId: string | undefined;
  /** Milliseconds that the server asked to wait before coming back. */
  retryMs: number | undefined;

  readonly #abort: AbortController;
  readonly #events: ReadableStreamDefaultReader<RpcMessage>;
  #reading: Promise<ReadableStreamReadResult<RpcMessage>> | undefined;

  /** Takes over an answer that is an event stream. */
  constructor(response: Response, abort: AbortController) {
    this.#abort = abort;
    this.#events = response.body!
      .pipeThrough(new ServerSentEventParseStream())
      .pipeThrough(
        new TransformStream({
          transform: (event, controller) => {
            if (event.id !== undefined) this.lastEventId = event.id;
            if (event.retry !== undefined) this.retryMs = event.retry;
            if (event.data) controller.enqueue(JSON.parse(event.data));
          },
        }),
      )
      .getReader();
  }

  /** The next message. @throws Where the stream ends, or none comes. */
  async next(deadlineMs?: number): Promise<RpcMessage> {
    // What comes after a deadline is the next one's.
    this.#reading ??= this.#events.read();
    const { done, value } = await within(
      "event stream",
      this.#reading,
      deadlineMs,
    );
    this.#reading = undefined;
    if (done) throw new Error("The event stream ended");
    return value;
  }

  /** The next message of a method; others are dropped. */
  async nextOf(method: string, deadlineMs?: number): Promise<RpcMessage> {
    while (true) {
      const message = await this.next(deadlineMs);
      if (message.method === method) return message;
    }
  }

  /** Closes the stream. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    // Cancelled too: an event that nobody reads would hold the pipe up.
    await this.#events.cancel().catch(() => {});
  }
}

/** The last JSON-RPC message in a body, JSON or event stream. */
export function lastMessage(
  text: string,
  type: string,
): RpcMessage | undefined {
  const json = type.startsWith("text/event-stream")
    ? text.split(/\r?\n/).findLast((line) => /^data: ?\{/.test(line))?.slice(5)
    : text;
  try {
    return json ? JSON.parse(json) : undefined;
  } catch {
    return undefined;
  }
}
