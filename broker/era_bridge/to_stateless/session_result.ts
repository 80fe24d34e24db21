/**
 * Makes the result of a server of the stateless era one that a client in a
 * session knows: what only the stateless era says goes, what is newer than the
 * client becomes what it has, and every other byte stays. Pure.
 *
 * | in the result | for a client of | becomes |
 * |---|---|---|
 * | `resultType`, `_meta` with `serverInfo` | any | nothing |
 * | `ttlMs`, `cacheScope` of a resource | any | nothing |
 * | `structuredContent` that is no object | any | an object with it as `result` |
 * | a `resource_link` | 2025-03-26 | text that says the same |
 * | anything else | any | itself |
 *
 * @module
 */

import {
  applyEdits,
  type Edit,
  editMembers,
} from "../../../shared/jsonrpc/edit.ts";
import { SERVER_JSON } from "../../../shared/jsonrpc/json_limits.ts";
import type { Span } from "../../../shared/jsonrpc/message.ts";
import {
  asString,
  elements,
  kindOf,
  members,
  text,
} from "../../../shared/jsonrpc/values.ts";
import { META, type SessionRevision } from "../../../shared/mcp.ts";

/** Revisions before this one have no links to resources. */
const LINKS_SINCE: SessionRevision = "2025-06-18";

/** What a client calls, and how it speaks. */
export interface ResultFor {
  /** The method. */
  readonly method: string;
  /** The client's revision. */
  readonly revision: SessionRevision;
}

/**
 * Writes a result for a client in a session.
 *
 * @param bytes What the result stands in, lenient JSON.
 * @param result Where it stands: an object.
 * @returns The result alone.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { sessionResult } from "./session_result.ts";
 *
 * const json = '{"content":[],"n":1e400,"resultType":"complete"}';
 * const bytes = new TextEncoder().encode(json);
 * const result = sessionResult(bytes, { start: 0, end: bytes.length }, {
 *   method: "tools/call",
 *   revision: "2025-11-25",
 * });
 * assertEquals(new TextDecoder().decode(result), '{"content":[],"n":1e400}');
 * ```
 */
export function sessionResult(
  bytes: Uint8Array,
  result: Span,
  { method, revision }: ResultFor,
): Uint8Array<ArrayBuffer> {
  const found = members(bytes, result, SERVER_JSON);
  const changes = new Map<string, string | undefined>([
    ["resultType", undefined],
  ]);
  const edits: Edit[] = [];
  const meta = found.get("_meta");
  if (meta !== undefined && kindOf(bytes, meta) === "object") {
    const said = members(bytes, meta, SERVER_JSON);
    if (said.size === 1 && said.has(META.serverInfo)) {
      changes.set("_meta", undefined);
    } else {
      const gone = new Map([[META.serverInfo, undefined]]);
      edits.push(...editMembers(bytes, meta, gone, SERVER_JSON));
    }
  }
  switch (method) {
    case "tools/call": {
      const structured = found.get("structuredContent");
      if (structured !== undefined && kindOf(bytes, structured) !== "object") {
        changes.set(
          "structuredContent",
          wrapped(text(bytes, structured)),
        );
      }
      edits.push(...olderContent(bytes, found.get("content"), revision));
      break;
    }
    case "prompts/get":
      for (const message of objectsIn(bytes, found.get("messages"))) {
        const content = message.get("content");
        if (content !== undefined) {
          edits.push(...olderBlock(bytes, content, revision));
        }
      }
      break;
    case "resources/read":
      changes.set("ttlMs", undefined);
      changes.set("cacheScope", undefined);
      break;
  }
  const all = [...editMembers(bytes, result, changes, SERVER_JSON), ...edits];
  return applyEdits(bytes, all, result);
}

/** What clients of the session era can take, which is objects only. */
function wrapped(structured: string): string {
  return `{"result":${structured}}`;
}

function olderContent(
  bytes: Uint8Array,
  content: Span | undefined,
  revision: SessionRevision,
): readonly Edit[] {
  return content !== undefined && kindOf(bytes, content) === "array" &&
      revision < LINKS_SINCE
    ? elements(bytes, content, SERVER_JSON)
      .flatMap((block) => olderBlock(bytes, block, revision))
    : [];
}

function olderBlock(
  bytes: Uint8Array,
  block: Span,
  revision: SessionRevision,
): readonly Edit[] {
  if (revision >= LINKS_SINCE || kindOf(bytes, block) !== "object") return [];
  const found = members(bytes, block, SERVER_JSON);
  const say = (key: string) => asString(bytes, found.get(key), SERVER_JSON);
  if (say("type") !== "resource_link") return [];
  const name = say("title") ?? say("name") ?? "Resource";
  const description = say("description");
  const said = `${name}: ${say("uri") ?? ""}${
    description === undefined ? "" : `\n${description}`
  }`;
  const annotations = found.get("annotations");
  const json = `{"type":"text","text":${JSON.stringify(said)}${
    annotations === undefined
      ? ""
      : `,"annotations":${text(bytes, annotations)}`
  }}`;
  return [{ ...block, json }];
}

function objectsIn(
  bytes: Uint8Array,
  list: Span | undefined,
): readonly ReadonlyMap<string, Span>[] {
  if (list === undefined || kindOf(bytes, list) !== "array") return [];
  return elements(bytes, list, SERVER_JSON)
    .filter((one) => kindOf(bytes, one) === "object")
    .map((one) => members(bytes, one, SERVER_JSON));
}
