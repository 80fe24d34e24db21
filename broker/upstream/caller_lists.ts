/**
 * Lists servers on behalf of one caller, with the caller's own credential, and
 * keeps the result for a short time, for that client session and no other.
 * For servers whose lists differ by caller (`userSpecificList`).
 *
 * @module
 */

import type { ServerConfig } from "../../shared/config/model.ts";
import type { SpokenEras } from "../../shared/upstream/introduction.ts";
import type { Logger } from "../../shared/log.ts";
import type { Era } from "../../shared/mcp.ts";
import type { Wait } from "../../shared/wait_on_timer.ts";
import {
  type ByKind,
  KINDS,
  type ListKind,
  NO_ITEMS,
} from "../catalog/kinds.ts";
import { type ServerList, shortHash } from "../catalog/merge.ts";
import { briefly } from "../briefly.ts";
import { Turns } from "./_turns.ts";
import type { UpstreamSession } from "./upstream_session.ts";
import { errorText } from "../../shared/error_text.ts";

/**
 * The kinds that are listed by caller: those that a prefix routes. Nobody but
 * the one who listed it could tell whose a URI is.
 */
export const CALLER_KINDS = ["tools", "prompts"] as const satisfies ListKind[];

/**
 * Opens a server as a caller would.
 *
 * @param known The era that it spoke lately, where that is known.
 */
export type OpenAsCaller = (
  server: ServerConfig,
  authorization: string | undefined,
  signal: AbortSignal,
  known?: Era,
) => Promise<UpstreamSession>;

/** How much is kept, for how long, and how long anybody waits. */
export interface CallerListsLimits {
  /** Milliseconds that a list is kept. */
  readonly keepMs: number;
  /** Milliseconds that a failure is kept: a client may list many times. */
  readonly keepFailureMs: number;
  /** Milliseconds that a client waits for its servers; a list may come later. */
  readonly waitMs: number;
  /** Lists kept in all; the one used least recently goes first. */
  readonly lists: number;
  /** Bytes of all lists kept. */
  readonly bytes: number;
  /** Callers that one server is listed for at once; the others wait. */
  readonly atOnce: number;
}

/** What holds unless something else is given. */
export const CALLER_LISTS_LIMITS: CallerListsLimits = {
  keepMs: 60_000,
  keepFailureMs: 5_000,
  waitMs: 10_000,
  lists: 10_000,
  bytes: 64 * 1024 * 1024,
  atOnce: 32,
};

/** What listing by caller needs. */
export interface CallerListsOptions {
  /** Opens sessions. */
  readonly open: OpenAsCaller;
  /** Milliseconds since some point. */
  readonly now: () => number;
  /** Waits. */
  readonly wait: Wait;
  /** Told of failures. */
  readonly log: Logger;
  /** Limits; the defaults unless given. */
  readonly limits?: CallerListsLimits;
  /** Tells the era to rely on, if any; servers are asked unless given. */
  readonly eraOf?: (server: string) => Era | undefined;
  /** Told of what a caller found out of how a server speaks. */
  readonly onEra?: (server: string, spoken: SpokenEras) => void;
  /** Told of a session that was answered before lists of it came. */
  readonly onLate?: (session: string, kinds: readonly ListKind[]) => void;
}

/** Who lists. */
export interface ListingCaller {
  /** Random id of the client session. */
  readonly session: string;
  /** The `authorization` header of its request, where it has one. */
  readonly authorization?: string;
}

/** What is known of one server's lists for one session. */
interface Entry {
  readonly session: string;
  readonly server: string;
  /** What the list depends on: the server's configuration, the credential. */
  readonly basis: string;
  /** Ends what is under way. */
  readonly ending: AbortController;
  /** Settles when the list is there, or will not come. */
  readonly listed: Promise<void>;
  /** Absent while it is under way, and where it failed. */
  items?: ByKind<readonly Uint8Array[]>;
  /** The era that the server spoke, once it did. */
  era?: Era;
  bytes: number;
  /** Until when it counts; unlimited while it is under way. */
  until: number;
  /** Somebody was answered without it, and nobody waits for it any more. */
  missed: boolean;
}

/** Lists by caller, for all sessions of this process. */
export class CallerLists {
  readonly #options: CallerListsOptions;
  readonly #limits: CallerListsLimits;
  /** By session and server, the one used least recently first. */
  readonly #entries = new Map<string, Entry>();
  readonly #working = new Set<Promise<void>>();
  readonly #turns: Turns;
  #bytes = 0;

  /** Begins with nothing. */
  constructor(options: CallerListsOptions) {
    this.#options = options;
    this.#limits = options.limits ?? CALLER_LISTS_LIMITS;
    this.#turns = new Turns(this.#limits.atOnce);
  }

  /** Number of lists that are kept or under way. */
  get size(): number {
    return this.#entries.size;
  }

