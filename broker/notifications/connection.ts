/**
 * One connection of a client's event stream: a bounded queue in front of it,
 * and comments that keep it open. A client that does not read is closed, so
 * that it costs no more than its queue.
 *
 * @module
 */

import { writeComment } from "../../shared/sse/write_event.ts";

/** How much may wait for a client. */
export interface ConnectionLimits {
  /** Events waiting at most. */
  readonly queueEvents: number;
  /** Bytes waiting at most, or one event that has more. */
  readonly queueBytes: number;
  /**
   * Milliseconds between comments; for so long at least a client may leave the
   * rest of a stream that has ended unread.
   */
  readonly keepAliveMs: number;
}

interface Queued {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly key: string | undefined;
}

/** An open connection to a client. */
export class ClientConnection {
  /** What goes out. */
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #limits: ConnectionLimits;
  readonly #onClose: () => void;
  readonly #queue: Queued[] = [];
  /** Keys of what is in the queue. */
  readonly #keys = new Set<string>();
  readonly #timer: ReturnType<typeof setInterval>;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  /** Goes out before the queue, however much it is. */
  #first: Uint8Array<ArrayBuffer> | undefined;
  #queuedBytes = 0;
  /** Set while the connection wants more and there is none. */
  #wanted: (() => void) | undefined;
  #state: "open" | "ending" | "closed" = "open";
  /** Whether the client took something since the last look. */
  #reads = true;

  /**
   * Opens it.
   *
   * @param first What it begins with.
   * @param onClose Called once, however it ends.
   */
  constructor(
    limits: ConnectionLimits,
    first: Uint8Array<ArrayBuffer>,
    onClose: () => void,
  ) {
    this.#limits = limits;
    this.#first = first.byteLength === 0 ? undefined : first;
    this.#onClose = onClose;
    this.body = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#pull(),
      cancel: () => this.#close(),
    }, { highWaterMark: 0 });
    this.#timer = setInterval(() => this.#look(), limits.keepAliveMs);
  }

  /** Whether more can be sent. */
  get open(): boolean {
    return this.#state === "open";
  }

  /** Bytes that wait for the client to read. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /**
   * Sends bytes; false where it is, or thereby gets, closed.
   *
   * @param key Bytes with a key that waits in the queue already would say
   * nothing new, and are dropped.
   */
  send(bytes: Uint8Array<ArrayBuffer>, key?: string): boolean {
    if (!this.open) return false;
    if (key !== undefined && this.#keys.has(key)) return true;
    if (this.#wanted !== undefined) {
      this.#deliver(bytes);
      return true;
    }
    if (this.#queue.length > 0 && !this.#fits(bytes)) {
      this.fail();
      return false;
    }
    this.#queue.push({ bytes, key });
    if (key !== undefined) this.#keys.add(key);
    this.#queuedBytes += bytes.byteLength;
    return true;
  }

  /** Ends it in an orderly way, behind what waits, if somebody reads that. */
  end(): void {
    if (!this.open) return;
    this.#state = "ending";
    this.#reads = true;
    if (this.#isEmpty) this.#finish();
  }

  /** Ends it at once: what waits goes out on another connection. */
  abandon(): void {
    if (this.#state !== "closed") this.#finish();
  }

  /** Closes it: its client does not read. */
  fail(): void {
    if (this.#state === "closed") return;
    // An error, so that the client does not take it for the whole of it.
    this.#controller.error(new Error("the client does not read its stream"));
    this.#close();
  }

  get #isEmpty(): boolean {
    return this.#first === undefined && this.#queue.length === 0;
  }

  #fits(bytes: Uint8Array): boolean {
    return this.#queue.length < this.#limits.queueEvents &&
      this.#queuedBytes + bytes.byteLength <= this.#limits.queueBytes;
  }

  #look(): void {
    // Whatever is on its way keeps the connection open as well.
    if (this.#wanted !== undefined) this.#deliver(writeComment("keep-alive"));
    if (this.#state === "ending" && !this.#reads) this.fail();
    this.#reads = false;
  }

  #pull(): Promise<void> | void {
    this.#reads = true;
    const next = this.#next();
    if (next === undefined) {
      return new Promise((resolve) => {
        this.#wanted = resolve;
      });
    }
    this.#controller.enqueue(next);
    if (this.#state === "ending" && this.#isEmpty) this.#finish();
  }

  #next(): Uint8Array<ArrayBuffer> | undefined {
    const first = this.#first;
    if (first !== undefined) {
      this.#first = undefined;
      return first;
    }
    const next = this.#queue.shift();
    if (next === undefined) return undefined;
    this.#queuedBytes -= next.bytes.byteLength;
    if (next.key !== undefined) this.#keys.delete(next.key);
    return next.bytes;
  }

  #deliver(bytes: Uint8Array<ArrayBuffer>): void {
    this.#controller.enqueue(bytes);
    this.#satisfied();
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
    this.#first = undefined;
    this.#queue.length = 0;
    this.#keys.clear();
    this.#queuedBytes = 0;
    this.#satisfied();
    this.#onClose();
  }
}
