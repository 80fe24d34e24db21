/**
 * A client of the session era that records everything it receives, while it
 * comes, and answers what servers ask. It follows a script; it decides
 * nothing.
 *
 * @module
 */

import { ServerSentEventParseStream } from "@std/http";
import { parseExactly } from "../support/exact_json.ts";
import { eventually, within } from "../support/wait.ts";
import {
  at,
  isJsonObject,
  type JsonObject,
  type RecordedEvent,
  type RecordedExchange,
  type Transcript,
} from "./_transcript.ts";

/** What the client is. */
export interface RecordingClientOptions {
  /** The endpoint. */
  readonly url: string;
  /** Revision it asks for. */
  readonly revision: string;
  /** Capabilities it declares. */
  readonly capabilities: JsonObject;
  /** Put before the names of tools and prompts. */
  readonly prefix: string;
  /** Milliseconds that one wait may take. */
  readonly patienceMs: number;
}

/** Answers a request of the server: sends what there is to send. */
export type Answerer = (request: JsonObject) => Promise<void>;

/** How to send a request. */
export interface RequestOptions {
  /** Its id instead of the next free one. */
  readonly id?: unknown;
  /** Headers besides the usual ones. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Headers that mean something to a client. */
const HEADERS = [
  "content-type",
  "cache-control",
  "mcp-session-id",
  "www-authenticate",
  "allow",
  "retry-after",
];

/** The client. Disposing of it ends its connections. */
export class RecordingClient implements AsyncDisposable {
  /** Put before the names of tools and prompts. */
  readonly prefix: string;
  /** Revision it asked for. */
  readonly revision: string;
  /** What it answers requests of the server with. */
  answer: Answerer = refuse;
  /** Its GET stream, once it has one. */
  stream: Exchange | undefined;

