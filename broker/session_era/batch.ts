/**
 * What of a batch (2025-03-26) is not the broker's to answer: requests that
 * Envoy carries to their server, since a batch has no single one. Pure.
 *
 * @module
 */

import type { RequestMessage } from "../../shared/jsonrpc/message.ts";
import type { Answer } from "../answer.ts";

/** Methods of which each request goes to one server. */
const ROUTED: readonly string[] = [
  "tools/call",
  "prompts/get",
  "resources/read",
  "resources/subscribe",
  "resources/unsubscribe",
  "completion/complete",
];

/** Whether a request is a server's to answer. */
export function isRouted({ method }: RequestMessage): boolean {
  return ROUTED.includes(method);
}

/**
 * Refuses a request that has to be sent by itself, where nobody does so;
 * undefined for others.
 */
export function refuseInBatch(request: RequestMessage): Answer | undefined {
  if (!isRouted(request)) return undefined;
  return {
    kind: "refused",
    refusal: {
      kind: "invalid request",
      detail:
        `the gateway takes ${request.method} in no batch and has not run it: ` +
        "send it as a single message, or have its broker started with --gateway-url",
    },
  };
}
