/**
 * Reads what a server says: one JSON-RPC message, leniently, keeping raw what
 * has to be passed on. Pure.
 *
 * @module
 */

import { rawMembers, type Slice } from "../raw_json.ts";

/** A JSON-RPC error as a server sent it. */
export interface RpcError {
  /** Its code; 0 where it was no number. */
  readonly code: number;
  /** Its message, "" where it was no string. */
  readonly message: string;
}

/** One message of a server. */
export type ServerMessage =
  | {
    readonly kind: "result";
    /** Raw JSON. */
    readonly id: string;
    /** The whole message. */
    readonly text: string;
    /** Where `result` stands in `text`. */
    readonly result: Slice;
    /** `result`, parsed. */
    readonly value: unknown;
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
  };

/** Reads a message; undefined where it is not one. */
export function readServerMessage(text: string): ServerMessage | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(parsed) || member(parsed, "jsonrpc") !== "2.0") {
    return undefined;
  }
  const { values } = rawMembers(text);
  const at = values.get("id");
  const id = at && text.slice(at.start, at.end);
  const method = member(parsed, "method");
  if (typeof method === "string") {
    return id === undefined
      ? { kind: "notification", method }
      : { kind: "request", method, id };
  }
  const error = member(parsed, "error");
  if (isObject(error)) {
    return { kind: "error", id: id ?? "null", error: readError(error) };
  }
  const result = values.get("result");
  if (id === undefined || result === undefined) return undefined;
  return { kind: "result", id, text, result, value: member(parsed, "result") };
}

function readError(error: Record<string, unknown>): RpcError {
  const code = member(error, "code");
  const message = member(error, "message");
  return {
    code: typeof code === "number" ? code : 0,
    message: typeof message === "string" ? message : "",
  };
}

/** Tells whether a parsed value is an object, arrays aside. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Reads an own member: names are data, and prototypes have names too. */
export function member(object: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}
