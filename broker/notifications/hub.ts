/**
 * Who listens: the event streams of client sessions, each showing one view of
 * the catalog. A message goes out on one stream of its session only
 * (2025-11-25, transports, multiple connections): the newest that is
 * connected, else the newest that its client may come back to.
 *
 * @module
 */

import type { SessionRevision } from "../../shared/mcp.ts";
import { ClientStream, type StreamLimits } from "./client_stream.ts";
import { readEventId } from "./event_id.ts";
import { fairLevel } from "./fair_level.ts";

/** The session that a stream belongs to. */
export interface StreamOwner {
  /** Random id of the session. */
  readonly id: string;
  /** Revision that the client speaks. */
  readonly revision: SessionRevision;
  /** Key of the view that is seen on this stream. */
  readonly view: string;
  /** Whether the session is still alive; counts as a sign of its activity. */
  readonly isLive: () => Promise<boolean>;
}

/** What limits the hub. */
export interface HubLimits extends StreamLimits {
  /** Streams of one session at once. */
  readonly streamsPerSession: number;
  /** Streams at once in all, those without sessions too. */
  readonly streams: number;
  /** Bytes kept in all for clients that come back. */
  readonly ringsBytes: number;
}

/** What a hub needs. */
export interface HubOptions {
  /** Its limits. */
  readonly limits: HubLimits;
  /** Tells brokers, and runs of one broker, apart: random, hexadecimal. */
  readonly instance: string;
  /** Number of streams that there are besides; none unless given. */
  readonly others?: () => number;
  /**
   * Digest of the lists of a view, as they are now. Without it, or them,
   * nothing is known of what clients miss.
   */
  readonly digestOf?: (view: string) => string | undefined;
  /** Told of a session when its last stream ended. */
  readonly onSilent?: (session: string) => void;
}

interface Listener {
  readonly owner: StreamOwner;
  readonly stream: ClientStream;
}

/** What is left of what all rings may keep, once they were made to fit. */
const FILL_AGAIN = 7 / 8;

/** What was last known of a stream, for the sums. */
interface Accounted {
  readonly session: string;
  bytes: number;
}

/** All streams of this process. */
export class Hub {
  readonly #options: HubOptions;
  /** By session, by when they were last connected to, oldest first. */
  readonly #sessions = new Map<string, readonly Listener[]>();
  readonly #accounts = new Map<ClientStream, Accounted>();
  /** Streams without a connection, the one that lost it first first. */
  readonly #waiting = new Set<ClientStream>();
  #lastNumber = 0;
  #ringBytes = 0;
  #messages = 0;
  #over = false;

  /** Begins without streams. */
  constructor(options: HubOptions) {
    this.#options = options;
  }

  /** Number of streams that are connected. */
  get count(): number {
    return this.#accounts.size - this.#waiting.size;
  }

  /** Number of streams, connected or to be come back to. */
  get size(): number {
    return this.#accounts.size;
  }

  /** Number of streams whose clients may come back. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Messages put on streams so far. */
  get messages(): number {
    return this.#messages;
  }

  /** Bytes kept for clients that come back. */
  get ringBytes(): number {
    return this.#ringBytes;
  }

  /**
   * Opens a stream, or takes up the one that an event was on. An id that
   * names no stream of this session here, or one that has not kept all events
   * since, is passed over.
   *
   * @param lastEventId What the client names as the last event it got.
   * @returns Undefined where the session, or all, have too many.
   */
  open(owner: StreamOwner, lastEventId?: string): ClientStream | undefined {
    const named = lastEventId === undefined
      ? undefined
      : this.#named(owner.id, lastEventId);
    if (named === undefined) return this.#begin(owner);
    const { listener, event } = named;
    if (listener.stream.resume(event)) {
      const { stream } = listener;
      const others = this.#of(owner.id).filter((other) => other !== listener);
      this.#sessions.set(owner.id, [...others, { owner, stream }]);
      return stream;
    }
    // The client has lost it, and nothing of it can be had again.
    this.#replace(listener);
    return this.#begin(owner);
  }

  /**
   * What a client saw last that wants a stream back which is not here to be
   * taken up: it was another broker's, say, which has stopped.
   *
   * @param lastEventId What the client names as the last event it got.
   * @returns Undefined where it can be taken up, or the id is none of ours.
   */
  missing(
    session: string,
    lastEventId: string,
  ): { readonly lists: string | undefined } | undefined {
    const id = readEventId(lastEventId);
    if (id === undefined) return undefined;
    const named = this.#named(session, lastEventId);
    return named?.listener.stream.canResume(named.event)
      ? undefined
      : { lists: id.lists };
  }

  /** Whether a session has a stream, connected or to be come back to. */
  has(session: string): boolean {
    return this.#sessions.has(session);
  }

  /**
   * Sends a message to a session, on one of its streams.
   *
   * @param message JSON text.
   * @returns False where the session has none.
   */
  send(session: string, message: string): boolean {
    return this.#send(this.#of(session), message);
  }

