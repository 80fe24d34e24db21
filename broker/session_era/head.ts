/**
 * Checks the head of a request of the session era: media types and revision.
 * Pure.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#streamable-http
 * @module
 */

import { acceptsGet, acceptsPost } from "../../shared/accept.ts";
import type { Refusal } from "../../shared/errors.ts";
import { VERSION_HEADER } from "../../shared/headers.ts";
import { isJsonBody } from "../../shared/media_type.ts";
import { isSessionRevision } from "../../shared/mcp.ts";

/** Checks a POST; undefined where it may go on to its body. */
export function checkPost(headers: Headers): Refusal | undefined {
  if (!isJsonBody(headers.get("content-type") ?? "")) {
    return { kind: "unsupported media type" };
  }
  const encoding = headers.get("content-encoding");
  if (encoding !== null && encoding.toLowerCase() !== "identity") {
    return {
      kind: "unsupported media type",
      detail: "Content-Encoding is not supported",
    };
  }
  return acceptsPost(headers.get("accept") ?? undefined)
    ? undefined
    : { kind: "not acceptable" };
}

/** Checks a GET. */
export function checkGet(headers: Headers): Refusal | undefined {
  if (!acceptsGet(headers.get("accept") ?? undefined)) {
    return { kind: "not acceptable" };
  }
  return checkRevision(headers);
}

/**
 * Checks the revision header, which goes with everything after `initialize`:
 * absent is allowed (2025-03-26 has none), a revision that we do not
 * speak is not.
 */
export function checkRevision(headers: Headers): Refusal | undefined {
  const revision = headers.get(VERSION_HEADER);
  return revision === null || isSessionRevision(revision)
    ? undefined
    : { kind: "unsupported revision" };
}
