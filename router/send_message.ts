/**
 * Does with a message what was decided about it, one function for each era.
 *
 * @module
 */

import type { ClientRequest } from "./client_request.ts";
import type { Refused } from "./decide_call.ts";
import type { MessageDecision } from "./decide_message.ts";
import type { StatelessDecision } from "./decide_stateless.ts";
import { ACCEPTED, refusal } from "./reply.ts";
import type { Sent } from "./route.ts";
import { callInSession } from "./session_call.ts";
import { cancelInSession, relayInSession } from "./session_relay.ts";
import { callStateless } from "./stateless_call.ts";
import { toBroker } from "./to_broker.ts";

/**
 * Sends a message of the session era where it belongs.
 *
 * @param body The body that the client sent.
 * @throws {GatewayError} If it cannot be sent.
 */
export async function sendInSession(
  request: ClientRequest,
  decision: MessageDecision,
  body: Uint8Array,
): Promise<Sent> {
  switch (decision.kind) {
    case "refuse":
      return await refuseInSession(request, decision);
    case "broker":
      return toBroker(request, { method: decision.method });
    case "bridge":
      return toBroker(request, { call: decision });
    case "call":
      return await callInSession(request, decision, body);
    case "relay":
      return await relayInSession(request, decision);
    case "cancel":
      // Where nobody here knows who has the call, the broker asks everybody.
      return await cancelInSession(request, decision, body) ??
        toBroker(request, { method: "notifications/cancelled" });
    default:
      return decision satisfies never;
  }
}

/**
 * Refuses a message. Who holds no session learns nothing about names: a
 * missing or unknown session is the first thing wrong with a call.
 */
async function refuseInSession(
  request: ClientRequest,
  { refusal: reason, id }: Refused,
): Promise<Sent> {
  if (reason.kind !== "parse error" && reason.kind !== "invalid request") {
    await request.session();
  }
  return { answer: refusal(reason, id) };
}

/**
 * Sends a message of the stateless era where it belongs.
 *
 * @param body The body that the client sent.
 * @throws {GatewayError} If it cannot be sent.
 */
export async function sendStateless(
  request: ClientRequest,
  decision: StatelessDecision,
  body: Uint8Array,
): Promise<Sent> {
  switch (decision.kind) {
    case "refuse":
      return { answer: refusal(decision.refusal, decision.id, "stateless") };
    case "accept":
      return { answer: ACCEPTED };
    case "broker":
      return toBroker(request, { method: decision.method });
    case "bridge":
      return toBroker(request, { call: decision });
    case "call":
      return await callStateless(request, decision, body);
    default:
      return decision satisfies never;
  }
}
