/**
 * The calls of clients in sessions that are on their way to servers of the
 * stateless era: how many there are of each session, which of them waits for
 * which answers of its client, and which is cancelled.
 *
 * @module
 */

import type { ResponseMessage } from "../../../shared/jsonrpc/message.ts";

/** A client's response, and the body that it stands in. */
export interface ClientResponse {
  /** The body. */
  readonly body: Uint8Array;
  /** The response. */
  readonly message: ResponseMessage;
}

/** How many calls there may be. */
export interface CallLimits {
  /** Of one session. */
  readonly callsPerSession: number;
  /** In all. */
  readonly bridgedCalls: number;
}

/** One call. */
export class BridgedCall {
  /** Names it among all of this broker; random. */
  readonly name: string;
  /** Random id of the client's session. */
  readonly session: string;
  /** The client's id of the request, raw JSON. */
  readonly requestId: string;
  readonly #cancelled = new AbortController();
  readonly #waiting = new Map<number, (response: ClientResponse) => void>();
  #questions = 0;

  /** Begins one. */
  constructor(name: string, session: string, requestId: string) {
    this.name = name;
    this.session = session;
    this.requestId = requestId;
  }

  /** Aborts when the client has cancelled it, or ended its session. */
  get cancelled(): AbortSignal {
    return this.#cancelled.signal;
  }

  /** Answers of the client that are waited for. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Waits for an answer, under a number that no other question had. */
  expect(): {
    readonly question: number;
    readonly response: Promise<ClientResponse>;
  } {
    const question = ++this.#questions;
    const { promise, resolve } = Promise.withResolvers<ClientResponse>();
    this.#waiting.set(question, resolve);
    return { question, response: promise };
  }

  /** Waits for no answer any more. */
  expectNothing(): void {
    this.#waiting.clear();
  }

  /** Takes an answer; false where it is not waited for, or was there before. */
  take(question: number, response: ClientResponse): boolean {
    const resolve = this.#waiting.get(question);
    this.#waiting.delete(question);
    resolve?.(response);
    return resolve !== undefined;
  }

  /** Cancels it. */
  cancel(): void {
    this.#cancelled.abort();
  }
}

/** All calls of this broker. */
export class BridgedCalls {
  readonly #limits: CallLimits;
  readonly #random: () => string;
  /** By their own names. */
  readonly #calls = new Map<string, BridgedCall>();
  /** By session. */
  readonly #sessions = new Map<string, Set<BridgedCall>>();

  /**
   * Begins without calls.
   *
   * @param random Names calls; no name comes twice.
   */
  constructor(limits: CallLimits, random: () => string) {
    this.#limits = limits;
    this.#random = random;
  }

  /** Calls that are on their way. */
  get count(): number {
    return this.#calls.size;
  }

  /** Sessions that have some. */
  get sessions(): readonly string[] {
    return [...this.#sessions.keys()];
  }

  /** Answers of clients that are waited for. */
  get waiting(): number {
    let waiting = 0;
    for (const call of this.#calls.values()) waiting += call.waiting;
    return waiting;
  }

  /**
   * Begins a call.
   *
   * @param requestId The client's id of the request, raw JSON.
   * @returns Undefined where there are too many.
   */
  begin(session: string, requestId: string): BridgedCall | undefined {
    const { callsPerSession, bridgedCalls } = this.#limits;
    const own = this.#sessions.get(session) ?? new Set();
    if (own.size >= callsPerSession || this.#calls.size >= bridgedCalls) {
      return undefined;
    }
    const call = new BridgedCall(this.#random(), session, requestId);
    this.#calls.set(call.name, call);
    own.add(call);
    this.#sessions.set(session, own);
    return call;
  }

  /** Forgets a call that is over. */
  end(call: BridgedCall): void {
    this.#calls.delete(call.name);
    const own = this.#sessions.get(call.session);
    if (own?.delete(call) && own.size === 0) {
      this.#sessions.delete(call.session);
    }
  }

  /**
   * Takes a client's answer.
   *
   * @returns False where nobody waits for it.
   */
  take(name: string, question: number, response: ClientResponse): boolean {
    return this.#calls.get(name)?.take(question, response) ?? false;
  }

  /**
   * Cancels the call of a request.
   *
   * @returns False where there is none.
   */
  cancel(session: string, requestId: string): boolean {
    const found = [...this.#sessions.get(session) ?? []]
      .filter((call) => call.requestId === requestId);
    for (const call of found) call.cancel();
    return found.length > 0;
  }

  /** Cancels all calls of a session, which has ended. */
  endSession(session: string): void {
    for (const call of this.#sessions.get(session) ?? []) call.cancel();
  }

  /** Cancels all. */
  endAll(): void {
    for (const call of this.#calls.values()) call.cancel();
  }
}
