/**
 * Checks the head of a POST, of either era, before anybody reads its body.
 * Pure.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#sending-messages
 * @module
 */

import { acceptsPost } from "../shared/accept.ts";
import type { Refusal } from "../shared/errors.ts";
import { isJsonBody } from "../shared/media_type.ts";

/** Checks media types; undefined where the body may be read. */
export function checkPostHead(headers: Headers): Refusal | undefined {
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
