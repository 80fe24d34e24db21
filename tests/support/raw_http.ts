/**
 * One HTTP/1.1 request over a plain socket: for what `fetch` would normalise,
 * merge or refuse to send, such as `Host` and repeated headers.
 *
 * @module
 */

import { within } from "./wait.ts";

/** The request. */
export interface RawRequest {
  /** HTTP method. */
  readonly method: string;
  /** Names and values exactly as they go out; `Host` has to be among them. */
  readonly headers: readonly (readonly [string, string])[];
  /** The body; `Content-Length` is added. */
  readonly body?: string;
}

/** The answer. */
export interface RawResponse {
  /** HTTP status. */
  readonly status: number;
  /** The header block as it came. */
  readonly head: string;
  /** The body, its chunk sizes still in it where it came chunked. */
  readonly body: string;
}

/** Sends a request to where `url` points and reads until the server closes. */
export async function sendRaw(
  url: string,
  request: RawRequest,
): Promise<RawResponse> {
  const { hostname, port, pathname } = new URL(url);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  const body = new TextEncoder().encode(request.body ?? "");
  const lines = [
    `${request.method} ${pathname} HTTP/1.1`,
    ...request.headers.map(([name, value]) => `${name}: ${value}`),
    ...request.body === undefined ? [] : [`Content-Length: ${body.length}`],
    "Connection: close",
    "",
    "",
  ];
  const head = new TextEncoder().encode(lines.join("\r\n"));
  const writer = connection.writable.getWriter();
  await writer.write(new Uint8Array([...head, ...body]));
  const text = await within(
    `answer to ${request.method}`,
    new Response(connection.readable).text(),
  );
  const end = text.indexOf("\r\n\r\n");
  return {
    status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0),
    head: text.slice(0, end),
    body: text.slice(end + 4),
  };
}
