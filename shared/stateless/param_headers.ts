/**
 * Arguments of tools that clients of the stateless era mirror in headers
 * `Mcp-Param-NAME`: which ones a tool names in its `inputSchema`, what their
 * values are for a call, and whether a client's headers say the same. Pure.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#custom-headers-from-tool-parameters
 * @module
 */

import type { ParamHeader } from "../catalog.ts";
import type { Refusal } from "../errors.ts";
import {
  decodeHeaderValue,
  encodeHeaderValue,
  MCP_PARAM_PREFIX,
} from "../headers.ts";
import { type Edit, editMembers } from "../jsonrpc/edit.ts";
import { SERVER_JSON } from "../jsonrpc/json_limits.ts";
import type { RequestMessage, Span } from "../jsonrpc/message.ts";
import { isObject, member } from "../jsonrpc/parsed.ts";
import {
  elements,
  kindOf,
  members,
  parseValue,
  stringValue,
  text,
} from "../jsonrpc/values.ts";
import type { HeaderLookup } from "./standard_headers.ts";

/** The annotation by which a schema asks for a header. */
export const PARAM_HEADER_KEYWORD = "x-mcp-header";

/** What a tool's annotations come to. */
export type ParamHeadersOutcome =
  | { readonly kind: "headers"; readonly headers: readonly ParamHeader[] }
  /** Clients must not be shown such a tool. */
  | { readonly kind: "invalid"; readonly reason: string };

/** More would not pass the proxies between a client and a server. */
const MAX_HEADERS = 32;
/** Characters of a header's name, without `Mcp-Param-`. */
const MAX_NAME = 128;

/** 1*tchar (RFC 9110, 5.6.2). */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Types whose values can be mirrored. A number that is no integer cannot. */
const TYPES = ["string", "integer", "boolean"] as const;

/** Keywords whose value is a schema, or a list of them. */
const SUBSCHEMAS = [
  "additionalItems",
  "additionalProperties",
  "allOf",
  "anyOf",
  "contains",
  "contentSchema",
  "else",
  "if",
  "items",
  "not",
  "oneOf",
  "prefixItems",
  "propertyNames",
  "then",
  "unevaluatedItems",
  "unevaluatedProperties",
] as const;

/** Keywords whose value holds schemas by name, `properties` aside. */
const NAMED_SUBSCHEMAS = [
  "$defs",
  "definitions",
  "dependencies",
  "dependentSchemas",
  "patternProperties",
] as const;

const MENTION = new TextEncoder().encode("mcp-header");
const BACKSLASH = 0x5c;

/**
 * Reads which arguments of a tool are mirrored.
 *
 * @param tool Its JSON text, as a list has it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { paramHeadersOf } from "./param_headers.ts";
 *
 * const tool = {
 *   name: "query",
 *   inputSchema: {
 *     type: "object",
 *     properties: { region: { type: "string", "x-mcp-header": "Region" } },
 *   },
 * };
 * assertEquals(paramHeadersOf(new TextEncoder().encode(JSON.stringify(tool))), {
 *   kind: "headers",
 *   headers: [{ header: "region", path: ["region"], type: "string" }],
 * });
 * ```
 */
export function paramHeadersOf(tool: Uint8Array): ParamHeadersOutcome {
  const found = new Map<string, ParamHeader>();
  for (const schema of schemasOf(tool)) {
    const wrong = annotate(schema, found);
    if (wrong !== undefined) {
      return { kind: "invalid", reason: `${PARAM_HEADER_KEYWORD} ${wrong}` };
    }
  }
  return { kind: "headers", headers: [...found.values()] };
}

/** Whether the keyword may stand in a tool, escapes in keys included. */
function mayMention(tool: Uint8Array): boolean {
  const first = MENTION[0]!;
  for (let at = 0; at < tool.length; at++) {
    // An escape may be a letter of it.
    if (tool[at] === BACKSLASH && tool[at + 1] === 0x75) return true;
    if (tool[at] !== first) continue;
    if (MENTION.every((byte, i) => tool[at + i] === byte)) return true;
  }
  return false;
}

/** Bytes of a tool out of which annotations are taken. */
const MAX_EDITED = 1024 * 1024;

/**
 * Answers the edits that take every annotation out of a tool.
 *
 * @param tool Its JSON text.
 * @returns Undefined for a tool that is too large to be written anew.
 */
