/**
 * Looks after one MCP server: connects, lists, watches for changes, lists
 * again, backs off, keeps the last good list through a grace period. Always
 * works towards "connected and listed" from whatever state it is in; what has
 * been reached is one {@linkcode ServerSnapshot}, replaced whole.
 *
 * @module
 */

import type { ServerConfig } from "../../shared/config/model.ts";
import type { Logger } from "../../shared/log.ts";
import type { Era } from "../../shared/mcp.ts";
import type { ServerState } from "../../shared/status.ts";
import {
  type ByKind,
  byKind,
  KINDS,
  kindsChangedBy,
  LIST_KINDS,
  type ListKind,
  NO_ITEMS,
} from "../catalog/kinds.ts";
import type { ListHints } from "../catalog/list_hints.ts";
import type { Wait } from "../../shared/wait_on_timer.ts";
import { Alarm } from "./alarm.ts";
import {
  afterFailure,
  backoff,
  type Health,
  HEALTHY,
  isDropped,
  type Patience,
} from "./health.ts";
import type {
  Introduction,
  SpokenEras,
} from "../../shared/upstream/introduction.ts";
import { UpstreamError } from "../../shared/upstream/upstream_error.ts";
import type { UpstreamSession } from "./upstream_session.ts";
import { errorText } from "../../shared/error_text.ts";

/** What is known of one server at one moment. */
export interface ServerSnapshot {
  /** Its configuration. */
  readonly server: ServerConfig;
  /** Its state. */
  readonly state: ServerState;
  /** Since when, milliseconds since the epoch. */
  readonly since: number;
  /** Whether it has been tried at least once. */
  readonly tried: boolean;
  /** Whether its lists were ever read. */
  readonly known: boolean;
  /** The era that it speaks, last known, or as configured. */
  readonly era?: Era;
  /** Whether it keeps sessions too, where that is the stateless one. */
  readonly sessions?: boolean;
  /** How it introduced itself last. */
  readonly introduction?: Introduction;
  /** What it lists, last known: JSON texts as it wrote them. */
  readonly items: ByKind<readonly Uint8Array[]>;
  /** How long its lists may be kept, and for whom, where it says so. */
  readonly hints?: Partial<ByKind<ListHints>>;
  /** Which of its lists were cut or could not be read, and why. */
  readonly problems: readonly string[];
  /** Milliseconds its last list of tools took. */
  readonly latencyMs?: number;
  /** What went wrong last, while it matters. */
  readonly lastError?: string;
}

/**
 * Opens a server and tells of its notifications.
 *
 * @param known The era that it spoke lately, where that is to be relied on.
 */
export type OpenUpstream = (
  server: ServerConfig,
  onNotification: (method: string) => void,
  signal: AbortSignal,
  known?: Era,
) => Promise<UpstreamSession>;

/** What a supervisor needs. */
export interface SupervisorOptions {
  /** Opens sessions. */
  readonly open: OpenUpstream;
  /** Is told after each change of the snapshot. */
  readonly onChange: () => void;
  /** Is told of each change of state. */
  readonly log: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Waits. */
  readonly wait: Wait;
  /** At least 0, below 1. */
  readonly random: () => number;
  /** How patient to be. */
  readonly patience: Patience;
  /** Is told when a server that had failed is well again. */
  readonly onRecovered?: (server: string) => void;
  /**
   * Is told when a server whose lists differ by caller says which of them
   * changed; none where it may have said so while nobody heard it.
   */
  readonly onCallerLists?: (
    server: string,
    kinds: readonly ListKind[],
  ) => void;
}

/** States in which clients see what a server offers. */
export function isListed(state: ServerState): boolean {
  return state === "ready" || state === "degraded";
}

/** What is known of one list. */
interface KnownList {
  readonly items: readonly Uint8Array[];
  readonly hints?: ListHints;
  readonly problems: readonly string[];
  /** Failures of this list alone, while the server answers others. */
  readonly health: Health;
}

/** JSON-RPC: there is no such list. */
const METHOD_NOT_FOUND = -32601;

