/**
 * The one table of refusals: what the gateway answers when it will not, or
 * cannot, pass a request on. Both programs turn a {@linkcode Refusal} into
 * HTTP and JSON-RPC here and nowhere else.
 *
 * @module
 */

import type { Era } from "./mcp.ts";

/** HTTP status, JSON-RPC code and default wording of one kind of refusal. */
interface RefusalRow {
  readonly status: number;
  readonly code: number;
  readonly message: string;
  /** Where the stateless era has it otherwise. */
  readonly stateless?: {
    readonly status?: number;
    readonly code?: number;
  };
  /** Nothing was run; the same request may succeed later, unchanged. */
  readonly retryable?: boolean;
}

/** The kinds of refusal there are. */
export type RefusalKind =
  | "parse error"
  | "invalid request"
  | "body too large"
  | "unsupported media type"
  | "not acceptable"
  | "unsupported revision"
  | "envelope incomplete"
  | "header mismatch"
  | "capability missing"
  | "unknown request state"
  | "method not allowed"
  | "forbidden origin"
  | "forbidden caller"
  | "misdirected request"
  | "session missing"
  | "session unknown"
  | "too many sessions"
  | "too many calls"
  | "too many streams"
  | "too many subscriptions"
  | "unknown method"
  | "invalid params"
  | "unknown tool"
  | "unknown prompt"
  | "unknown resource"
  | "unknown virtual server"
  | "server unreachable"
  | "connection lost"
  | "server refused"
  | "invalid answer"
  | "input missing"
  | "credential missing"
  | "server timed out"
  | "session lost"
  | "call broken off"
  | "call cancelled"
  | "session opening"
  | "request gone"
  | "catalog unavailable"
  | "store unavailable"
  | "not configured"
  | "internal error";

const TABLE: Readonly<Record<RefusalKind, RefusalRow>> = {
  // The message itself.
  "parse error": { status: 400, code: -32700, message: "Parse error" },
  "invalid request": { status: 400, code: -32600, message: "Invalid request" },
  "body too large": { status: 413, code: -32600, message: "Message too large" },
  "unsupported media type": {
    status: 415,
    code: -32600,
    message: "Content-Type must be application/json",
  },
  "not acceptable": {
    status: 406,
    code: -32600,
    message:
      "Accept must allow application/json and text/event-stream (GET: text/event-stream)",
  },
  "unsupported revision": {
    status: 400,
    code: -32600,
    message: "Unsupported protocol version",
    stateless: { code: -32022 },
  },
  // What a request of the stateless era says of itself (2026-07-28, basic;
  // transports, server validation).
  "envelope incomplete": {
    status: 400,
    code: -32602,
    message: "The request's _meta is incomplete",
  },
  "header mismatch": {
    status: 400,
    code: -32020,
    message: "Header mismatch",
  },
  "capability missing": {
    status: 200,
    code: -32600,
    message: "The client did not declare a capability that this needs",
    stateless: { status: 400, code: -32021 },
  },
  // Altered, expired, used already, of another caller, of another request, or
  // of a broker that is gone: one answer for all of it, no oracle.
  "unknown request state": {
    status: 200,
    code: -32602,
    message: "Unknown or expired requestState: send the request anew",
  },
  "method not allowed": {
    status: 405,
    code: -32600,
    message: "HTTP method not allowed",
  },
  "forbidden origin": {
    status: 403,
    code: -32600,
    message: "Origin not allowed",
  },
  "forbidden caller": {
    status: 403,
    code: -32600,
    message: "The statement of who calls is not valid",
  },
  "misdirected request": {
    status: 421,
    code: -32600,
    message: "This host is internal to the gateway",
  },
  // The session (2025-11-25, transports, session management).
  "session missing": {
    status: 400,
    code: -32600,
    message: "Mcp-Session-Id header is missing: send initialize first",
  },
  "session unknown": {
    status: 404,
    code: -32600,
    message: "Session not found: send initialize to start a new one",
  },
  "too many sessions": {
    status: 429,
    code: -32600,
    message: "Too many sessions",
    retryable: true,
  },
  "too many calls": {
    status: 429,
    code: -32600,
    message: "Too many calls in flight",
    retryable: true,
  },
  "too many streams": {
    status: 429,
    code: -32600,
    message: "Too many streams open",
    retryable: true,
  },
  // Not 429: waiting does not help, and the request itself was heard.
  "too many subscriptions": {
    status: 200,
    code: -32602,
    message: "Too many resource subscriptions in this session",
  },
  // What is asked for.
  "unknown method": {
    status: 200,
    code: -32601,
    message: "Method not found",
    stateless: { status: 404 },
  },
  "invalid params": { status: 200, code: -32602, message: "Invalid params" },
  "unknown tool": { status: 200, code: -32602, message: "Unknown tool" },
  "unknown prompt": { status: 200, code: -32602, message: "Unknown prompt" },
  // 2025-11-25, resources, error handling.
  "unknown resource": {
    status: 200,
    code: -32002,
    message: "Resource not found",
    stateless: { code: -32602 },
  },
  "unknown virtual server": {
    status: 404,
    code: -32602,
    message: "Unknown virtual server",
  },
  // The server behind us, and ourselves.
  "server unreachable": {
    status: 502,
    code: -32603,
    message: "MCP server unreachable",
    retryable: true,
  },
  "connection lost": {
    status: 502,
    code: -32603,
    message: "MCP server broke the connection; the call may have run",
  },
  "server refused": {
    status: 502,
    code: -32603,
    message: "MCP server refused the request",
  },
  "invalid answer": {
    status: 502,
    code: -32603,
    message: "MCP server gave an answer that is not MCP; the call may have run",
  },
  // It asked for something, and there is no way to tell it that there is none.
  "input missing": {
    status: 200,
    code: -32603,
    message: "MCP server needs something that its client did not give",
  },
  "credential missing": {
    status: 502,
    code: -32603,
    message: "Gateway cannot read its credential for the MCP server",
  },
  "server timed out": {
    status: 504,
    code: -32603,
    message: "MCP server did not answer in time",
  },
  "session lost": {
    status: 502,
    code: -32603,
    message: "MCP server lost its session; the call was not run",
    retryable: true,
  },
  // The client does not wait for this answer any more.
  "call cancelled": {
    status: 200,
    code: -32603,
    message: "The call was cancelled before its server had it",
  },
  "call broken off": {
    status: 502,
    code: -32603,
    message:
      "MCP server lost its session and asked for something when the call was run again; it was cancelled there, and may have run",
  },
  "session opening": {
    status: 503,
    code: -32603,
    message: "MCP server is still opening a session",
    retryable: true,
  },
  // A response, or a stream to take up, that nobody waits for any more; not
  // 404, which would end the client's own session.
  "request gone": {
    status: 400,
    code: -32600,
    message: "The MCP server does not wait for this any more",
  },
  "catalog unavailable": {
    status: 503,
    code: -32603,
    message: "Catalog of tools not available yet",
    retryable: true,
  },
  "store unavailable": {
    status: 503,
    code: -32603,
    message: "Session store unavailable",
    retryable: true,
  },
  "not configured": {
    status: 503,
    code: -32603,
    message: "Gateway has no valid configuration yet",
    retryable: true,
  },
  "internal error": { status: 500, code: -32603, message: "Internal error" },
};

