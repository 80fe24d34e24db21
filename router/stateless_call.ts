/**
 * A call of a client of the stateless era at a server of that era. Needs no
 * session, no store, and nothing of what was before it.
 *
 * @module
 */

import {
  LAST_EVENT_HEADER,
  MCP_NAME_HEADER,
  SESSION_HEADER,
} from "../shared/headers.ts";
import { hasMirroredName } from "../shared/stateless/standard_headers.ts";
import type { ClientRequest } from "./client_request.ts";
import type { ServerCall } from "./decide_call.ts";
import { decideStatelessResponse } from "./decide_response.ts";
import { finished } from "./reply.ts";
import type { Route, Sent } from "./route.ts";
import { misrouted } from "./session_route.ts";
import { steerStateless } from "./steer.ts";

/**
 * Sends a call.
 *
 * @param original The body that the client sent.
 * @throws {GatewayError} If it cannot be sent.
 */
export async function callStateless(
  { ports, head }: ClientRequest,
  call: ServerCall,
  original: Uint8Array,
): Promise<Sent> {
  const { server, method } = call;
  const { steering } = ports.settings;
  const own = await ports.callHeaders(server);
  // This era has neither session nor resumption (transports, earlier
  // revisions), and a name that mirrors nothing was held against nothing.
  const meaningless = [
    SESSION_HEADER,
    LAST_EVENT_HEADER,
    ...(hasMirroredName(method) ? [] : [MCP_NAME_HEADER]),
  ].filter((name) => head.values.has(name));
  return {
    answer: steerStateless(
      call,
      { server, own, steering },
      original,
      meaningless,
    ),
    route: routeOf(call, ports.log),
  };
}

function routeOf(
  { server, id }: ServerCall,
  log: ClientRequest["ports"]["log"],
): Route {
  return {
    responseHeaders(head) {
      const decision = decideStatelessResponse(head, server.name);
      return decision.kind === "misrouted"
        ? misrouted(server, id, log, "stateless")
        : finished(decision, id, "stateless");
    },
  };
}
