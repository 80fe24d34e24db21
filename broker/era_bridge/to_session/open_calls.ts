/**
 * The calls of clients of the stateless era that are open at servers with
 * sessions: how many, and which of them wait for their client to come back
 * with answers. What leads to one of those works once.
 *
 * @module
 */

import { GatewayError } from "../../../shared/errors.ts";
import type { Listener } from "../../../shared/sessions/sessions.ts";
import type { Wait } from "../../../shared/wait_on_timer.ts";
import type { Sealing } from "../owner.ts";
import { readState, type StateBinding, writeState } from "./request_state.ts";

/** A call that waits for its client, as whoever keeps it sees it. */
export interface Parked<Client> {
  /** What the client has to show: itself, and the same call. */
  readonly binding: StateBinding;
  /** Its client has come back. */
  resume(client: Client): void;
  /** Its client did not come back in time, or cannot any more. */
  expire(why: "expired" | "closed"): void;
}

/** What a parked call came to. */
export type ParkedOutcome = "resumed" | "expired" | "closed";

/** How many calls there may be. */
export interface OpenCallsLimits {
  /** Calls of one identity that run; anonymous callers are not told apart. */
  readonly bridgedCallsPerIdentity: number;
  /** Calls that run, in all. */
  readonly bridgedCalls: number;
  /** Parked calls of one identity. */
  readonly parkedCallsPerIdentity: number;
  /** Parked calls in all. */
  readonly parkedCalls: number;
  /** Milliseconds that a client may take to come back. */
  readonly parkMs: number;
  /** Characters kept for all of them. */
  readonly parkedBytes: number;
}

/** What keeping calls takes. */
export interface OpenCallsOptions extends Sealing {
  /** This broker. */
  readonly here: Listener;
  /** How many. */
  readonly limits: OpenCallsLimits;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Waits. */
  readonly wait: Wait;
  /** Told what became of each parked call. */
  readonly onUnparked?: (outcome: ParkedOutcome) => void;
}

/** Where a retry leads. */
export type Found<Client> =
  | { readonly kind: "here"; readonly parked: Parked<Client> }
  | { readonly kind: "elsewhere"; readonly owner: Listener }
  | { readonly kind: "unknown" };

/** A call's place among those that run. */
export interface Place {
  /** Gives it back; a second time does nothing. */
  giveBack(): void;
}

interface Waiting<Client> {
  readonly parked: Parked<Client>;
  readonly ending: AbortController;
}

/** Bytes of randomness in the name of a wait. */
const WAIT_BYTES = 12;

/** All open calls of this broker. */
export class OpenCalls<Client> {
  readonly #options: OpenCallsOptions;
  readonly #running = new Map<string, number>();
  /** By the name of the wait. */
  readonly #parked = new Map<string, Waiting<Client>>();
  #count = 0;
  #held = 0;
  #whenIdle: (() => void) | undefined;

  /** Begins without any. */
  constructor(options: OpenCallsOptions) {
    this.#options = options;
  }

  /** Calls that run, those that are parked among them. */
  get running(): number {
    return this.#count;
  }

  /** Calls that wait for their client. */
  get parked(): number {
    return this.#parked.size;
  }

  /**
   * Takes a place for a call. One that may have to be parked needs a free
   * place for that as well, since half-way it could only be broken off.
   *
   * @throws {GatewayError} If there are too many.
   */
  begin(identity: string, mayPark: boolean): Place {
    const { limits } = this.#options;
    const own = this.#running.get(identity) ?? 0;
    const known = identity !== "";
    if (
      this.#count >= limits.bridgedCalls ||
      known && own >= limits.bridgedCallsPerIdentity
    ) throw tooMany("to servers of the session era");
    if (
      mayPark && (this.#parked.size >= limits.parkedCalls ||
        known && this.#parkedOf(identity) >= limits.parkedCallsPerIdentity)
    ) throw tooMany("they wait for answers of their clients");
    this.#count++;
    this.#running.set(identity, own + 1);
    let over = false;
    return {
      giveBack: () => {
        if (over) return;
        over = true;
        this.#count--;
        const left = (this.#running.get(identity) ?? 1) - 1;
        if (left > 0) this.#running.set(identity, left);
        else this.#running.delete(identity);
        if (this.#count === 0) this.#whenIdle?.();
      },
    };
  }

  /** Takes room for so much; false where there is none. */
  hold(size: number): boolean {
    if (this.#held + size > this.#options.limits.parkedBytes) return false;
    this.#held += size;
    return true;
  }

  /** Gives room back. */
  free(size: number): void {
    this.#held -= size;
  }

  /**
   * Parks a call.
   *
   * @returns What leads back to it, once.
   */
  park(parked: Parked<Client>): string {
    const { limits, here, now, wait, randomBytes } = this.#options;
    const name = randomBytes(WAIT_BYTES).toBase64({ alphabet: "base64url" });
    const ending = new AbortController();
    this.#parked.set(name, { parked, ending });
    void wait(limits.parkMs, ending.signal).then(() => {
      if (!ending.signal.aborted) this.#end(name, "expired");
    });
    return writeState(this.#options, parked.binding, {
      owner: here,
      wait: name,
      expiresAt: now() + limits.parkMs,
    });
  }

  /**
   * Finds the call that a client has come back to, which is not parked from
   * then on.
   */
  find(binding: StateBinding, state: string): Found<Client> {
    const { keys, here, now } = this.#options;
    const read = readState(keys, binding, state, now());
    if (read === undefined) return UNKNOWN;
    if (read.owner.broker !== here.broker) {
      return { kind: "elsewhere", owner: read.owner };
    }
    const parked = this.#unpark(read.wait, "resumed");
    return parked === undefined ? UNKNOWN : { kind: "here", parked };
  }

  /** Waits until there is none, or nobody wants to wait any more. */
  async idle(signal: AbortSignal): Promise<void> {
    if (this.#count === 0 || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#whenIdle = resolve;
    signal.addEventListener("abort", () => resolve(), { once: true });
    await promise;
  }

  /** Gives up on every client that is waited for. */
  close(): void {
    for (const name of [...this.#parked.keys()]) this.#end(name, "closed");
  }

  #parkedOf(identity: string): number {
    return [...this.#parked.values()].filter(({ parked }) =>
      parked.binding.identity === identity
    ).length;
  }

  #end(name: string, why: "expired" | "closed"): void {
    this.#unpark(name, why)?.expire(why);
  }

  #unpark(name: string, outcome: ParkedOutcome): Parked<Client> | undefined {
    const waiting = this.#parked.get(name);
    if (waiting === undefined) return undefined;
    this.#parked.delete(name);
    waiting.ending.abort();
    this.#options.onUnparked?.(outcome);
    return waiting.parked;
  }
}

const UNKNOWN: { readonly kind: "unknown" } = { kind: "unknown" };

function tooMany(which: string): GatewayError {
  return new GatewayError({ kind: "too many calls", detail: which });
}
