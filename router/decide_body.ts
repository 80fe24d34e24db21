/**
 * Decides which era a body is of, and by that who answers it. Pure.
 *
 * @module
 */

import { VERSION_HEADER } from "../shared/headers.ts";
import type { Message, Scanned } from "../shared/jsonrpc/message.ts";
import {
  type Era,
  isSessionRevision,
  isStatelessRevision,
} from "../shared/mcp.ts";
import { eraOf, unsupported } from "../shared/stateless/envelope.ts";
import type { MessageContext, Refused } from "./decide_call.ts";
import { decideMessage, type MessageDecision } from "./decide_message.ts";
import { decideStateless, type StatelessDecision } from "./decide_stateless.ts";
import type { ReadHead } from "./request_head.ts";

/** What becomes of a body. */
export type BodyDecision =
  | { readonly era: "session"; readonly decision: MessageDecision }
  | { readonly era: "stateless"; readonly decision: StatelessDecision };

/**
 * Decides about a scanned body.
 *
 * | body | revision in the header | decision |
 * |---|---|---|
 * | no JSON-RPC | any | refuse |
 * | a batch | of the stateless era | refuse: there are none |
 * | a message of the stateless era, wrong | any | refuse, as `eraOf()` says |
 * | a message of the stateless era | its own | by `decideStateless()` |
 * | `initialize` | any: it negotiates | by `decideMessage()` |
 * | another of the session era | of the session era, or none | by `decideMessage()` |
 * | another of the session era | of no era | refuse: unsupported revision |
 */
export function decideBody(
  scanned: Scanned,
  head: Pick<ReadHead, "values" | "repeated">,
  context: MessageContext,
): BodyDecision {
  const revision = head.values.get(VERSION_HEADER);
  if (scanned.kind === "malformed") {
    return {
      era: eraOfHeader(revision),
      decision: {
        kind: "refuse",
        refusal: {
          kind: scanned.refusal,
          detail: `${scanned.reason} at byte ${scanned.offset}`,
        },
        id: scanned.id,
      },
    };
  }
  if (scanned.kind === "batch" && isStatelessRevision(revision)) {
    return refuse({
      kind: "invalid request",
      detail: `revision ${revision} has no batches`,
    }, null);
  }
  if (scanned.kind !== "batch") {
    const outcome = eraOf(context.bytes, scanned, revision);
    if (outcome.kind === "refused") {
      return refuse(outcome.refusal, idOf(scanned));
    }
    if (outcome.kind === "stateless" && scanned.kind !== "response") {
      return {
        era: "stateless",
        decision: decideStateless(scanned, head, context),
      };
    }
  }
  const negotiates = scanned.kind === "request" &&
    scanned.method === "initialize";
  if (revision !== undefined && !isSessionRevision(revision) && !negotiates) {
    return refuse(
      unsupported(revision),
      scanned.kind === "batch" ? null : idOf(scanned),
    );
  }
  return { era: "session", decision: decideMessage(scanned, context) };
}

/** Which era a request is of whose body tells nothing. */
export function eraOfHeader(revision: string | undefined): Era {
  return isStatelessRevision(revision) ? "stateless" : "session";
}

/** The id to answer with: a client's response has none of ours. */
function idOf(message: Message): string | null {
  return message.kind === "request" ? message.id : null;
}

function refuse(refusal: Refused["refusal"], id: string | null): BodyDecision {
  return { era: "stateless", decision: { kind: "refuse", refusal, id } };
}
