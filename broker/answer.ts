/**
 * An answer of the broker's own to one request, and how it is written. Pure.
 *
 * @module
 */

import { joinBytes } from "../shared/bytes.ts";
import { type Refusal, replyToRefusal } from "../shared/errors.ts";

/** An answer: the raw result, whole or in pieces, or why there is none. */
export type Answer =
  | {
    readonly kind: "result";
    readonly result: Uint8Array | readonly Uint8Array[];
  }
  | { readonly kind: "refused"; readonly refusal: Refusal };

/** The pieces of an answer as a JSON-RPC response, with the request's own id. */
export function answerParts(
  id: string,
  answer: Answer,
): readonly Uint8Array[] {
  const encoder = new TextEncoder();
  if (answer.kind === "refused") {
    return [encoder.encode(replyToRefusal(answer.refusal, id).body)];
  }
  return [
    encoder.encode(`{"jsonrpc":"2.0","id":${id},"result":`),
    ...(answer.result instanceof Uint8Array ? [answer.result] : answer.result),
    encoder.encode("}"),
  ];
}

/** Writes an answer as a JSON-RPC response. */
export function writeAnswer(id: string, answer: Answer): Uint8Array {
  return joinBytes(answerParts(id, answer));
}
