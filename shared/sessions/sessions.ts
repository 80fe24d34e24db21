/**
 * Client sessions: opened at `initialize`, verified on every request, ended by
 * DELETE, by age or by idleness. A session belongs to one identity on one
 * route. Its id is a signed token, so that any replica can verify it; the
 * store remembers what a token cannot: that it ended, and what was opened for
 * it with MCP servers.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management
 * @module
 */

import { Buffer } from "node:buffer";
import { GatewayError, type Refusal } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { type Logger, short } from "../log.ts";
import type {
  ClientCapabilities,
  Implementation,
  SessionRevision,
} from "../mcp.ts";
import { asked } from "./_asked.ts";
import { Lru } from "./_lru.ts";
import {
  type BackendServer,
  type BackendSession,
  BackendSessions,
  type OpenBackend,
  type OpenSession,
} from "./backend_sessions.ts";
import type { KeyRing } from "./keys.ts";
import { seal, unseal } from "./seal.ts";
import {
  type Listener,
  StandingNotes,
  type StandingRequests,
  type Subscription,
} from "./standing_requests.ts";
import type { SessionStore, StoredSession } from "./store.ts";
import { type Wait, waitOnTimer } from "../wait_on_timer.ts";
import { readSession, type SessionClaims, signSession } from "./token.ts";

export type {
  BackendServer,
  BackendSession,
  OpenBackend,
  OpenSession,
} from "./backend_sessions.ts";

export type {
  Listener,
  StandingRequests,
  Subscription,
} from "./standing_requests.ts";

/** A live client session, as its token describes it. */
export type ClientSession = SessionClaims;

/** Which session it is, where no more of it is known. */
export type SessionId = Pick<ClientSession, "id">;

/** How long sessions last and how many there may be. */
export interface SessionsLimits {
  /** Absolute age, in milliseconds. */
  readonly lifetimeMs: number;
  /** Without any request for this long a session ends, in milliseconds. */
  readonly idleMs: number;
  /** Live sessions in all. */
  readonly total: number;
  /** Live sessions of one identity; anonymous ones have no such limit. */
  readonly perIdentity: number;
}

/** Limits that hold unless others are given. */
export const DEFAULT_SESSIONS_LIMITS: SessionsLimits = {
  lifetimeMs: LIMITS.sessionLifetimeMs,
  idleMs: LIMITS.sessionIdleMs,
  total: LIMITS.sessions,
  perIdentity: LIMITS.sessionsPerIdentity,
};

/** What {@linkcode Sessions} works with. */
export interface SessionsOptions {
  /** Where sessions are kept; closed by whoever opened it. */
  readonly store: SessionStore;
  /** Keys that sign tokens and seal what is stored. */
  readonly keys: KeyRing;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Source of randomness. */
  readonly randomBytes: (length: number) => Uint8Array;
  /** Told of failures that no request waits for. */
  readonly log: Logger;
  /** Limits other than the defaults. */
  readonly limits?: Partial<SessionsLimits>;
  /** Waits; with timers unless given. */
  readonly wait?: Wait;
  /**
   * Told of a backend session that was opened and is not kept (the client
   * session ended meanwhile), so that it is closed.
   */
  readonly onOrphan?: (backend: BackendSession, server: BackendServer) => void;
}

/** What is known at `initialize`. */
export interface SessionRequest {
  /** Hash of issuer and subject, or "" for an anonymous session. */
  readonly identity: string;
  /** Path of the request: `/mcp`, `/mcp/NAMESPACE/NAME`. */
  readonly route: string;
  /** Negotiated revision. */
  readonly revision: SessionRevision;
  /** What the client declared. */
  readonly capabilities: ClientCapabilities;
  /** What the client calls itself. */
  readonly clientInfo?: Implementation;
}

/** Outcome of opening a session. */
export type SessionOpening =
  | {
    readonly kind: "opened";
    /** Value of `Mcp-Session-Id`. */
    readonly token: string;
    /** What the token says. */
    readonly claims: SessionClaims;
  }
  | { readonly kind: "refused"; readonly refusal: Refusal };

/** Who presents a token, and where. */
export interface Presenter {
  /** Hash of issuer and subject, or "". */
  readonly identity: string;
  /** Path of the request. */
  readonly route: string;
}

/** Outcome of verifying a token. */
export type Verification =
  | { readonly kind: "live"; readonly session: ClientSession }
  | { readonly kind: "refused"; readonly refusal: Refusal };

