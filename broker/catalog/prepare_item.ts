/**
 * Checks one tool, prompt, resource or template as a server listed it, and
 * gives it the name that clients see. One that would break clients costs only
 * itself; everything in it that is unknown here is kept as it was written.
 * Pure.
 *
 * @module
 */

import { SERVER_JSON } from "../../shared/jsonrpc/json_limits.ts";
import type { Span } from "../../shared/jsonrpc/message.ts";
import { replaceString } from "../../shared/jsonrpc/splice.ts";
import {
  asString,
  elements,
  type JsonKind,
  kindOf,
  members,
  validate,
} from "../../shared/jsonrpc/values.ts";
import type { ParamHeader } from "../../shared/catalog.ts";
import type { Era } from "../../shared/mcp.ts";
import type { SpokenEras } from "../../shared/upstream/introduction.ts";
import { doubtsAbout } from "./doubts.ts";
import { type ToolForms, toolForms } from "./tool_forms.ts";
import {
  type KindRow,
  KINDS,
  type ListKind,
  type MemberTypes,
} from "./kinds.ts";

/** Something that may be listed. */
export interface PreparedItem {
  /** What its server calls it: a name, a URI or a template of URIs. */
  readonly name: string;
  /** What clients call it: a name with the server's prefix; a URI as it is. */
  readonly exposed: string;
  /**
   * Its JSON text, UTF-8, as clients with sessions see it: as the server wrote
   * it but for the prefix, and what such clients would reject.
   */
  readonly bytes: Uint8Array;
  /** As clients of the stateless era see it, where that is something else. */
  readonly stateless?: Uint8Array;
  /** Clients of the stateless era do not see it. */
  readonly sessionOnly?: true;
  /** Arguments of a tool that clients mirror in headers; absent for none. */
  readonly paramHeaders?: readonly ParamHeader[];
}

/** Outcome of looking at one. */
export type PrepareOutcome =
  | {
    readonly kind: "item";
    readonly item: PreparedItem;
    /** What is doubtful about it: sentences. */
    readonly doubts: readonly string[];
  }
  | { readonly kind: "left out"; readonly reason: string };

/** Characters of a name that are quoted where something is wrong with it. */
const QUOTED_LENGTH = 128;

/** What one argument of a prompt must and may have. */
const ARGUMENT: {
  readonly required: MemberTypes;
  readonly optional: MemberTypes;
} = {
  required: [["name", "string"]],
  optional: [
    ["title", "string"],
    ["description", "string"],
    ["required", "boolean"],
  ],
};

/**
 * Prepares one.
 *
 * @param kind What it is.
 * @param raw Its JSON text, no further checked than a list is where it is
 * taken apart ({@linkcode SERVER_JSON}).
 * @param prefix The server's prefix, "" for none.
 * @param spoken The eras that its server speaks.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { prepareItem } from "./prepare_item.ts";
 *
 * const raw = '{"name":"now","inputSchema":{"type":"object"},"x":1e400}';
 * const bytes = new TextEncoder().encode(raw);
 * const outcome = prepareItem("tools", bytes, "clock_");
 * assertEquals(
 *   outcome.kind === "item" && new TextDecoder().decode(outcome.item.bytes),
 *   '{"name":"clock_now","inputSchema":{"type":"object"},"x":1e400}',
 * );
 * ```
 */
export function prepareItem(
  kind: ListKind,
  raw: Uint8Array,
  prefix: string,
  spoken: SpokenEras = { era: "session" },
): PrepareOutcome {
  const row = KINDS[kind];
  const whole = { start: 0, end: raw.byteLength };
  if (kindOf(raw, whole) !== "object") {
    return leftOut(`a ${row.noun} is not an object`);
  }
  const item = members(raw, whole, SERVER_JSON);
  const at = item.get(row.key);
  const name = asString(raw, at, SERVER_JSON);
  if (at === undefined || name === undefined) {
    return leftOut(`a ${row.noun} has no ${row.key}`);
  }
  const exposed = row.prefixed ? prefix + name : name;
  const valid = validate(raw);
  const wrong = wrongKey(row, name, exposed) ??
    // Duplicate keys: we would check one value and a client perhaps use another.
    (valid.kind === "malformed" ? valid.reason : wrongTypes(raw, item, row)) ??
    wrongInside(kind, raw, item);
  const label = `${row.noun} ${quoted(name)}`;
  if (wrong !== undefined) return leftOut(`${label}: ${wrong}`);
  const renamed = exposed === name ? raw : replaceString(raw, at, exposed);
  const shown = kind === "tools"
    ? toolForms(renamed, spoken)
    : { kind: "forms", forms: plain(renamed) } as const;
  if (shown.kind === "left out") return leftOut(`${label}: ${shown.reason}`);
  const { session, stateless, paramHeaders, doubts } = shown.forms;
  return {
    kind: "item",
    item: {
      name,
      exposed,
      bytes: session,
      ...(stateless === null
        ? { sessionOnly: true }
        : stateless === session
        ? {}
        : { stateless }),
      ...(paramHeaders.length === 0 ? {} : { paramHeaders }),
    },
    doubts: [...doubtsAbout(raw, row, name, exposed), ...doubts]
      .map((doubt) => `${label}: ${doubt}`),
  };
}

