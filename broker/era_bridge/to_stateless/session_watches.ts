/**
 * What clients of the session era subscribed to at servers of the stateless
 * era: while a client listens here, so does the broker, with one stream for
 * each server and all that the session follows there. When that changes, the
 * new stream is open before the old one ends.
 *
 * @module
 */

import type { ServerConfig } from "../../../shared/config/model.ts";
import type { Logger } from "../../../shared/log.ts";
import type { Era } from "../../../shared/mcp.ts";
import type {
  ClientSession,
  Sessions,
} from "../../../shared/sessions/sessions.ts";
import type { Wait } from "../../../shared/wait_on_timer.ts";
import type { Hub } from "../../notifications/hub.ts";
import type { ResourceWatch } from "../watch_resources.ts";
import type { WatchStart } from "./watch.ts";

/** What it works with. */
export interface SessionWatchesOptions {
  /** What clients subscribed to. */
  readonly sessions: Pick<Sessions, "standing">;
  /** Watches resources of a server of the stateless era. */
  readonly watch: (watch: ResourceWatch) => Promise<WatchStart>;
  /** Where updates go. */
  readonly hub: Pick<Hub, "send">;
  /** The servers in force. */
  readonly servers: () => readonly ServerConfig[];
  /** The era that a server speaks; undefined where nobody knows yet. */
  readonly eraOf: (server: ServerConfig) => Era | undefined;
  /** Streams at once in all. */
  readonly heldStreams: number;
  /** Waits. */
  readonly wait: Wait;
  /** Told of what goes on. */
  readonly log: Logger;
}

/** Milliseconds until it is tried again what was not possible; doubles. */
const AGAIN_MS = 1_000;
const MAX_AGAIN_MS = 60_000;

/** A stream of one server, for one session. */
interface Watch {
  /** What it was opened with. */
  readonly key: string;
  readonly ending: AbortController;
}

/** One session that has a stream here. */
interface Watcher {
  readonly session: ClientSession;
  /** The client's `Authorization`, as it was last seen. */
  authorization: string | undefined;
  /** By server. */
  readonly watches: Map<string, Watch>;
  /** One look at a time. */
  looking: Promise<void>;
  next: Promise<void> | undefined;
  /** Looks in a row after which something was still not possible. */
  inVain: number;
  readonly ending: AbortController;
}

const DECODER = new TextDecoder();

/** The watches of all sessions that have a stream here. */
export class SessionWatches {
  readonly #options: SessionWatchesOptions;
  /** By session. */
  readonly #watchers = new Map<string, Watcher>();
  #full = false;

  /** Begins without any. */
  constructor(options: SessionWatchesOptions) {
    this.#options = options;
  }

  /** Streams that are open, or being opened. */
  get count(): number {
    let count = 0;
    for (const { watches } of this.#watchers.values()) count += watches.size;
    return count;
  }

  /**
   * Brings the streams of a session in line with what it is subscribed to now.
   * Settles when those that could be opened are open. Never rejects.
   *
   * @param authorization The client's own, for servers that get to see it.
   */
  look(
    session: ClientSession,
    authorization: string | undefined,
  ): Promise<void> {
    const watcher = this.#watchers.get(session.id) ?? {
      session,
      authorization,
      watches: new Map<string, Watch>(),
      looking: Promise.resolve(),
      next: undefined,
      inVain: 0,
      ending: new AbortController(),
    };
    this.#watchers.set(session.id, watcher);
    watcher.authorization = authorization;
    return watcher.next ??= watcher.looking.then(() => {
      watcher.next = undefined;
      return watcher.looking = this.#lookOnce(watcher);
    });
  }

  /** Ends the streams of a session that does not listen here any more. */
  release(session: string): void {
    const watcher = this.#watchers.get(session);
    if (watcher === undefined) return;
    this.#watchers.delete(session);
    watcher.ending.abort();
    for (const { ending } of watcher.watches.values()) ending.abort();
    watcher.watches.clear();
  }