  readonly #options: RecordingClientOptions;
  readonly #http: Deno.HttpClient = Deno.createHttpClient({
    poolMaxIdlePerHost: 100,
  });
  readonly #exchanges: Exchange[] = [];
  readonly #problems: string[] = [];
  readonly #answering = new Set<Promise<void>>();
  #step = "";
  #seen = 0;
  #session: string | undefined;
  #negotiated: string | undefined;
  #lastId = 0;

  /** Makes a client; sends nothing. */
  constructor(options: RecordingClientOptions) {
    this.#options = options;
    this.prefix = options.prefix;
    this.revision = options.revision;
  }

  /** Runs a step of the script; where it cannot go on, that is recorded. */
  async run(step: string, act: () => Promise<void>): Promise<void> {
    this.#step = step;
    this.#seen = this.stream?.messages().length ?? 0;
    this.answer = refuse;
    try {
      await within(step, this.#act(act), 2 * this.#options.patienceMs);
    } catch (error) {
      this.#problems.push(`${step}: ${(error as Error).message}`);
    }
  }

  /** What was received so far. */
  transcript(): Transcript {
    return {
      exchanges: this.#exchanges.map((exchange) => exchange.recorded()),
      problems: this.#problems,
    };
  }

  /** Initializes the session and announces it. */
  async initialize(): Promise<void> {
    const { revision, capabilities } = this.#options;
    const exchange = await this.request("initialize", {
      protocolVersion: revision,
      capabilities,
      clientInfo: { name: "recorder", version: "1.0.0", title: "Recorder" },
    });
    this.#session = exchange.header("mcp-session-id");
    const result = at(exchange.last(), "result");
    this.#negotiated = String(at(result, "protocolVersion"));
    await this.notify("notifications/initialized");
  }

  /** Sends a request and waits until its answer is there, and over. */
  async request(
    method: string,
    params?: JsonObject,
    options: RequestOptions = {},
  ): Promise<Exchange> {
    const exchange = await this.start(method, params, options);
    await this.#wait(exchange.over, `the answer to ${method}`);
    return exchange;
  }

  /** Sends a request and waits for the head of its answer only. */
  start(
    method: string,
    params?: JsonObject,
    { id = ++this.#lastId, headers }: RequestOptions = {},
  ): Promise<Exchange> {
    const message = {
      jsonrpc: "2.0",
      id,
      method,
      ...params ? { params } : {},
    };
    return this.#send("POST", method, headers, message);
  }

  /** Calls a tool. */
  call(
    tool: string,
    args: JsonObject = {},
    meta?: JsonObject,
    options?: RequestOptions,
  ): Promise<Exchange> {
    return this.request("tools/call", this.callOf(tool, args, meta), options);
  }

  /** Parameters of a call. */
  callOf(tool: string, args: JsonObject = {}, meta?: JsonObject): JsonObject {
    return {
      name: this.prefix + tool,
      arguments: args,
      ...meta ? { _meta: meta } : {},
    };
  }

  /** Sends a notification. */
  async notify(method: string, params?: JsonObject): Promise<void> {
    const message = { jsonrpc: "2.0", method, ...params ? { params } : {} };
    await this.#whole(await this.#send("POST", method, {}, message));
  }

  /** Answers a request of the server. */
  async respond(
    request: JsonObject,
    outcome: { readonly result: unknown } | { readonly error: unknown },
  ): Promise<void> {
    const message = { jsonrpc: "2.0", id: request["id"], ...outcome };
    await this.#whole(await this.#send("POST", "response", {}, message));
  }

  /** Sends several messages as one. */
  async batch(messages: readonly JsonObject[]): Promise<void> {
    await this.#whole(await this.#send("POST", "batch", {}, messages));
  }

  /** Opens the GET stream. */
  listen(): Promise<Exchange> {
    return this.#send("GET", "");
  }

  /** Takes the GET stream up again. */
  async listenAgain(lastEventId: string): Promise<Exchange> {
    this.#seen = 0;
    // A server may take a moment to notice that the stream is gone.
    return await eventually(async () => {
      const exchange = await this.#resume("", lastEventId);
      if (exchange.recorded().status !== 409) return exchange;
      this.#exchanges.pop();
      throw new Error("the stream is still taken");
    }, { deadlineMs: this.#options.patienceMs });
  }

  /** Takes the stream of a call up again. */
  resumeCall(lastEventId: string): Promise<Exchange> {
    return this.#resume("of a call", lastEventId);
  }

  /** Ends the session. */
  async end(): Promise<void> {
    await this.#whole(await this.#send("DELETE", "", {}));
  }

  /** Waits until a stream has shown a message in this step. */
  async until(
    exchange: Exchange,
    what: string,
    isIt: (message: unknown) => boolean,
    times: number = 1,
  ): Promise<void> {
    await eventually(() => {
      const seen = exchange === this.stream ? this.#seen : 0;
      const shown = exchange.messages().slice(seen).filter(isIt);
      if (shown.length < times) {
        throw new Error(`${what}: ${shown.length} times, not ${times}`);
      }
    }, { deadlineMs: this.#options.patienceMs, intervalMs: 5 });
  }

  /** Ends its connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const exchange of this.#exchanges) exchange.drop();
    await Promise.all(this.#exchanges.map(({ over }) => over));
    this.#http.close();
  }

  async #act(act: () => Promise<void>): Promise<void> {
    await act();
    // What the client still has to say belongs to this step.
    await Promise.all(this.#answering);
    this.#answering.clear();
  }

  #asked(request: JsonObject): void {
    const step = this.#step;
    this.#answering.add(
      this.answer(request).catch((error) => {
        this.#problems.push(`${step}: ${error.message}`);
      }),
    );
  }

  #resume(method: string, lastEventId: string): Promise<Exchange> {
    return this.#send("GET", method, { "last-event-id": lastEventId });
  }

  async #whole(exchange: Exchange): Promise<void> {
    await this.#wait(exchange.over, "the end of an answer");
  }

  #wait(promise: Promise<void>, what: string): Promise<void> {
    return within(what, promise, this.#options.patienceMs);
  }

  async #send(
    http: "POST" | "GET" | "DELETE",
    method: string,
    headers: Readonly<Record<string, string>> = {},
    message?: unknown,
  ): Promise<Exchange> {
    const abort = new AbortController();
    const exchange = new Exchange(this.#step, http, method, abort);
    this.#exchanges.push(exchange);
    const accept = http === "GET"
      ? "text/event-stream"
      : "application/json, text/event-stream";
    // 2025-03-26 has no header for the revision.
    const named = this.#negotiated !== undefined &&
      this.#negotiated !== "2025-03-26";
    const response = fetch(this.#options.url, {
      method: http,
      client: this.#http,
      signal: abort.signal,
      headers: {
        accept,
        ...http === "POST" ? { "content-type": "application/json" } : {},
        ...this.#session ? { "mcp-session-id": this.#session } : {},
        ...named ? { "mcp-protocol-version": this.#negotiated! } : {},
        ...headers,
      },
      ...message === undefined ? {} : { body: JSON.stringify(message) },
    });
    await within(
      `an answer to ${http} ${method}`,
      exchange.read(response, (request) => this.#asked(request)),
      this.#options.patienceMs,
    );
    return exchange;
  }
}

/** An answer while it comes. */
export class Exchange {
  readonly #step: string;
  readonly #http: "POST" | "GET" | "DELETE";
  readonly #method: string;
  readonly #abort: AbortController;
  readonly #events: RecordedEvent[] = [];
  readonly #over = Promise.withResolvers<void>();
  #dropped = false;
  #status = 0;
  #headers: Readonly<Record<string, string>> = {};
  #end: RecordedExchange["end"] = "client";

  /** Names it. */
  constructor(
    step: string,
    http: "POST" | "GET" | "DELETE",
    method: string,
    abort: AbortController,
  ) {
    this.#step = step;
    this.#http = http;
    this.#method = method;
    this.#abort = abort;
  }

  /** Settled when nothing more comes. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  /** A header of the answer. */
  header(name: string): string | undefined {
    return this.#headers[name];
  }

  /** Messages so far. */
  messages(): unknown[] {
    return this.#events.flatMap(({ message }) => message ?? []);
  }

  /** The last message so far. */
  last(): unknown {
    return this.messages().at(-1);
  }

  /** The last event id so far. */
  lastEventId(): string | undefined {
    return this.#events.findLast(({ id }) => id !== undefined)?.id;
  }

  /** Stops listening, if the server has not stopped talking. */
  drop(): void {
    this.#dropped = true;
    this.#abort.abort();
  }

  /** What came, as values. */
  recorded(): RecordedExchange {
    return {
      step: this.#step,
      http: this.#http,
      method: this.#method,
      status: this.#status,
      headers: this.#headers,
      events: [...this.#events],
      // Who was first is chance.
      end: this.#dropped ? "client" : this.#end,
    };
  }

  /** Reads an answer; resolves when its head is there. */
  async read(
    coming: Promise<Response>,
    asked: (request: JsonObject) => void,
  ): Promise<void> {
    try {
      const response = await coming;
      this.#status = response.status;
      this.#headers = Object.fromEntries(HEADERS.flatMap((name) => {
        const value = response.headers.get(name);
        return value === null ? [] : [[name, value]];
      }));
      void this.#readBody(response, asked);
    } catch (error) {
      this.#over.resolve();
      throw error;
    }
  }

  async #readBody(
    response: Response,
    asked: (request: JsonObject) => void,
  ): Promise<void> {
    try {
      const type = response.headers.get("content-type") ?? "";
      if (type.startsWith("text/event-stream")) {
        await this.#readEvents(response.body!, asked);
      } else {
        const text = await response.text();
        if (text !== "") this.#events.push({ message: parsed(text) });
      }
      this.#end = "server";
    } catch {
      this.#end = "failure";
    } finally {
      this.#over.resolve();
    }
  }

  async #readEvents(
    body: ReadableStream<Uint8Array<ArrayBuffer>>,
    asked: (request: JsonObject) => void,
  ): Promise<void> {
    const events = body.pipeThrough(
      new ServerSentEventParseStream({ ignoreComments: true }),
    );
    for await (const { id, event, data, retry } of events) {
      const message = data ? parsed(data) : undefined;
      this.#events.push({
        ...id === undefined ? {} : { id },
        ...event === undefined ? {} : { type: event },
        ...retry === undefined ? {} : { retry },
        ...message === undefined ? {} : { message },
      });
      if (isJsonObject(message) && "method" in message && "id" in message) {
        // The stream goes on while the client thinks.
        asked(message);
      }
    }
  }
}

/** What a client says to a request that it does not expect. */
function refuse(request: JsonObject): Promise<void> {
  return Promise.reject(new Error(`nobody expected ${request["method"]}`));
}

function parsed(text: string): unknown {
  try {
    return parseExactly(text);
  } catch {
    return `no JSON: ${text}`;
  }
}
