/**
 * Standing requests: what a client asked for once and wants for as long as its
 * session lasts, so that it is asked again of every server that opens, or
 * reopens, a session with the gateway: the level of log messages and the
 * resources whose updates it follows. Kept in the store as sealed notes, one
 * for each, so that replicas never overwrite each other's.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/server/utilities/logging#setting-log-level
 * @see https://modelcontextprotocol.io/specification/2025-11-25/server/resources#subscriptions
 * @module
 */

import { createHash } from "node:crypto";
import { GatewayError, type RefusalKind } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { asked } from "./_asked.ts";
import type { KeyRing } from "./keys.ts";
import { seal, unseal } from "./seal.ts";
import type { NoteName, NoteOutcome, SessionStore } from "./store.ts";

/** A resource whose updates a client follows. */
export interface Subscription {
  /** Name of the server in the configuration. */
  readonly server: string;
  /** The resource's URI, as its server knows it. */
  readonly uri: string;
}

/** What a client asked for that holds as long as its session. */
export interface StandingRequests {
  /** The least severe log messages that it wants; absent where it never said. */
  readonly logLevel?: string;
  /** What it subscribed to and did not unsubscribe from, in no order. */
  readonly subscriptions: readonly Subscription[];
  /** Where its newest GET stream is; absent where it has none. */
  readonly listener?: Listener;
}

/** A broker that a client has a GET stream at. */
export interface Listener {
  /** Tells it, and its runs, apart from others. */
  readonly broker: string;
  /** Base URL of its internal listener, where others can reach that. */
  readonly url?: string;
}

/** What {@linkcode StandingNotes} works with. */
export interface StandingNotesOptions {
  /** Where they are kept. */
  readonly store: SessionStore;
  /** Keys that seal them. */
  readonly keys: KeyRing;
  /** Source of randomness. */
  readonly randomBytes: (length: number) => Uint8Array;
}

const LOG_LEVEL: NoteName = { kind: "log level", key: "" };
const LISTENER: NoteName = { kind: "listener", key: "" };
const SUBSCRIPTION = "subscription";
const BRIDGE = "bridge";

/**
 * Brokers that may have calls of one session at once. They leave no note when
 * they stop: more of them than that were never at work together.
 */
const MAX_BRIDGES = 64;

/** Writes and reads the standing requests of sessions, by their random ids. */
export class StandingNotes {
  readonly #options: StandingNotesOptions;

  /**
   * Makes one for a store.
   *
   * @param options What it works with.
   */
  constructor(options: StandingNotesOptions) {
    this.#options = options;
  }

  /**
   * Reads all of a session. What no key unseals any more is left out.
   *
   * @throws GatewayError `store unavailable`.
   */
  async read(session: string): Promise<StandingRequests> {
    const { store, keys } = this.#options;
    let logLevel: string | undefined;
    let listener: Listener | undefined;
    const subscriptions: Subscription[] = [];
    for (const { kind, key, data } of await asked(store.notes(session))) {
      const value = unseal(keys, placeOf(session, { kind, key }), data);
      if (kind === LOG_LEVEL.kind && typeof value === "string") {
        logLevel = value;
      }
      if (kind === LISTENER.kind) listener = listenerOf(value);
      const subscription = subscriptionOf(value);
      if (kind === SUBSCRIPTION && subscription !== undefined) {
        subscriptions.push(subscription);
      }
    }
    return {
      ...(logLevel === undefined ? {} : { logLevel }),
      subscriptions,
      ...(listener === undefined ? {} : { listener }),
    };
  }

  /**
   * Reads the least severe log messages that the client wants, and unseals
   * nothing else.
   *
   * @throws GatewayError `store unavailable`.
   */
  async logLevel(session: string): Promise<string | undefined> {
    const { store, keys } = this.#options;
    const notes = await asked(store.notes(session));
    const note = notes.find(({ kind }) => kind === LOG_LEVEL.kind);
    const level = note && unseal(keys, placeOf(session, note), note.data);
    return typeof level === "string" ? level : undefined;
  }

  /**
   * Remembers a broker that has calls of the session; once, however often.
   *
   * @throws GatewayError `session unknown` or `store unavailable`.
   */
  async addBridge(session: string, broker: Listener): Promise<void> {
    const name = { kind: BRIDGE, key: broker.broker };
    await this.#set(session, name, broker, MAX_BRIDGES, "internal error");
  }

