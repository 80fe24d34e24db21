/**
 * Answers one call of Envoy's `ExternalProcessor.Process`: one exchange, phase
 * by phase, in the order of questions. Knows messages; what they mean is
 * `exchange.ts`'s business, what carries them the transport's.
 *
 * @module
 */

import type { Logger } from "../shared/log.ts";
import type { Answer } from "./answer.ts";
import { Exchange } from "./exchange.ts";
import type { ExchangePorts } from "./exchange_ports.ts";
import type { GrpcCall, GrpcCallee } from "./grpc_call.ts";
import type { Phase, PhaseKind } from "./phase.ts";
import { refusal } from "./reply.ts";
import { readPhase } from "./wire/read_phase.ts";
import { dropTrailers, writeAnswer } from "./wire/write_answer.ts";
import type { UnderWayExchange } from "./under_way.ts";

/** What an exchange is answered with. */
export interface ProcessOptions {
  /** What every exchange works with. */
  readonly ports: ExchangePorts;
  /** Called once, when it is over. */
  readonly onExchange?: (outcome: ExchangeOutcome) => void;
  /** Log of the edge. */
  readonly log: Logger;
}

/** How an exchange ended, for metrics. */
export interface ExchangeOutcome {
  /** `continue`, the details of our own reply, or `aborted`. */
  readonly outcome: string;
  /** Envoy reset the stream instead of closing it. */
  readonly reset: boolean;
  /** From its first message to its last answer, milliseconds. */
  readonly durationMs: number;
}

/** A phase that is answered by the exchange. */
type AnsweredPhase = Extract<Phase, { readonly kind: PhaseKind }>;

/** Answers one call. */
export class ProcessCall implements GrpcCallee, UnderWayExchange {
  readonly #call: GrpcCall;
  readonly #options: ProcessOptions;
  readonly #exchange: Exchange;
  readonly #started = performance.now();
  #outcome = "continue";
  #finished = false;
  #isDone = false;
  #last: Promise<void> | undefined;

  /** Begins the exchange. */
  constructor(call: GrpcCall, options: ProcessOptions) {
    this.#call = call;
    this.#options = options;
    this.#exchange = new Exchange(options.ports);
  }

  /** Whether nothing that is still to come concerns the router. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** Ends it: Envoy passes on what it has sent us meanwhile, and all else. */
  letGo(): void {
    if (!this.#finished) this.#call.end();
    this.#finish(false);
  }

  /** Answers a message, once those before it are answered. */
  message(bytes: Uint8Array): Promise<void> {
    const before = this.#last;
    return this.#last = before === undefined
      ? this.#answer(bytes)
      : before.then(() => this.#answer(bytes));
  }

  /** Ends in good order, once all is answered. */
  end(): void {
    if (this.#last === undefined) this.letGo();
    else void this.#last.then(() => this.letGo());
  }

  /**
   * Envoy gave the exchange up: its client went away, or its time was over.
   * Or it ends every stream like that: see reset_watch.ts.
   */
  cancelled(): void {
    if (this.#outcome === "continue") this.#outcome = "aborted";
    this.#finish(true);
  }

  async #answer(bytes: Uint8Array): Promise<void> {
    if (this.#finished) return;
    try {
      const phase = readPhase(bytes);
      switch (phase.kind) {
        case "request trailers":
          return this.#call.write(dropTrailers(phase.names));
        case "unexpected":
          throw new Error(
            `Cannot process ${phase.name}: set its processing mode in Envoy's ` +
              "ext_proc filter to SKIP or NONE",
          );
      }
      const answer = await this.#answerTo(phase);
      // It may have been given up meanwhile.
      if (this.#finished) return;
      if (answer.kind === "reply") this.#outcome = answer.details;
      this.#call.write(writeAnswer(phase.kind, answer));
      if (answer.kind === "reply") return;
      // No trailer of the request can follow the response's headers.
      this.#isDone = phase.kind === "response headers" &&
        answer.streamBody !== true;
      if (answer.letGo === true) this.letGo();
    } catch (error) {
      this.#abort(error);
    }
  }

  #abort(error: unknown): void {
    if (this.#finished) return;
    this.#outcome = "aborted";
    this.#options.log.error("exchange broken off", { error });
    // Ending the stream in good order would let the request pass unseen.
    this.#call.fail();
    this.#finish(false);
  }

  #finish(reset: boolean): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#exchange.close();
    const durationMs = performance.now() - this.#started;
    this.#options.onExchange?.({ outcome: this.#outcome, reset, durationMs });
  }

  async #answerTo(phase: AnsweredPhase): Promise<Answer> {
    const exchange = this.#exchange;
    try {
      switch (phase.kind) {
        case "request headers":
          return await exchange.requestHeaders(phase.head);
        case "request body":
          return await exchange.requestBody(phase.bytes);
        case "response headers":
          return await exchange.responseHeaders(phase.head);
        case "response body":
          return exchange.responseBody(phase.bytes, phase.end);
        default:
          return phase satisfies never;
      }
    } catch (error) {
      this.#options.log.error("exchange failed", { phase: phase.kind, error });
      return refusal({ kind: "internal error" }, null);
    }
  }
}
