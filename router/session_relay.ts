/**
 * What a client of the session era says to a server that asked it something,
 * or has its call: sent in the very session with that server, answered by a
 * status.
 *
 * @module
 */

import type { ServerConfig } from "../shared/config/model.ts";
import type { ClientSession } from "../shared/sessions/sessions.ts";
import type { ClientRequest } from "./client_request.ts";
import type { Cancellation, Relay, RelayedKind } from "./decide_message.ts";
import { decideRelayResponse } from "./decide_response.ts";
import { ACCEPTED, finished, gone } from "./reply.ts";
import type { Route, Sent } from "./route.ts";
import { misrouted, sourceOf } from "./session_route.ts";
import { sessionLabel } from "./session_label.ts";
import { steerRelay } from "./steer.ts";

/**
 * Sends a client's answer, or progress, to the server that it is for.
 *
 * @throws {GatewayError} If it cannot be sent.
 */
export async function relayInSession(
  request: ClientRequest,
  relay: Relay,
): Promise<Sent> {
  return await send(request, await request.session(), relay);
}

/**
 * Passes a cancellation on to who has the call.
 *
 * @returns Undefined where nobody here knows who has it.
 * @throws {GatewayError} If it cannot be sent.
 */
export async function cancelInSession(
  request: ClientRequest,
  { requestId }: Cancellation,
  body: Uint8Array,
): Promise<Sent | undefined> {
  const session = await request.session();
  const server = request.ports.calls.cancel(session, requestId);
  return server === undefined
    ? undefined
    : await send(request, session, { message: "notification", server, body });
}

async function send(
  request: ClientRequest,
  session: ClientSession,
  { server, tag, message, body }: Omit<Relay, "kind" | "tag"> & {
    readonly tag?: string;
  },
): Promise<Sent> {
  const { ports } = request;
  const backend = server && await ports.backendWith(session, server);
  if (
    server === undefined || backend === undefined ||
    tag !== undefined && tag !== sourceOf(server, backend).tag
  ) return { answer: gone(message) };
  request.takePlace("relays", session, { id: undefined, server });
  const own = await ports.callHeaders(server);
  const { steering } = ports.settings;
  return {
    answer: steerRelay(
      { server, backend, own, steering, session: sessionLabel(session) },
      body,
    ),
    route: relayed(request, server, message),
  };
}

function relayed(
  { ports }: ClientRequest,
  server: ServerConfig,
  message: RelayedKind,
): Route {
  return {
    responseHeaders(head) {
      const decision = decideRelayResponse(head, server.name);
      switch (decision.kind) {
        case "accepted":
          return ACCEPTED;
        case "gone":
          return gone(message);
        case "misrouted":
          return misrouted(server, null, ports.log);
        default:
          return finished(decision, null);
      }
    },
  };
}
