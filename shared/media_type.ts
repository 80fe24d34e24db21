/**
 * Reads `Content-Type`. Pure.
 *
 * @module
 */

/**
 * Whether a body is JSON as clients may send it: `application/json`, optionally
 * with `charset=utf-8`.
 */
export function isJsonBody(contentType: string): boolean {
  return /^\s*application\/json\s*(;\s*charset\s*=\s*"?utf-?8"?\s*)?;?\s*$/i
    .test(contentType);
}

/** Whether a server answered with an event stream, and nothing went wrong. */
export function isEventStream(response: Response): boolean {
  const type = response.headers.get("content-type") ?? "";
  return response.status === 200 && /^text\/event-stream\s*(;|$)/i.test(type);
}