  /** Bytes of all lists that are kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * What servers list for a caller. One that fails, or takes too long, lists
   * nothing and costs the others nothing.
   */
  async of(
    caller: ListingCaller,
    servers: readonly ServerConfig[],
  ): Promise<readonly ServerList[]> {
    const entries = servers.map((server) =>
      this.#find(caller, server) ?? this.#begin(caller, server)
    );
    const awaited = entries.filter(({ until, missed }) =>
      until === Infinity && !missed
    );
    if (awaited.length > 0) {
      const { wait } = this.#options;
      const all = Promise.all(awaited.map(({ listed }) => listed));
      await briefly(all, this.#limits.waitMs, wait);
    }
    return entries.map((entry) => {
      if (entry.until === Infinity) entry.missed = true;
      return {
        server: entry.server,
        listed: true,
        pending: false,
        ...(entry.era === undefined ? {} : { era: entry.era }),
        items: entry.items ?? NO_ITEMS,
      };
    });
  }

  /** Forgets what was listed for a session that has ended. */
  forget(session: string): void {
    for (const [key, entry] of this.#entries) {
      if (entry.session === session) this.#drop(key, entry);
    }
  }

  /**
   * Forgets what a server listed: it says that its lists have changed.
   *
   * @param session The session that it says so to; to all unless given.
   * @returns The sessions that it had listed something for, or was about to.
   */
  changed(server: string, session?: string): readonly string[] {
    const sessions: string[] = [];
    for (const [key, entry] of this.#entries) {
      if (entry.server !== server) continue;
      if (session !== undefined && entry.session !== session) continue;
      const failed = entry.items === undefined && entry.until < Infinity;
      if (!failed) sessions.push(entry.session);
      this.#drop(key, entry);
    }
    return sessions;
  }

  /** Ends what is under way, sessions with servers too. */
  async close(): Promise<void> {
    for (const [key, entry] of this.#entries) this.#drop(key, entry);
    await Promise.all(this.#working);
  }

  #find(caller: ListingCaller, server: ServerConfig): Entry | undefined {
    const key = keyOf(caller.session, server.name);
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const current = entry.basis === basisOf(caller, server) &&
      this.#options.now() < entry.until;
    this.#entries.delete(key);
    if (current) {
      this.#entries.set(key, entry);
      return entry;
    }
    this.#drop(key, entry);
    return undefined;
  }

  #begin(caller: ListingCaller, server: ServerConfig): Entry {
    const ending = new AbortController();
    const { promise, resolve } = Promise.withResolvers<void>();
    const entry: Entry = {
      session: caller.session,
      server: server.name,
      basis: basisOf(caller, server),
      ending,
      listed: promise,
      bytes: 0,
      until: Infinity,
      missed: false,
    };
    this.#entries.set(keyOf(caller.session, server.name), entry);
    this.#own(this.#fill(entry, caller, server).finally(resolve));
    this.#fit();
    return entry;
  }

  async #fill(
    entry: Entry,
    caller: ListingCaller,
    server: ServerConfig,
  ): Promise<void> {
    const { now, log, onLate } = this.#options;
    const { signal } = entry.ending;
    try {
      const items = await this.#turns.take(
        server.name,
        signal,
        () => this.#list(entry, caller, server),
      );
      // Dropped meanwhile: nobody may see it any more.
      if (signal.aborted) return;
      entry.items = items;
      entry.until = now() + this.#limits.keepMs;
      entry.bytes = sizeOf(items);
      this.#bytes += entry.bytes;
      this.#fit();
    } catch (error) {
      if (signal.aborted) return;
      entry.until = now() + this.#limits.keepFailureMs;
      log.info("server not listed for a caller", {
        server: server.name,
        error: errorText(error),
      });
    }
    const { items, session } = entry;
    if (!entry.missed || items === undefined) return;
    onLate?.(session, CALLER_KINDS.filter((kind) => items[kind].length > 0));
  }

  async #list(
    entry: Entry,
    { authorization }: ListingCaller,
    server: ServerConfig,
  ): Promise<ByKind<readonly Uint8Array[]>> {
    const { signal } = entry.ending;
    const { open, eraOf, onEra } = this.#options;
    const known = eraOf?.(server.name);
    const session = await open(server, authorization, signal, known);
    const { era } = session.introduction;
    entry.era = era;
    // Who relies on what is known has asked nothing, unless that was wrong.
    if (era !== known) onEra?.(server.name, session.introduction);
    try {
      const items = { ...NO_ITEMS } as Record<ListKind, readonly Uint8Array[]>;
      const failures: unknown[] = [];
      for (const kind of CALLER_KINDS) {
        try {
          items[kind] = (await session.list(kind, signal)).items;
        } catch (error) {
          if (signal.aborted) throw error;
          // One list that fails costs only itself, as in the shared catalog.
          failures.push(error);
          this.#options.log.info("list not read for a caller", {
            server: server.name,
            list: KINDS[kind].method,
            error: errorText(error),
          });
        }
      }
      const declared = CALLER_KINDS.filter((k) => session.kinds.includes(k));
      if (failures.length > 0 && failures.length >= declared.length) {
        throw failures[0];
      }
      return items;
    } finally {
      this.#own(session.close().catch(() => {})); // It ends by itself later.
    }
  }

  #own(work: Promise<void>): void {
    const owned: Promise<void> = work.finally(() =>
      this.#working.delete(owned)
    );
    this.#working.add(owned);
  }

  #fit(): void {
    const { lists, bytes } = this.#limits;
    for (const [key, entry] of this.#entries) {
      if (this.#entries.size <= lists && this.#bytes <= bytes) return;
      this.#drop(key, entry);
    }
  }

  #drop(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
    entry.bytes = 0;
    entry.ending.abort();
  }
}

function keyOf(session: string, server: string): string {
  return `${session} ${server}`;
}

/** Never the credential itself: it is nobody's to keep. */
function basisOf(
  { authorization }: ListingCaller,
  server: ServerConfig,
): string {
  return shortHash(JSON.stringify([server, authorization ?? null]));
}

function sizeOf(items: ByKind<readonly Uint8Array[]>): number {
  return CALLER_KINDS.reduce(
    (sum, kind) =>
      sum + items[kind].reduce((bytes, item) => bytes + item.byteLength, 0),
    0,
  );
}
