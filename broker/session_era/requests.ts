/**
 * Answers the requests of a client in a session that need nothing but the
 * catalog.
 *
 * @module
 */

import { arrayParts, joinBytes } from "../../shared/bytes.ts";
import { type Refusal, replyToRefusal } from "../../shared/errors.ts";
import type { RequestMessage } from "../../shared/jsonrpc/message.ts";
import { kindListedBy } from "../catalog/kinds.ts";
import type { ListAnswers, ListClient } from "./list_answers.ts";
import { refuseCall } from "./misrouted.ts";

/** An answer: the raw result, whole or in pieces, or why there is none. */
export type Answer =
  | {
    readonly kind: "result";
    readonly result: Uint8Array | readonly Uint8Array[];
  }
  | { readonly kind: "refused"; readonly refusal: Refusal };

const EMPTY = new TextEncoder().encode("{}");

/**
 * Answers one request.
 *
 * @param body The body that the request stands in.
 * @param client Who asks, and what of the catalog it sees.
 * @param list Answers list methods.
 */
export async function answerRequest(
  body: Uint8Array,
  request: RequestMessage,
  client: ListClient,
  list: ListAnswers,
): Promise<Answer> {
  switch (request.method) {
    case "ping":
      return { kind: "result", result: EMPTY };
    case "tools/call":
    case "prompts/get":
    case "resources/read":
    case "resources/subscribe":
    case "resources/unsubscribe":
    case "completion/complete":
      return refuse(refuseCall(body, request, client.view));
    case "initialize":
      return refuse({
        kind: "invalid request",
        detail: "initialize must stand alone",
      });
    default: {
      const kind = kindListedBy(request.method);
      return kind === undefined
        ? refuse({ kind: "unknown method", detail: request.method })
        : await list(kind, body, request, client);
    }
  }
}

function refuse(refusal: Refusal): Answer {
  return { kind: "refused", refusal };
}

/** Writes an answer as a JSON-RPC response, with the request's own id. */
export function writeAnswer(id: string, answer: Answer): Uint8Array {
  const encoder = new TextEncoder();
  if (answer.kind === "refused") {
    return encoder.encode(replyToRefusal(answer.refusal, id).body);
  }
  return joinBytes([
    encoder.encode(`{"jsonrpc":"2.0","id":${id},"result":`),
    ...(answer.result instanceof Uint8Array ? [answer.result] : answer.result),
    encoder.encode("}"),
  ]);
}

/** Writes several responses as a batch (2025-03-26). */
export function writeBatch(responses: readonly Uint8Array[]): Uint8Array {
  return joinBytes(arrayParts(responses));
}
