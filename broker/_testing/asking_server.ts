/**
 * An MCP server of the session era, over HTTP, whose tools ask their client,
 * report and log while they run; it counts how often each ran, and keeps what
 * it was told.
 *
 * @module
 */

/** A message as it arrived. */
export interface Heard {
  /** Its id. */
  readonly id?: unknown;
  /** Its method; none of a response. */
  readonly method?: string;
  /** Its parameters. */
  readonly params?: Readonly<Record<string, unknown>>;
  /** What a client answered. */
  readonly result?: Readonly<Record<string, unknown>>;
  /** Why it did not. */
  readonly error?: { readonly code: number; readonly message: string };
}

/** A tool's call, while it runs. */
export interface Run {
  /** The session that it runs in. */
  readonly session: OneSession;
  /** The call. */
  readonly call: Heard;
  /** Sends a message on the call's stream. */
  send(message: object): void;
  /** Asks on the call's stream. */
  ask(method: string, params?: object): Promise<Heard>;
  /** Asks on the session's own stream. */
  askApart(method: string, params?: object): Promise<Heard>;
  /** Breaks the call's stream off. */
  breakOff(): void;
}

/** Runs a call; what it returns is the answer: a result, or an error. */
export type AskingTool = (run: Run) => Promise<object> | object;

type Sink = ReadableStreamDefaultController<Uint8Array>;

/** A session of a client. */
export class OneSession {
  /** What the client said of itself at `initialize`. */
  readonly introduction: Readonly<Record<string, unknown>>;
  /** Requests and notifications that came, but calls; oldest first. */
  readonly heard: Heard[] = [];
  /** `Authorization` of each message, oldest first. */
  readonly credentials: (string | null)[] = [];
  /** The session's own stream, while it is open. */
  get: Sink | undefined;
  /** Whether it was ended with DELETE. */
  ended = false;
  readonly #waiting = new Map<unknown, (answer: Heard) => void>();
  #lastId = 0;

  /** Begins. */
  constructor(introduction: Readonly<Record<string, unknown>>) {
    this.introduction = introduction;
  }

  /** Methods of what came. */
  get methods(): readonly string[] {
    return this.heard.map(({ method }) => method ?? "");
  }

  /** Asks on a stream. */
  ask(sink: Sink | undefined, method: string, params: object): Promise<Heard> {
    const id = ++this.#lastId;
    const { promise, resolve } = Promise.withResolvers<Heard>();
    this.#waiting.set(id, resolve);
    write(sink, { id, method, params });
    return promise;
  }

  /** Tells something on the session's own stream. */
  tell(method: string, params: object): void {
    write(this.get, { method, params });
  }

  /** Takes a response. */
  answered(response: Heard): void {
    this.#waiting.get(response.id)?.(response);
    this.#waiting.delete(response.id);
  }
}

/** The server; disposing of it ends it. */
export class AskingServer implements AsyncDisposable {
  /** Sessions that clients began, oldest first. */
  readonly sessions: OneSession[] = [];
  /** What it declares. */
  capabilities: object = {
    tools: {},
    logging: {},
    resources: { subscribe: true },
  };
  /** Bodies of everything that came, as they came. */
  readonly texts: string[] = [];
  /** How often each tool ran. */
  readonly runs: Record<string, number> = {};
  /** Answers instead, where it answers at all: by JSON-RPC or HTTP method. */
  readonly replies = new Map<string, () => Response | undefined>();
  /** What it does before it answers, by method. */
  readonly slow = new Map<string, (session: OneSession) => Promise<void>>();
  /** Whether it hands out session ids. */
  givesIds = true;
  /** What an unknown session is answered. */
  unknownStatus = 404;
  readonly #tools: Readonly<Record<string, AskingTool>>;
  readonly #byId = new Map<string, OneSession>();
  readonly #sinks = new Set<Sink>();
  readonly #life = new AbortController();
  readonly #listener: Deno.HttpServer<Deno.NetAddr>;

