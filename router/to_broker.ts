/**
 * Sends to the broker what it answers itself, and what it translates for a
 * server of the other era.
 *
 * @module
 */

import type { ClientRequest } from "./client_request.ts";
import type { Sent } from "./route.ts";
import { type BrokerRequest, steerToBroker } from "./steer.ts";

/** Sends a request to the broker, with the router's word on who calls. */
export function toBroker(
  { ports, caller }: ClientRequest,
  about: Omit<BrokerRequest, "caller"> = {},
): Sent {
  return {
    answer: steerToBroker({ ...about, caller: ports.signCaller(caller) }),
  };
}
