/**
 * What may not be in a batch (2025-03-26): requests that Envoy carries to
 * their server, since a batch has no single one. Pure.
 *
 * @module
 */

import type { RequestMessage } from "../../shared/jsonrpc/message.ts";
import type { Answer } from "./requests.ts";

/** Methods of which each request goes to one server. */
const ROUTED: readonly string[] = [
  "tools/call",
  "prompts/get",
  "resources/read",
  "resources/subscribe",
  "resources/unsubscribe",
  "completion/complete",
];

/** Refuses a request that has to be sent by itself; undefined for others. */
export function refuseInBatch({ method }: RequestMessage): Answer | undefined {
  if (!ROUTED.includes(method)) return undefined;
  return {
    kind: "refused",
    refusal: {
      kind: "invalid request",
      detail:
        `the gateway takes ${method} in no batch and has not run it: send it as a single message`,
    },
  };
}
