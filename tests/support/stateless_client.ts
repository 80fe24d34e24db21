/**
 * An MCP client of the stateless era that sends exactly what it is told and
 * shows exactly what came back. Tests that need a well-behaved client use an
 * SDK instead.
 *
 * @module
 */

import { encodeHeaderValue } from "../../shared/headers.ts";
import {
  lastMessage,
  RawListener,
  type RawReply,
  type SendOptions,
} from "./raw_client.ts";

/** The revision that it speaks unless told. */
const REVISION = "2026-07-28";

/** How to make a client. */
export interface StatelessClientOptions {
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Connections of its own. */
  readonly http?: Deno.HttpClient;
  /** What it declares with every request. Default: nothing. */
  readonly capabilities?: object;
  /** Members of `_meta` besides the envelope's. Default: none. */
  readonly meta?: Readonly<Record<string, unknown>>;
}

/** The client. */
export class StatelessClient {
  /** The endpoint. */
  readonly url: string;
  readonly #options: StatelessClientOptions;
  #lastId = 0;

  /** Makes a client; sends nothing. */
  constructor(url: string, options: StatelessClientOptions = {}) {
    this.url = url;
    this.#options = options;
  }

  /** What a request of this client says of itself, as JSON without braces. */
  get meta(): string {
    return JSON.stringify({
      "io.modelcontextprotocol/protocolVersion": REVISION,
      "io.modelcontextprotocol/clientInfo": {
        name: "stateless client",
        version: "1.0.0",
      },
      "io.modelcontextprotocol/clientCapabilities":
        this.#options.capabilities ?? {},
      ...this.#options.meta,
    }).slice(1, -1);
  }

  /** Sends a body as it is, under headers that are added to the usual ones. */
  async send(
    body: string | Uint8Array<ArrayBuffer>,
    { headers = {}, signal }: SendOptions = {},
  ): Promise<RawReply> {
    const response = await this.#fetch(body, headers, signal);
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      text,
      message: lastMessage(text, response.headers.get("content-type") ?? ""),
    };
  }

  /** Sends a request with its envelope and the headers that mirror it. */
  request(
    method: string,
    params: Readonly<Record<string, unknown>> = {},
    options: SendOptions = {},
  ): Promise<RawReply> {
    return this.send(this.#body(method, params), {
      ...options,
      headers: { ...mirrors(method, params), ...options.headers },
    });
  }

  /** Calls a tool. */
  call(
    name: string,
    args: object = {},
    options: SendOptions = {},
  ): Promise<RawReply> {
    return this.request("tools/call", { name, arguments: args }, options);
  }

  /**
   * Sends a request whose answer is an event stream, and reads that as it
   * comes. @throws Where the answer is no event stream.
   */
  async open(
    method: string,
    params: Readonly<Record<string, unknown>> = {},
    options: SendOptions = {},
  ): Promise<RawListener> {
    const abort = new AbortController();
    const response = await this.#fetch(
      this.#body(method, params),
      { ...mirrors(method, params), ...options.headers },
      abort.signal,
    );
    const type = response.headers.get("content-type") ?? "";
    if (!response.ok || !type.startsWith("text/event-stream")) {
      const text = await response.text();
      throw new Error(`Cannot listen: ${response.status} ${text}`);
    }
    return new RawListener(response, abort);
  }

  /** Members of `_meta` among the parameters join the envelope. */
  #body(method: string, params: Readonly<Record<string, unknown>>): string {
    const { _meta = {}, ...rest } = params;
    const inside = (value: unknown) => JSON.stringify(value).slice(1, -1);
    const meta = [this.meta, inside(_meta)].filter((text) => text !== "");
    const members = [inside(rest), `"_meta":{${meta.join()}}`]
      .filter((text) => text !== "");
    return `{"jsonrpc":"2.0","id":${++this.#lastId},"method":${
      JSON.stringify(method)
    },"params":{${members.join()}}}`;
  }

  #fetch(
    body: BodyInit,
    added: Readonly<Record<string, string | null>>,
    signal: AbortSignal | undefined,
  ): Promise<Response> {
    const headers = new Headers({
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      "mcp-protocol-version": REVISION,
      ...this.#options.headers,
    });
    for (const [name, value] of Object.entries(added)) {
      if (value === null) headers.delete(name);
      else headers.set(name, value);
    }
    return fetch(this.url, {
      method: "POST",
      headers,
      body,
      ...signal === undefined ? {} : { signal },
      ...this.#options.http === undefined ? {} : { client: this.#options.http },
    });
  }
}

/** The headers that mirror a request. */
export function mirrors(
  method: string,
  params: Readonly<Record<string, unknown>>,
): Record<string, string> {
  const name = method === "tools/call" || method === "prompts/get"
    ? params["name"]
    : method === "resources/read"
    ? params["uri"]
    : undefined;
  return {
    "mcp-method": method,
    ...typeof name === "string" ? { "mcp-name": encodeHeaderValue(name) } : {},
  };
}
