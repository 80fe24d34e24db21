/**
 * Checks the head of a request of the session era. Pure.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#streamable-http
 * @module
 */

import { acceptsGet } from "../../shared/accept.ts";
import type { Refusal } from "../../shared/errors.ts";
import { VERSION_HEADER } from "../../shared/headers.ts";
import { isSessionRevision } from "../../shared/mcp.ts";

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
