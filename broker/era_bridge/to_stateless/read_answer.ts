/**
 * Reads what a server of the stateless era answers to a call. Pure.
 *
 * | answer | is |
 * |---|---|
 * | a result with `resultType` `complete`, or none | complete |
 * | `input_required`, to a method that may | questions, a state to hand back, or both |
 * | another `resultType`, `input_required` without either | invalid |
 * | an error | an error |
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic#responses
 * @module
 */

import { SERVER_JSON } from "../../../shared/jsonrpc/json_limits.ts";
import type { Span } from "../../../shared/jsonrpc/message.ts";
import {
  asString,
  kindOf,
  members,
  text,
} from "../../../shared/jsonrpc/values.ts";
import { readServerMessage } from "../../../shared/upstream/server_message.ts";

/** Something that a server asks of the client before it goes on. */
export interface Question {
  /** The server's name for it. */
  readonly key: string;
  /** What is asked for. */
  readonly method: string;
  /** Its parameters, raw JSON; undefined for none. */
  readonly params: string | undefined;
}

/** An error, where it stands. */
export interface ErrorAnswer {
  /** An error. */
  readonly kind: "error";
  /** What it stands in. */
  readonly bytes: Uint8Array;
  /** Where the error stands. */
  readonly error: Span;
  /** Its code; 0 where it has none. */
  readonly code: number;
}

/** What a server answered. */
export type ServerAnswer =
  | {
    readonly kind: "complete";
    /** What it stands in. */
    readonly bytes: Uint8Array;
    /** Where the result stands. */
    readonly result: Span;
  }
  | {
    readonly kind: "input required";
    /** What is asked; empty where the call is only to be sent again. */
    readonly questions: readonly Question[];
    /** To be handed back, raw JSON; undefined where nothing is. */
    readonly state: string | undefined;
  }
  | ErrorAnswer
  | { readonly kind: "invalid"; readonly why: string };

/** Methods whose answer may ask something (2026-07-28, basic, patterns, mrtr). */
const MAY_ASK: readonly string[] = [
  "tools/call",
  "prompts/get",
  "resources/read",
];

/** Questions that one answer may ask. */
const MAX_QUESTIONS = 32;

/**
 * Reads an answer.
 *
 * @param bytes The message.
 * @param method What was called.
 * @param id The id of the request as it was sent, raw JSON.
 */
export function readAnswer(
  bytes: Uint8Array,
  method: string,
  id: string,
): ServerAnswer {
  const message = readServerMessage(bytes);
  switch (message.kind) {
    case "error":
      return message.id === id || message.id === "null"
        ? { kind: "error", bytes, ...errorIn(bytes) }
        : invalid("it is an error of another request");
    case "result":
      return message.id === id
        ? readResult(bytes, message.result, method)
        : invalid("it is the answer to another request");
    case "malformed":
      return invalid(message.reason);
    case "request":
    case "notification":
      return invalid("it is no response");
    default:
      return message satisfies never;
  }
}

function errorIn(
  bytes: Uint8Array,
): { readonly error: Span; readonly code: number } {
  const start = bytes.indexOf(OPEN_OBJECT);
  const whole = { start, end: bytes.length };
  const error = members(bytes, whole, SERVER_JSON).get("error")!;
  const code = members(bytes, error, SERVER_JSON).get("code");
  return {
    error,
    code: code !== undefined && kindOf(bytes, code) === "number"
      ? Number(text(bytes, code))
      : 0,
  };
}

function readResult(
  bytes: Uint8Array,
  result: Span,
  method: string,
): ServerAnswer {
  if (kindOf(bytes, result) !== "object") {
    return invalid("its result is no object");
  }
  const found = members(bytes, result, SERVER_JSON);
  const type = found.get("resultType");
  if (type === undefined) return { kind: "complete", bytes, result };
  switch (asString(bytes, type, SERVER_JSON)) {
    case "complete":
      return { kind: "complete", bytes, result };
    case "input_required":
      return MAY_ASK.includes(method)
        ? readQuestions(bytes, found)
        : invalid(`${method} cannot ask for anything`);
    default:
      return invalid("its resultType is unknown");
  }
}

function readQuestions(
  bytes: Uint8Array,
  result: ReadonlyMap<string, Span>,
): ServerAnswer {
  const state = result.get("requestState");
  if (state !== undefined && kindOf(bytes, state) !== "string") {
    return invalid("its requestState is no string");
  }
  const requests = result.get("inputRequests");
  if (requests !== undefined && kindOf(bytes, requests) !== "object") {
    return invalid("its inputRequests are no object");
  }
  const asked = requests === undefined
    ? []
    : [...members(bytes, requests, SERVER_JSON)];
  if (asked.length > MAX_QUESTIONS) {
    return invalid(`it asks more than ${MAX_QUESTIONS} questions at once`);
  }
  if (state === undefined && asked.length === 0) {
    return invalid("it asks for input and does not say which");
  }
  const questions: Question[] = [];
  for (const [key, span] of asked) {
    const question = readQuestion(bytes, key, span);
    if (question === undefined) {
      return invalid("one of its inputRequests is no request");
    }
    questions.push(question);
  }
  return {
    kind: "input required",
    questions,
    state: state && text(bytes, state),
  };
}

function readQuestion(
  bytes: Uint8Array,
  key: string,
  span: Span,
): Question | undefined {
  if (kindOf(bytes, span) !== "object") return undefined;
  const found = members(bytes, span, SERVER_JSON);
  const method = asString(bytes, found.get("method"), SERVER_JSON);
  const params = found.get("params");
  if (method === undefined) return undefined;
  if (params !== undefined && kindOf(bytes, params) !== "object") {
    return undefined;
  }
  return { key, method, params: params && text(bytes, params) };
}

const OPEN_OBJECT = 0x7b;

function invalid(why: string): ServerAnswer {
  return { kind: "invalid", why };
}
