/**
 * Backend sessions: what the gateway remembers of the sessions that it opened
 * with MCP servers on behalf of client sessions, and how one is opened exactly
 * once, however many calls and processes need it. The handshake itself is
 * handed in.
 *
 * | state of the store | what happens                                         |
 * | ------------------ | ---------------------------------------------------- |
 * | open               | that one is used                                     |
 * | nothing            | claimed, opened, stored; the lease is renewed        |
 * | claimed elsewhere  | polled until it is open or every caller has given up |
 * | claim lost         | what was opened is an orphan; look again             |
 * | session ended      | refused; what was opened is an orphan                |
 * | no answer          | refused; asked again, as it may have heard us        |
 *
 * @module
 */

import type { Wait } from "../wait_on_timer.ts";
import { Buffer } from "node:buffer";
import { GatewayError } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import type { Logger } from "../log.ts";
import { asked } from "./_asked.ts";
import { sameBytes } from "./_bytes.ts";
import { Lru } from "./_lru.ts";
import type { KeyRing } from "./keys.ts";
import { seal, type SealedPlace, unseal } from "./seal.ts";
import type { SessionStore, StoredBackend } from "./store.ts";

/** A session that an MCP server gave the gateway. */
export interface BackendSession {
  /** The server's session id; absent where the server gave none. */
  readonly id?: string;
  /** Revision negotiated with the server. */
  readonly revision: string;
}

/** Which server a backend session is with. */
export interface BackendServer {
  /** Name in the configuration. */
  readonly name: string;
  /** Changes where the server cannot know older sessions any more. */
  readonly fingerprint: string;
}

/** A backend session with its server. */
export interface OpenBackend {
  /** The server; its configuration may have changed since. */
  readonly server: BackendServer;
  /** The session. */
  readonly backend: BackendSession;
}

/** Opens a session with a server; gives up when `signal` aborts. */
export type OpenSession = (signal: AbortSignal) => Promise<BackendSession>;

/** What {@linkcode BackendSessions} works with. */
export interface BackendSessionsOptions {
  /** Where they are kept. */
  readonly store: SessionStore;
  /** Keys that seal them. */
  readonly keys: KeyRing;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Waits. */
  readonly wait: Wait;
  /** Source of randomness. */
  readonly randomBytes: (length: number) => Uint8Array;
  /** Told of failures that no call waits for. */
  readonly log: Logger;
  /** Told of a session that was opened and is not kept, so that it is closed. */
  readonly onOrphan: (backend: BackendSession, server: BackendServer) => void;
}

/**
 * A claim is taken over this long after its holder was last alive: sooner than
 * a call gives up, so that a call outlasts a process that died.
 */
const LEASE_MS = LIMITS.initializeMs - 1_000;
/** What is left of a lease outlasts a store that hangs for five seconds. */
const RENEW_MS = LEASE_MS - 5_000;
/** No handshake takes longer; one that hangs must not keep its claim. */
const HANDSHAKE_MS = 30_000;
const FIRST_POLL_MS = 10;
const LAST_POLL_MS = 250;
/** Between two attempts to reach a store that did not answer. */
const INSIST_MS = 250;
/** Bytes of backend sessions remembered in this process: some 30,000. */
const CACHED_BYTES = 16 * 1024 * 1024;
/** What one takes besides its key and its sealed form. */
const ENTRY_BYTES = 256;

const NEVER = new AbortController().signal;

interface Cached {
  readonly backend: BackendSession;
  readonly sealed: Uint8Array;
  /** Revision of the store when this was last seen there. */
  readonly revision: number;
}

/** An opening that calls of this process share. */
interface Flight {
  readonly result: Promise<BackendSession>;
  /** When the most patient caller gives up; milliseconds since the epoch. */
  until: number;
  waiting: number;
}

/** What is to be opened, and how. */
interface Order {
  readonly session: string;
  readonly server: BackendServer;
  readonly serverKey: string;
  readonly claimant: string;
  readonly open: OpenSession;
}

