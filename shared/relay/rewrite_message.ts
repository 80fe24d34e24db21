/**
 * Rewrites what a server says to a client so that the client's answer finds
 * its way back: a request gets a routed id and a routed progress token, the
 * cancellation of one the same id. Every other byte stays. Pure.
 *
 * @module
 */

import { SERVER_JSON } from "../jsonrpc/json_limits.ts";
import type { Span } from "../jsonrpc/message.ts";
import { replaceText } from "../jsonrpc/splice.ts";
import { asString, kindOf, members, text } from "../jsonrpc/values.ts";
import { type MessageSource, writeRoutedId } from "./routed_id.ts";

/** One message of a server, as its client is to see it. */
export type RewrittenMessage =
  | {
    /** The server asks its client something. */
    readonly kind: "request";
    /** The method. */
    readonly method: string;
    /** The server's own id, raw JSON: what was there before the routed one. */
    readonly id: string;
    /** The message with routed ids. */
    readonly bytes: Uint8Array;
  }
  | {
    /** The server tells its client something. */
    readonly kind: "notification";
    /** The method. */
    readonly method: string;
    /** The message; the very input where nothing had to change. */
    readonly bytes: Uint8Array;
  }
  | {
    /** The server answers its client: a result or an error. */
    readonly kind: "response";
    /** The id of what is answered, raw JSON; `null` where the server knew none. */
    readonly id: string;
    /** The very input. */
    readonly bytes: Uint8Array;
  }
  | {
    /** No JSON-RPC message, which is not for a relay to judge. */
    readonly kind: "malformed";
    /** The very input. */
    readonly bytes: Uint8Array;
  };

/**
 * Rewrites one message of a server to its client. Never throws.
 *
 * The progress token of `notifications/progress` stays: it is the client's.
 *
 * @param bytes JSON text of one message, not of a batch.
 * @param source Where it came from.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { rewriteServerMessage } from "./rewrite_message.ts";
 *
 * const ping = '{"jsonrpc":"2.0", "id": 7, "method":"ping"}';
 * const source = { server: "weather", tag: "aBcDeF12" };
 * const { bytes } = rewriteServerMessage(new TextEncoder().encode(ping), source);
 * assertEquals(
 *   new TextDecoder().decode(bytes),
 *   '{"jsonrpc":"2.0", "id": "mcpgw:aBcDeF12:weather:7", "method":"ping"}',
 * );
 * ```
 */
export function rewriteServerMessage(
  bytes: Uint8Array,
  source: MessageSource,
): RewrittenMessage {
  try {
    return rewrite(bytes, source);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { kind: "malformed", bytes };
  }
}

function rewrite(bytes: Uint8Array, source: MessageSource): RewrittenMessage {
  const whole = { start: markLength(bytes), end: bytes.byteLength };
  const envelope = members(bytes, whole, SERVER_JSON);
  if (asString(bytes, envelope.get("jsonrpc"), SERVER_JSON) !== "2.0") {
    return { kind: "malformed", bytes };
  }
  const id = envelope.get("id");
  const method = asString(bytes, envelope.get("method"), SERVER_JSON);
  const params = envelope.get("params");
  if (method === undefined) {
    return envelope.has("result") || envelope.has("error")
      ? { kind: "response", id: id ? text(bytes, id) : "null", bytes }
      : { kind: "malformed", bytes };
  }
  if (id === undefined) {
    const cancels = method === "notifications/cancelled";
    const spans = cancels ? [memberOf(bytes, params, "requestId")] : [];
    return {
      kind: "notification",
      method,
      bytes: routed(bytes, spans, source),
    };
  }
  if (!isId(bytes, id)) return { kind: "malformed", bytes };
  const meta = memberOf(bytes, params, "_meta");
  const token = memberOf(bytes, meta, "progressToken");
  return {
    kind: "request",
    method,
    id: text(bytes, id),
    bytes: routed(bytes, [id, token], source),
  };
}

/** The bytes with routed ids in place of those that stand in some spans. */
function routed(
  bytes: Uint8Array,
  spans: readonly (Span | undefined)[],
  source: MessageSource,
): Uint8Array {
  return spans
    .filter((span) => span !== undefined)
    .filter((span) => isId(bytes, span))
    .sort((a, b) => b.start - a.start) // from behind: the others stay in place
    .reduce(
      (done, span) =>
        replaceText(done, span, writeRoutedId(source, text(bytes, span))),
      bytes,
    );
}

/** Where an object's member stands; undefined where it has none or is none. */
function memberOf(
  bytes: Uint8Array,
  span: Span | undefined,
  key: string,
): Span | undefined {
  return span !== undefined && kindOf(bytes, span) === "object"
    ? members(bytes, span, SERVER_JSON).get(key)
    : undefined;
}

/** Whether a value can be an id or a progress token. */
function isId(bytes: Uint8Array, span: Span): boolean {
  const kind = kindOf(bytes, span);
  return kind === "string" || kind === "number";
}

/** Length of a byte order mark, which readers may ignore (RFC 8259, 8.1). */
function markLength(bytes: Uint8Array): number {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
}
