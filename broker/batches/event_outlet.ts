/**
 * The event stream that answers a batch: several write to it, each waits until
 * what it wrote was taken, so that a slow client slows them down. Comments
 * keep it open while nobody has anything to say.
 *
 * @module
 */

import { writeComment } from "../../shared/sse/write_event.ts";

/** A stream to write events to. */
export class EventOutlet {
  /** What goes out. */
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #left = new AbortController();
  readonly #timer: ReturnType<typeof setInterval>;

  /** Opens one. */
  constructor(keepAliveMs: number) {
    const { readable, writable } = new TransformStream<
      Uint8Array<ArrayBuffer>,
      Uint8Array<ArrayBuffer>
    >();
    this.body = readable;
    this.#writer = writable.getWriter();
    this.#timer = setInterval(() => {
      // Whatever is on its way keeps the connection open as well.
      if ((this.#writer.desiredSize ?? 0) > 0) {
        this.#writer.write(writeComment("keep-alive")).catch(() => {});
      }
    }, keepAliveMs);
    this.#writer.closed.catch(() => this.#left.abort()).finally(() =>
      clearInterval(this.#timer)
    );
  }

  /** Aborts when the client has left. */
  get left(): AbortSignal {
    return this.#left.signal;
  }

  /**
   * Writes an event; resolves when it was taken.
   *
   * @throws Where the client has left.
   */
  write(event: Uint8Array<ArrayBuffer>): Promise<void> {
    return this.#writer.write(event);
  }

  /** Ends it, behind what was written. */
  end(): void {
    clearInterval(this.#timer);
    this.#writer.close().catch(() => {});
  }
}
