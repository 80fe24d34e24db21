/**
 * One event stream to one client: a bounded queue in front of the connection,
 * and comments that keep it open. A client that does not read is closed, so
 * that it costs no more than its queue.
 *
 * @module
 */

import {
  type OutgoingEvent,
  writeComment,
  writeEvent,
} from "../../shared/sse/write_event.ts";

/** How much may wait for a client. */
export interface StreamLimits {
  /** Events waiting at most. */
  readonly queueEvents: number;
  /** Bytes waiting at most. */
  readonly queueBytes: number;
  /** Milliseconds between comments. */
  readonly keepAliveMs: number;
}

/** Milliseconds after which clients should come back when we close. */
const RETRY_MS = 500;

/** An open stream to a client. */
export class ClientStream {
  /** What goes out. */
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #limits: StreamLimits;
  readonly #onClose: () => void;
  readonly #queue: Uint8Array<ArrayBuffer>[] = [];
  readonly #timer: ReturnType<typeof setInterval>;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #queuedBytes = 0;
  /** Set while the connection wants more and there is none. */
  #wanted: (() => void) | undefined;
  #state: "open" | "ending" | "closed" = "open";

  /** Opens it; `onClose` is called once, however it ends. */
  constructor(limits: StreamLimits, onClose: () => void) {
    this.#limits = limits;
    this.#onClose = onClose;
    this.body = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#pull(),
      cancel: () => this.#close(),
    }, { highWaterMark: 0 });
    this.#timer = setInterval(() => {
      // Whatever waits keeps the connection open as well.
      if (this.#queue.length === 0) this.#push(writeComment("keep-alive"));
    }, limits.keepAliveMs);
    // Some clients and proxies believe in a stream once its first byte came.
    this.#push(writeComment("open"));
  }

  /** Whether more can be sent. */
  get open(): boolean {
    return this.#state === "open";
  }

  /** Sends an event; false where the stream is, or thereby gets, closed. */
  send(event: OutgoingEvent): boolean {
    if (!this.open) return false;
    return this.#push(writeEvent(event));
  }

  /** Ends the stream in an orderly way, behind what waits already. */
  end(): void {
    if (!this.open) return;
    // 2025-11-25, transports: say when to come back before closing.
    if (!this.#push(writeEvent({ retry: RETRY_MS }))) return;
    this.#state = "ending";
    if (this.#queue.length === 0) this.#finish();
  }

  #push(bytes: Uint8Array<ArrayBuffer>): boolean {
    if (this.#wanted !== undefined) {
      this.#controller.enqueue(bytes);
      this.#satisfied();
      return true;
    }
    if (
      this.#queue.length >= this.#limits.queueEvents ||
      this.#queuedBytes + bytes.byteLength > this.#limits.queueBytes
    ) {
      // An error, so that the client does not take it for the whole of it.
      this.#controller.error(new Error("the client does not read its stream"));
      this.#close();
      return false;
    }
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.byteLength;
    return true;
  }

  #pull(): Promise<void> | void {
    const next = this.#queue.shift();
    if (next !== undefined) {
      this.#queuedBytes -= next.byteLength;
      this.#controller.enqueue(next);
      if (this.#state === "ending" && this.#queue.length === 0) this.#finish();
      return;
    }
    return new Promise((resolve) => {
      this.#wanted = resolve;
    });
  }

  #satisfied(): void {
    const resolve = this.#wanted;
    this.#wanted = undefined;
    resolve?.();
  }

  #finish(): void {
    this.#controller.close();
    this.#close();
  }

  #close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    clearInterval(this.#timer);
    this.#queue.length = 0;
    this.#satisfied();
    this.#onClose();
  }
}
