/**
 * A proxy in front of a server that writes down what the server is sent and,
 * where a test wants to be lied to, changes what the server says.
 *
 * @module
 */

/** A request as the server got it. */
export interface TappedRequest {
  /** HTTP method. */
  readonly method: string;
  /** The server's session id, which the answer may give; "" without one. */
  readonly session: string;
  /** Headers. */
  readonly headers: Headers;
  /** The body as text; "" where there is none. */
  readonly body: string;
}

/** What becomes of a line: the chunks that are sent for it. */
export type LineChange = (line: string) => readonly string[];

/** How to tap. */
export interface TapOptions {
  /** The server's endpoint. */
  readonly target: string;
  /**
   * Changes the body of one answer, line by line, line ends included; what it
   * returns is sent at once, chunk by chunk. Nothing by default.
   */
  readonly tamper?: (() => LineChange) | undefined;
  /** Changes the body of a request. Nothing by default. */
  readonly tamperRequest?: ((body: string) => string) | undefined;
}

/** A tap; disposing of it ends it. */
export interface Tap extends AsyncDisposable {
  /** Where clients connect. */
  readonly url: string;
  /** Every request so far, in the order of arrival. */
  readonly requests: readonly TappedRequest[];
}

/** Starts a tap; it listens when this returns. */
export function startTap(
  { target, tamper, tamperRequest = (body) => body }: TapOptions,
): Tap {
  const requests: TappedRequest[] = [];
  const http = Deno.createHttpClient({ poolMaxIdlePerHost: 100 });

  async function handle(request: Request): Promise<Response> {
    const body = tamperRequest(await request.text());
    const tapped = {
      method: request.method,
      session: request.headers.get("mcp-session-id") ?? "",
      headers: request.headers,
      body,
    };
    requests.push(tapped);
    const headers = new Headers(request.headers);
    for (const hop of ["host", "content-length", "connection"]) {
      headers.delete(hop);
    }
    const response = await fetch(target, {
      method: request.method,
      headers,
      client: http,
      ...body === "" ? {} : { body },
    });
    const answer = new Headers(response.headers);
    if (tapped.session === "") {
      tapped.session = answer.get("mcp-session-id") ?? "";
    }
    answer.delete("content-length");
    return new Response(
      tamper === undefined || response.body === null
        ? response.body
        : changed(response.body, tamper()),
      { status: response.status, headers: answer },
    );
  }

  const listener = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: () => {},
    // A client that left is no failure of the server's.
    onError: () => new Response(null, { status: 502 }),
  }, handle);
  return {
    url: `http://127.0.0.1:${listener.addr.port}/mcp`,
    requests,
    async [Symbol.asyncDispose]() {
      http.close();
      await listener.shutdown();
    },
  };
}

/** Takes a body apart into lines, changes them, and puts it together. */
function changed(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  change: LineChange,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let rest = "";
  const lines = new TransformStream<string, string>({
    transform(chunk, controller) {
      const parts = (rest + chunk).split("\n");
      rest = parts.pop()!;
      for (const part of parts) {
        for (const chunk of change(`${part}\n`)) controller.enqueue(chunk);
      }
    },
    flush(controller) {
      if (rest === "") return;
      for (const chunk of change(rest)) controller.enqueue(chunk);
    },
  });
  return body.pipeThrough(new TextDecoderStream()).pipeThrough(lines)
    .pipeThrough(new TextEncoderStream());
}
