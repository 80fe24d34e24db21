/**
 * Checks one tool as a server listed it, and gives it the name that clients
 * see. A tool that would break clients costs only itself; everything in it
 * that is unknown here is kept as it was written. Pure.
 *
 * @module
 */

import { SERVER_JSON } from "../../shared/jsonrpc/json_limits.ts";
import type { Span } from "../../shared/jsonrpc/message.ts";
import { replaceString } from "../../shared/jsonrpc/splice.ts";
import {
  asString,
  kindOf,
  members,
  validate,
} from "../../shared/jsonrpc/values.ts";

/** Longest name a client is shown (2025-11-25, tools, tool names). */
export const MAX_NAME_LENGTH = 128;

/** A tool that may be listed. */
export interface PreparedTool {
  /** The name at its server. */
  readonly name: string;
  /** The name that clients see: the server's prefix before it. */
  readonly exposed: string;
  /** JSON text of the tool, UTF-8, as the server wrote it but for the name. */
  readonly bytes: Uint8Array;
}

/** Outcome of looking at one tool. */
export type PrepareOutcome =
  | { readonly kind: "tool"; readonly tool: PreparedTool }
  | { readonly kind: "left out"; readonly reason: string };

/**
 * Members that clients' schemas are strict about: a wrong type in one of them
 * makes common clients reject the whole list.
 */
const OPTIONAL_MEMBERS: readonly (readonly [string, "string" | "object"])[] = [
  ["title", "string"],
  ["description", "string"],
  ["outputSchema", "object"],
  ["annotations", "object"],
  ["execution", "object"],
  ["_meta", "object"],
];

/**
 * Prepares one tool.
 *
 * @param raw JSON text of the tool, no further checked than a list is where
 * it is taken apart ({@linkcode SERVER_JSON}).
 * @param prefix The server's prefix, "" for none.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { prepareTool } from "./prepare_tool.ts";
 *
 * const raw = '{"name":"now","inputSchema":{"type":"object"},"x":1e400}';
 * const outcome = prepareTool(new TextEncoder().encode(raw), "clock_");
 * assertEquals(
 *   outcome.kind === "tool" && new TextDecoder().decode(outcome.tool.bytes),
 *   '{"name":"clock_now","inputSchema":{"type":"object"},"x":1e400}',
 * );
 * ```
 */
export function prepareTool(raw: Uint8Array, prefix: string): PrepareOutcome {
  const whole = { start: 0, end: raw.byteLength };
  if (kindOf(raw, whole) !== "object") {
    return leftOut("a tool is not an object");
  }
  const tool = members(raw, whole, SERVER_JSON);
  const at = tool.get("name");
  const name = asString(raw, at, SERVER_JSON);
  if (at === undefined || name === undefined) {
    return leftOut("a tool has no name");
  }
  const valid = validate(raw);
  const wrong = wrongName(name, prefix) ??
    // Duplicate keys: we would check one value and a client perhaps use another.
    (valid.kind === "malformed" ? valid.reason : wrongMember(raw, tool));
  if (wrong !== undefined) {
    const label = JSON.stringify(name.slice(0, MAX_NAME_LENGTH));
    return leftOut(`tool ${label}: ${wrong}`);
  }
  const exposed = prefix + name;
  if (prefix === "") {
    return { kind: "tool", tool: { name, exposed, bytes: raw } };
  }
  const bytes = replaceString(raw, at, exposed);
  return { kind: "tool", tool: { name, exposed, bytes } };
}

function leftOut(reason: string): PrepareOutcome {
  return { kind: "left out", reason };
}

function wrongName(name: string, prefix: string): string | undefined {
  if (name === "") return "its name is empty";
  const length = prefix.length + name.length;
  if (length > MAX_NAME_LENGTH) {
    return `its name with prefix has ${length} characters, at most ${MAX_NAME_LENGTH} are allowed`;
  }
  // deno-lint-ignore no-control-regex -- that is what it looks for
  if (/[\u0000-\u001f\u007f]/.test(name) || !name.isWellFormed()) {
    return "its name has control characters or broken surrogates";
  }
  return undefined;
}

function wrongMember(
  raw: Uint8Array,
  tool: ReadonlyMap<string, Span>,
): string | undefined {
  const schema = tool.get("inputSchema");
  if (schema === undefined) return "inputSchema is missing";
  if (kindOf(raw, schema) !== "object") return "inputSchema is not an object";
  // Required by the specification, and clients reject a whole list over it.
  // What stands below may be any JSON Schema.
  if (asString(raw, members(raw, schema).get("type")) !== "object") {
    return 'inputSchema.type is not "object"';
  }
  for (const [member, type] of OPTIONAL_MEMBERS) {
    const value = tool.get(member);
    if (value === undefined) continue;
    if (kindOf(raw, value) !== type) {
      return `${member} is not ${type === "object" ? "an" : "a"} ${type}`;
    }
  }
  return undefined;
}
