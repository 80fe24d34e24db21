/**
 * A request that has been sent on, as far as the exchange still has to do with
 * it: what becomes of the answer. Types only.
 *
 * @module
 */

import type { Answer } from "./answer.ts";
import type { AnswerStream } from "./answer_stream.ts";
import type { ResponseHead } from "./decide_response.ts";

/** What becomes of the answer to a request that was sent on. */
export interface Route {
  /**
   * Answers the response's headers, where they were asked for.
   *
   * @throws {GatewayError} If the client is to get an error of ours instead.
   */
  responseHeaders(head: ResponseHead): Answer | Promise<Answer>;
  /** The response's body, where it is an event stream to be rewritten. */
  readonly stream?: AnswerStream | undefined;
}

/** What the router says to a request. */
export interface Sent {
  /** What Envoy is told. */
  readonly answer: Answer;
  /** Who answers; absent where the router itself has. */
  readonly route?: Route;
}