/** Looks after one server until it is closed. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  #health: Health = HEALTHY;
  readonly #closing = new AbortController();
  readonly #announced = new Alarm();
  /** Lists that were announced to have changed. */
  #stale: ReadonlySet<ListKind> = new Set();
  #lists: ByKind<KnownList>;
  /** When it was last asked whether it is stateless; never by default. */
  #probedAt = -Infinity;
  readonly #leaving = new Set<Promise<void>>();
  #snapshot: ServerSnapshot;
  #running: Promise<void>;

  /**
   * Starts.
   *
   * @param server Its configuration.
   * @param options What it needs.
   * @param predecessor What was known of the same server (same URL) under
   * another configuration: its list is kept until there is a new one, and the
   * era that it speaks is a good guess.
   */
  constructor(
    server: ServerConfig,
    options: SupervisorOptions,
    predecessor?: ServerSnapshot,
  ) {
    this.#options = options;
    const kept = predecessor !== undefined && predecessor.known &&
      isListed(predecessor.state) && !server.userSpecificList &&
      !predecessor.server.userSpecificList;
    const { era: _, sessions: __, ...lists } = kept
      ? predecessor
      : { tried: false, known: false, items: NO_ITEMS, problems: [] };
    this.#snapshot = {
      ...lists,
      ...(server.era === "auto" ? spoken(predecessor) : { era: server.era }),
      server,
      state: kept ? "degraded" : "connecting",
      since: options.now(),
    };
    const { items } = this.#snapshot;
    this.#lists = byKind((kind) => goodList(items[kind]));
    if (server.state === "Disabled") {
      this.#set({ state: "disabled", tried: true });
      this.#running = Promise.resolve();
    } else {
      this.#running = this.#run(this.#closing.signal);
    }
  }

  /** What is known now. */
  get snapshot(): ServerSnapshot {
    return this.#snapshot;
  }

  /** Has lists read again, soon: somebody heard that they changed. */
  relist(kinds: readonly ListKind[]): void {
    this.#announce(kinds);
  }

  /**
   * The era that callers may rely on; undefined where nobody has asked the
   * server for a while, which only its callers may be able to.
   */
  get relied(): Era | undefined {
    const { now, patience } = this.#options;
    return now() - this.#probedAt < patience.eraMs
      ? this.#snapshot.era
      : undefined;
  }

  /** Takes note of what a caller found out when it asked how to speak. */
  learnEra({ era, sessions = false }: SpokenEras): void {
    this.#probedAt = this.#options.now();
    const { snapshot } = this;
    if (era === snapshot.era && sessions === (snapshot.sessions ?? false)) {
      return;
    }
    this.#set({ era, sessions });
  }

  /** Stops, and ends the session with the server. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
    await Promise.all(this.#leaving);
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { patience, random, wait } = this.#options;
    while (!signal.aborted) {
      const outcome = await this.#live(signal);
      if (signal.aborted) return;
      await wait(
        outcome === "refused"
          ? patience.refusedMs
          : outcome === "callers only"
          ? patience.checkMs
          : outcome === "session gone"
          ? 0
          : backoff(this.#health, random(), patience),
        signal,
      );
    }
  }

  /** One session, from opening it until it fails or we close. */
  async #live(
    signal: AbortSignal,
  ): Promise<
    "closed" | "failed" | "refused" | "session gone" | "callers only"
  > {
    const { open, now, patience } = this.#options;
    const started = now();
    let session: UpstreamSession | undefined;
    try {
      this.#announced.reset();
      this.#stale = new Set();
      const known = this.#knownEra();
      session = await open(
        this.#snapshot.server,
        (method) => this.#announce(kindsChangedBy(method)),
        signal,
        known,
      );
      if (known !== "session") this.#probedAt = now();
      await this.#list(session, LIST_KINDS, signal);
      await this.#watch(session, signal);
      return "closed";
    } catch (error) {
      if (signal.aborted) return "closed";
      const gone = error instanceof UpstreamError &&
        (error.kind === "session gone" || error.kind === "other era");
      // A server that was restarted is well; one that forgets each session at
      // once is not.
      if (gone && now() - started >= patience.reopenMs) return "session gone";
      if (this.#snapshot.server.userSpecificList && wantsCaller(error)) {
        return this.#callersOnly(error);
      }
      return this.#failed(error);
    } finally {
      if (session !== undefined) this.#leave(session);
    }
  }

  /**
   * The era to rely on. That a server has sessions is believed for a while;
   * that it is stateless, for as long as it has not failed for good.
   */
  #knownEra(): Era | undefined {
    const { now, patience } = this.#options;
    const { era } = this.#snapshot;
    const relies = era === "session"
      ? now() - this.#probedAt < patience.eraMs
      : !isDropped(this.#health, now(), patience);
    return relies ? era : undefined;
  }

  /** Asks, now and then, whether a server speaks otherwise by now. */
  async #probe(session: UpstreamSession, signal: AbortSignal): Promise<void> {
    const { now, patience } = this.#options;
    if (
      session.speaksOtherwise === undefined ||
      now() - this.#probedAt < patience.eraMs
    ) return;
    this.#probedAt = now();
    if (!await session.speaksOtherwise(signal)) return;
    this.#probedAt = -Infinity;
    throw new UpstreamError("other era", {
      message: "the server speaks otherwise by now",
    });
  }

  /** Ends a session in the background: the next try need not wait for it. */
  #leave(session: UpstreamSession): void {
    const leaving: Promise<void> = session.close()
      .catch((error: unknown) => {
        this.#options.log.debug("session with server not ended", {
          server: this.#snapshot.server.name,
          error: errorText(error),
        });
      })
      .finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
  }

  /** Has everything read again, soon: changes may have been announced. */
  #suspect(): void {
    const { name, userSpecificList } = this.#snapshot.server;
    if (userSpecificList) this.#options.onCallerLists?.(name, []);
    else this.#announce(LIST_KINDS);
  }

  /** Has lists read again, soon. */
  #announce(kinds: readonly ListKind[]): void {
    if (kinds.length === 0) return;
    const { name, userSpecificList } = this.#snapshot.server;
    if (userSpecificList) {
      this.#options.onCallerLists?.(name, kinds);
      return;
    }
    this.#stale = new Set([...this.#stale, ...kinds]);
    this.#announced.ring();
  }

  /**
   * Reads lists, and puts them in force. One that fails while the server
   * answers others costs only itself; where all fail, so has the server.
   */
  async #list(
    session: UpstreamSession,
    kinds: readonly ListKind[],
    signal: AbortSignal,
  ): Promise<void> {
    const lists = { ...this.#lists };
    let { latencyMs } = this.#snapshot;
    let failure: UpstreamError | undefined;
    for (const kind of LIST_KINDS) {
      // One that is not declared (any more) is empty, and costs no request.
      if (session.kinds.includes(kind) && !kinds.includes(kind)) continue;
      // Each caller's lists are read with that caller's own credential.
      if (this.#snapshot.server.userSpecificList) continue;
      try {
        const list = await session.list(kind, signal);
        const items = keepUnchanged(lists[kind].items, list.items);
        const { problems, hints } = list;
        lists[kind] = {
          ...goodList(items, problems),
          ...(hints === undefined ? {} : { hints }),
        };
        if (kind === "tools") latencyMs = list.tookMs;
      } catch (error) {
        if (!costsOneList(error)) throw error;
        failure = error;
        lists[kind] = this.#faltering(kind, lists[kind], error);
      }
    }
    if (
      failure !== undefined &&
      session.kinds.every((kind) => lists[kind].health.failures > 0)
    ) throw failure;
    this.#lists = lists;
    this.#recover();
    this.#set({
      state: "ready",
      tried: true,
      known: true,
      era: session.introduction.era,
      sessions: session.introduction.sessions ?? false,
      introduction: session.introduction,
      items: byKind((kind) => lists[kind].items),
      hints: hintsOf(lists),
      problems: LIST_KINDS.flatMap((kind) => lists[kind].problems),
      ...(latencyMs === undefined ? {} : { latencyMs }),
    }, "replace");
  }

  #recover(): void {
    const failed = this.#health.failures > 0;
    this.#health = HEALTHY;
    if (failed) this.#options.onRecovered?.(this.#snapshot.server.name);
  }

  /** A list that fails is kept through the grace, unless it is none at all. */
  #faltering(
    kind: ListKind,
    before: KnownList,
    error: UpstreamError,
  ): KnownList {
    const { now, patience } = this.#options;
    const health = afterFailure(before.health, now());
    const keep = before.items.length > 0 && error.code !== METHOD_NOT_FOUND &&
      !isDropped(health, now(), patience);
    const problem = `${KINDS[kind].method} failed: ${error.message}`;
    return {
      ...before,
      items: keep ? before.items : [],
      problems: [keep ? `${problem}; the last good list is kept` : problem],
      health,
    };
  }

  /** Which lists to read after a wait. */
  #due(rung: boolean, listedAt: number): readonly ListKind[] {
    const { now, patience } = this.#options;
    if (this.#snapshot.server.userSpecificList) return [];
    if (now() - listedAt >= patience.relistMs) return LIST_KINDS;
    const stale = rung ? this.#stale : new Set<ListKind>();
    // One that failed is not left alone for as long as one that did not.
    return LIST_KINDS.filter((kind) =>
      stale.has(kind) || (!rung && this.#lists[kind].health.failures > 0)
    );
  }

  /** Waits for changes and asks for signs of life, until something fails. */
  async #watch(session: UpstreamSession, signal: AbortSignal): Promise<void> {
    const { now, wait, patience } = this.#options;
    const ending = new AbortController();
    const both = AbortSignal.any([signal, ending.signal]);
    const listening = this.#listen(session, both);
    try {
      let listedAt = now();
      while (!signal.aborted) {
        const rung = await this.#announced.wait(wait, patience.checkMs, signal);
        if (signal.aborted) return;
        const due = this.#due(rung, listedAt);
        if (due.length > 0) {
          if (rung) this.#stale = new Set();
          await this.#list(session, due, signal);
          if (due.length === LIST_KINDS.length) listedAt = now();
          await wait(patience.relistGapMs, signal);
        } else {
          await session.ping(signal);
        }
        await this.#probe(session, signal);
      }
    } finally {
      ending.abort();
      await listening;
    }
  }

  /**
   * Keeps the notification stream open. A server without one is polled. What
   * was announced while the stream was down is lost, so each end of it, and
   * each new beginning, is reason enough to list again.
   */
  async #listen(
    session: UpstreamSession,
    signal: AbortSignal,
  ): Promise<void> {
    const { wait, patience, now, log } = this.#options;
    let opened = 0;
    let pause = patience.reopenMs;
    while (!signal.aborted) {
      const started = now();
      let retryMs = 0;
      try {
        const outcome = await session.listen(signal, {
          onOpen: () => {
            if (opened++ > 0) this.#suspect();
          },
          onNotGranted: (capabilities) =>
            log.info("server does not tell of all changes", {
              server: this.#snapshot.server.name,
              polled: capabilities,
            }),
        });
        if (outcome.kind === "unsupported") {
          // It was, before: another server may stand in this one's place.
          if (opened > 0) this.#suspect();
          return;
        }
        retryMs = outcome.retryMs ?? 0;
      } catch (error) {
        if (signal.aborted) return;
        log.debug("notification stream broke", {
          server: this.#snapshot.server.name,
          error: errorText(error),
        });
        // Whether that means more than the stream, listing will tell.
        this.#suspect();
      }
      // A stream that never lasts is no better than polling.
      if (now() - started >= patience.checkMs) pause = patience.reopenMs;
      await wait(Math.max(pause, Math.min(retryMs, patience.relistMs)), signal);
      pause = Math.min(pause * 2, patience.relistMs);
    }
  }

  /** The server is there, and tells nobody but callers more than that. */
  #callersOnly(error: UpstreamError): "callers only" {
    this.#recover();
    this.#set({
      state: "ready",
      tried: true,
      known: true,
      items: NO_ITEMS,
      problems: [`it tells only callers what it has: ${error.message}`],
    }, "replace");
    return "callers only";
  }

  #failed(error: unknown): "failed" | "refused" {
    const { now, patience } = this.#options;
    const lastError = errorText(error);
    if (error instanceof UpstreamError && error.kind === "below minimum") {
      this.#health = HEALTHY;
      this.#lists = byKind(() => goodList([]));
      this.#set({ state: "refused", tried: true, lastError, items: NO_ITEMS });
      return "refused";
    }
    this.#health = afterFailure(this.#health, now());
    const keep = isListed(this.#snapshot.state) &&
      !isDropped(this.#health, now(), patience);
    this.#set({ state: keep ? "degraded" : "failed", tried: true, lastError });
    return "failed";
  }

  #set(change: Partial<ServerSnapshot>, how?: "replace"): void {
    const before = this.#snapshot;
    const state = change.state ?? before.state;
    const next = {
      ...(how === "replace" ? spoken(before) : before),
      ...change,
      server: before.server,
      state,
      since: state === before.state ? before.since : this.#options.now(),
    } as ServerSnapshot;
    this.#snapshot = next;
    this.#report(before, next);
    this.#options.onChange();
  }

  #report(before: ServerSnapshot, next: ServerSnapshot): void {
    const { log } = this.#options;
    const fields = {
      server: next.server.name,
      was: before.state,
      ...(next.introduction === undefined
        ? {}
        : { revision: next.introduction.revision }),
      ...(next.era === undefined ? {} : { era: next.era }),
      tools: next.items.tools.length,
      prompts: next.items.prompts.length,
      resources: next.items.resources.length,
      ...(next.lastError === undefined ? {} : { error: next.lastError }),
    };
    if (before.era !== undefined && next.era !== before.era) {
      log.info("server speaks the other era", fields);
    }
    if (before.state === next.state) {
      const same = LIST_KINDS.every((kind) =>
        next.items[kind] === before.items[kind]
      );
      if (!same) log.info("server listed again", fields);
      return;
    }
    const message = `server ${next.state}`;
    if (next.state === "ready" || next.state === "disabled") {
      log.info(message, fields);
    } else log.warn(message, fields);
  }
}