/** What all clients see alike. */
function plain(bytes: Uint8Array): ToolForms {
  return { session: bytes, stateless: bytes, paramHeaders: [], doubts: [] };
}

/** An item's JSON text as clients of an era see it; undefined if they do not. */
export function formFor(
  { bytes, stateless, sessionOnly }: PreparedItem,
  era: Era,
): Uint8Array | undefined {
  if (era === "session") return bytes;
  return sessionOnly === true ? undefined : stateless ?? bytes;
}

/** A name for a message, in which nothing is invisible. */
function quoted(name: string): string {
  return JSON.stringify(name.slice(0, QUOTED_LENGTH)).replace(
    /[^\u0020-\u007e\p{L}\p{N}\p{P}\p{S}]/gu,
    (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
}

function leftOut(reason: string): PrepareOutcome {
  return { kind: "left out", reason };
}

function wrongKey(
  { key, maxKeyLength, prefixed }: KindRow,
  name: string,
  exposed: string,
): string | undefined {
  if (name === "") return `its ${key} is empty`;
  if (exposed.length > maxKeyLength) {
    const what = prefixed ? `${key} with prefix` : key;
    return `its ${what} has ${exposed.length} characters, at most ${maxKeyLength} are allowed`;
  }
  // deno-lint-ignore no-control-regex -- that is what it looks for
  if (/[\u0000-\u001f\u007f]/.test(name) || !name.isWellFormed()) {
    return `its ${key} has control characters or broken surrogates`;
  }
  return undefined;
}

function wrongTypes(
  raw: Uint8Array,
  item: ReadonlyMap<string, Span>,
  { required, optional }: Pick<KindRow, "required" | "optional">,
): string | undefined {
  const missing = required.find(([member]) => !item.has(member));
  if (missing !== undefined) return `${missing[0]} is missing`;
  for (const [member, type] of [...required, ...optional]) {
    const value = item.get(member);
    if (value !== undefined && kindOf(raw, value) !== type) {
      return `${member} is not ${withArticle(type)}`;
    }
  }
  return undefined;
}

function withArticle(type: JsonKind): string {
  return type === "object" || type === "array" ? `an ${type}` : `a ${type}`;
}

/** What types alone do not tell. */
function wrongInside(
  kind: ListKind,
  raw: Uint8Array,
  item: ReadonlyMap<string, Span>,
): string | undefined {
  switch (kind) {
    case "tools":
      return wrongSchema(raw, item.get("inputSchema")!);
    case "prompts":
      return wrongArguments(raw, item.get("arguments"));
    case "resources":
    case "templates":
      return undefined;
    default:
      return kind satisfies never;
  }
}

/**
 * Required by the specification, and clients reject a whole list over it. What
 * stands below may be any JSON Schema.
 */
function wrongSchema(raw: Uint8Array, schema: Span): string | undefined {
  return asString(raw, members(raw, schema).get("type")) === "object"
    ? undefined
    : 'inputSchema.type is not "object"';
}

function wrongArguments(
  raw: Uint8Array,
  span: Span | undefined,
): string | undefined {
  if (span === undefined) return undefined;
  for (const [index, argument] of elements(raw, span).entries()) {
    const wrong = kindOf(raw, argument) === "object"
      ? wrongTypes(raw, members(raw, argument), ARGUMENT)
      : "it is not an object";
    if (wrong !== undefined) return `arguments[${index}]: ${wrong}`;
  }
  return undefined;
}
