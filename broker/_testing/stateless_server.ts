/**
 * An MCP server of the stateless era that does as it is told, well or badly,
 * as a function that stands in for `fetch`. Writes raw JSON.
 *
 * @module
 */

import { type ByKind, kindListedBy, KINDS } from "../catalog/kinds.ts";
import type { Fetch } from "../../shared/upstream/http_answers.ts";
import { bodyText, type Seen } from "./scripted_server.ts";

type Sink = ReadableStreamDefaultController<Uint8Array>;

interface OpenListen {
  readonly id: string;
  readonly sink: Sink;
}

const encode = (text: string) => new TextEncoder().encode(text);

/** A server whose state tests change at will. */
export class StatelessServer {
  /** JSON texts of what it lists, by page. */
  pages: Partial<ByKind<readonly (readonly string[])[]>> = {};
  /** Revisions that it speaks. */
  versions: readonly string[] = ["2026-07-28"];
  /** JSON text of its capabilities. */
  capabilities = '{"tools":{"listChanged":true}}';
  /** What it agrees to tell of; all that is asked for by default. */
  agrees: readonly string[] | undefined;
  /** Written into each result. */
  resultType: string | undefined = "complete";
  /** What it says of keeping each page of its lists; nothing by default. */
  hints: readonly object[] = [];
  /** Answers with event streams instead of JSON. */
  streams = false;
  /** Connections are refused. */
  down = false;
  /** Never answers these methods. */
  hangsOn: readonly string[] = [];
  /** Replies that replace the ordinary one, by method, one after the other. */
  readonly replies = new Map<string, (() => Response)[]>();
  /** Everything that came. */
  readonly seen: Seen[] = [];
  readonly #listens = new Set<OpenListen>();

  /** Number of subscriptions open now. */
  get listenCount(): number {
    return this.#listens.size;
  }

  /** How many requests of a method came. */
  count(method: string): number {
    return this.seen.filter(({ headers }) =>
      headers.get("mcp-method") === method
    ).length;
  }

  /** Tells whoever listens. */
  notify(method: string): void {
    for (const { id, sink } of this.#listens) {
      sink.enqueue(encode(event({
        jsonrpc: "2.0",
        method,
        params: { _meta: { [SUBSCRIPTION_ID]: JSON.parse(id) } },
      })));
    }
  }

  /** Ends every subscription in an orderly way. */
  endListens(): void {
    for (const { id, sink } of this.#listens) {
      sink.enqueue(encode(event({
        jsonrpc: "2.0",
        id: JSON.parse(id),
        result: { resultType: "complete" },
      })));
      sink.close();
    }
    this.#listens.clear();
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
    if (request.method !== "POST") return new Response(null, { status: 405 });
    const message = JSON.parse(request.body);
    const method: string = message.method;
    if (this.hangsOn.includes(method)) return undefined;
    const reply = this.replies.get(method)?.shift();
    if (reply !== undefined) return reply();
    const meta = message.params?._meta ?? {};
    const revision = meta["io.modelcontextprotocol/protocolVersion"];
    if (revision === undefined) {
      return failure(message.id, -32602, "_meta is incomplete", 400);
    }
    if (
      request.headers.get("mcp-protocol-version") !== revision ||
      request.headers.get("mcp-method") !== method
    ) return failure(message.id, -32020, "Header mismatch", 400);
    if (!this.versions.includes(revision)) {
      return failure(message.id, -32022, "Unsupported", 400, {
        supported: this.versions,
        requested: revision,
      });
    }
    const kind = kindListedBy(method);
    if (kind !== undefined) {
      const { cursor } = message.params;
      const pages = this.pages[kind] ?? [[]];
      const page = cursor === undefined ? 0 : Number(cursor);
      return this.#answer(message.id, {
        [KINDS[kind].member]: RAW,
        ...(page + 1 < pages.length ? { nextCursor: String(page + 1) } : {}),
        ...this.hints[page],
      }, `[${pages[page]!.join()}]`);
    }
    switch (method) {
      case "server/discover":
        return this.#answer(message.id, {
          supportedVersions: this.versions,
          capabilities: RAW,
          instructions: "Ask first.",
          _meta: {
            "io.modelcontextprotocol/serverInfo": {
              name: "scripted",
              version: "0",
            },
          },
        }, this.capabilities);
      case "subscriptions/listen":
        return this.#listen(message, signal);
      default:
        return failure(message.id, -32601, "Method not found", 404);
    }
  }

  #answer(id: unknown, result: object, raw: string): Response {
    const message = JSON.stringify({
      jsonrpc: "2.0",
      id,
      result: {
        ...result,
        ...(this.resultType === undefined
          ? {}
          : { resultType: this.resultType }),
      },
    }).replace(JSON.stringify(RAW), () => raw);
    return this.streams
      ? new Response(`: hello\n\ndata: ${message}\n\n`, {
        headers: { "content-type": "text/event-stream" },
      })
      : new Response(message, {
        headers: { "content-type": "application/json" },
      });
  }

  #listen(
    message: { id: unknown; params: { notifications: object } },
    signal: AbortSignal,
  ): Response {
    const asked = Object.keys(message.params.notifications);
    const agreed = this.agrees?.filter((key) => asked.includes(key)) ?? asked;
    const body = new ReadableStream<Uint8Array>({
      start: (sink) => {
        sink.enqueue(encode(event({
          jsonrpc: "2.0",
          method: "notifications/subscriptions/acknowledged",
          params: {
            _meta: { [SUBSCRIPTION_ID]: message.id },
            notifications: Object.fromEntries(agreed.map((key) => [key, true])),
          },
        })));
        const open = { id: JSON.stringify(message.id), sink };
        this.#listens.add(open);
        signal.addEventListener("abort", () => {
          if (this.#listens.delete(open)) sink.error(signal.reason);
        });
      },
      cancel: () => this.#listens.clear(),
    });
    return new Response(body, {
      headers: { "content-type": "text/event-stream" },
    });
  }
}

/** Stands for raw JSON that is put in afterwards. */
const RAW = "\u0001raw\u0001";
const SUBSCRIPTION_ID = "io.modelcontextprotocol/subscriptionId";

function event(message: object): string {
  return `event: message\ndata: ${JSON.stringify(message)}\n\n`;
}

/** A JSON-RPC error as a response. */
export function failure(
  id: unknown,
  code: number,
  message: string,
  status = 200,
  data?: unknown,
): Response {
  const error = { code, message, ...(data === undefined ? {} : { data }) };
  return Response.json({ jsonrpc: "2.0", id, error }, { status });
}