/** What a client said about itself at `initialize`. */
export interface SessionDetails {
  /** Absent where the session outlived the store that knew it. */
  readonly clientInfo?: Implementation;
  /** All that the client declared. */
  readonly capabilities: ClientCapabilities;
}

/** A tombstone outlives its token on replicas whose clocks are behind. */
const CLOCK_SKEW_MS = 300_000;
/**
 * Characters of verified tokens remembered in this process: as many tokens of
 * the usual length as there may be sessions. What a long one says can take 16
 * times its length.
 */
const CACHED = 400 * LIMITS.sessions;
/** Longest description of a client that is stored, in characters of JSON. */
const MAX_DETAILS_LENGTH = 16_384;

/** One answer for everything that is wrong with a token: no oracle. */
const UNKNOWN: Verification = {
  kind: "refused",
  refusal: { kind: "session unknown" },
};

interface Known {
  readonly claims: SessionClaims;
  /** Revision of the store when the session was last seen live there. */
  readonly revision: number | undefined;
  /** Last request seen here or by others; milliseconds since the epoch. */
  seenAt: number;
  /** Activity that the store knows of; milliseconds since the epoch. */
  touchedAt: number;
}

/** Opens, verifies and ends client sessions and their backend sessions. */
export class Sessions {
  readonly #options: SessionsOptions;
  readonly #limits: SessionsLimits;
  readonly #backends: BackendSessions;
  readonly #standing: StandingNotes;
  /** By token. */
  readonly #known = new Lru<string, Known>(CACHED, (token) => token.length);

