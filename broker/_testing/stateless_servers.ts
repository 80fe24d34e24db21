/**
 * MCP servers of the stateless era as a function that stands in for `fetch`:
 * each request is held against its headers, recorded, and answered as the test
 * says. Writes raw JSON.
 *
 * @module
 */

import { scan } from "../../shared/jsonrpc/scanner.ts";
import { META } from "../../shared/mcp.ts";
import { checkStandardHeaders } from "../../shared/stateless/standard_headers.ts";

/** A request that reached a server. */
export interface StatelessRequest {
  /** Name of the server. */
  readonly server: string;
  /** Headers. */
  readonly headers: Headers;
  /** Body. */
  readonly text: string;
  /** Its id, raw JSON. */
  readonly id: string;
  /** Its method. */
  readonly method: string;
  /** Its parameters, `_meta` too. */
  // deno-lint-ignore no-explicit-any -- tests look wherever they like
  readonly params: any;
  /** Aborts when nobody waits for its answer any more. */
  readonly signal: AbortSignal;
}

/** Answers a request. */
export type StatelessAnswer = (
  request: StatelessRequest,
) => Response | Promise<Response>;

/** Servers that answer as they are told. */
export class StatelessServers {
  /** How the next requests are answered; the last holds on. */
  answers: readonly StatelessAnswer[] = [];
  /** Everything that came. */
  readonly seen: StatelessRequest[] = [];

  /** The request that came last. */
  get last(): StatelessRequest {
    return this.seen.at(-1)!;
  }

  /** Stands in for `fetch`. */
  readonly fetch = async (
    { name }: { readonly name: string },
    init: RequestInit,
  ): Promise<Response> => {
    const body = init.body as Uint8Array;
    const headers = new Headers(init.headers);
    const message = scan(body);
    if (message.kind !== "request") throw new TypeError("no request");
    const text = new TextDecoder().decode(body);
    const { params } = JSON.parse(text);
    const wrong = checkStandardHeaders(
      message,
      (name) => headers.get(name) ?? undefined,
    );
    const version = headers.get("mcp-protocol-version");
    if (wrong !== undefined || version !== params._meta[META.protocolVersion]) {
      throw new TypeError(`headers do not mirror the body: ${wrong?.detail}`);
    }
    const { id, method } = message;
    const signal = init.signal!;
    const request = { server: name, headers, text, id, method, params, signal };
    this.seen.push(request);
    const [answer] = this.answers;
    if (this.answers.length > 1) this.answers = this.answers.slice(1);
    const gone = new Promise<never>((_, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason))
    );
    gone.catch(() => {});
    return await Promise.race([answer!(request), gone]);
  };
}

/** Answers in JSON, with a result. */
export function result(json: string): StatelessAnswer {
  return ({ id }) =>
    new Response(`{"jsonrpc":"2.0","id":${id},"result":${json}}`, {
      headers: { "content-type": "application/json" },
    });
}

/** Answers in JSON, with an error. */
export function error(json: string, status = 200): StatelessAnswer {
  return ({ id }) =>
    new Response(`{"jsonrpc":"2.0","id":${id},"error":${json}}`, {
      status,
      headers: { "content-type": "application/json" },
    });
}

/** Answers with a stream of events and, at its end, a result. */
export function stream(
  events: readonly string[],
  json: string,
): StatelessAnswer {
  return ({ id }) => {
    const all = [...events, `{"jsonrpc":"2.0","id":${id},"result":${json}}`];
    return new Response(all.map((one) => `data: ${one}\n\n`).join(""), {
      headers: { "content-type": "text/event-stream" },
    });
  };
}

/** A stream that the test writes to. */
export class OpenAnswer {
  #sink: ReadableStreamDefaultController<Uint8Array> | undefined;
  /** Whether nobody reads it any more. */
  left = false;
  /** The request that it answers. */
  request: StatelessRequest | undefined;

  /** Answers with it. */
  readonly answer: StatelessAnswer = (request) => {
    this.request = request;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#sink = controller;
      },
      cancel: () => {
        this.left = true;
      },
    });
    request.signal.addEventListener("abort", () => {
      if (!this.left) this.#sink?.error(request.signal.reason);
      this.left = true;
    });
    return new Response(body, {
      headers: { "content-type": "text/event-stream" },
    });
  };

  /** Sends a message. */
  send(json: string): void {
    this.#sink!.enqueue(new TextEncoder().encode(`data: ${json}\n\n`));
  }

  /** Sends the result, and ends. */
  finish(json: string): void {
    this.send(`{"jsonrpc":"2.0","id":${this.request!.id},"result":${json}}`);
    this.end();
  }

  /** Ends it as it is. */
  end(): void {
    this.left = true;
    this.#sink!.close();
  }
}
