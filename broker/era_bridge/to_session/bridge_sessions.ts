/**
 * The sessions with servers of the session era that are held on behalf of
 * clients of the stateless era. Those of one caller, one server, one set of
 * capabilities, one client program and one credential are one; nobody shares
 * one with another caller, and callers that nobody can tell apart get one for
 * each call.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { errorText } from "../../../shared/error_text.ts";
import { GatewayError } from "../../../shared/errors.ts";
import {
  type BridgeSession,
  type BridgeSessionOptions,
  type SessionOwner,
} from "./bridge_session.ts";

/** How long a session is held: for its principal, or for one call. */
export type BridgeSessionMode = "principal" | "call";

/** What holding sessions takes. */
export interface BridgeSessionsOptions
  extends Pick<BridgeSessionOptions, "wait" | "log"> {
  /** Opens one. */
  readonly open: (owner: SessionOwner) => Promise<BridgeSession>;
  /** How long sessions are held. */
  readonly mode: BridgeSessionMode;
  /** Milliseconds that one is kept that nobody uses. */
  readonly idleMs: number;
  /** Sessions in all. */
  readonly sessions: number;
  /** Sessions of one identity. */
  readonly perIdentity: number;
}

/** A session in use. */
export interface Lease {
  /** The session. */
  readonly session: BridgeSession;
  /** Gives it back; a second time does nothing. */
  release(): void;
}

interface Held {
  readonly key: string | undefined;
  readonly identity: string;
  readonly opening: Promise<BridgeSession>;
  users: number;
  /** Ends the wait for somebody to use it again. */
  idle: AbortController | undefined;
}

/** All of them. */
export class BridgeSessions {
  readonly #options: BridgeSessionsOptions;
  /** Those that others may join, by what they are for. */
  readonly #byKey = new Map<string, Held>();
  /** All, the one that was used least recently first. */
  readonly #all = new Set<Held>();
  readonly #closing = new Set<Promise<void>>();

  /** Begins without any. */
  constructor(options: BridgeSessionsOptions) {
    this.#options = options;
  }

  /** How many there are, by whether somebody uses them. */
  get counts(): { readonly used: number; readonly idle: number } {
    const used = [...this.#all].filter(({ users }) => users > 0).length;
    return { used, idle: this.#all.size - used };
  }

  /**
   * Gives a session, a new one where there is none yet.
   *
   * @param alone Whether nobody else may use it now: then it is another one
   * than others use, for this time.
   * @throws {GatewayError} If it cannot be opened, or there are too many.
   */
  async lease(
    identity: string,
    owner: SessionOwner,
    alone = false,
  ): Promise<Lease> {
    const held = this.#find(identity, owner, alone);
    held.users++;
    held.idle?.abort();
    held.idle = undefined;
    this.#all.delete(held);
    this.#all.add(held);
    try {
      const session = await held.opening;
      let released = false;
      return {
        session,
        release: () => {
          if (released) return;
          released = true;
          this.#release(held, session);
        },
      };
    } catch (error) {
      this.#forget(held);
      throw error;
    }
  }

  /** Ends all of them. */
  async close(): Promise<void> {
    for (const held of [...this.#all]) this.#end(held);
    while (this.#closing.size > 0) await Promise.all(this.#closing);
  }

  #find(identity: string, owner: SessionOwner, alone: boolean): Held {
    if (this.#options.mode === "call" || identity === "") {
      return this.#begin(undefined, identity, owner);
    }
    const key = keyOf(identity, owner);
    const known = this.#byKey.get(key);
    if (known === undefined) return this.#begin(key, identity, owner);
    return alone && known.users > 0
      ? this.#begin(undefined, identity, owner)
      : known;
  }

  #begin(
    key: string | undefined,
    identity: string,
    owner: SessionOwner,
  ): Held {
    this.#makeRoom(identity);
    const held: Held = {
      key,
      identity,
      opening: this.#options.open(owner),
      users: 0,
      idle: undefined,
    };
    this.#all.add(held);
    if (key !== undefined) this.#byKey.set(key, held);
    void held.opening.then((session) => {
      // Whoever uses it carries on; nobody joins any more.
      session.lost.addEventListener("abort", () => this.#unlist(held));
    }).catch(() => {}); // whoever waits for it is told
    return held;
  }

  /** Idle sessions make room, the one that was used least recently first. */
  #makeRoom(identity: string): void {
    const { sessions, perIdentity } = this.#options;
    const own = [...this.#all].filter((one) => one.identity === identity);
    const isFull = identity !== "" && own.length >= perIdentity;
    if (!isFull && this.#all.size < sessions) return;
    const candidates = isFull ? own : [...this.#all];
    const idle = candidates.find(({ users }) => users === 0);
    if (idle === undefined) {
      throw new GatewayError({
        kind: "too many sessions",
        detail: "with servers of the session era",
      });
    }
    this.#end(idle);
  }

  #release(held: Held, session: BridgeSession): void {
    held.users--;
    if (held.users > 0) return;
    const isListed = held.key !== undefined &&
      this.#byKey.get(held.key) === held;
    if (!isListed || session.lost.aborted) return this.#end(held);
    const { wait, idleMs } = this.#options;
    const idle = held.idle = new AbortController();
    void wait(idleMs, idle.signal).then(() => {
      if (!idle.signal.aborted) this.#end(held);
    });
  }

  #end(held: Held): void {
    this.#forget(held);
    held.idle?.abort();
    const closing: Promise<void> = held.opening
      .then((session) => session.close())
      .catch((error: unknown) =>
        this.#options.log.debug("bridge session not closed", {
          error: errorText(error),
        })
      )
      .finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  #forget(held: Held): void {
    this.#all.delete(held);
    this.#unlist(held);
  }

  /** Nobody joins it any more. */
  #unlist(held: Held): void {
    const { key } = held;
    if (key !== undefined && this.#byKey.get(key) === held) {
      this.#byKey.delete(key);
    }
  }
}

/** What has to be equal for a session to be shared. */
function keyOf(
  identity: string,
  { server, capabilities, clientInfo, authorization }: SessionOwner,
): string {
  return createHash("sha256").update(JSON.stringify([
    identity,
    server,
    capabilities,
    clientInfo,
    server.passthrough ? authorization ?? null : null,
  ])).digest("base64url");
}
