/**
 * The GET side of an MCP server, as a function that stands in for `fetch`:
 * each request is recorded and answered as the test says.
 *
 * @module
 */

const ENCODER = new TextEncoder();

/** A GET that was answered with a stream. */
export interface OpenStream {
  /** Its headers. */
  readonly headers: Headers;
  /** Whether nobody reads it any more. */
  readonly left: boolean;
  /** Sends text as it is. */
  send(text: string): void;
  /** Sends a message in an event. */
  message(message: unknown): void;
  /** Ends it in an orderly way. */
  end(): void;
  /** Breaks it. */
  break(): void;
}

/**
 * What a request is answered with: a stream, now or when released, a status,
 * or nothing at all.
 */
export type GetAnswer = "stream" | "later" | "hang" | "fail" | number;

/** A server that only has streams. */
export class StreamServer {
  /** How the next requests are answered; the last holds on. */
  answers: readonly GetAnswer[] = ["stream"];
  /** Headers of all requests, in order. */
  readonly requests: Headers[] = [];
  /** Streams that were opened, in order. */
  readonly streams: OpenStream[] = [];
  #held: (() => void)[] = [];

  /** Streams that are read now. */
  get open(): readonly OpenStream[] {
    return this.streams.filter(({ left }) => !left);
  }

  /** Answers the requests that were to be answered later. */
  release(): void {
    const held = this.#held;
    this.#held = [];
    for (const answer of held) answer();
  }

  /** Stands in for `fetch`. */
  readonly fetch = (_server: unknown, init: RequestInit): Promise<Response> => {
    const headers = new Headers(init.headers);
    this.requests.push(headers);
    const answer = this.answers[0] ?? "stream";
    if (this.answers.length > 1) this.answers = this.answers.slice(1);
    const signal = init.signal!;
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
      if (answer === "fail") reject(new TypeError("connection refused"));
      else if (answer === "stream") resolve(this.#stream(headers, signal));
      else if (answer === "later") {
        this.#held.push(() => resolve(this.#stream(headers, signal)));
      } else if (answer !== "hang") {
        resolve(new Response(null, { status: answer }));
      }
    });
  };

  #stream(headers: Headers, signal: AbortSignal): Response {
    let sink!: ReadableStreamDefaultController<Uint8Array>;
    let left = false;
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        sink = controller;
      },
      cancel() {
        left = true;
      },
    });
    signal.addEventListener("abort", () => {
      if (!left) sink.error(signal.reason);
      left = true;
    });
    const send = (text: string) => sink.enqueue(ENCODER.encode(text));
    this.streams.push({
      headers,
      get left() {
        return left;
      },
      send,
      message: (message) => send(`data: ${JSON.stringify(message)}\n\n`),
      end() {
        left = true;
        sink.close();
      },
      break() {
        left = true;
        sink.error(new TypeError("connection reset"));
      },
    });
    return new Response(body, {
      headers: { "content-type": "text/event-stream; charset=utf-8" },
    });
  }
}
