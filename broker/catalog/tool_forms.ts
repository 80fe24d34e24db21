/**
 * How a tool is shown to clients of either era: as its server wrote it but for
 * what clients of that era would reject, or could make no use of. Pure.
 *
 * @module
 */

import type { ParamHeader } from "../../shared/catalog.ts";
import {
  applyEdits,
  type Edit,
  editMembers,
} from "../../shared/jsonrpc/edit.ts";
import type { Span } from "../../shared/jsonrpc/message.ts";
import {
  asString,
  kindOf,
  members,
  text,
} from "../../shared/jsonrpc/values.ts";
import {
  paramHeaderEdits,
  paramHeadersOf,
} from "../../shared/stateless/param_headers.ts";
import type { SpokenEras } from "../../shared/upstream/introduction.ts";
import { needsTask } from "./doubts.ts";

/** How a tool is shown. */
export interface ToolForms {
  /** As clients with sessions see it. */
  readonly session: Uint8Array;
  /** As clients of the stateless era see it; null where they do not. */
  readonly stateless: Uint8Array | null;
  /** What stateless clients mirror in headers. */
  readonly paramHeaders: readonly ParamHeader[];
  /** What is doubtful about it: sentence fragments. */
  readonly doubts: readonly string[];
}

/** Forms, or why nobody may be shown the tool. */
export type ToolFormsOutcome =
  | { readonly kind: "forms"; readonly forms: ToolForms }
  | { readonly kind: "left out"; readonly reason: string };

/**
 * Decides how a tool is shown.
 *
 * | its server | what it has | with sessions | stateless |
 * |---|---|---|---|
 * | stateless | an `x-mcp-header` that is not valid | left out | left out |
 * | with sessions | the same | as it is | without it |
 * | with sessions | a need to be called as a task | as it is | left out |
 * | stateless only | an `outputSchema` of something else than an object | in a schema of an object with it as `result`, or without it | as it is |
 * | with sessions, or both | the same | without it | as it is |
 * | stateless only | a property whose schema is true or false | `{}`, `{"not":{}}` | as it is |
 *
 * Servers with sessions know nothing of `x-mcp-header`: a mistake in it is
 * nothing that their tool should be lost for. Common clients with sessions
 * reject a whole list over a boolean schema, or one that is not an object's.
 *
 * @param tool Its JSON text, valid, an object, with an `inputSchema` that is
 * one.
 * @param spoken The eras that its server speaks; one that speaks both answers
 * clients with sessions itself.
 * @see https://modelcontextprotocol.io/specification/2026-07-28/server/tools#x-mcp-header
 */
export function toolForms(
  tool: Uint8Array,
  spoken: SpokenEras,
): ToolFormsOutcome {
  const { era } = spoken;
  const headers = paramHeadersOf(tool);
  const doubts: string[] = [];
  if (headers.kind === "invalid") {
    if (era === "stateless") {
      return { kind: "left out", reason: headers.reason };
    }
    doubts.push(`${headers.reason}: stateless clients do not see that`);
  }
  const hidden = era === "session" && needsTask(tool);
  const translates = era === "stateless" && spoken.sessions !== true;
  const output = outputEdit(tool, translates);
  if (output !== undefined && era === "session") {
    doubts.push(
      "its outputSchema is not that of an object: clients with sessions do not see it",
    );
  }
  return {
    kind: "forms",
    forms: {
      session: edited(tool, [
        ...(output ?? []),
        ...(translates ? plainSchemas(tool, output === undefined) : []),
      ]),
      stateless: hidden
        ? null
        : headers.kind === "invalid"
        ? withoutHeaders(tool)
        : tool,
      paramHeaders: headers.kind === "headers" ? headers.headers : [],
      doubts,
    },
  };
}

/** What is too large to be written anew is not shown. */
function withoutHeaders(tool: Uint8Array): Uint8Array | null {
  const edits = paramHeaderEdits(tool);
  return edits === undefined ? null : edited(tool, edits);
}

/** The very bytes where nothing changes: nothing needs to be copied then. */
function edited(tool: Uint8Array, edits: readonly Edit[]): Uint8Array {
  return edits.length === 0 ? tool : applyEdits(tool, edits);
}

const whole = (bytes: Uint8Array): Span => ({ start: 0, end: bytes.length });

/** What becomes of an output schema that is not an object's. */
function outputEdit(
  tool: Uint8Array,
  wrapped: boolean,
): readonly Edit[] | undefined {
  const schema = members(tool, whole(tool)).get("outputSchema");
  if (schema === undefined) return undefined;
  const type = asString(tool, members(tool, schema).get("type"));
  if (type === "object") return undefined;
  const json = text(tool, schema);
  // What it refers to would be somewhere else; of what may be an object or
  // not, only some results come wrapped.
  const wraps = wrapped && type !== undefined &&
    !/"\$(?:ref|dynamicRef|id|anchor)"|\\u/.test(json);
  const wrapper =
    `{"type":"object","properties":{"result":${json}},"required":["result"]}`;
  return editMembers(
    tool,
    whole(tool),
    new Map([["outputSchema", wraps ? wrapper : undefined]]),
  );
}

/** Writes boolean schemas of properties as objects that mean the same. */
function plainSchemas(
  tool: Uint8Array,
  withOutput: boolean,
): readonly Edit[] {
  const found = members(tool, whole(tool));
  const keys = withOutput ? ["inputSchema", "outputSchema"] : ["inputSchema"];
  return keys.flatMap((key) => {
    const schema = found.get(key);
    const properties = schema && members(tool, schema).get("properties");
    if (properties === undefined || kindOf(tool, properties) !== "object") {
      return [];
    }
    return [...members(tool, properties).values()]
      .filter((span) => kindOf(tool, span) === "boolean")
      .map(({ start, end }) => ({
        start,
        end,
        json: text(tool, { start, end }) === "true" ? "{}" : '{"not":{}}',
      }));
  });
}
