/**
 * One event stream of a client: its latest events, and the connection that it
 * goes out on now, if any. It outlives a connection by a grace, in which it
 * collects what the client misses; a client that comes back with the id of an
 * event gets what came behind that, once, and then what is new.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#resumability-and-redelivery
 * @module
 */

import { joinBytes } from "../../shared/bytes.ts";
import { writeComment, writeEvent } from "../../shared/sse/write_event.ts";
import { ClientConnection, type ConnectionLimits } from "./connection.ts";
import { writeEventId } from "./event_id.ts";
import { EventRing, type RingLimits } from "./event_ring.ts";

/** What limits one stream. */
export interface StreamLimits extends ConnectionLimits, RingLimits {
  /** Milliseconds that a stream without a connection is waited for. */
  readonly streamGraceMs: number;
}

/** What a stream is. */
export interface StreamOptions {
  /** Which broker it belongs to. */
  readonly instance: string;
  /** Its number there. */
  readonly number: number;
  /**
   * Whether the client knows events that only carry an id (2025-11-25; those
   * of earlier revisions choke on their empty data).
   */
  readonly primes: boolean;
  /** Its limits. */
  readonly limits: StreamLimits;
  /** Digest of the lists that its client sees; ids tell nothing without. */
  readonly lists?: (() => string | undefined) | undefined;
  /** Called after each change of its state or its ring. */
  readonly onChange: (stream: ClientStream) => void;
}

/** Whether somebody is connected, may come back, or the stream is over. */
export type StreamState = "connected" | "waiting" | "ended";

/** Milliseconds after which clients should come back when we close. */
const RETRY_MS = 500;

/** A stream to a client. */
export class ClientStream {
  readonly #options: StreamOptions;
  readonly #ring: EventRing;
  #connection: ClientConnection;
  #state: StreamState = "connected";
  #grace: ReturnType<typeof setTimeout> | undefined;

  /** Opens it with a first connection. */
  constructor(options: StreamOptions) {
    this.#options = options;
    this.#ring = new EventRing(options.limits);
    this.#connection = this.#connect(
      options.primes
        ? writeEvent({ id: this.#idOf(0), data: "" })
        // Some clients and proxies believe in a stream once its first byte came.
        : writeComment("open"),
    );
  }

  /** Its number in its broker. */
  get number(): number {
    return this.#options.number;
  }

  /** Whether somebody is connected, may come back, or it is over. */
  get state(): StreamState {
    return this.#state;
  }

  /** What goes out on the connection of now. */
  get body(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#connection.body;
  }

  /** Bytes kept for a client that comes back. */
  get ringBytes(): number {
    return this.#ring.bytes;
  }

  /** Whether all events behind one are kept, so that it can go on there. */
  canResume(event: number): boolean {
    return this.#state !== "ended" && this.#ring.after(event) !== undefined;
  }

  /** Sends a message, or keeps it for when the client is back. */
  send(data: string): void {
    if (this.#state === "ended") return;
    const event = writeEvent({ id: this.#idOf(this.#ring.last + 1), data });
    this.#ring.push(event);
    this.#connection.send(event);
    this.#options.onChange(this);
  }

  /**
   * Goes on behind an event, on a new connection: {@linkcode body}. One that
   * there still was is lost to the client, and ended.
   *
   * @returns False, and nothing is done, where not all events behind it are
   * kept.
   */
  resume(event: number): boolean {
    const missed = this.#ring.after(event);
    if (this.#state === "ended" || missed === undefined) return false;
    const before = this.#connection;
    this.#connection = this.#connect(joinBytes([
      writeComment("resumed"),
      ...missed,
    ]));
    this.#state = "connected";
    this.#stopWaiting();
    before.abandon();
    this.#options.onChange(this);
    return true;
  }

  /**
   * Keeps at most so many bytes for a client that comes back. One for which
   * more than that waits, as it does not read, is closed.
   */
  shrinkTo(bytes: number): void {
    this.#ring.shrinkTo(bytes);
    if (this.#connection.queuedBytes > bytes) this.#connection.fail();
    this.#options.onChange(this);
  }

  /** Ends it for good, in an orderly way. */
  end(): void {
    if (this.#state === "ended") return;
    // 2025-11-25, transports: say when to come back before closing.
    if (this.#options.primes) {
      this.#connection.send(writeEvent({ retry: RETRY_MS }));
    }
    this.#state = "ended";
    this.#stopWaiting();
    this.#ring.clear();
    this.#connection.end();
    this.#options.onChange(this);
  }

  #connect(first: Uint8Array<ArrayBuffer>): ClientConnection {
    const connection = new ClientConnection(
      this.#options.limits,
      first,
      () => this.#dropped(connection),
    );
    return connection;
  }

  #dropped(connection: ClientConnection): void {
    if (connection !== this.#connection || this.#state !== "connected") return;
    this.#state = "waiting";
    this.#grace = setTimeout(
      () => this.end(),
      this.#options.limits.streamGraceMs,
    );
    this.#options.onChange(this);
  }

  #stopWaiting(): void {
    clearTimeout(this.#grace);
    this.#grace = undefined;
  }

  #idOf(event: number): string {
    const { instance, number, lists } = this.#options;
    const digest = lists?.();
    return writeEventId({
      instance,
      stream: number,
      event,
      ...(digest === undefined ? {} : { lists: digest }),
    });
  }
}