  /** Starts it. */
  constructor(tools: Readonly<Record<string, AskingTool>>) {
    this.#tools = tools;
    this.#listener = Deno.serve({
      hostname: "127.0.0.1",
      port: 0,
      signal: this.#life.signal,
      onListen: () => {},
    }, (request) => this.#handle(request));
  }

  /** Where clients connect. */
  get url(): string {
    return `http://127.0.0.1:${this.#listener.addr.port}/mcp`;
  }

  /** Methods of what came in all sessions. */
  get methods(): readonly string[] {
    return this.sessions.flatMap(({ methods }) => methods);
  }

  /** Requests that were cancelled. */
  get cancelled(): readonly unknown[] {
    return this.sessions.flatMap(({ heard }) => heard)
      .filter(({ method }) => method === "notifications/cancelled")
      .map(({ params }) => params?.["requestId"]);
  }

  /** Forgets all sessions, as a restart does; streams of calls go on. */
  forget(): void {
    this.#byId.clear();
    for (const { get } of this.sessions) end(get);
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const sink of this.#sinks) end(sink);
    this.#life.abort();
    await this.#listener.finished;
  }

  async #handle(request: Request): Promise<Response> {
    const text = await request.text();
    this.texts.push(text);
    const message: Heard = text === "" ? {} : JSON.parse(text);
    const reply = this.replies.get(message.method ?? request.method)?.();
    if (reply !== undefined) return reply;
    if (message.method === "initialize") return this.#initialize(message);
    const id = request.headers.get("mcp-session-id") ?? "";
    const session = this.#byId.get(id);
    if (session === undefined) {
      return new Response(null, { status: this.unknownStatus });
    }
    session.credentials.push(request.headers.get("authorization"));
    if (request.method === "DELETE") {
      session.ended = true;
      this.#byId.delete(id);
      end(session.get);
      return new Response(null, { status: 204 });
    }
    if (request.method === "GET") {
      return this.#stream((sink) => session.get = sink);
    }
    if (message.method === undefined) {
      session.answered(message);
      return new Response(null, { status: 202 });
    }
    if (message.method === "tools/call") return this.#call(session, message);
    session.heard.push(message);
    await this.slow.get(message.method)?.(session);
    if (message.id === undefined) return new Response(null, { status: 202 });
    return Response.json({
      jsonrpc: "2.0",
      id: message.id,
      result: message.method === "resources/read"
        ? { contents: [] }
        : message.method === "prompts/get"
        ? { messages: [] }
        : {},
    });
  }

  #initialize({ id, params = {} }: Heard): Response {
    const session = new OneSession(params);
    this.sessions.push(session);
    const name = this.givesIds ? `s-${this.sessions.length}` : "";
    this.#byId.set(name, session);
    return Response.json({
      jsonrpc: "2.0",
      id,
      result: {
        protocolVersion: params["protocolVersion"],
        capabilities: this.capabilities,
        serverInfo: { name: "asking", version: "1.0" },
      },
    }, { headers: name === "" ? {} : { "mcp-session-id": name } });
  }

  #call(session: OneSession, call: Heard): Response {
    const name = String(call.params?.["name"]);
    const tool = this.#tools[name];
    this.runs[name] = (this.runs[name] ?? 0) + 1;
    return this.#stream((sink) => {
      const run: Run = {
        session,
        call,
        send: (message) => write(sink, message),
        ask: (method, params = {}) => session.ask(sink, method, params),
        askApart: (method, params = {}) =>
          session.ask(session.get, method, params),
        breakOff: () => end(sink),
      };
      void (async () => {
        const answer = await tool?.(run) ??
          { error: { code: -32602, message: "Unknown tool" } };
        write(sink, { id: call.id, ...answer });
        end(sink);
      })();
    });
  }

  #stream(begin: (sink: Sink) => void): Response {
    let sink!: Sink;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        sink = controller;
        this.#sinks.add(sink);
        write(sink);
      },
      cancel: () => void this.#sinks.delete(sink),
    });
    begin(sink);
    return new Response(body, {
      headers: { "content-type": "text/event-stream" },
    });
  }
}

/** Who reads it may be gone. */
function write(sink: Sink | undefined, message?: object): void {
  const text = message === undefined
    ? ": open\n\n"
    : `data: ${JSON.stringify({ jsonrpc: "2.0", ...message })}\n\n`;
  try {
    sink?.enqueue(new TextEncoder().encode(text));
  } catch { /* gone */ }
}

function end(sink: Sink | undefined): void {
  try {
    sink?.close();
  } catch { /* gone */ }
}

/** The result of a tool that says one thing. */
export function says(text: string): { readonly result: object } {
  return { result: { content: [{ type: "text", text }] } };
}
