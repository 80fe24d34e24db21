/**
 * What is doubtful about something that is listed all the same: what a person
 * does not see and a model reads, what some clients do not take, and what
 * nobody can call here. Pure.
 *
 * @module
 */

import {
  asString,
  kindOf,
  members,
  text,
} from "../../shared/jsonrpc/values.ts";
import type { KindRow } from "./kinds.ts";

/** Longest name that every common client takes. */
const COMMON_NAME_LENGTH = 64;

/**
 * Characters without a width of their own, fillers and those that turn a
 * line's direction: text in them is read by models and seen by nobody. The
 * joiners and variation selectors that emoji and several scripts are written
 * with are none of these.
 *
 * @see https://www.unicode.org/reports/tr36/
 */
const INVISIBLE =
  /[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]/u;

/** In a name even those have no business. */
const JOINERS = /[\u200c\u200d\ufe00-\ufe0f]/u;

/**
 * Finds doubts about one item.
 *
 * @param raw Its JSON text, valid.
 * @param name Its key: a name, a URI or a template of URIs.
 * @param exposed What clients call it.
 * @returns Sentence fragments, one for each doubt.
 */
export function doubtsAbout(
  raw: Uint8Array,
  { key, prefixed }: KindRow,
  name: string,
  exposed: string,
): readonly string[] {
  const doubts: string[] = [];
  if (prefixed && exposed.length > COMMON_NAME_LENGTH) {
    doubts.push(
      `its ${key} with prefix has ${exposed.length} characters, and some clients take no more than ${COMMON_NAME_LENGTH}`,
    );
  }
  if (needsTask(raw)) {
    doubts.push(
      "it can be called as a task only, which the gateway does not offer",
    );
  }
  for (const [member, found] of invisibleIn(raw, key, name)) {
    doubts.push(`its ${member} has an invisible character, ${found}`);
  }
  return doubts;
}

/** Whether a tool refuses to be called plainly (2025-11-25, tasks). */
export function needsTask(raw: Uint8Array): boolean {
  const whole = { start: 0, end: raw.byteLength };
  const execution = members(raw, whole).get("execution");
  return execution !== undefined && kindOf(raw, execution) === "object" &&
    asString(raw, members(raw, execution).get("taskSupport")) === "required";
}

/** Members that have invisible characters anywhere in them, and the first. */
function invisibleIn(
  raw: Uint8Array,
  key: string,
  name: string,
): readonly (readonly [string, string])[] {
  const whole = { start: 0, end: raw.byteLength };
  // Most are plain, and are not taken apart.
  if (!/[^\u0020-\u007e\s]|\\u/.test(text(raw, whole))) return [];
  return [...members(raw, whole)].flatMap(([member, span]) => {
    const found = member === key
      ? JOINERS.exec(name) ?? INVISIBLE.exec(name)
      : INVISIBLE.exec(unescaped(text(raw, span)));
    return found === null ? [] : [[member, codePoint(found[0])] as const];
  });
}

/** JSON text in which characters stand as they are, where they can. */
function unescaped(json: string): string {
  return json.includes("\\u") ? JSON.stringify(JSON.parse(json)) : json;
}

function codePoint(character: string): string {
  const hex = character.codePointAt(0)!.toString(16).toUpperCase();
  return `U+${hex.padStart(4, "0")}`;
}
