/**
 * Holds the headers that mirror a message of the stateless era against the
 * message: what others route and allow by must be what the server does. Pure.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#server-validation
 * @module
 */

import type { Refusal } from "../errors.ts";
import {
  decodeHeaderValue,
  MCP_METHOD_HEADER,
  MCP_NAME_HEADER,
} from "../headers.ts";
import type { RequestMessage } from "../jsonrpc/message.ts";

/** Answers a header's value by its lower-case name. */
export type HeaderLookup = (name: string) => string | undefined;

/** The member of `params` that `Mcp-Name` mirrors, by method. */
const NAMED: ReadonlyMap<string, "name" | "uri"> = new Map([
  ["tools/call", "name"],
  ["prompts/get", "name"],
  ["resources/read", "uri"],
]);

/** Tells whether `Mcp-Name` belongs to requests of a method. */
export function hasMirroredName(method: string): boolean {
  return NAMED.has(method);
}

/** Tells what of a request `Mcp-Name` mirrors; undefined where nothing. */
export function mirroredName(
  { method, params }: RequestMessage,
): string | undefined {
  const member = NAMED.get(method);
  return member === undefined ? undefined : params?.[member]?.value;
}

/**
 * Checks `Mcp-Method` and `Mcp-Name`.
 *
 * @returns Why they do not belong to the request; undefined where they do.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { scan } from "../jsonrpc/scanner.ts";
 * import { checkStandardHeaders } from "./standard_headers.ts";
 *
 * const body = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}';
 * const request = scan(new TextEncoder().encode(body));
 * if (request.kind === "request") {
 *   const refusal = checkStandardHeaders(request, () => "tools/call");
 *   assertEquals(refusal?.kind, "header mismatch");
 * }
 * ```
 */
export function checkStandardHeaders(
  request: RequestMessage,
  header: HeaderLookup,
): Refusal | undefined {
  const method = header(MCP_METHOD_HEADER);
  if (method === undefined) return mismatch("Mcp-Method is missing");
  if (method.trim() !== request.method) {
    return mismatch("Mcp-Method is not the method of the body");
  }
  const written = header(MCP_NAME_HEADER);
  if (!hasMirroredName(request.method)) return undefined;
  const wanted = mirroredName(request);
  // The message itself is refused for that, in better words.
  if (wanted === undefined) return undefined;
  if (written === undefined) return mismatch("Mcp-Name is missing");
  const decoded = decodeHeaderValue(written);
  if (decoded.kind === "malformed") {
    return mismatch(`Mcp-Name is malformed: ${decoded.reason}`);
  }
  return decoded.value === wanted
    ? undefined
    : mismatch("Mcp-Name is not the name in the body");
}

function mismatch(detail: string): Refusal {
  return { kind: "header mismatch", detail };
}
