/**
 * The forms of HTTP responses that both eras answer with.
 *
 * @module
 */

import { joinBytes, joinText } from "../shared/bytes.ts";
import { GatewayError, refusalResponse } from "../shared/errors.ts";
import type { Era } from "../shared/mcp.ts";

/**
 * Answers with one JSON-RPC message, or a batch of them.
 *
 * A response has a copy of the bytes that it is made from, and for hundreds of
 * kilobytes that costs more than all else. Text is handed on as it is.
 *
 * @param parts The pieces of it.
 */
export function jsonResponse(
  parts: readonly Uint8Array[],
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(joinText(parts) ?? joinBytes(parts), {
    headers: { "content-type": "application/json", ...headers },
  });
}

/** Answers with a stream of events, which nobody on the way may hold back. */
export function eventStreamResponse(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
): Response {
  return new Response(body, {
    headers: {
      "content-type": "text/event-stream",
      "cache-control": "no-cache, no-transform",
      "x-accel-buffering": "no",
    },
  });
}

/** Answers what is no request. */
export function acceptedResponse(): Response {
  return new Response(null, { status: 202 });
}

/** Runs a handler; what it throws as a refusal becomes one. */
export async function answering(
  id: string | null,
  era: Era,
  handle: () => Promise<Response> | Response,
): Promise<Response> {
  try {
    return await handle();
  } catch (error) {
    if (error instanceof GatewayError) {
      return refusalResponse(error.refusal, id, era);
    }
    throw error;
  }
}
