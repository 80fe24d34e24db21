/**
 * Tells what a client takes for an answer, by its `Accept` header. Pure.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#streamable-http
 * @module
 */

const JSON_TYPE = "application/json";
const STREAM_TYPE = "text/event-stream";

/** What a POST accepts that any answer may be given to. */
export const POST_ACCEPT: string = `${JSON_TYPE}, ${STREAM_TYPE}`;

/** What a GET accepts. */
export const GET_ACCEPT: string = STREAM_TYPE;

/**
 * Whether a POST takes both kinds of answers: which one it is to be is the
 * server's choice.
 *
 * @param accept The header, several joined by commas; absent means anything.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { acceptsPost } from "./accept.ts";
 *
 * assertEquals(acceptsPost("application/*, text/event-stream;q=0.5"), true);
 * assertEquals(acceptsPost("application/json"), false);
 * ```
 */
export function acceptsPost(accept: string | undefined): boolean {
  // As the specification writes it, and so do all clients.
  return accept === POST_ACCEPT ||
    accepts(accept, JSON_TYPE) && accepts(accept, STREAM_TYPE);
}

/**
 * Whether a GET takes an event stream.
 *
 * @param accept The header, several joined by commas; absent means anything.
 */
export function acceptsGet(accept: string | undefined): boolean {
  return accepts(accept, STREAM_TYPE);
}

function accepts(accept: string | undefined, type: string): boolean {
  if (accept === undefined) return true;
  const [group] = type.split("/");
  return accept.split(",").some((range) => {
    const [media = "", ...parameters] = range.trim().toLowerCase().split(
      /\s*;\s*/,
    );
    const refused = parameters.some((p) => /^q\s*=\s*0(\.0*)?$/.test(p));
    return !refused &&
      (media === type || media === `${group}/*` || media === "*/*");
  });
}
