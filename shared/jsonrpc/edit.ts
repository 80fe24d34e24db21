/**
 * Changes members of objects in a body and leaves every other byte as it is:
 * values are set, replaced and removed by raw JSON text. Pure.
 *
 * @module
 */

import { decodeString } from "./_decode.ts";
import { Reader } from "./_reader.ts";
import { JSON_LIMITS, type ReadLimits } from "./json_limits.ts";
import type { Span } from "./message.ts";

/** One place that is to be written otherwise. */
export interface Edit extends Span {
  /** What stands there afterwards: raw JSON text, or part of it. */
  readonly json: string;
}

/** Raw JSON by key; undefined for a member that is to be gone. */
export type MemberChanges = ReadonlyMap<string, string | undefined>;

/** A member: where its key begins, and where its value stands. */
interface Member extends Span {
  readonly key: string;
  readonly keyStart: number;
}

const ENCODER = new TextEncoder();

/**
 * Finds out what has to change in an object's bytes so that some members are
 * others: one that is there keeps its place, a new one comes last.
 *
 * @throws {SyntaxError} Where the span does not hold an object.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { applyEdits, editMembers } from "./edit.ts";
 *
 * const bytes = new TextEncoder().encode('{"a": 1, "b":9007199254740993}');
 * const edits = editMembers(
 *   bytes,
 *   { start: 0, end: bytes.length },
 *   new Map([["a", undefined], ["c", "true"]]),
 * );
 * assertEquals(
 *   new TextDecoder().decode(applyEdits(bytes, edits)),
 *   '{"b":9007199254740993,"c":true}',
 * );
 * ```
 */
export function editMembers(
  bytes: Uint8Array,
  span: Span,
  changes: MemberChanges,
  limits: ReadLimits = JSON_LIMITS,
): readonly Edit[] {
  const { open, found } = readMembers(bytes, span, limits);
  const goes = ({ key }: Member) =>
    changes.has(key) && changes.get(key) === undefined;
  const edits: Edit[] = [];
  const last = found.findLastIndex((member) => !goes(member));
  for (const [i, member] of found.slice(0, last + 1).entries()) {
    const json = changes.get(member.key);
    if (goes(member)) {
      edits.push({
        start: member.keyStart,
        end: found[i + 1]!.keyStart,
        json: "",
      });
    } else if (json !== undefined) {
      edits.push({ start: member.start, end: member.end, json });
    }
  }
  const present = new Set(found.map(({ key }) => key));
  const added = [...changes].flatMap(([key, json]) =>
    json === undefined || present.has(key)
      ? []
      : [`${JSON.stringify(key)}:${json}`]
  ).join(",");
  // Behind the last member that stays: what goes, and what comes.
  const start = last < 0 ? open : found[last]!.end;
  const end = last + 1 < found.length ? found.at(-1)!.end : start;
  const json = last >= 0 && added !== "" ? `,${added}` : added;
  return end > start || json !== "" ? [...edits, { start, end, json }] : edits;
}

/**
 * Makes the bytes in which edits are carried out, which must not overlap.
 *
 * @param within The part that is wanted; all by default.
 */
export function applyEdits(
  bytes: Uint8Array,
  edits: readonly Edit[],
  within: Span = { start: 0, end: bytes.length },
): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  let at = within.start;
  for (const edit of edits.toSorted((a, b) => a.start - b.start)) {
    parts.push(bytes.subarray(at, edit.start), ENCODER.encode(edit.json));
    at = edit.end;
  }
  parts.push(bytes.subarray(at, within.end));
  const body = new Uint8Array(
    parts.reduce((size, part) => size + part.length, 0),
  );
  let offset = 0;
  for (const part of parts) {
    body.set(part, offset);
    offset += part.length;
  }
  return body;
}

function readMembers(
  bytes: Uint8Array,
  span: Span,
  { maxDepth, lenient }: ReadLimits,
): { readonly open: number; readonly found: readonly Member[] } {
  const reader = new Reader(bytes, span.start, span.end, maxDepth, lenient);
  if (!reader.begin() || bytes[reader.position] !== OPEN_OBJECT) {
    throw new SyntaxError("Cannot edit JSON: no object");
  }
  const open = reader.position + 1;
  const found: Member[] = [];
  if (reader.enterObject()) {
    while (reader.nextMember()) {
      const { keyStart, keyEnd, keyEscaped, position: start } = reader;
      if (!reader.value()) break;
      const key = decodeString(bytes, keyStart + 1, keyEnd - 1, keyEscaped);
      found.push({ key, keyStart, start, end: reader.position });
    }
  }
  if (reader.reason !== "" || !reader.finish()) {
    throw new SyntaxError(
      `Cannot edit JSON: ${reader.reason} at byte ${reader.offset}`,
    );
  }
  return { open, found };
}

const OPEN_OBJECT = 0x7b;