  /** Ends everything. */
  close(): void {
    for (const session of [...this.#watchers.keys()]) this.release(session);
  }

  async #lookOnce(watcher: Watcher): Promise<void> {
    const { sessions, log } = this.#options;
    const { session, watches } = watcher;
    let complete = true;
    try {
      const { subscriptions } = await sessions.standing(session);
      if (watcher.ending.signal.aborted) return;
      const wanted = Map.groupBy(subscriptions, ({ server }) => server);
      for (const [server, { ending }] of watches) {
        if (wanted.has(server) && this.#serverOf(server) !== undefined) {
          continue;
        }
        watches.delete(server);
        ending.abort();
      }
      const done = await Promise.all(
        Array.from(
          wanted,
          ([server, all]) =>
            this.#align(watcher, server, all.map(({ uri }) => uri).sort()),
        ),
      );
      complete = done.every((one) => one);
    } catch (error) {
      complete = false;
      log.debug("subscriptions of a session not looked up", {
        session: session.id,
        error,
      });
    }
    if (complete) watcher.inVain = 0;
    else this.#lookAgain(watcher);
  }

  #lookAgain(watcher: Watcher): void {
    const { wait } = this.#options;
    const { signal } = watcher.ending;
    const pause = Math.min(AGAIN_MS * 2 ** watcher.inVain++, MAX_AGAIN_MS);
    void wait(pause, signal).then(() => {
      if (signal.aborted) return;
      void this.look(watcher.session, watcher.authorization);
    });
  }

  /**
   * Opens the stream of one server, where there is none of these.
   *
   * @returns False where that may be possible later.
   */
  async #align(
    { session, authorization, watches, ending: { signal: over } }: Watcher,
    name: string,
    uris: readonly string[],
  ): Promise<boolean> {
    const { eraOf, watch, hub, heldStreams, log } = this.#options;
    const server = this.#serverOf(name);
    if (server === undefined) return true;
    const era = eraOf(server);
    const before = watches.get(name);
    if (era === undefined) return false;
    if (era === "session") {
      // Whoever opens a session with it subscribes there.
      watches.delete(name);
      before?.ending.abort();
      return true;
    }
    const seen = server.passthrough ? authorization : undefined;
    const key = JSON.stringify([server, uris, seen]);
    if (before?.key === key) return true;
    if (before === undefined && this.count >= heldStreams) {
      if (!this.#full) log.warn("too many streams of servers", { heldStreams });
      this.#full = true;
      return false;
    }
    this.#full = false;
    const ending = new AbortController();
    const current: Watch = { key, ending };
    if (before === undefined) watches.set(name, current);
    // From its first word on the new stream tells, and the one before ends.
    const takeOver = () => {
      if (watches.get(name) === current) return;
      watches.set(name, current);
      before?.ending.abort();
    };
    const signal = AbortSignal.any([over, ending.signal]);
    const start = await watch({
      server,
      uris,
      identity: session.identity,
      authorization,
      signal,
      onUpdated: (params) => {
        if (signal.aborted) return;
        takeOver();
        const text = DECODER.decode(params);
        hub.send(
          session.id,
          `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":${text}}`,
        );
      },
    });
    if (signal.aborted) return true;
    if (start.kind === "unreachable") {
      ending.abort();
      if (watches.get(name) === current) watches.delete(name);
      return false;
    }
    // One that is refused is kept, too: there is nothing to try again.
    takeOver();
    const missing = start.kind === "watching"
      ? uris.length - start.uris.length
      : uris.length;
    if (missing > 0) {
      log.info("server does not tell of updates of resources", {
        server: name,
        session: session.id,
        resources: missing,
      });
    }
    return true;
  }

  #serverOf(name: string): ServerConfig | undefined {
    return this.#options.servers().find((one) =>
      one.name === name && one.state === "Enabled"
    );
  }
}
