/**
 * Streams of servers, held open on behalf of clients that listen: while a
 * client session has a stream here, so has each of its backend sessions. What
 * a server sends there goes to that client's stream, and to no other.
 *
 * New backend sessions are noticed when the router says so, when a client
 * opens a stream, and by looking at the store from time to time, since another
 * replica's router may have opened them.
 *
 * @module
 */

import type { ServerConfig } from "../../shared/config/model.ts";
import type { Logger } from "../../shared/log.ts";
import type {
  ClientSession,
  Sessions,
  Subscription,
} from "../../shared/sessions/sessions.ts";
import type { Wait } from "../../shared/wait_on_timer.ts";
import { briefly } from "../briefly.ts";
import type { ListKind } from "../catalog/kinds.ts";
import type { Hub } from "../notifications/hub.ts";
import type { Backend, ServerAccess } from "../upstream/backend_request.ts";
import { hear } from "./hear.ts";
import { type HeldState, HeldStream, type Reopening } from "./held_stream.ts";
import { Holding, type Watches } from "./holding.ts";
import type { Place } from "./place.ts";
import { Unfinished } from "./unfinished.ts";

/** What holding streams takes. */
export interface HeldStreamsOptions extends ServerAccess {
  /** Client sessions and their backend sessions. */
  readonly sessions: Pick<Sessions, "backends" | "revision">;
  /** Where clients listen; always here unless given. */
  readonly place?: Place;
  /** What a client is subscribed to; nothing unless given. */
  readonly subscriptions?: (
    session: ClientSession,
  ) => Promise<readonly Subscription[]>;
  /** What else is held for a client that listens. */
  readonly watches?: Watches;
  /** Where messages go, and who listens. */
  readonly hub: Pick<Hub, "send" | "has" | "check">;
  /** The servers in force. */
  readonly servers: () => readonly ServerConfig[];
  /** Told which lists of a server changed, and which session heard so. */
  readonly relist: (
    server: string,
    lists: readonly ListKind[],
    session: string,
  ) => void;
  /** Streams held at once in all. */
  readonly heldStreams: number;
  /** Largest event of a server, characters. */
  readonly eventBytes: number;
  /** Characters of unfinished events of one server, on all its streams. */
  readonly unfinishedBytes: number;
  /** When streams that ended are opened again. */
  readonly reopening: Reopening;
  /** Waits. */
  readonly wait: Wait;
  /** At least 0, below 1. */
  readonly random: () => number;
  /** Milliseconds since some point. */
  readonly now: () => number;
  /** Told of what goes on. */
  readonly log: Logger;
}

/** Milliseconds between two looks at whether the store has changed. */
const POLL_MS = 250;
/** Looks between two of everything, where the store cannot tell. */
const POLLS_BLIND = 4;
/** Sessions looked at in one go, so that many cost no more than some. */
const LOOKS_PER_POLL = 100;
/** Milliseconds that a client, or the router, waits for servers' streams. */
const SETTLE_MS = 1_000;

/** All held streams of this process. */
export class HeldStreams {
  readonly #options: HeldStreamsOptions;
  /** By client session. */
  readonly #holdings = new Map<string, Holding>();
  /** Sessions to look at, those that waited longest first. */
  readonly #due = new Set<Holding>();
  readonly #streams = new Set<HeldStream>();
  readonly #unfinished: Unfinished;
  readonly #leaving = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  #polling: Promise<void> | undefined;
  #full = false;

  /** Begins without any. */
  constructor(options: HeldStreamsOptions) {
    this.#options = options;
    this.#unfinished = new Unfinished(options.unfinishedBytes);
  }

  /** How many streams of servers there are, by state. */
  get counts(): Readonly<Record<HeldState, number>> {
    const counts = { opening: 0, open: 0, absent: 0, closed: 0 };
    for (const holding of this.#holdings.values()) {
      for (const state of holding.states) counts[state]++;
    }
    return counts;
  }

