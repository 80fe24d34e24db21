/**
 * Writes what a server of the session era answered as its client of the
 * stateless era is to get it. What is not concerned stays as it was written.
 * Pure.
 *
 * | answer of the server | becomes |
 * |---|---|
 * | a result | the same with `resultType`, `serverInfo`, and hints where the method has them |
 * | −32002 | −32602 with `data.uri` |
 * | −32601 | HTTP 404 |
 * | another code that the stateless era has given another meaning | −32603 |
 * | another error | as it is |
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic#responses
 * @module
 */

import { META } from "../../../shared/mcp.ts";
import {
  type ObjectText,
  readObjectText,
  writeObject,
} from "../object_text.ts";

/** An answer, ready to be sent. */
export interface WrittenAnswer {
  /** HTTP status, where it can still be chosen. */
  readonly status: number;
  /** JSON text. */
  readonly text: string;
}

/** What a server calls itself. */
export interface ServerInfo {
  /** Its name; "" where it gave none. */
  readonly name: string;
  /** Its version. */
  readonly version: string;
}

/** Of the methods that are translated, those whose results have hints. */
const CACHEABLE: readonly string[] = ["resources/read"];

/** `resources/read` of the session era for a resource that is not there. */
const RESOURCE_NOT_FOUND = -32002;
const METHOD_NOT_FOUND = -32601;
const INVALID_PARAMS = -32602;
const INTERNAL_ERROR = -32603;

/**
 * Writes a result.
 *
 * @param id The id of the client's request, raw JSON.
 * @param result The result, raw JSON of an object.
 */
export function writeResult(
  id: string,
  method: string,
  result: string,
  server: ServerInfo,
): WrittenAnswer {
  const members = readObjectText(result);
  members.set("resultType", '"complete"');
  if (CACHEABLE.includes(method)) {
    // Nothing is known of how long it holds, nor for whom.
    members.set("ttlMs", "0");
    members.set("cacheScope", '"private"');
  }
  introduce(members, server);
  return { status: 200, text: response(id, "result", members) };
}

/** What a result asks of the client before there can be another one. */
export interface InputRequired {
  /** Requests by key, raw JSON. */
  readonly requests: Iterable<readonly [string, string]>;
  /** What leads back. */
  readonly state: string;
}

/** Writes a result that says what is needed before there can be another. */
export function writeInputRequired(
  id: string,
  { requests, state }: InputRequired,
  server: ServerInfo,
): WrittenAnswer {
  const members: ObjectText = new Map([
    ["resultType", '"input_required"'],
    ["inputRequests", writeObject(requests)],
    ["requestState", JSON.stringify(state)],
  ]);
  introduce(members, server);
  return { status: 200, text: response(id, "result", members) };
}

/**
 * Writes an error.
 *
 * @param id The id of the client's request, raw JSON.
 * @param error The error, raw JSON of an object.
 * @param uri The resource that was asked for, if it was one.
 */
export function writeError(
  id: string,
  error: string,
  uri: string | undefined,
): WrittenAnswer {
  const members = readObjectText(error);
  const code = Number(members.get("code"));
  if (code === RESOURCE_NOT_FOUND) {
    members.set("code", String(INVALID_PARAMS));
    const data = readObjectText(members.get("data"));
    if (uri !== undefined && !data.has("uri")) {
      data.set("uri", JSON.stringify(uri));
    }
    members.set("data", writeObject(data));
  } else if (isTaken(code)) {
    members.set("code", String(INTERNAL_ERROR));
  }
  return {
    status: code === METHOD_NOT_FOUND ? 404 : 200,
    text: response(id, "error", members),
  };
}

/** Codes that only the specification gives a meaning (2026-07-28, basic). */
function isTaken(code: number): boolean {
  return code <= -32020 && code >= -32099;
}

function introduce(result: ObjectText, { name, version }: ServerInfo): void {
  const meta = readObjectText(result.get("_meta"));
  if (meta.has(META.serverInfo) || name === "") return;
  meta.set(META.serverInfo, JSON.stringify({ name, version }));
  result.set("_meta", writeObject(meta));
}

function response(
  id: string,
  kind: "result" | "error",
  members: ObjectText,
): string {
  return `{"jsonrpc":"2.0","id":${id},"${kind}":${writeObject(members)}}`;
}
