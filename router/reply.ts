/**
 * Writes what ends an exchange: refusals, acknowledgements, and what was
 * decided about an answer's head. Pure.
 *
 * @module
 */

import { type Refusal, replyToRefusal } from "../shared/errors.ts";
import type { Era } from "../shared/mcp.ts";
import type { Answer, Reply } from "./answer.ts";
import type { RelayedKind } from "./decide_message.ts";
import type { FinalResponseDecision } from "./decide_response.ts";

/**
 * Writes a refusal as an answer to Envoy.
 *
 * @param id The request's id, raw JSON; null where there is none.
 */
export function refusal(
  reason: Refusal,
  id: string | null,
  era: Era = "session",
): Reply {
  const { status, headers, body } = replyToRefusal(reason, id, era);
  return {
    kind: "reply",
    status,
    headers,
    body,
    details: `mcp_${reason.kind.replaceAll(" ", "_")}`,
  };
}

/** Answers response headers by what was decided about them. */
export function finished(
  decision: FinalResponseDecision,
  id: string | null,
  era: Era = "session",
): Answer {
  switch (decision.kind) {
    case "pass":
      return decision.remove.length === 0
        ? { kind: "continue" }
        : { kind: "continue", headers: { set: [], remove: decision.remove } };
    case "refuse": {
      const reply = refusal(decision.refusal, id, era);
      return {
        ...reply,
        status: decision.status ?? reply.status,
        headers: [...reply.headers, ...decision.headers],
      };
    }
    default:
      return decision satisfies never;
  }
}

/** Who is told has what the client said, or does not want it any more. */
export const ACCEPTED: Reply = {
  kind: "reply",
  status: 202,
  headers: [],
  body: "",
  details: "mcp_accepted",
};

/** Nobody waits for what the client says: only who answers needs to know. */
export function gone(message: RelayedKind): Reply {
  return message === "response"
    ? refusal({ kind: "request gone" }, null)
    : ACCEPTED;
}
