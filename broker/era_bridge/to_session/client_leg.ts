/**
 * One request of a client of the stateless era that waits for its answer: a
 * JSON body, or, once something comes before it or it takes long, an event
 * stream that ends with it.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http
 * @module
 */

import { type Refusal, replyToRefusal } from "../../../shared/errors.ts";
import { writeComment, writeEvent } from "../../../shared/sse/write_event.ts";
import type { Wait } from "../../../shared/wait_on_timer.ts";
import type { WrittenAnswer } from "./write_answer.ts";

/** How a client is kept informed. */
export interface LegSettings {
  /**
   * Milliseconds without an answer after which the event stream begins. Only
   * then is a client seen to leave: Deno's HTTP server does not look at a
   * connection on which no response has begun (2.9.6).
   */
  readonly beginMs: number;
  /** Milliseconds of silence after which a comment is sent. */
  readonly keepAliveMs: number;
  /** Bytes that may wait for a slow client before notifications are dropped. */
  readonly queueBytes: number;
  /** Waits. */
  readonly wait: Wait;
}

/** An answer; its status and headers count where nothing went before it. */
export interface LegAnswer extends WrittenAnswer {
  /** Headers besides the content type. */
  readonly headers?: readonly (readonly [string, string])[];
}

/** A waiting client. */
export class ClientLeg {
  /** The response, once it has begun. */
  readonly response: Promise<Response>;
  readonly #settings: LegSettings;
  readonly #respond: (response: Response) => void;
  readonly #over = new AbortController();
  #stream: ReadableStreamDefaultController<Uint8Array> | undefined;
  #onGone: (() => void) | undefined;

  /**
   * Begins to wait.
   *
   * @param gone Aborts when the client has left. Once the answer is on its way
   * that means nothing: some runtimes abort then, too.
   */
  constructor(gone: AbortSignal, settings: LegSettings) {
    this.#settings = settings;
    const { promise, resolve } = Promise.withResolvers<Response>();
    this.response = promise;
    this.#respond = resolve;
    const leave = () => this.#leave();
    if (gone.aborted) leave();
    else {
      gone.addEventListener("abort", leave, { signal: this.#over.signal });
      void this.#keepAlive();
    }
  }

  /** Whether the client still waits. */
  get waiting(): boolean {
    return !this.#over.signal.aborted;
  }

  /** Is told once when the client leaves before its answer. */
  set onGone(told: () => void) {
    this.#onGone = told;
  }

  /** Sends a notification, unless the client is too slow to take it. */
  notify(text: string): void {
    if (!this.waiting) return;
    const stream = this.#open();
    if ((stream.desiredSize ?? 0) > 0) {
      stream.enqueue(writeEvent({ data: text }));
    }
  }

  /** Sends the answer, which ends it; a second one is dropped. */
  answer({ status, text, headers }: LegAnswer): void {
    if (!this.waiting) return;
    this.#over.abort();
    const stream = this.#stream;
    if (stream === undefined) {
      this.#respond(
        new Response(text, {
          status,
          headers: {
            ...Object.fromEntries(headers ?? []),
            "content-type": "application/json",
          },
        }),
      );
      return;
    }
    stream.enqueue(writeEvent({ data: text }));
    stream.close();
  }

  /**
   * Refuses.
   *
   * @param id The id of the client's request, raw JSON.
   */
  refuse(id: string, refusal: Refusal): void {
    const { status, headers, body } = replyToRefusal(refusal, id, "stateless");
    this.answer({ status, headers, text: body });
  }

  #open(): ReadableStreamDefaultController<Uint8Array> {
    if (this.#stream !== undefined) return this.#stream;
    let stream!: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          stream = controller;
        },
        cancel: () => this.#leave(),
      },
      new ByteLengthQueuingStrategy({
        highWaterMark: this.#settings.queueBytes,
      }),
    );
    this.#stream = stream;
    this.#respond(
      new Response(body, {
        headers: {
          "content-type": "text/event-stream",
          "cache-control": "no-cache, no-transform",
          "x-accel-buffering": "no",
        },
      }),
    );
    return stream;
  }

  async #keepAlive(): Promise<void> {
    const { beginMs, keepAliveMs, wait } = this.#settings;
    for (let silence = beginMs;; silence = keepAliveMs) {
      await wait(silence, this.#over.signal);
      if (!this.waiting) return;
      const stream = this.#open();
      if ((stream.desiredSize ?? 0) > 0) {
        stream.enqueue(writeComment("keep-alive"));
      }
    }
  }

  #leave(): void {
    if (!this.waiting) return;
    this.#over.abort();
    // Nobody reads it; what waits for it has to go on.
    if (this.#stream === undefined) {
      this.#respond(new Response(null, { status: 499 }));
    } else {
      try {
        this.#stream.close();
      } catch { /* the client has cancelled it */ }
    }
    this.#onGone?.();
  }
}
