/**
 * Who listens: the event streams of client sessions, each showing one view of
 * the catalog. A notification goes out on one stream per session only
 * (2025-11-25, transports, multiple connections).
 *
 * @module
 */

import { ClientStream, type StreamLimits } from "./client_stream.ts";

/** The session that a stream belongs to. */
export interface StreamOwner {
  /** Random id of the session. */
  readonly id: string;
  /** Key of the view that is seen on this stream. */
  readonly view: string;
  /** Whether the session is still alive; counts as a sign of its activity. */
  readonly isLive: () => Promise<boolean>;
}

/** What limits the hub. */
export interface HubLimits extends StreamLimits {
  /** Streams open at once in one session. */
  readonly streamsPerSession: number;
  /** Streams open at once in all. */
  readonly streams: number;
}

interface Listener {
  readonly owner: StreamOwner;
  readonly stream: ClientStream;
}

/** All streams of this process. */
export class Hub {
  readonly #limits: HubLimits;
  /** By session, oldest first. */
  readonly #sessions = new Map<string, Listener[]>();
  #count = 0;

  /** Begins without streams. */
  constructor(limits: HubLimits) {
    this.#limits = limits;
  }

  /** Number of open streams. */
  get count(): number {
    return this.#count;
  }

  /** Opens a stream; undefined where the session, or all, have too many. */
  open(owner: StreamOwner): ClientStream | undefined {
    const listeners = this.#sessions.get(owner.id) ?? [];
    const { streamsPerSession, streams } = this.#limits;
    if (listeners.length >= streamsPerSession || this.#count >= streams) {
      return undefined;
    }
    const stream = new ClientStream(this.#limits, () => this.#remove(listener));
    const listener: Listener = { owner, stream };
    listeners.push(listener);
    this.#sessions.set(owner.id, listeners);
    this.#count++;
    return stream;
  }

  /**
   * Sends a notification to each session that sees one of these views: on its
   * newest stream, since an older one may be a connection long lost.
   *
   * @param message JSON text.
   * @returns How many sessions were told.
   */
  announce(views: readonly string[], message: string): number {
    let told = 0;
    for (const listeners of [...this.#sessions.values()]) {
      const chosen = listeners.findLast(({ owner, stream }) =>
        stream.open && views.includes(owner.view)
      );
      if (chosen?.stream.send({ data: message })) told++;
    }
    return told;
  }

  /** Ends the streams of a session. */
  endSession(id: string): void {
    for (const { stream } of [...this.#sessions.get(id) ?? []]) stream.end();
  }

  /** Ends all streams; clients come back to whoever serves then. */
  endAll(): void {
    for (const id of [...this.#sessions.keys()]) this.endSession(id);
  }

  /**
   * Asks of each session whether it is alive and ends the streams of those
   * that are not. A session of which that cannot be told keeps its streams.
   */
  async sweep(): Promise<void> {
    for (const [id, [listener]] of [...this.#sessions]) {
      const live = await listener?.owner.isLive().catch(() => true);
      if (live === false) this.endSession(id);
    }
  }

  #remove(listener: Listener): void {
    const { id } = listener.owner;
    const rest = this.#sessions.get(id)?.filter((other) => other !== listener);
    this.#count--;
    if (rest === undefined || rest.length === 0) this.#sessions.delete(id);
    else this.#sessions.set(id, rest);
  }
}
