/**
 * An MCP server of the session era that does as it is told, well or badly, as
 * a function that stands in for `fetch`. Writes raw JSON.
 *
 * @module
 */

import { type ByKind, kindListedBy, KINDS } from "../catalog/kinds.ts";
import type { Fetch } from "../../shared/upstream/http_answers.ts";

/** One request that reached it. */
export interface Seen {
  /** HTTP method. */
  readonly method: string;
  /** Headers. */
  readonly headers: Headers;
  /** Body. */
  readonly body: string;
}

/** The body of a request, as text. */
export function bodyText({ body }: RequestInit): string {
  return body instanceof Uint8Array
    ? new TextDecoder().decode(body)
    : String(body ?? "");
}

type Sink = ReadableStreamDefaultController<Uint8Array>;

const encode = (text: string) => new TextEncoder().encode(text);

/** A server whose state tests change at will. */
export class ScriptedServer {
  /** JSON texts of its tools, by page. */
  pages: readonly (readonly string[])[] = [[]];
  /** JSON texts of its other lists, one page each. */
  lists: Partial<ByKind<readonly string[]>> = {};
  /** Revision it answers. */
  revision = "2025-11-25";
  /** JSON text of its capabilities. */
  capabilities = '{"tools":{"listChanged":true}}';
  /** Answers with event streams instead of JSON. */
  streams = false;
  /** Sent on an answer's stream before the answer. */
  interjections: readonly string[] = [];
  /** Hands out session ids. */
  givesSessions = true;
  /** Connections are refused. */
  down = false;
  /** Never answers these methods. */
  hangsOn: readonly string[] = [];
  /** Replies that replace the ordinary one, by JSON-RPC or HTTP method. */
  readonly replies = new Map<string, () => Response>();
  /** Everything that came. */
  readonly seen: Seen[] = [];
  /** Sessions open now. */
  readonly sessions = new Set<string>();
  readonly #sinks = new Set<Sink>();
  #sessionCount = 0;

  /** Number of notification streams open now. */
  get streamCount(): number {
    return this.#sinks.size;
  }

  /** How many requests of a method came. */
  count(method: string): number {
    return this.seen.filter(({ body }) => body.includes(`"method":"${method}"`))
      .length;
  }

  /** Sends a message on every notification stream. */
  notify(method: string): void {
    const message = `data: {"jsonrpc":"2.0","method":"${method}"}\n\n`;
    for (const sink of this.#sinks) sink.enqueue(encode(message));
  }

  /** Breaks every notification stream. */
  breakStreams(): void {
    for (const sink of this.#sinks) sink.error(new Error("connection reset"));
    this.#sinks.clear();
  }

  /** Ends every notification stream in an orderly way. */
  endStreams(): void {
    for (const sink of this.#sinks) sink.close();
    this.#sinks.clear();
  }

  /** Stands in for `fetch`. */
  readonly fetch: Fetch = (_url, init) => {
    const signal = init.signal!;
    const body = bodyText(init);
    const request = {
      method: init.method ?? "GET",
      headers: new Headers(init.headers),
      body,
    };
    this.seen.push(request);
    return new Promise((resolve, reject) => {
      const abort = () => reject(signal.reason);
      if (signal.aborted) return abort();
      signal.addEventListener("abort", abort);
      if (this.down) return reject(new TypeError("connection refused"));
      const response = this.#respond(request, signal);
      if (response !== undefined) resolve(response);
    });
  };

  #respond(request: Seen, signal: AbortSignal): Response | undefined {
    const session = request.headers.get("mcp-session-id");
    if (session !== null && !this.sessions.has(session)) {
      return new Response("unknown session", { status: 404 });
    }
    const message = request.body === "" ? {} : JSON.parse(request.body);
    const method: string = message.method ?? request.method;
    if (this.hangsOn.includes(method)) return undefined;
    const reply = this.replies.get(method);
    if (reply !== undefined) return reply();
    switch (method) {
      case "GET":
        return this.#openStream(signal);
      case "DELETE":
        this.sessions.delete(session!);
        return new Response(null, { status: 204 });
      case "initialize":
        return this.#answer(
          message.id,
          `{"protocolVersion":"${this.revision}","capabilities":${this.capabilities},"serverInfo":{"name":"scripted","version":"0"}}`,
          this.givesSessions ? this.#openSession() : {},
        );
      case "tools/list":
        return this.#answer(message.id, this.#page(message.params?.cursor));
      case "prompts/list":
      case "resources/list":
      case "resources/templates/list": {
        const kind = kindListedBy(method)!;
        const items = this.lists[kind] ?? [];
        return this.#answer(
          message.id,
          `{"${KINDS[kind].member}":[${items.join()}]}`,
        );
      }
      case "ping":
        return this.#answer(message.id, "{}");
      case "server/discover":
        return Response.json({
          jsonrpc: "2.0",
          id: message.id,
          error: { code: -32601, message: "Method not found" },
        });
      default:
        return new Response(null, { status: 202 });
    }
  }

  #openSession(): Record<string, string> {
    const id = `session-${++this.#sessionCount}`;
    this.sessions.add(id);
    return { "mcp-session-id": id };
  }

  /** Cursors: "" after the first page, then numbers. */
  #page(cursor: string | undefined): string {
    const page = cursor === undefined ? 0 : cursor === "" ? 1 : Number(cursor);
    const next = page + 1 < this.pages.length
      ? `,"nextCursor":"${page === 0 ? "" : page + 1}"`
      : "";
    return `{"tools":[${this.pages[page]!.join(",")}]${next}}`;
  }

  #answer(
    id: number,
    result: string,
    headers: Record<string, string> = {},
  ): Response {
    const answer = `{"jsonrpc":"2.0","id":${id},"result":${result}}`;
    if (!this.streams) {
      return new Response(answer, {
        headers: { ...headers, "content-type": "application/json" },
      });
    }
    const events = [...this.interjections, answer]
      .map((one) => `event: message\ndata: ${one}\n\n`);
    return new Response(`: hello\n\n${events.join("")}`, {
      headers: { ...headers, "content-type": "text/event-stream" },
    });
  }

  #openStream(signal: AbortSignal): Response {
    let sink: Sink;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        sink = controller;
        this.#sinks.add(sink);
        signal.addEventListener("abort", () => {
          if (this.#sinks.delete(sink)) sink.error(signal.reason);
        });
      },
      cancel: () => void this.#sinks.delete(sink),
    });
    return new Response(body, {
      headers: { "content-type": "text/event-stream" },
    });
  }
}
