/**
 * Sends requests of a batch, one by one, through the gateway's front door.
 *
 * A gateway's URL that leads back to the broker makes no circle: what is sent
 * is a single message, and of those the broker sends none anywhere.
 *
 * @module
 */

import type { BatchSettings } from "./answer_batch.ts";
import type { BatchedCall } from "./call_answer.ts";
import {
  type BatchHead,
  gatewayInit,
  gatewayTarget,
} from "./gateway_request.ts";

/** The gateway's front door, and how batches are answered by it. */
export interface BatchGateway {
  /** Where Envoy listens; its origin counts. */
  readonly url: URL;
  /** Sends requests, with the `host` that they name. */
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** How batches are answered. */
  readonly settings: BatchSettings;
}

/**
 * Makes a call of a request that stands in a batch.
 *
 * @param head The request that the batch came in.
 * @param id The request's id, raw JSON.
 * @param bytes The request itself.
 */
export function callThrough(
  { url, fetch }: Pick<BatchGateway, "url" | "fetch">,
  head: BatchHead,
  id: string,
  bytes: Uint8Array,
): BatchedCall {
  const target = gatewayTarget(url, head);
  return {
    id,
    open: async (after, signal) => {
      const message = after === undefined
        ? { kind: "post" as const, bytes }
        : { kind: "resume" as const, after };
      return await fetch(target, { ...gatewayInit(head, message), signal });
    },
  };
}
