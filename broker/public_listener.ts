/**
 * What every request on the public listener meets first, whatever it asks for:
 * Envoy asks there whether the broker takes calls, of the very listener that
 * would get them, and a broker that is about to stop parts with connections.
 *
 * @module
 */

import { READY_PATH } from "../shared/status.ts";
import type { Handler } from "./handler.ts";

/** What is known of the broker as a whole. */
export interface PublicListenerOptions {
  /** Whether it takes calls. */
  readonly ready: () => boolean;
  /** Aborts when it is about to stop. */
  readonly draining: AbortSignal;
}

/**
 * Puts itself before a handler.
 *
 * Health checks get a status and not a word: clients may reach this listener.
 * While the broker is about to stop, each answer asks the proxy to close the
 * connection that it goes out on, since a call that is written into one while
 * we close it is lost: it may have run, and is tried nowhere else.
 */
export function publicListener(
  handler: Handler,
  { ready, draining }: PublicListenerOptions,
): Handler {
  return async (request) => {
    const response = isHealthCheck(request)
      ? new Response(null, { status: ready() ? 200 : 503 })
      : await handler(request);
    if (draining.aborted) response.headers.set("connection", "close");
    return response;
  };
}

function isHealthCheck({ method, url }: Request): boolean {
  return method === "GET" && new URL(url).pathname === READY_PATH;
}