  /**
   * Sends a notification to each session that sees one of these views.
   *
   * @param message JSON text.
   * @returns How many sessions were told.
   */
  announce(views: readonly string[], message: string): number {
    let told = 0;
    for (const listeners of [...this.#sessions.values()]) {
      const seeing = listeners.filter(({ owner }) =>
        views.includes(owner.view)
      );
      if (this.#send(seeing, message)) told++;
    }
    return told;
  }

  /** Ends the streams of a session. */
  endSession(id: string): void {
    for (const { stream } of this.#of(id)) stream.end();
  }

  /** Ends all streams, for good; clients come back to whoever serves then. */
  endAll(): void {
    this.#over = true;
    for (const id of [...this.#sessions.keys()]) this.endSession(id);
  }

  /** Ends the streams of a session that is not alive; see {@linkcode sweep}. */
  async check(session: string): Promise<boolean> {
    const newest = this.#of(session).at(-1);
    const live = await newest?.owner.isLive().catch(() => true) ?? true;
    if (!live) this.endSession(session);
    return live;
  }

  /**
   * Asks of each session whether it is alive and ends the streams of those
   * that are not. A session of which that cannot be told keeps its streams.
   */
  async sweep(): Promise<void> {
    for (const id of [...this.#sessions.keys()]) await this.check(id);
  }

  #begin(owner: StreamOwner): ClientStream | undefined {
    const { limits, instance, digestOf } = this.#options;
    if (!this.#makeRoom(owner.id)) return undefined;
    const stream = new ClientStream({
      instance,
      number: ++this.#lastNumber,
      primes: owner.revision === "2025-11-25",
      limits,
      lists: () => digestOf?.(owner.view),
      onChange: (stream) => this.#account(stream),
    });
    this.#accounts.set(stream, { session: owner.id, bytes: 0 });
    this.#sessions.set(owner.id, [...this.#of(owner.id), { owner, stream }]);
    // Its request was under way; nobody would end it any more.
    if (this.#over) stream.end();
    return stream;
  }

  /** Streams that nobody is connected to make room for one that somebody is. */
  #makeRoom(session: string): boolean {
    const { limits, others } = this.#options;
    const { streamsPerSession, streams } = limits;
    const all = this.#accounts.size + (others?.() ?? 0);
    const own = this.#of(session);
    if (own.length >= streamsPerSession) {
      const left = own.find(({ stream }) => stream.state === "waiting");
      if (left === undefined) return false;
      this.#replace(left);
    } else if (all >= streams) {
      const [left] = this.#waiting;
      if (left === undefined) return false;
      left.end();
    }
    return true;
  }

  /** Ends a stream that another one of its session is about to follow. */
  #replace(listener: Listener): void {
    const { id } = listener.owner;
    const others = this.#of(id).filter((other) => other !== listener);
    // Taken away first, so that the session does not fall silent.
    this.#sessions.set(id, others);
    listener.stream.end();
  }

  /** The stream of a session that an event was on. */
  #named(
    session: string,
    lastEventId: string,
  ): { readonly listener: Listener; readonly event: number } | undefined {
    const id = readEventId(lastEventId);
    if (id === undefined || id.instance !== this.#options.instance) {
      return undefined;
    }
    const listener = this.#of(session).find(({ stream }) =>
      stream.number === id.stream
    );
    return listener && { listener, event: id.event };
  }

  #of(session: string): readonly Listener[] {
    return this.#sessions.get(session) ?? [];
  }

  #send(listeners: readonly Listener[], message: string): boolean {
    const isConnected = ({ stream }: Listener) => stream.state === "connected";
    const chosen = listeners.findLast(isConnected) ?? listeners.at(-1);
    if (chosen === undefined) return false;
    this.#messages++;
    chosen.stream.send(message);
    return true;
  }

  /** Keeps the sums, and what they limit. */
  #account(stream: ClientStream): void {
    const account = this.#accounts.get(stream);
    if (account === undefined) return;
    const growth = stream.ringBytes - account.bytes;
    this.#ringBytes += growth;
    account.bytes = stream.ringBytes;
    switch (stream.state) {
      case "connected":
        this.#waiting.delete(stream);
        break;
      case "waiting":
        this.#waiting.add(stream);
        break;
      case "ended":
        this.#forget(stream, account.session);
        return;
      default:
        stream.state satisfies never;
    }
    if (growth > 0) this.#fit();
  }

  /**
   * Makes all rings fit: the largest give, so that one whose client is told
   * much costs no other. More than needed, lest each event has them looked at.
   */
  #fit(): void {
    const { ringsBytes } = this.#options.limits;
    if (this.#ringBytes <= ringsBytes) return;
    const streams = [...this.#accounts.keys()];
    const level = fairLevel(
      streams.map((stream) => stream.ringBytes),
      ringsBytes * FILL_AGAIN,
    );
    for (const stream of streams) {
      if (stream.ringBytes > level) stream.shrinkTo(level);
    }
  }

  #forget(stream: ClientStream, session: string): void {
    this.#accounts.delete(stream);
    this.#waiting.delete(stream);
    const before = this.#sessions.get(session);
    if (before === undefined) return;
    const rest = before.filter((other) => other.stream !== stream);
    if (rest.length > 0) this.#sessions.set(session, rest);
    else if (before.length > 0) {
      this.#sessions.delete(session);
      this.#options.onSilent?.(session);
    }
  }
}
