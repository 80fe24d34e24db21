/**
 * Answers the requests of a client in a session that need nothing but the
 * catalog.
 *
 * @module
 */

import type { Refusal } from "../../shared/errors.ts";
import type { RequestMessage } from "../../shared/jsonrpc/message.ts";
import { kindListedBy } from "../catalog/kinds.ts";
import type { Answer } from "../answer.ts";
import type { ListAnswers, ListClient } from "../lists/list_answers.ts";

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