export function paramHeaderEdits(
  tool: Uint8Array,
): readonly Edit[] | undefined {
  if (tool.length > MAX_EDITED) return undefined;
  const find = finder(tool, { start: 0, end: tool.length }, itemsToo);
  const without = new Map([[PARAM_HEADER_KEYWORD, undefined]]);
  const edits: Edit[] = [];
  for (const { schema, place } of schemasOf(tool)) {
    const span = Object.hasOwn(schema, PARAM_HEADER_KEYWORD)
      ? find(place)
      : undefined;
    if (span === undefined) continue;
    edits.push(...editMembers(tool, span, without, SERVER_JSON));
  }
  return edits;
}

/** A schema somewhere in a tool's `inputSchema`. */
interface Schema {
  readonly schema: Readonly<Record<string, unknown>>;
  /** Keys and indexes that lead from the tool to it. */
  readonly place: readonly string[];
  /** The properties that lead to it. */
  readonly path: readonly string[];
  /** Whether nothing but properties leads to it. */
  readonly reachable: boolean;
}

/** Every schema in a tool's `inputSchema`, itself first. */
function* schemasOf(tool: Uint8Array): Generator<Schema> {
  // Most tools have no annotation, and a schema can be large.
  if (!mayMention(tool)) return;
  const parsed = parseValue(tool, { start: 0, end: tool.length });
  if (!isObject(parsed)) return;
  yield* visit(member(parsed, "inputSchema"), ["inputSchema"], [], true);
}

function* visit(
  schema: unknown,
  place: readonly string[],
  path: readonly string[],
  reachable: boolean,
): Generator<Schema> {
  if (Array.isArray(schema)) {
    for (const [index, one] of schema.entries()) {
      yield* visit(one, [...place, String(index)], path, false);
    }
  }
  if (!isObject(schema)) return;
  yield { schema, place, path, reachable };
  const named = (keyword: string) => {
    const inside = member(schema, keyword);
    return isObject(inside) ? Object.entries(inside) : [];
  };
  for (const [key, child] of named("properties")) {
    const at = [...place, "properties", key];
    yield* visit(child, at, [...path, key], reachable);
  }
  for (const keyword of SUBSCHEMAS) {
    yield* visit(member(schema, keyword), [...place, keyword], path, false);
  }
  for (const keyword of NAMED_SUBSCHEMAS) {
    for (const [key, child] of named(keyword)) {
      yield* visit(child, [...place, keyword, key], path, false);
    }
  }
}

/** Takes a schema's annotation; answers what is wrong with it. */
function annotate(
  { schema, path, reachable }: Schema,
  found: Map<string, ParamHeader>,
): string | undefined {
  if (!Object.hasOwn(schema, PARAM_HEADER_KEYWORD)) return undefined;
  if (!reachable || path.length === 0) {
    return "stands where no chain of properties leads to";
  }
  const name = schema[PARAM_HEADER_KEYWORD];
  if (typeof name !== "string") return "is not a string";
  if (name === "") return "is empty";
  if (name.length > MAX_NAME) return `is longer than ${MAX_NAME} characters`;
  if (!TOKEN.test(name)) return "is not the name of a header (RFC 9110 token)";
  const type = TYPES.find((one) => one === member(schema, "type"));
  if (type === undefined) {
    return `${
      JSON.stringify(name)
    } is on a property whose type is not string, integer or boolean`;
  }
  const header = name.toLowerCase();
  if (found.has(header)) {
    return `${JSON.stringify(name)} is given to two properties`;
  }
  if (found.size >= MAX_HEADERS) {
    return `is given to more than ${MAX_HEADERS} properties`;
  }
  found.set(header, { header, path, type });
  return undefined;
}

/**
 * Answers the headers that go with a call, encoded: none for an argument that
 * is absent, null or nothing that a header can say.
 *
 * @param headers What the tool mirrors.
 * @param bytes The body in which the request stands.
 */
export function paramHeaderValues(
  headers: readonly ParamHeader[],
  bytes: Uint8Array,
  request: RequestMessage,
): readonly (readonly [string, string])[] {
  const find = finder(bytes, request.params?.arguments);
  return headers.flatMap(({ header, path }) => {
    const value = mirrored(bytes, find(path));
    return value === undefined
      ? []
      : [[MCP_PARAM_PREFIX + header, encodeHeaderValue(value)] as const];
  });
}