  /**
   * Reads the brokers that may have calls of the session.
   *
   * @throws GatewayError `store unavailable`.
   */
  async bridges(session: string): Promise<readonly Listener[]> {
    const { store, keys } = this.#options;
    const notes = await asked(store.notes(session));
    return notes.filter(({ kind }) => kind === BRIDGE).flatMap((note) =>
      listenerOf(unseal(keys, placeOf(session, note), note.data)) ?? []
    );
  }

  /**
   * Remembers the least severe log messages that the client wants.
   *
   * @throws GatewayError `session unknown` or `store unavailable`.
   */
  async setLogLevel(session: string, level: string): Promise<void> {
    await this.#set(session, LOG_LEVEL, level, 1, "internal error");
  }

  /**
   * Remembers a subscription; once, however often it is made.
   *
   * @throws GatewayError `too many subscriptions`, `invalid params` for a URI
   * above the limit, `session unknown` or `store unavailable`.
   */
  async subscribe(
    session: string,
    { server, uri }: Subscription,
  ): Promise<void> {
    const limit = LIMITS.subscriptionUriBytes;
    if (new TextEncoder().encode(uri).length > limit) {
      throw new GatewayError({
        kind: "invalid params",
        detail: `uri of more than ${limit} bytes`,
      });
    }
    await this.#set(
      session,
      subscriptionName(session, server, uri),
      { server, uri },
      LIMITS.subscriptionsPerSession,
      "too many subscriptions",
    );
  }

  /**
   * Forgets a subscription; no error where there is none.
   *
   * @throws GatewayError `session unknown` or `store unavailable`.
   */
  async unsubscribe(
    session: string,
    { server, uri }: Subscription,
  ): Promise<void> {
    await this.#remove(session, subscriptionName(session, server, uri));
  }

  /**
   * Reads where the client's newest GET stream is, and unseals nothing else:
   * it is asked for often.
   *
   * @throws GatewayError `store unavailable`.
   */
  async listener(session: string): Promise<Listener | undefined> {
    const { store, keys } = this.#options;
    const notes = await asked(store.notes(session));
    const note = notes.find(({ kind }) => kind === LISTENER.kind);
    return note && listenerOf(unseal(keys, placeOf(session, note), note.data));
  }

  /**
   * Remembers where the client's newest GET stream is; undefined where it has
   * none.
   *
   * @throws GatewayError `session unknown` or `store unavailable`.
   */
  async setListener(
    session: string,
    listener: Listener | undefined,
  ): Promise<void> {
    if (listener === undefined) await this.#remove(session, LISTENER);
    else await this.#set(session, LISTENER, listener, 1, "internal error");
  }

  async #remove(session: string, name: NoteName): Promise<void> {
    const { store } = this.#options;
    checkOutcome(
      await asked(store.setNote(session, name, undefined, 0)),
      "internal error",
    );
  }

  async #set(
    session: string,
    name: NoteName,
    value: unknown,
    limit: number,
    beyond: RefusalKind,
  ): Promise<void> {
    const { store, keys, randomBytes } = this.#options;
    const sealed = seal(keys, placeOf(session, name), value, randomBytes);
    checkOutcome(
      await asked(store.setNote(session, name, sealed, limit)),
      beyond,
    );
  }
}

function checkOutcome(outcome: NoteOutcome, beyond: RefusalKind): void {
  switch (outcome) {
    case "set":
      return;
    case "ended":
      throw new GatewayError({ kind: "session unknown" });
    case "too many":
      throw new GatewayError({ kind: beyond });
    default:
      return outcome satisfies never;
  }
}

/** Unambiguous whatever a URI contains. */
function placeOf(session: string, { kind, key }: NoteName) {
  return { kind: "note", session, key: JSON.stringify([kind, key]) } as const;
}

/**
 * A digest, since URIs tell what people work on. With the session in it, equal
 * URIs of two sessions look different; a key of ours would have to outlive
 * rotations.
 */
function subscriptionName(
  session: string,
  server: string,
  uri: string,
): NoteName {
  const key = createHash("sha256")
    .update(JSON.stringify([session, server, uri]))
    .digest("base64url");
  return { kind: SUBSCRIPTION, key };
}

function subscriptionOf(value: unknown): Subscription | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { server, uri } = value as Readonly<Record<string, unknown>>;
  if (typeof server !== "string" || typeof uri !== "string") return undefined;
  return { server, uri };
}

function listenerOf(value: unknown): Listener | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { broker, url } = value as Readonly<Record<string, unknown>>;
  if (typeof broker !== "string") return undefined;
  return { broker, ...(typeof url === "string" ? { url } : {}) };
}