/** Opens, remembers and forgets backend sessions. */
export class BackendSessions {
  readonly #options: BackendSessionsOptions;
  readonly #cache = new Lru<string, Cached>(
    CACHED_BYTES,
    // What was unsealed is about as long.
    (key, { sealed }) => ENTRY_BYTES + key.length + 2 * sealed.byteLength,
  );
  readonly #flights = new Map<string, Flight>();
  /** The bytes that a value was read from, for compare-and-forget. */
  readonly #sealedBytes = new WeakMap<BackendSession, Uint8Array>();

  /**
   * Makes one for a store.
   *
   * @param options What it works with.
   */
  constructor(options: BackendSessionsOptions) {
    this.#options = options;
  }

  /**
   * Answers the backend session of a client session with a server, opening it
   * where there is none. Waits at most `deadlineMs`; an opening that takes
   * longer goes on for those who ask next.
   *
   * @throws GatewayError `session opening` past the deadline, `session
   * unknown` where the client session ended, `store unavailable`, or whatever
   * `open` throws.
   */
  async get(
    session: string,
    server: BackendServer,
    open: OpenSession,
    deadlineMs: number,
  ): Promise<BackendSession> {
    const serverKey = keyOf(server);
    const found = await asked(this.#look(session, serverKey));
    if (found !== undefined) return found;
    const flight = this.#join(session, server, serverKey, open);
    return await this.#arrival(flight, deadlineMs);
  }

  /**
   * Answers the backend session of a client session with a server, where there
   * is one; never opens it.
   *
   * @throws GatewayError `store unavailable`.
   */
  async find(
    session: string,
    server: BackendServer,
  ): Promise<BackendSession | undefined> {
    return await asked(this.#look(session, keyOf(server)));
  }

  /**
   * Answers all backend sessions of a client session.
   *
   * @throws GatewayError `store unavailable`.
   */
  async list(session: string): Promise<OpenBackend[]> {
    return this.opened(await asked(this.#options.store.backends(session)));
  }

  /**
   * Forgets a backend session that its server no longer knows; false where a
   * newer one has taken its place, or there is none.
   *
   * @throws GatewayError `store unavailable`.
   */
  async forget(
    session: string,
    server: BackendServer,
    backend: BackendSession,
  ): Promise<boolean> {
    const { store } = this.#options;
    const serverKey = keyOf(server);
    const sealed = this.#sealedBytes.get(backend) ??
      await asked(this.#bytesOf(session, serverKey, backend));
    if (sealed === undefined) return false;
    return await asked(store.forget(session, serverKey, sealed));
  }

  /** Unseals what the store handed out; what no key unseals is left out. */
  opened(stored: readonly StoredBackend[]): OpenBackend[] {
    const open: OpenBackend[] = [];
    for (const { session, server: serverKey, data } of stored) {
      const backend = this.#unseal(session, serverKey, data);
      const server = serverOf(serverKey);
      if (backend !== undefined && server !== undefined) {
        open.push({ server, backend });
      }
    }
    return open;
  }

  async #look(
    session: string,
    serverKey: string,
  ): Promise<BackendSession | undefined> {
    const { store } = this.#options;
    const cacheKey = `${session} ${serverKey}`;
    // Before the read: what changes during it is noticed next time.
    const revision = store.revision();
    const cached = this.#cache.get(cacheKey);
    if (cached !== undefined && cached.revision === revision) {
      return cached.backend;
    }
    const sealed = await store.getBackend(session, serverKey);
    if (sealed === undefined) {
      this.#cache.delete(cacheKey);
      return undefined;
    }
    const backend = cached !== undefined && sameBytes(cached.sealed, sealed)
      ? cached.backend
      : this.#unseal(session, serverKey, sealed);
    if (backend !== undefined && revision !== undefined) {
      this.#cache.set(cacheKey, { backend, sealed, revision });
    }
    return backend;
  }

  #unseal(
    session: string,
    serverKey: string,
    sealed: Uint8Array,
  ): BackendSession | undefined {
    const place = placeOf(session, serverKey);
    const backend = backendOf(unseal(this.#options.keys, place, sealed));
    if (backend !== undefined) this.#sealedBytes.set(backend, sealed);
    return backend;
  }

  /** Finds the stored bytes of a value that was not read here. */
  async #bytesOf(
    session: string,
    serverKey: string,
    backend: BackendSession,
  ): Promise<Uint8Array | undefined> {
    const sealed = await this.#options.store.getBackend(session, serverKey);
    if (sealed === undefined) return undefined;
    const stored = this.#unseal(session, serverKey, sealed);
    const same = stored?.id === backend.id &&
      stored?.revision === backend.revision;
    return same ? sealed : undefined;
  }

  #join(
    session: string,
    server: BackendServer,
    serverKey: string,
    open: OpenSession,
  ): Flight {
    const flightKey = `${session} ${serverKey}`;
    const joined = this.#flights.get(flightKey);
    if (joined !== undefined) return joined;
    const claimant = Buffer.from(this.#options.randomBytes(16)).toString(
      "base64url",
    );
    const order = { session, server, serverKey, claimant, open };
    // The flight starts a microtask later, when the first caller's patience
    // is known.
    const flight: Flight = {
      result: Promise.resolve().then(() => this.#obtain(order, flight)),
      until: 0,
      waiting: 0,
    };
    this.#flights.set(flightKey, flight);
    flight.result.catch((error: unknown) => {
      if (flight.waiting > 0 || isStillOpening(error)) return; // callers know
      this.#options.log.warn("backend session not opened", {
        server: server.name,
        error,
      });
    }).finally(() => this.#flights.delete(flightKey));
    return flight;
  }

  async #arrival(flight: Flight, deadlineMs: number): Promise<BackendSession> {
    const { now, wait } = this.#options;
    flight.until = Math.max(flight.until, now() + deadlineMs);
    flight.waiting++;
    const arrived = new AbortController();
    try {
      return await Promise.race([
        flight.result,
        wait(deadlineMs, arrived.signal).then(() => {
          throw new GatewayError({ kind: "session opening" });
        }),
      ]);
    } finally {
      // Before the timer is let go: its promise settles then, unheard.
      flight.waiting--;
      arrived.abort();
    }
  }

  async #obtain(order: Order, flight: Flight): Promise<BackendSession> {
    const { store, now, wait } = this.#options;
    const { session, serverKey, claimant } = order;
    for (let pollMs = FIRST_POLL_MS;;) {
      const outcome = await asked(
        store.claim(session, serverKey, claimant, now(), LEASE_MS),
      ).catch((error) => {
        // A claim that was heard all the same would keep everybody waiting.
        void this.#insist(() => store.release(session, serverKey, claimant));
        throw error;
      });
      switch (outcome.kind) {
        case "open": {
          const backend = this.#unseal(session, serverKey, outcome.data);
          if (backend !== undefined) return backend;
          // Sealed with a key that is gone: nobody can use it any more.
          await asked(store.forget(session, serverKey, outcome.data));
          break;
        }
        case "claimed": {
          const backend = await this.#open(order);
          if (backend !== undefined) return backend;
          break;
        }
        case "busy":
          if (now() >= flight.until) {
            throw new GatewayError({ kind: "session opening" });
          }
          await wait(pollMs, NEVER);
          pollMs = Math.min(pollMs * 2, LAST_POLL_MS);
          break;
        case "ended":
          throw new GatewayError({ kind: "session unknown" });
        default:
          return outcome satisfies never;
      }
    }
  }

  /** Opens under a claim; undefined where the claim was lost meanwhile. */
  async #open(order: Order): Promise<BackendSession | undefined> {
    const { store, keys, randomBytes, onOrphan } = this.#options;
    const { session, server, serverKey, claimant } = order;
    let backend: BackendSession;
    try {
      backend = await this.#handshake(order);
    } catch (error) {
      await this.#release(order);
      throw error;
    }
    const place = placeOf(session, serverKey);
    const sealed = seal(keys, place, backend, randomBytes);
    const kept = await asked(
      store.fulfil(session, serverKey, claimant, sealed),
    ).catch((error) => {
      void this.#settle(order, backend, sealed);
      throw error;
    });
    if (!kept) {
      onOrphan(backend, server);
      return undefined;
    }
    this.#sealedBytes.set(backend, sealed);
    return backend;
  }

  /**
   * Finds out what became of a backend session that the store did not confirm:
   * closed while the store knows it, it would fail the next call. The claim
   * holds meanwhile, so that nobody opens another one.
   */
  async #settle(
    { session, server, serverKey, claimant }: Order,
    backend: BackendSession,
    sealed: Uint8Array,
  ): Promise<void> {
    const { store, onOrphan } = this.#options;
    const kept = await this.#insist(async () => {
      if (await store.fulfil(session, serverKey, claimant, sealed)) return true;
      const stored = await store.getBackend(session, serverKey);
      return stored !== undefined && sameBytes(stored, sealed);
    });
    if (!kept) onOrphan(backend, server);
  }

  /** Asks again until the store answers, or a claim would have run out. */
  async #insist<T>(ask: () => Promise<T>): Promise<T | undefined> {
    const { now, wait } = this.#options;
    const until = now() + LEASE_MS;
    while (now() < until) {
      await wait(INSIST_MS, NEVER);
      try {
        return await ask();
      } catch {
        // Still away, which whoever asks for something is told.
      }
    }
    return undefined;
  }

  /** Runs the handshake and keeps the claim alive for as long. */
  async #handshake(order: Order): Promise<BackendSession> {
    const { wait, onOrphan } = this.#options;
    const done = new AbortController();
    const giveUp = new AbortController();
    const opening = Promise.try(order.open, giveUp.signal);
    const hung = wait(HANDSHAKE_MS, done.signal).then(() => {
      throw new GatewayError({ kind: "server timed out" });
    });
    try {
      return await Promise.race([
        opening,
        hung,
        this.#renew(order, done.signal),
      ]);
    } catch (error) {
      giveUp.abort(error);
      // It may not have heard us and still open one that nobody will use.
      opening.then((late) => onOrphan(late, order.server), () => {});
      throw error;
    } finally {
      done.abort();
    }
  }

  /** Renews the claim until `done`; rejects where it is of no use any more. */
  async #renew(order: Order, done: AbortSignal): Promise<never> {
    const { store, now, wait } = this.#options;
    const { session, serverKey, claimant } = order;
    for (;;) {
      await wait(RENEW_MS, done);
      if (done.aborted) return await new Promise(() => {});
      const outcome = await asked(
        store.claim(session, serverKey, claimant, now(), LEASE_MS),
      ).catch(() => undefined); // the lease may outlast a store's short outage
      if (outcome?.kind === "ended") {
        throw new GatewayError({ kind: "session unknown" });
      }
    }
  }

  async #release({ session, serverKey, claimant, server }: Order) {
    const { store, log } = this.#options;
    const release = () => store.release(session, serverKey, claimant);
    try {
      await release();
    } catch (error) {
      void this.#insist(release);
      log.warn("claim not released", {
        server: server.name,
        error,
      });
    }
  }
}

/** Another process is at it: nothing failed. */
function isStillOpening(error: unknown): boolean {
  return error instanceof GatewayError &&
    error.refusal.kind === "session opening";
}

function placeOf(session: string, server: string): SealedPlace {
  return { kind: "backend", session, key: server };
}

/** Unambiguous whatever a name contains. */
function keyOf(server: BackendServer): string {
  return JSON.stringify([server.name, server.fingerprint]);
}

function serverOf(serverKey: string): BackendServer | undefined {
  try {
    const [name, fingerprint] = JSON.parse(serverKey);
    return { name, fingerprint };
  } catch {
    return undefined;
  }
}

function backendOf(value: unknown): BackendSession | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { id, revision } = value as Readonly<Record<string, unknown>>;
  if (typeof revision !== "string") return undefined;
  if (id === undefined) return { revision };
  return typeof id === "string" ? { id, revision } : undefined;
}