  /**
   * Makes one for a store.
   *
   * @param options What it works with.
   */
  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_SESSIONS_LIMITS, ...options.limits };
    this.#backends = new BackendSessions({
      store: options.store,
      keys: options.keys,
      now: options.now,
      wait: options.wait ?? waitOnTimer,
      randomBytes: options.randomBytes,
      log: options.log,
      onOrphan: options.onOrphan ?? (() => {}),
    });
    this.#standing = new StandingNotes(options);
  }

  /**
   * Opens a session and mints its token.
   *
   * @throws GatewayError `store unavailable`.
   */
  async open(request: SessionRequest): Promise<SessionOpening> {
    const { now, randomBytes, log, keys } = this.#options;
    const { identity, route, revision, capabilities, clientInfo } = request;
    const details: SessionDetails = {
      capabilities,
      ...(clientInfo === undefined ? {} : { clientInfo }),
    };
    if (JSON.stringify(details).length > MAX_DETAILS_LENGTH) {
      return refused("invalid params", "capabilities and clientInfo too large");
    }
    const issuedAt = Math.floor(now() / 1000);
    const minted = mint(keys, {
      id: Buffer.from(randomBytes(16)).toString("base64url"),
      identity,
      route,
      revision,
      capabilities,
      issuedAt,
      expiresAt: issuedAt + Math.floor(this.#limits.lifetimeMs / 1000),
    });
    if (minted === undefined) {
      return refused("invalid params", "capabilities too large");
    }
    const outcome = await this.#create(minted.claims, details, {
      expendable: identity === "",
    });
    if (outcome.kind === "refused") return outcome;
    if (outcome.kind === "exists") {
      throw new Error("Cannot open session: its random id is taken already");
    }
    log.debug("session created", { session: short(minted.claims.id), route });
    return { kind: "opened", ...minted };
  }

  /**
   * Verifies the token of a request and records activity. Whatever is wrong
   * with a token, the answer is the same. A session that the store has lost is
   * taken up again: its token proves that it was opened.
   *
   * @param token Value of `Mcp-Session-Id`, where there is one.
   * @throws GatewayError `store unavailable`.
   */
  async verify(
    token: string | undefined,
    presenter: Presenter,
  ): Promise<Verification> {
    if (token === undefined || token === "") return refused("session missing");
    const session = this.peek(token, presenter);
    if (session !== undefined) return { kind: "live", session };
    return await asked(this.#look(token, presenter));
  }

  /**
   * The fast path of {@linkcode verify}: answers at once where this process
   * verified the token before and nothing changed since, and undefined
   * otherwise, which says nothing about the token.
   */
  peek(token: string, presenter: Presenter): ClientSession | undefined {
    const known = this.#known.get(token);
    if (known === undefined || !belongs(known.claims, presenter)) {
      return undefined;
    }
    const now = this.#options.now();
    if (isOver(known.claims, now) || this.#isIdle(known.seenAt, now)) {
      return undefined;
    }
    const revision = this.revision();
    if (revision === undefined || revision !== known.revision) return undefined;
    this.#record(known, now);
    return known.claims;
  }

  /**
   * Changes whenever backend sessions may have been opened or forgotten, by any
   * process. Undefined where the store is away or cannot tell: then nothing
   * that was read counts any more.
   */
  revision(): number | undefined {
    try {
      return this.#options.store.revision();
    } catch {
      return undefined;
    }
  }

  async #look(token: string, presenter: Presenter): Promise<Verification> {
    const { store, keys, now } = this.#options;
    const at = now();
    const before = this.#known.get(token);
    const claims = before?.claims ?? readSession(keys, token, at / 1000);
    if (
      claims === undefined || isOver(claims, at) || !belongs(claims, presenter)
    ) return UNKNOWN;
    // Before the read: what changes during it is noticed next time.
    const revision = store.revision();
    const found = await this.#findOrRevive(claims);
    if (found.kind === "refused") return found;
    const { ended, touchedAt, expendable } = found.stored;
    const seenAt = Math.max(touchedAt, before?.seenAt ?? 0);
    if (ended || this.#isIdle(seenAt, at)) {
      this.#known.delete(token);
      return UNKNOWN;
    }
    const known = { claims, revision, seenAt, touchedAt };
    this.#known.set(token, known);
    if (expendable) this.#touch(known, at);
    else this.#record(known, at);
    return { kind: "live", session: claims };
  }

  async #findOrRevive(
    claims: SessionClaims,
  ): Promise<
    | { readonly kind: "found"; readonly stored: StoredSession }
    | { readonly kind: "refused"; readonly refusal: Refusal }
  > {
    const { store, log } = this.#options;
    const stored = await store.get(claims.id);
    if (stored !== undefined) return { kind: "found", stored };
    const { capabilities } = claims;
    const outcome = await this.#create(claims, { capabilities }, {
      expendable: false,
    });
    switch (outcome.kind) {
      case "refused":
        return outcome;
      case "created":
        log.info("session revived", { session: short(claims.id) });
        return { kind: "found", stored: outcome.stored };
      case "exists": {
        // Revived, or ended, by another replica a moment ago.
        const theirs = await store.get(claims.id);
        return theirs === undefined
          ? refused("session unknown")
          : { kind: "found", stored: theirs };
      }
      default:
        return outcome satisfies never;
    }
  }

  async #create(
    claims: SessionClaims,
    details: SessionDetails,
    { expendable }: { readonly expendable: boolean },
  ): Promise<
    | { readonly kind: "created"; readonly stored: StoredSession }
    | { readonly kind: "exists" }
    | { readonly kind: "refused"; readonly refusal: Refusal }
  > {
    const { store, keys, now, randomBytes } = this.#options;
    const { id, identity, expiresAt } = claims;
    const at = now();
    const stored: StoredSession = {
      id,
      identity,
      createdAt: at,
      touchedAt: at,
      expiresAt: expiresAt * 1000,
      ended: false,
      expendable,
      data: seal(keys, { kind: "details", session: id }, details, randomBytes),
    };
    const outcome = await asked(store.create(stored, {
      ...this.#limits,
      expendableBefore: at - LIMITS.sessionExpendableMs,
    }));
    switch (outcome) {
      case "created":
        return { kind: "created", stored };
      case "exists":
        return { kind: "exists" };
      case "too many":
        return refused("too many sessions");
      case "too many of identity":
        return refused("too many sessions", "of this caller");
      default:
        return outcome satisfies never;
    }
  }

  #isIdle(seenAt: number, now: number): boolean {
    return now - seenAt > this.#limits.idleMs;
  }

  #record(known: Known, now: number): void {
    known.seenAt = now;
    if (now - known.touchedAt >= LIMITS.sessionTouchMs) this.#touch(known, now);
  }

  #touch(known: Known, now: number): void {
    known.seenAt = now;
    known.touchedAt = now;
    this.#options.store.touch(known.claims.id, now).catch((error: unknown) => {
      this.#options.log.warn("session activity not recorded", {
        session: short(known.claims.id),
        error,
      });
    });
  }

  /**
   * Records activity that no request shows, such as an open stream. Once a
   * minute is enough.
   *
   * @throws GatewayError `store unavailable`.
   */
  async touch(session: ClientSession): Promise<void> {
    const { store, now } = this.#options;
    await asked(store.touch(session.id, now()));
  }

  /**
   * Keeps a session alive in which something is under way.
   *
   * @returns False where it has ended.
   * @throws GatewayError `store unavailable`.
   */
  async keep({ id }: SessionId): Promise<boolean> {
    const { store, now } = this.#options;
    const stored = await asked(store.get(id));
    // A store that lost it may get it back.
    if (stored === undefined) return true;
    if (stored.ended) return false;
    const at = now();
    if (at - stored.touchedAt >= LIMITS.sessionTouchMs) {
      await asked(store.touch(id, at));
    }
    return true;
  }

  /**
   * Reads what the client said about itself.
   *
   * @throws GatewayError `store unavailable`.
   */
  async details(session: ClientSession): Promise<SessionDetails> {
    const { store, keys } = this.#options;
    const stored = await asked(store.get(session.id));
    const sealed = stored?.data ?? new Uint8Array();
    const place = { kind: "details", session: session.id } as const;
    // Sealed by nobody else, so it is what open() put there.
    const details = unseal(keys, place, sealed) as SessionDetails | undefined;
    return details ?? { capabilities: session.capabilities };
  }

  /**
   * Ends a session for all replicas. Answers the backend sessions that were
   * open, to be closed. Ending twice is no error.
   *
   * @throws GatewayError `store unavailable`.
   */
  async end(session: ClientSession): Promise<OpenBackend[]> {
    const { store, log } = this.#options;
    const expiresAt = session.expiresAt * 1000;
    const open = await asked(store.end(session.id, expiresAt));
    log.debug("session ended", { session: short(session.id) });
    return this.#backends.opened(open);
  }

  /**
   * Answers the backend session with a server, opened by exactly one caller of
   * all processes where there is none.
   *
   * @param open Opens one; it is called again only after a failure. It may run
   * on past the deadline, in the background, for 30 s in all.
   * @param options `deadlineMs` is how long this call waits.
   * @throws GatewayError `session opening` past the deadline, `session
   * unknown` where the client session ended, `store unavailable`, or whatever
   * `open` throws.
   */
  async backend(
    session: ClientSession,
    server: BackendServer,
    open: OpenSession,
    options: { readonly deadlineMs: number },
  ): Promise<BackendSession> {
    const { now } = this.#options;
    const until = now() + options.deadlineMs;
    return await this.#held(session, () => {
      const leftMs = Math.max(until - now(), 0);
      return this.#backends.get(session.id, server, open, leftMs);
    });
  }

  /**
   * Answers the backend session with a server where there is one, and never
   * opens it.
   *
   * @throws GatewayError `store unavailable`.
   */
  async backendWith(
    session: ClientSession,
    server: BackendServer,
  ): Promise<BackendSession | undefined> {
    return await this.#backends.find(session.id, server);
  }

  /**
   * Answers all backend sessions that are open for a session, those with
   * servers of a former configuration too.
   *
   * @throws GatewayError `store unavailable`.
   */
  async backends(session: ClientSession): Promise<OpenBackend[]> {
    return await this.#backends.list(session.id);
  }

  /**
   * Reads what the client asked for that holds as long as its session.
   *
   * @throws GatewayError `store unavailable`.
   */
  async standing(session: ClientSession): Promise<StandingRequests> {
    return await this.#standing.read(session.id);
  }

  /**
   * Remembers the least severe log messages that the client wants, checked by
   * the caller.
   *
   * @throws GatewayError `session unknown` where the session ended, or `store
   * unavailable`.
   */
  async setLogLevel(session: ClientSession, level: string): Promise<void> {
    await this.#held(
      session,
      () => this.#standing.setLogLevel(session.id, level),
    );
  }

  /**
   * Reads the least severe log messages that the client wants; undefined where
   * it never said.
   *
   * @throws GatewayError `store unavailable`.
   */
  async logLevel(session: ClientSession): Promise<string | undefined> {
    return await this.#standing.logLevel(session.id);
  }

  /**
   * Remembers a broker that has calls of the session in hand, so that others
   * can pass on to it what concerns them.
   *
   * @throws GatewayError `session unknown` where the session ended, or `store
   * unavailable`.
   */
  async addBridge(session: ClientSession, broker: Listener): Promise<void> {
    await this.#held(
      session,
      () => this.#standing.addBridge(session.id, broker),
    );
  }

  /**
   * Reads the brokers that may have calls of the session in hand.
   *
   * @throws GatewayError `store unavailable`.
   */
  async bridges(session: ClientSession): Promise<readonly Listener[]> {
    return await this.#standing.bridges(session.id);
  }

  /**
   * Remembers a subscription; once, however often it is made.
   *
   * @throws GatewayError `too many subscriptions`, `invalid params` for a URI
   * above the limit, `session unknown` where the session ended, or `store
   * unavailable`.
   */
  async subscribe(
    session: ClientSession,
    subscription: Subscription,
  ): Promise<void> {
    await this.#held(
      session,
      () => this.#standing.subscribe(session.id, subscription),
    );
  }

  /**
   * Forgets a subscription; no error where there is none.
   *
   * @throws GatewayError `session unknown` where the session ended, or `store
   * unavailable`.
   */
  async unsubscribe(
    session: ClientSession,
    subscription: Subscription,
  ): Promise<void> {
    await this.#held(
      session,
      () => this.#standing.unsubscribe(session.id, subscription),
    );
  }

  /**
   * Where the client's newest GET stream is; undefined where it has none. What
   * {@linkcode standing} says, without the work for all else that it says.
   *
   * @throws GatewayError `store unavailable`.
   */
  async listener(session: ClientSession): Promise<Listener | undefined> {
    return await this.#standing.listener(session.id);
  }

  /**
   * Remembers where the client's newest GET stream is; undefined where it has
   * none.
   *
   * @throws GatewayError `session unknown` where the session ended, or `store
   * unavailable`.
   */
  async setListener(
    session: ClientSession,
    listener: Listener | undefined,
  ): Promise<void> {
    await this.#held(
      session,
      () => this.#standing.setListener(session.id, listener),
    );
  }

  /** Takes a session up again that the store lost since it was verified. */
  async #held<T>(session: ClientSession, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const gone = error instanceof GatewayError &&
        error.refusal.kind === "session unknown";
      if (!gone || isOver(session, this.#options.now())) throw error;
      const found = await asked(this.#findOrRevive(session));
      if (found.kind === "refused") throw new GatewayError(found.refusal);
      if (found.stored.ended) throw error;
      return await work();
    }
  }

  /**
   * Forgets a backend session that its server no longer knows. False, and
   * nothing is done, where a newer one has taken its place.
   *
   * @throws GatewayError `store unavailable`.
   */
  async forget(
    session: ClientSession,
    server: BackendServer,
    backend: BackendSession,
  ): Promise<boolean> {
    return await this.#backends.forget(session.id, server, backend);
  }

  /**
   * Ends idle sessions and removes what is over; to be called every minute or
   * so by one of the programs. Answers backend sessions to be closed.
   *
   * @throws GatewayError `store unavailable`.
   */
  async sweep(): Promise<OpenBackend[]> {
    const { store, now } = this.#options;
    // What the store knows of activity may be so much older than the activity.
    const idleBefore = now() - this.#limits.idleMs - LIMITS.sessionTouchMs;
    const open = await asked(store.sweep(now() - CLOCK_SKEW_MS, idleBefore));
    return this.#backends.opened(open);
  }

  /**
   * Number of live sessions.
   *
   * @throws GatewayError `store unavailable`.
   */
  async count(): Promise<number> {
    return await asked(this.#options.store.count());
  }
}

/** Signs a token; undefined where even the standard capabilities are too long. */
function mint(
  keys: KeyRing,
  claims: SessionClaims,
): { readonly token: string; readonly claims: SessionClaims } | undefined {
  const { experimental: _1, extensions: _2, ...standard } = claims.capabilities;
  for (const capabilities of [claims.capabilities, standard]) {
    const fitting = { ...claims, capabilities };
    try {
      return { token: signSession(keys, fitting), claims: fitting };
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }
  return undefined;
}

/** An anonymous session is bound to its route only. */
function belongs(claims: SessionClaims, presenter: Presenter): boolean {
  return claims.route === presenter.route &&
    (claims.identity === "" || claims.identity === presenter.identity);
}

function isOver(claims: SessionClaims, now: number): boolean {
  return claims.expiresAt * 1000 <= now;
}

function refused(
  kind: Refusal["kind"],
  detail?: string,
): { readonly kind: "refused"; readonly refusal: Refusal } {
  return {
    kind: "refused",
    refusal: detail === undefined ? { kind } : { kind, detail },
  };
}
