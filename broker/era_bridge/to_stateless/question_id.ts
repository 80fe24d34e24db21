/**
 * Ids of requests to clients that the broker makes itself, on behalf of
 * servers that have no way to: sealed text by which any broker finds the one
 * that waits for the response, of use in the client's own session only.
 *
 * @module
 */

import { isObject } from "../../../shared/jsonrpc/parsed.ts";
import type { KeyRing } from "../../../shared/sessions/keys.ts";
import type { SealedPlace } from "../../../shared/sessions/seal.ts";
import type { Listener } from "../../../shared/sessions/sessions.ts";
import { openOwned, type Sealing, sealOwned } from "../owner.ts";

/** Which question, of which call, at which broker. */
export interface QuestionId {
  /** The broker that waits. */
  readonly owner: Listener;
  /** Names the call there. */
  readonly call: string;
  /** Names the question. */
  readonly question: number;
}

/** What all of them begin with, as JSON text. */
const MARK = '"mcpgw-bridge:';

/**
 * Writes an id.
 *
 * @param session Random id of the session of the client that is asked.
 * @returns JSON text of a string.
 */
export function writeQuestionId(
  sealing: Sealing,
  session: string,
  { owner, call, question }: QuestionId,
): string {
  const what = { c: call, q: question };
  return `${MARK}${sealOwned(sealing, placeOf(session), { owner, what })}"`;
}

/** Whether an id, raw JSON, claims to be one of these. */
export function isQuestionId(id: string): boolean {
  return id.startsWith(MARK);
}

/**
 * Reads what {@linkcode writeQuestionId} wrote.
 *
 * @returns Undefined for anything else, and for an id of another session.
 */
export function readQuestionId(
  keys: KeyRing,
  session: string,
  id: string,
): QuestionId | undefined {
  if (!isQuestionId(id) || !id.endsWith('"')) return undefined;
  const sealed = id.slice(MARK.length, -1);
  const opened = openOwned(keys, placeOf(session), sealed);
  if (opened === undefined || !isObject(opened.what)) return undefined;
  const { c: call, q: question } = opened.what;
  return typeof call === "string" && typeof question === "number"
    ? { owner: opened.owner, call, question }
    : undefined;
}

function placeOf(session: string): SealedPlace {
  return { kind: "question", session };
}
