/**
 * What a failure says of the era that a server speaks. Pure.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/versioning#backward-compatibility-with-initialization-based-versions
 * @module
 */

import type { Era } from "../../shared/mcp.ts";
import { isAboutTheRequest } from "../../shared/upstream/stateless_exchange.ts";
import type { UpstreamError } from "../../shared/upstream/upstream_error.ts";

/**
 * Errors that only the stateless era has: header mismatch, capability missing,
 * revision not supported.
 */
const STATELESS_CODES: readonly number[] = [-32020, -32021, -32022];

/**
 * Tells what it means that a server does not answer `server/discover`.
 *
 * | failure | the server's era |
 * |---|---|
 * | −32020, −32021, −32022 | stateless |
 * | it says that it speaks revisions with sessions only | session |
 * | any other JSON-RPC error | session |
 * | HTTP 4xx about the request | session |
 * | HTTP 401, 403, 407, 408, 425, 429, 3xx, 5xx | |
 * | no answer, one that is too large, or no MCP | |
 * | reached, and of no use | stateless |
 */
export function evidenceIn(
  { kind, code, status }: UpstreamError,
): Era | undefined {
  switch (kind) {
    case "rpc error":
      return code !== undefined && STATELESS_CODES.includes(code)
        ? "stateless"
        : "session";
    case "other era":
      return "session";
    case "below minimum":
      return "stateless";
    case "refused":
      return status !== undefined && isAboutTheRequest(status)
        ? "session"
        : undefined;
    case "unreachable":
    case "timed out":
    case "session gone":
    case "invalid answer":
    case "too large":
      return undefined;
    default:
      return kind satisfies never;
  }
}

/**
 * Whether a server that does not let us open a session may be one of the
 * stateless era: it was reached and said no, and not only to who asks.
 */
export function mayBeStateless({ kind, status }: UpstreamError): boolean {
  switch (kind) {
    case "rpc error":
    case "below minimum":
    case "invalid answer":
    case "other era":
      return true;
    case "refused":
      return status !== undefined && isAboutTheRequest(status);
    case "unreachable":
    case "timed out":
    case "session gone":
    case "too large":
      return false;
    default:
      return kind satisfies never;
  }
}

/** Whether it is worth asking for a session where discovery told nothing. */
export function mayHaveSessions({ kind, status }: UpstreamError): boolean {
  // Nobody is there, or it is somewhere else.
  return kind !== "unreachable" &&
    !(status !== undefined && status >= 300 && status < 400);
}
