/**
 * Reads what a server says: one JSON-RPC message, leniently, keeping raw what
 * has to be passed on. Pure.
 *
 * @module
 */

import { SERVER_JSON } from "../jsonrpc/json_limits.ts";
import type { Span } from "../jsonrpc/message.ts";
import {
  asString,
  elements,
  kindOf,
  members,
  text,
} from "../jsonrpc/values.ts";

/** A JSON-RPC error as a server sent it. */
export interface RpcError {
  /** Its code; 0 where it was no number. */
  readonly code: number;
  /** Its message, "" where it was no string. */
  readonly message: string;
  /** What else it says, raw JSON; absent for nothing, and where it is long. */
  readonly data?: string;
}

/** Bytes of an error's data that are kept. */
const MAX_DATA = 16 * 1024;

/** One message of a server. */
export type ServerMessage =
  | {
    readonly kind: "result";
    /** Raw JSON. */
    readonly id: string;
    /** The whole message, which {@linkcode SERVER_JSON} accepts. */
    readonly bytes: Uint8Array;
    /** Where `result` stands in `bytes`. */
    readonly result: Span;
  }
  | {
    readonly kind: "error";
    /** Raw JSON; `null` where the server could not read the request's id. */
    readonly id: string;
    /** The error. */
    readonly error: RpcError;
  }
  | {
    readonly kind: "request";
    /** Raw JSON, to be echoed. */
    readonly id: string;
    /** The method. */
    readonly method: string;
  }
  | {
    readonly kind: "notification";
    /** The method. */
    readonly method: string;
  }
  | {
    readonly kind: "malformed";
    /** Why it is no message, without data from it. */
    readonly reason: string;
  };

/**
 * The messages in what a server sends at once: one, or those of a batch
 * (2025-03-26). What is no JSON is taken for one message.
 */
export function messagesOf(bytes: Uint8Array): readonly Uint8Array[] {
  const whole = { start: 0, end: bytes.byteLength };
  if (kindOf(bytes, whole) !== "array") return [bytes];
  try {
    return elements(bytes, whole, SERVER_JSON).map(({ start, end }) =>
      bytes.subarray(start, end)
    );
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return [bytes];
  }
}

/** Reads a message. Never throws: what is none is `malformed`. */
export function readServerMessage(bytes: Uint8Array): ServerMessage {
  try {
    return readMessage(bytes);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { kind: "malformed", reason: error.message };
  }
}

function readMessage(bytes: Uint8Array): ServerMessage {
  const whole = { start: markLength(bytes), end: bytes.byteLength };
  const envelope = members(bytes, whole, SERVER_JSON);
  if (asString(bytes, envelope.get("jsonrpc"), SERVER_JSON) !== "2.0") {
    return { kind: "malformed", reason: 'jsonrpc is not "2.0"' };
  }
  const idSpan = envelope.get("id");
  const id = idSpan && text(bytes, idSpan);
  const method = asString(bytes, envelope.get("method"), SERVER_JSON);
  if (method !== undefined) {
    return id === undefined
      ? { kind: "notification", method }
      : { kind: "request", method, id };
  }
  const error = envelope.get("error");
  if (error !== undefined && kindOf(bytes, error) === "object") {
    return { kind: "error", id: id ?? "null", error: readError(bytes, error) };
  }
  const result = envelope.get("result");
  if (id === undefined || result === undefined) {
    return { kind: "malformed", reason: "no method, and no result with an id" };
  }
  return { kind: "result", id, bytes, result };
}

function readError(bytes: Uint8Array, span: Span): RpcError {
  const error = members(bytes, span, SERVER_JSON);
  const code = error.get("code");
  const data = error.get("data");
  return {
    code: code !== undefined && kindOf(bytes, code) === "number"
      ? Number(text(bytes, code))
      : 0,
    message: asString(bytes, error.get("message"), SERVER_JSON) ?? "",
    ...(data === undefined || data.end - data.start > MAX_DATA
      ? {}
      : { data: text(bytes, data) }),
  };
}

/** Length of a byte order mark, which readers may ignore (RFC 8259, 8.1). */
function markLength(bytes: Uint8Array): number {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
}