/** The eras that a server was found to speak. */
function spoken(
  snapshot: ServerSnapshot | undefined,
): Pick<ServerSnapshot, "era" | "sessions"> {
  const { era, sessions } = snapshot ?? {};
  return {
    ...(era === undefined ? {} : { era }),
    ...(sessions === undefined ? {} : { sessions }),
  };
}

function goodList(
  items: readonly Uint8Array[],
  problems: readonly string[] = [],
): KnownList {
  return { items, problems, health: HEALTHY };
}

function hintsOf(lists: ByKind<KnownList>): Partial<ByKind<ListHints>> {
  return Object.fromEntries(
    LIST_KINDS.flatMap((kind) => {
      const { hints } = lists[kind];
      return hints === undefined ? [] : [[kind, hints]];
    }),
  );
}

/** Whether a failure only says that some credential is needed. */
function wantsCaller(error: unknown): error is UpstreamError {
  return error instanceof UpstreamError && error.kind === "refused" &&
    (error.status === 401 || error.status === 403);
}

/** Whether a failure is an answer about one list, and says no more. */
function costsOneList(error: unknown): error is UpstreamError {
  return error instanceof UpstreamError &&
    (error.kind === "rpc error" || error.kind === "invalid answer" ||
      error.kind === "too large");
}

/** The old list where the new one is equal: nothing needs to be done then. */
function keepUnchanged(
  before: readonly Uint8Array[],
  after: readonly Uint8Array[],
): readonly Uint8Array[] {
  const same = before.length === after.length &&
    before.every((item, index) => equalBytes(item, after[index]!));
  return same ? before : after;
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength &&
    a.every((byte, index) => byte === b[index]);
}
