/**
 * Takes the router's word for a session that it has just opened with a server,
 * and another broker's for what a client that listens here wants to hear of.
 *
 * @see ../../shared/held_streams.ts
 * @module
 */

import { readBody } from "../../shared/body.ts";
import { type HeldStreamHint, postHint } from "../../shared/held_streams.ts";
import type { Logger } from "../../shared/log.ts";
import { isObject } from "../../shared/jsonrpc/parsed.ts";
import type { HeldStreams } from "./held_streams.ts";

/** Largest hint, bytes. */
const HINT_BYTES = 16 * 1024;

/**
 * Answers 204 once the stream of that server is open, or known not to become
 * so, or a little time has passed; 404 at once where that client does not
 * listen here; 400 to what is no hint.
 */
export async function serveHint(
  request: Request,
  held: Pick<HeldStreams, "opened">,
): Promise<Response> {
  const length = request.headers.get("content-length");
  const body = await readBody(request.body, length, HINT_BYTES);
  const hint = body === undefined ? undefined : readHint(body);
  if (hint === undefined) return new Response(null, { status: 400 });
  const known = await held.opened(hint.session, hint.server);
  return new Response(null, { status: known ? 204 : 404 });
}

/**
 * Tells another broker, at which a client listens. A courtesy: it looks by
 * itself, later. Never rejects.
 *
 * @param url Base URL of its internal listener.
 */
export async function sendHint(
  url: string,
  hint: HeldStreamHint,
  fetch: (url: URL, init: RequestInit) => Promise<Response>,
  log: Logger,
): Promise<void> {
  try {
    await postHint(fetch, url, hint);
  } catch (error) {
    const { server } = hint;
    log.debug("broker not told of a subscription", { server, error });
  }
}

function readHint(body: Uint8Array): HeldStreamHint | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
  if (!isObject(value)) return undefined;
  const { session, server } = value;
  return typeof session === "string" && typeof server === "string"
    ? { session, server }
    : undefined;
}