/**
 * Holds a client's headers against the arguments.
 *
 * | argument | header | |
 * |---|---|---|
 * | has a value | none | mismatch |
 * | has a value | the same one | |
 * | has a value | another one, or malformed | mismatch |
 * | is an integer | the same in other digits: `42.0` | |
 * | absent, null, an object, a list | none | |
 * | absent, null, an object, a list | any | mismatch: it says what is not so |
 * | an integer that no double holds | none, or the very digits | |
 *
 * Headers of other names are not looked at.
 *
 * @returns Why they do not belong to the call; undefined where they do.
 */
export function checkParamHeaders(
  headers: readonly ParamHeader[],
  bytes: Uint8Array,
  request: RequestMessage,
  header: HeaderLookup,
): Refusal | undefined {
  const find = finder(bytes, request.params?.arguments);
  for (const { header: name, path } of headers) {
    const written = header(MCP_PARAM_PREFIX + name);
    const wrong = compare(bytes, find(path), written);
    if (wrong !== undefined) {
      return { kind: "header mismatch", detail: `Mcp-Param-${name} ${wrong}` };
    }
  }
  return undefined;
}

function compare(
  bytes: Uint8Array,
  span: Span | undefined,
  written: string | undefined,
): string | undefined {
  if (written === undefined) {
    return mirrored(bytes, span) === undefined ? undefined : "is missing";
  }
  const decoded = decodeHeaderValue(written);
  if (decoded.kind === "malformed") return `is malformed: ${decoded.reason}`;
  const value = mirrored(bytes, span);
  if (value === decoded.value) return undefined;
  if (span !== undefined && kindOf(bytes, span) === "number") {
    const same = value === undefined
      ? text(bytes, span) === decoded.value
      : INTEGER.test(value) && INTEGER.test(decoded.value) &&
        Number(value) === Number(decoded.value);
    if (same) return undefined;
  }
  return "is not what the arguments say";
}

/** An integer in decimal, with or without a fraction of zero. */
const INTEGER = /^-?(?:0|[1-9][0-9]*)(?:\.0+)?$/;

/** What a header says of an argument; undefined where it is left out. */
function mirrored(
  bytes: Uint8Array,
  span: Span | undefined,
): string | undefined {
  if (span === undefined) return undefined;
  const kind = kindOf(bytes, span);
  switch (kind) {
    case "string":
      // What no UTF-8 can say, no header can.
      return stringValue(bytes, span).toWellFormed();
    case "boolean":
      return text(bytes, span);
    case "number": {
      const number = Number(text(bytes, span));
      const exact = Number.isInteger(number)
        ? Number.isSafeInteger(number)
        : Number.isFinite(number);
      return exact ? String(number) : undefined;
    }
    case "null":
    case "object":
    case "array":
      return undefined;
    default:
      return kind satisfies never;
  }
}

type Inside = (bytes: Uint8Array, span: Span) => ReadonlyMap<string, Span>;

/** Finds values by their paths, reading nothing twice. */
function finder(
  bytes: Uint8Array,
  root: Span | undefined,
  inside: Inside = membersOnly,
): (path: readonly string[]) => Span | undefined {
  const read = new Map<number, ReadonlyMap<string, Span>>();
  return (path) => {
    let at = root;
    for (const key of path) {
      if (at === undefined) return undefined;
      let found = read.get(at.start);
      if (found === undefined) read.set(at.start, found = inside(bytes, at));
      at = found.get(key);
    }
    return at;
  };
}

/** An object's members; a property is nothing that an array has. */
function membersOnly(
  bytes: Uint8Array,
  span: Span,
): ReadonlyMap<string, Span> {
  return kindOf(bytes, span) === "object"
    ? members(bytes, span, SERVER_JSON)
    : new Map();
}

/** The same, and an array's elements by their indexes. */
function itemsToo(bytes: Uint8Array, span: Span): ReadonlyMap<string, Span> {
  return kindOf(bytes, span) !== "array" ? membersOnly(bytes, span) : new Map(
    elements(bytes, span, SERVER_JSON).map((one, i) => [String(i), one]),
  );
}
