/**
 * Tells whether two calls are the same: a client that carries on with a call
 * must not make another one of it. Pure.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { RequestMessage } from "../../../shared/jsonrpc/message.ts";
import { parseExactly } from "../../../shared/jsonrpc/parse_exactly.ts";
import { isObject } from "../../../shared/jsonrpc/parsed.ts";
import { text } from "../../../shared/jsonrpc/values.ts";

/** The part of `JSON` that TypeScript does not know yet. */
const { isRawJSON } = JSON as unknown as {
  readonly isRawJSON: (value: unknown) => boolean;
};

/**
 * Digest of what a call is: its method, server, name and arguments. How the
 * arguments are written, and in which order, does not count: a client may
 * write them anew.
 *
 * @param body The body that the request stands in.
 * @param server Name of the server.
 * @param name What the server calls the tool, prompt or resource.
 * @returns 22 characters of base64url.
 */
export function callDigest(
  body: Uint8Array,
  { method, params }: RequestMessage,
  server: string,
  name: string,
): string {
  const given = params?.arguments;
  const value = given === undefined ? {} : parseExactly(text(body, given));
  return createHash("sha256")
    .update(JSON.stringify([method, server, name, ordered(value)]))
    .digest("base64url").slice(0, 22);
}

/** The same for values that are equal, whatever the order of their members. */
function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return ["[", ...value.map(ordered)];
  if (!isObject(value) || isRawJSON(value)) return value;
  return [
    "{",
    ...Object.keys(value).sort().map((key) => [key, ordered(value[key])]),
  ];
}
