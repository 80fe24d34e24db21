/**
 * The reply to one call of a client in a session: JSON where the answer comes
 * soon and alone; else a stream of events, which tells what comes before it,
 * asks the client, and ends with the answer. A client that goes away changes
 * nothing: in the session era that cancels no call.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#sending-messages-to-the-server
 * @module
 */

import { writeComment, writeEvent } from "../../../shared/sse/write_event.ts";
import type { Wait } from "../../../shared/wait_on_timer.ts";
import { eventStreamResponse } from "../../responses.ts";

/** How a client is kept informed. */
export interface ReplySettings {
  /** Milliseconds of silence until a comment: the first one begins a stream. */
  readonly keepAliveMs: number;
  /** Bytes that wait for a slow client until notifications are dropped. */
  readonly queueBytes: number;
  /** Waits. */
  readonly wait: Wait;
}

/** An answer, ready to be sent. */
export interface WrittenAnswer {
  /** HTTP status, where it can still be chosen. */
  readonly status: number;
  /** JSON text of a response. */
  readonly text: string;
  /** Further headers, where they can still be sent. */
  readonly headers?: readonly (readonly [string, string])[];
}

type Sink = ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;

/** A reply that is under way. */
export class ClientReply {
  /** The response, once it has begun. */
  readonly response: Promise<Response>;
  readonly #settings: ReplySettings;
  readonly #respond: (response: Response) => void;
  readonly #over = new AbortController();
  #sink: Sink | undefined;
  #left = false;

  /**
   * Begins.
   *
   * @param gone Aborts when the client goes away before it has the answer.
   */
  constructor(gone: AbortSignal, settings: ReplySettings) {
    this.#settings = settings;
    const { promise, resolve } = Promise.withResolvers<Response>();
    this.response = promise;
    this.#respond = resolve;
    if (gone.aborted) this.#leave();
    const { signal } = this.#over;
    gone.addEventListener("abort", () => this.#leave(), { signal });
    void this.#keepAlive();
  }

  /** Whether the client has gone away. */
  get left(): boolean {
    return this.#left;
  }

  /** Tells the client something, unless it is too slow to take it. */
  notify(text: string): void {
    this.#send(text, true);
  }

  /**
   * Asks the client something.
   *
   * @returns False where it has gone away.
   */
  ask(text: string): boolean {
    this.#send(text, false);
    return !this.#left;
  }

  /** Sends the answer, which ends the reply. */
  answer({ status, text, headers = [] }: WrittenAnswer): void {
    if (this.#sink !== undefined) {
      this.#send(text, false);
      return this.end();
    }
    this.#over.abort();
    this.#respond(
      new Response(text, {
        status,
        headers: [
          ["content-type", "application/json"],
          ...headers.map(([name, value]): [string, string] => [name, value]),
        ],
      }),
    );
  }

  /** Ends the reply without an answer: that of a call that was cancelled. */
  end(): void {
    if (this.#over.signal.aborted) return;
    if (!this.#left) this.#open().close();
    this.#over.abort();
  }

  #send(text: string, mayDrop: boolean): void {
    if (this.#left || this.#over.signal.aborted) return;
    const sink = this.#open();
    if (mayDrop && (sink.desiredSize ?? 0) <= 0) return;
    // Line breaks in JSON are white space: some clients read one line only.
    sink.enqueue(writeEvent({ data: text.replace(/[\r\n]+/g, " ") }));
  }

  #open(): Sink {
    if (this.#sink !== undefined) return this.#sink;
    let sink!: Sink;
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        start: (controller) => {
          sink = controller;
        },
        cancel: () => this.#leave(),
      },
      new ByteLengthQueuingStrategy({
        highWaterMark: this.#settings.queueBytes,
      }),
    );
    this.#sink = sink;
    this.#respond(eventStreamResponse(body));
    return sink;
  }

  async #keepAlive(): Promise<void> {
    const { keepAliveMs, wait } = this.#settings;
    for (;;) {
      await wait(keepAliveMs, this.#over.signal);
      if (this.#left || this.#over.signal.aborted) return;
      const sink = this.#open();
      if ((sink.desiredSize ?? 0) > 0) sink.enqueue(writeComment("keep-alive"));
    }
  }

  #leave(): void {
    if (this.#left || this.#over.signal.aborted) return;
    this.#left = true;
    // Nobody reads it.
    if (this.#sink === undefined) {
      this.#respond(new Response(null, { status: 499 }));
    }
  }
}