/** A request that will not be passed on, and why. */
export interface Refusal {
  /** Row of the table. */
  readonly kind: RefusalKind;
  /** What about this request, in a sentence fragment; shown to the client. */
  readonly detail?: string;
  /** Merged into `error.data`. */
  readonly data?: Readonly<Record<string, unknown>>;
}

/** Status, headers and JSON body of a refusal. */
export interface RefusalReply {
  /** HTTP status. */
  readonly status: number;
  /** Header names, lower case, and values. */
  readonly headers: readonly (readonly [string, string])[];
  /** JSON text: a JSON-RPC error response. */
  readonly body: string;
}

/** Characters of a detail that are shown: names come from clients. */
const MAX_DETAIL = 300;

/** Seconds after which a client may try a retryable refusal again. */
const RETRY_AFTER_S = 1;

/**
 * Writes a refusal as an HTTP reply.
 *
 * @param refusal What is refused.
 * @param id The request's id as it stood in the message, raw JSON, or `null`
 * where there was none or it could not be read.
 * @param era The era that the request is of.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { replyToRefusal } from "./errors.ts";
 *
 * const reply = replyToRefusal({ kind: "unknown tool", detail: "nope" }, "7");
 * assertEquals(reply.status, 200);
 * assertEquals(JSON.parse(reply.body), {
 *   jsonrpc: "2.0",
 *   id: 7,
 *   error: { code: -32602, message: "Unknown tool: nope" },
 * });
 * ```
 */
export function replyToRefusal(
  refusal: Refusal,
  id: string | null,
  era: Era = "session",
): RefusalReply {
  const row = rowOf(refusal.kind, era);
  const message = refusal.detail === undefined
    ? row.message
    : `${row.message}: ${refusal.detail.slice(0, MAX_DETAIL)}`;
  const data = row.retryable
    ? { ...refusal.data, retryable: true }
    : refusal.data;
  const error = { code: row.code, message, ...(data ? { data } : {}) };
  const headers: [string, string][] = [["content-type", "application/json"]];
  if (row.status === 503 || row.status === 429) {
    headers.push(["retry-after", String(RETRY_AFTER_S)]);
  }
  if (row.status === 405) {
    headers.push(["allow", era === "session" ? "GET, POST, DELETE" : "POST"]);
  }
  return {
    status: row.status,
    headers,
    // The id goes out as it came in: parsing would round large integers.
    body: `{"jsonrpc":"2.0","id":${id ?? "null"},"error":${
      JSON.stringify(error)
    }}`,
  };
}

function rowOf(kind: RefusalKind, era: Era): RefusalRow {
  const row = TABLE[kind];
  return era === "stateless" && row.stateless !== undefined
    ? { ...row, ...row.stateless }
    : row;
}

/** Writes a refusal as a `Response`, for programs that serve HTTP themselves. */
export function refusalResponse(
  refusal: Refusal,
  id: string | null,
  era: Era = "session",
): Response {
  const reply = replyToRefusal(refusal, id, era);
  return new Response(reply.body, {
    status: reply.status,
    headers: reply.headers.map(([name, value]) => [name, value]),
  });
}

/**
 * A failure of something outside (a server, the store, a file) that the caller
 * answers with a {@linkcode Refusal}. Keeps its `cause` for the log.
 */
export class GatewayError extends Error {
  /** What the client is told. */
  readonly refusal: Refusal;

  /**
   * Builds an error.
   *
   * @param refusal What the client is told.
   * @param options `cause` is what went wrong underneath, for the log only.
   */
  constructor(refusal: Refusal, options?: ErrorOptions) {
    super(
      refusal.detail === undefined
        ? TABLE[refusal.kind].message
        : `${TABLE[refusal.kind].message}: ${refusal.detail}`,
      options,
    );
    this.name = "GatewayError";
    this.refusal = refusal;
  }
}
