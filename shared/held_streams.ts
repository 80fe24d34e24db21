/**
 * The contract by which the router tells the broker of a session that it has
 * just opened with a server: a POST of JSON to the broker's internal listener
 * under {@linkcode HELD_STREAMS_PATH}. Answered 204 once the broker listens
 * there (or knows that it cannot), 404 at once where it holds no stream of
 * that client's.
 *
 * @module
 */

/** Path on the broker's internal listener. */
export const HELD_STREAMS_PATH = "/held-streams";

/** What the router says. */
export interface HeldStreamHint {
  /** The client session's random id. */
  readonly session: string;
  /** Name of the server. */
  readonly server: string;
}

/** Milliseconds that the broker may take. */
const TIMEOUT_MS = 1_500;

/**
 * Tells a broker, and waits until it has answered, whatever that is.
 *
 * @param url Base URL of its internal listener.
 * @throws {DOMException} `TimeoutError` where it is slow.
 * @throws {TypeError} If it cannot be reached.
 */
export async function postHint(
  fetch: (url: URL, init: RequestInit) => Promise<Response>,
  url: string,
  hint: HeldStreamHint,
): Promise<void> {
  const response = await fetch(new URL(HELD_STREAMS_PATH, url), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(hint),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  await response.body?.cancel();
}
