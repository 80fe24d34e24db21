/**
 * The exchanges that are under way, and how a router that stops parts with
 * them: those that still concern it are waited for, the others it lets go.
 *
 * Of a request that the router has seen all of, such as a stream to a client
 * that listens, Envoy keeps the exchange for as long as the request lasts. Were
 * that waited for, a router would hardly ever stop; were it broken off, Envoy
 * would break off the client's stream.
 *
 * @module
 */

import type { Wait } from "../shared/wait_on_timer.ts";

/** An exchange, as whoever ends the server sees it. */
export interface UnderWayExchange {
  /** Whether nothing that is still to come concerns the router. */
  readonly isDone: boolean;
  /** Ends it in good order: Envoy passes on what comes without asking. */
  letGo(): void;
}

/** How fast exchanges are let go. */
export interface LetGoPace {
  /** Exchanges at once. */
  readonly burst: number;
  /** Exchanges per look from then on. */
  readonly perLook: number;
}

/**
 * The pace for grpc-js. Envoy answers each exchange that is let go with a
 * reset, of which node:http2 takes a burst of 1,000, then 33 a second, before it
 * closes the connection with all that is on it.
 */
export const NODE_HTTP2_PACE: LetGoPace = { burst: 700, perLook: 1 };
/** The pace for our own HTTP/2, which takes any number of resets. */
export const NO_PACE: LetGoPace = { burst: Infinity, perLook: 0 };

/** Milliseconds between two looks. */
const LOOK_MS = 50;

/** All exchanges of a server. */
export class UnderWay {
  readonly #exchanges = new Set<UnderWayExchange>();

  /** Number of them. */
  get size(): number {
    return this.#exchanges.size;
  }

  /** Takes one more. */
  add(exchange: UnderWayExchange): void {
    this.#exchanges.add(exchange);
  }

  /** It is over. */
  delete(exchange: UnderWayExchange): void {
    this.#exchanges.delete(exchange);
  }

  /** Waits until there is none, and lets go of those that are done. */
  async drain(
    wait: Wait,
    signal: AbortSignal,
    { burst, perLook }: LetGoPace = NO_PACE,
  ): Promise<void> {
    let left = burst;
    while (this.#exchanges.size > 0 && !signal.aborted) {
      for (const exchange of this.#exchanges) {
        if (left === 0) break;
        if (!exchange.isDone) continue;
        this.#exchanges.delete(exchange);
        exchange.letGo();
        left--;
      }
      if (this.#exchanges.size === 0) break;
      await wait(LOOK_MS, signal);
      left = Math.min(burst, left + perLook);
    }
  }
}
