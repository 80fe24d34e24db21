/**
 * The held streams of one client session: one for each of its backend
 * sessions, as the store has them, and of no others.
 *
 * @module
 */

import type { ServerConfig } from "../../shared/config/model.ts";
import type { Logger } from "../../shared/log.ts";
import type {
  ClientSession,
  OpenBackend,
} from "../../shared/sessions/sessions.ts";
import { type Backend, findBackends } from "../upstream/backend_request.ts";
import type { HeldState, HeldStream } from "./held_stream.ts";
import { errorText } from "../../shared/error_text.ts";

/** What looking after one client session takes. */
export interface HoldingOptions {
  /** The client's session. */
  readonly session: ClientSession;
  /** Its backend sessions of now. */
  readonly backends: (session: ClientSession) => Promise<OpenBackend[]>;
  /** The servers of now. */
  readonly servers: () => readonly ServerConfig[];
  /** Whether the client listens here, not at another broker. Never rejects. */
  readonly isHere: (session: ClientSession) => Promise<boolean>;
  /** Opens a stream; undefined where there are too many. */
  readonly open: (
    backend: Backend,
    holding: Holding,
  ) => HeldStream | undefined;
  /** What else is held as long as the client listens here. */
  readonly watches?: Watches | undefined;
  /** Told of failures. */
  readonly log: Logger;
}

/** Streams of servers without sessions. None of it rejects. */
export interface Watches {
  /** Brings them in line; settles when they are open, or will not be soon. */
  look(
    session: ClientSession,
    authorization: string | undefined,
  ): Promise<void>;
  /** Ends those of a session, by its random id. */
  release(session: string): void;
}

interface Held {
  readonly server: ServerConfig;
  readonly stream: HeldStream;
}

/** The held streams of a client session. */
export class Holding {
  /** The client's `Authorization`, for servers that get to see it. */
  #authorization: string | undefined;
  readonly #options: HoldingOptions;
  /** By the tag of the backend session. */
  readonly #held = new Map<string, Held>();
  #watched: Promise<void> = Promise.resolve();
  #looking: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #incomplete = false;
  #closed = false;

  /** Begins without streams. */
  constructor(options: HoldingOptions) {
    this.#options = options;
  }

  /** The client's session. */
  get session(): ClientSession {
    return this.#options.session;
  }

  /** The client's `Authorization`, as it was last seen. */
  get authorization(): string | undefined {
    return this.#authorization;
  }

  /** Whether a backend session has no stream only because there was no room. */
  get incomplete(): boolean {
    return this.#incomplete;
  }

  /** States of its streams. */
  get states(): readonly HeldState[] {
    return [...this.#held.values()].map(({ stream }) => stream.state);
  }

  /** Takes the client's credential of now; servers that refused try again. */
  authorize(authorization: string | undefined): void {
    if (authorization === this.#authorization) return;
    this.#authorization = authorization;
    for (const [tag, { server, stream }] of this.#held) {
      if (server.passthrough && stream.unauthorized) this.#held.delete(tag);
    }
  }

  /**
   * Brings the streams in line with the backend sessions of now. One look at
   * a time; all who ask while one is under way share the next. Never rejects.
   */
  look(): Promise<void> {
    return this.#next ??= this.#looking.then(() => {
      this.#next = undefined;
      return this.#looking = this.#lookOnce();
    });
  }

  /** Waits until its streams, or those of one server, are open or will not be. */
  async settled(server?: string): Promise<void> {
    const streams = [...this.#held.values()]
      .filter((held) => server === undefined || held.server.name === server)
      .map(({ stream }) => stream.settled);
    await Promise.all([...streams, this.#watched]);
  }

  /**
   * Ends streams of servers that are not configured so any more.
   *
   * @returns Whether there were any.
   */
  reconfigure(isConfigured: (server: ServerConfig) => boolean): boolean {
    const before = this.#held.size;
    for (const [tag, { server, stream }] of this.#held) {
      if (isConfigured(server)) continue;
      this.#held.delete(tag);
      stream.close();
    }
    return this.#held.size < before;
  }

  /** Opens the streams of a server again. */
  reopen(name: string): void {
    for (const { server, stream } of this.#held.values()) {
      if (server.name === name) stream.reopen();
    }
  }

  /**
   * Ends all of them, for good. Settles when no look is under way any more;
   * never rejects.
   */
  close(): Promise<void> {
    this.#closed = true;
    this.#letGo();
    return this.#next ?? this.#looking;
  }

  #letGo(): void {
    this.#options.watches?.release(this.session.id);
    for (const { stream } of this.#held.values()) stream.close();
    this.#held.clear();
  }

  async #lookOnce(): Promise<void> {
    const { session, backends, servers, isHere, open, watches, log } =
      this.#options;
    if (this.#closed) return;
    if (!await isHere(session)) {
      this.#incomplete = false;
      return this.#letGo();
    }
    if (this.#closed) return;
    this.#watched = watches?.look(session, this.#authorization) ??
      this.#watched;
    let found: readonly Backend[];
    try {
      found = findBackends(await backends(session), servers());
    } catch (error) {
      log.debug("sessions with servers not looked up", {
        session: session.id,
        error: errorText(error),
      });
      return;
    }
    if (this.#closed) return;
    const tags = new Set(found.map(({ source }) => source.tag));
    for (const [tag, { stream }] of this.#held) {
      if (tags.has(tag)) continue;
      this.#held.delete(tag);
      stream.close();
    }
    this.#incomplete = false;
    for (const backend of found) {
      const { server, source } = backend;
      if (this.#held.has(source.tag)) continue;
      const stream = open(backend, this);
      if (stream === undefined) this.#incomplete = true;
      else this.#held.set(source.tag, { server, stream });
    }
  }
}
