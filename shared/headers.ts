/**
 * The HTTP header vocabulary: MCP's own headers, the gateway's internal ones,
 * and which of them a client may never set. All names are lower case, as
 * HTTP/2 and Envoy write them.
 *
 * @module
 */

/** Session id, to the client the gateway's and to a server that server's. */
export const SESSION_HEADER = "mcp-session-id";
/** Negotiated protocol revision, on every request after `initialize`. */
export const VERSION_HEADER = "mcp-protocol-version";
/** The JSON-RPC method, mirrored by clients of the stateless era. */
export const MCP_METHOD_HEADER = "mcp-method";
/** `params.name` or `params.uri`, mirrored by clients of the stateless era. */
export const MCP_NAME_HEADER = "mcp-name";
/** Begins the names of headers that mirror arguments of a tool. */
export const MCP_PARAM_PREFIX = "mcp-param-";
/** Id of the last event that a client saw of a stream it takes up again. */
export const LAST_EVENT_HEADER = "last-event-id";
/** Name of the server that a request goes to, or `broker`. */
export const DESTINATION_HEADER = "x-destination-mcp";
/** The tool's own name, prefix removed. */
export const TOOL_HEADER = "x-mcp-tool";
/** The prompt's own name, prefix removed. */
export const PROMPT_HEADER = "x-mcp-prompt";
/** The resource's own URI. */
export const RESOURCE_HEADER = "x-mcp-resource";
/** The JSON-RPC method. */
export const METHOD_HEADER = "x-mcp-method";
/** Input: the virtual server a client asks for. Read once, then removed. */
export const VIRTUAL_SERVER_HEADER = "x-mcp-virtualserver";
/** Signed statement of the router to the broker: who calls, on which route. */
export const CALLER_HEADER = "x-mcp-caller";

/**
 * Which state of a server's configuration a call was routed by: where a
 * server's address changes, a route of the old address never gets a call, and
 * with it a credential, that is meant for the new one. Ends at Envoy.
 */
export const UPSTREAM_HEADER = "x-mcp-upstream";

/**
 * Response header of everything the broker answers: how the router notices
 * that Envoy sent a call there instead of to its server.
 */
export const ANSWERED_BY_HEADER = "x-mcp-answered-by";

/**
 * Marks what one broker has passed on to another, on internal listeners: it is
 * not passed on again.
 */
export const FORWARDED_HEADER = "x-mcp-forwarded";

/** Destination value of requests that the broker answers. */
export const BROKER_DESTINATION = "broker";

/** Names that no server may take: they are destinations of the gateway's own. */
export const RESERVED_SERVER_NAMES: readonly string[] = [
  BROKER_DESTINATION,
  "router",
];

/** Headers of which a second value makes a request ambiguous, hence refused. */
export const SINGLE_VALUE_HEADERS: readonly string[] = [
  SESSION_HEADER,
  VERSION_HEADER,
  LAST_EVENT_HEADER,
  "content-type",
  "origin",
  "authorization",
];

/**
 * Tells whether a header is the gateway's own, in any spelling that a server
 * behind us might fold into one (`x_mcp_tool`, `X-Destination_MCP`), or one of
 * MCP's in such a spelling (`mcp_session_id`).
 *
 * @example
 * ```ts
 * import { isInternalHeader } from "./headers.ts";
 *
 * isInternalHeader("X_MCP_Tool"); // true
 * isInternalHeader("x-forwarded-for"); // false
 * ```
 */
export function isInternalHeader(name: string): boolean {
  const first = name.charCodeAt(0) | 0x20;
  if (first !== 0x78 && first !== 0x6d) return false; // x, m: the common case leaves here
  const lower = name.toLowerCase();
  const folded = lower.replaceAll("_", "-");
  return folded === DESTINATION_HEADER || folded.startsWith("x-mcp-") ||
    // MCP's own headers, in a spelling that only servers would understand. What
    // a tool calls its arguments is the tool's business.
    (folded !== lower && folded.startsWith("mcp-") &&
      !lower.startsWith(MCP_PARAM_PREFIX));
}

/**
 * Writes a name or URI as a header value: plain where it is visible ASCII,
 * else `=?base64?…?=` around the Base64 of its UTF-8 (2026-07-28, transports,
 * `Mcp-Name`). A plain value that looks like that form is encoded too, so that
 * decoding is unambiguous, and no value can smuggle a line break.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { encodeHeaderValue } from "./headers.ts";
 *
 * assertEquals(encodeHeaderValue("get forecast"), "get forecast");
 * assertEquals(encodeHeaderValue("café"), "=?base64?Y2Fmw6k=?=");
 * ```
 */
export function encodeHeaderValue(value: string): string {
  const plain = /^[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?$/.test(value) &&
    !/^=\?base64\?.*\?=$/.test(value);
  if (plain) return value;
  return `=?base64?${new TextEncoder().encode(value).toBase64()}?=`;
}

/** Outcome of decoding a header value. */
export type DecodedHeaderValue =
  | { readonly kind: "value"; readonly value: string }
  | { readonly kind: "malformed"; readonly reason: string };

/**
 * Reads what {@linkcode encodeHeaderValue} wrote, or a client of the stateless
 * era: plain text, or the Base64 of UTF-8 between `=?base64?` and `?=`. Other
 * spellings of those marks are text like any other. Optional white space
 * around the value is no part of it.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#value-encoding
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { decodeHeaderValue } from "./headers.ts";
 *
 * assertEquals(decodeHeaderValue("=?base64?Y2Fmw6k=?="), {
 *   kind: "value",
 *   value: "café",
 * });
 * ```
 */
export function decodeHeaderValue(written: string): DecodedHeaderValue {
  const trimmed = written.replace(/^[ \t]+|[ \t]+$/g, "");
  if (!/^[\x20-\x7e\t]*$/.test(trimmed)) {
    return malformed("it has characters that are not visible ASCII");
  }
  const encoded = /^=\?base64\?(.*)\?=$/.exec(trimmed)?.[1];
  if (encoded === undefined) return { kind: "value", value: trimmed };
  // Padded, canonical: two spellings of one name would be two names to others.
  if (
    !/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
      .test(encoded)
  ) {
    return malformed("its Base64 is not valid");
  }
  try {
    const bytes = Uint8Array.fromBase64(encoded, {
      lastChunkHandling: "strict",
    });
    return { kind: "value", value: UTF8.decode(bytes) };
  } catch {
    return malformed("its Base64 is not that of UTF-8");
  }
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function malformed(reason: string): DecodedHeaderValue {
  return { kind: "malformed", reason };
}