  /**
   * Holds the streams of a client session, as long as it has a stream itself.
   * Waits a little until they are open: a client that hears that its stream
   * is open may rely on it. Never rejects.
   *
   * @param authorization The client's own, for servers that get to see it.
   */
  async hold(
    session: ClientSession,
    authorization: string | undefined,
  ): Promise<void> {
    const { hub, sessions, servers, place, watches, log } = this.#options;
    if (this.#closing.signal.aborted || !hub.has(session.id)) return;
    const holding = this.#holdings.get(session.id) ?? new Holding({
      session,
      backends: (session) => sessions.backends(session),
      servers,
      isHere: (session) => place?.isHere(session) ?? Promise.resolve(true),
      open: (backend, holding) => this.#open(backend, holding),
      watches,
      log,
    });
    holding.authorize(authorization);
    this.#holdings.set(session.id, holding);
    this.#polling ??= this.#poll(this.#closing.signal);
    await this.#briefly((async () => {
      await place?.claim(session);
      if (!hub.has(session.id)) await place?.leave(session);
      await this.#look(holding);
      await holding.settled();
    })());
  }

  /** Ends the streams of a client session that does not listen any more. */
  release(session: string): void {
    const holding = this.#holdings.get(session);
    if (holding === undefined) return;
    this.#holdings.delete(session);
    this.#due.delete(holding);
    const leaving: Promise<void> = this.#leave(holding)
      .then(() => void this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
  }

  /**
   * Takes note of a backend session that was opened. Waits a little until its
   * stream is open, so that nothing that the server sends there is lost.
   *
   * @param session Random id of the client's session.
   * @param server Name of the server.
   * @returns False where nobody of that session listens here.
   */
  async opened(session: string, server: string): Promise<boolean> {
    const holding = this.#holdings.get(session);
    if (holding === undefined) return false;
    await this.#briefly(
      this.#look(holding).then(() => holding.settled(server)),
    );
    return true;
  }

  /** Takes the servers of a new configuration into account. */
  reconfigure(): void {
    const isConfigured = configuredIn(this.#options.servers());
    for (const holding of this.#holdings.values()) {
      if (holding.reconfigure(isConfigured)) this.#due.add(holding);
    }
    // Behind those that miss a stream: what was disabled may be back.
    for (const holding of this.#holdings.values()) this.#due.add(holding);
  }

  /** Opens the streams of a server again that was away, and is back. */
  reopen(server: string): void {
    for (const holding of this.#holdings.values()) holding.reopen(server);
  }

  /** Ends everything. */
  async close(): Promise<void> {
    this.#closing.abort();
    for (const session of [...this.#holdings.keys()]) this.release(session);
    await this.#polling;
    await Promise.all(this.#leaving);
    await Promise.all([...this.#streams].map(({ finished }) => finished));
  }

  async #leave(holding: Holding): Promise<void> {
    // A look that is under way may say that the client is here.
    await holding.close();
    const { id } = holding.session;
    if (!this.#holdings.has(id)) {
      await this.#options.place?.leave(holding.session);
    }
  }

  #open(backend: Backend, holding: Holding): HeldStream | undefined {
    const { heldStreams, log } = this.#options;
    const { server } = backend;
    if (this.#streams.size >= heldStreams) {
      if (!this.#full) log.warn("too many streams of servers", { heldStreams });
      this.#full = true;
      return undefined;
    }
    this.#full = false;
    const stream = new HeldStream(backend, {
      ...this.#options,
      authorization: () => holding.authorization,
      mayHold: this.#unfinished.share(server.name),
      onData: (data) => this.take(holding.session.id, backend, data),
      // By another broker's, perhaps, which the client listens at now.
      onInterrupted: () => void holding.look(),
      // It sends no update any more. The client that reads has the router open
      // a session, and subscribe anew.
      onLost: () => void this.retell(holding.session, server.name),
    });
    this.#streams.add(stream);
    stream.finished.finally(() => this.#streams.delete(stream));
    return stream;
  }

  async #look(holding: Holding): Promise<void> {
    await holding.look();
    const isHeld = this.#holdings.get(holding.session.id) === holding;
    if (isHeld && holding.incomplete) this.#due.add(holding);
  }

  /**
   * Does with the data of an event what its messages ask for.
   *
   * @param session Random id of the session of the client that it is for.
   */
  take(session: string, { server, source }: Backend, data: string): void {
    const { hub, relist, log } = this.#options;
    for (const heard of hear(data, source)) {
      switch (heard.kind) {
        case "pass":
          hub.send(session, heard.text);
          break;
        case "changed":
          relist(server.name, heard.lists, session);
          break;
        case "dropped":
          log.debug("message of a server dropped", {
            server: server.name,
            why: heard.why,
          });
          break;
        default:
          heard satisfies never;
      }
    }
  }

  /**
   * Tells a client to read again what it subscribed to, where it may have
   * missed updates: nobody knows what changed meanwhile. Never rejects.
   *
   * @param server Only what is of this one; everything unless given.
   */
  async retell(session: ClientSession, server?: string): Promise<void> {
    const { subscriptions, hub, log } = this.#options;
    try {
      for (const { uri, ...of } of await subscriptions?.(session) ?? []) {
        if (server !== undefined && of.server !== server) continue;
        const method = "notifications/resources/updated";
        hub.send(
          session.id,
          JSON.stringify({ jsonrpc: "2.0", method, params: { uri } }),
        );
      }
    } catch (error) {
      log.warn("subscriptions not told again", { server, error });
    }
  }

  async #poll(signal: AbortSignal): Promise<void> {
    const { sessions, hub, wait } = this.#options;
    let seen = sessions.revision();
    for (let polls = 1;; polls++) {
      await wait(POLL_MS, signal);
      if (signal.aborted || this.#holdings.size === 0) {
        // At once: whoever holds the next stream has to begin anew.
        this.#polling = undefined;
        return;
      }
      const revision = sessions.revision();
      const isBlind = revision === undefined;
      if (isBlind ? polls % POLLS_BLIND === 0 : revision !== seen) {
        for (const holding of this.#holdings.values()) this.#due.add(holding);
      }
      seen = revision;
      const due = [...this.#due].slice(0, LOOKS_PER_POLL);
      for (const holding of due) this.#due.delete(holding);
      await Promise.all(due.map(async (holding) => {
        const { id } = holding.session;
        // Whoever changed the store may have ended the session.
        if (await hub.check(id)) await this.#look(holding);
      }));
    }
  }

  async #briefly(what: Promise<void>): Promise<void> {
    await briefly(what, SETTLE_MS, this.#options.wait, this.#closing.signal);
  }
}

/** What nothing between a server and us depends on. */
const LABELS: readonly string[] = [
  "hostname",
  "prefix",
  "category",
  "hint",
  "tags",
  "userSpecificList",
] satisfies (keyof ServerConfig)[];

/**
 * Tells whether a server is still to be talked to as before. Thousands of
 * streams are of a few servers, which are compared once.
 */
function configuredIn(
  servers: readonly ServerConfig[],
): (server: ServerConfig) => boolean {
  const textOf = (server: ServerConfig) =>
    JSON.stringify(
      server,
      (key, value) => LABELS.includes(key) ? undefined : value,
    );
  const texts = new Set(servers.map(textOf));
  const known = new Map<ServerConfig, boolean>();
  return (server) => {
    const configured = known.get(server) ?? texts.has(textOf(server));
    known.set(server, configured);
    return configured;
  };
}
