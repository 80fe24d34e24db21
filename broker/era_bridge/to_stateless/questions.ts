/**
 * What a server of the stateless era asks in `input_required`, as requests to
 * a client in a session, and the client's responses as the server wants them.
 * Pure.
 *
 * | asked | the client declared | |
 * |---|---|---|
 * | `elicitation/create` with a form | `elicitation.form`, or no mode | asked |
 * | `elicitation/create` with a URL | `elicitation.url` | asked, with an id for it |
 * | `sampling/createMessage` | `sampling`, with tools `sampling.tools` | asked |
 * | `roots/list` | `roots` | asked |
 * | one of these | not so | not asked |
 * | anything else | | not asked |
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/mrtr
 * @module
 */

import {
  applyEdits,
  type Edit,
  editMembers,
} from "../../../shared/jsonrpc/edit.ts";
import { SERVER_JSON } from "../../../shared/jsonrpc/json_limits.ts";
import type { ResponseMessage, Span } from "../../../shared/jsonrpc/message.ts";
import { isObject, member } from "../../../shared/jsonrpc/parsed.ts";
import {
  asString,
  elements,
  kindOf,
  members,
  text,
} from "../../../shared/jsonrpc/values.ts";
import type {
  ClientCapabilities,
  SessionRevision,
} from "../../../shared/mcp.ts";
import type { Question } from "./read_answer.ts";

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

/**
 * Tells why a client cannot be asked something; undefined where it can.
 *
 * @param capabilities What the server was told that the client declares.
 */
export function whyNotAsked(
  { method, params }: Question,
  capabilities: ClientCapabilities,
): string | undefined {
  switch (method) {
    case "elicitation/create":
      return undeclaredElicitation(params, member(capabilities, "elicitation"));
    case "sampling/createMessage":
      return undeclaredSampling(params, member(capabilities, "sampling"));
    case "roots/list":
      return undeclared("roots", isObject(member(capabilities, "roots")));
    default:
      return `${method.slice(0, MAX_SHOWN)}, which no client can be asked`;
  }
}

/** Characters of a method that are shown. */
const MAX_SHOWN = 64;

function undeclaredElicitation(
  params: string | undefined,
  declared: unknown,
): string | undefined {
  if (!isObject(declared)) return undeclared("elicitation", false);
  const form = isObject(declared["form"]);
  const url = isObject(declared["url"]);
  return isUrlMode(params)
    ? undeclared("elicitation.url", url)
    // Without modes it is forms that are meant.
    : undeclared("elicitation.form", form || !url);
}

function undeclaredSampling(
  params: string | undefined,
  declared: unknown,
): string | undefined {
  if (!isObject(declared)) return undeclared("sampling", false);
  const found = read(params);
  return found.has("tools") || found.has("toolChoice")
    ? undeclared("sampling.tools", isObject(declared["tools"]))
    : undefined;
}

function undeclared(name: string, isDeclared: boolean): string | undefined {
  return isDeclared ? undefined : `${name}, which the client did not declare`;
}

function isUrlMode(params: string | undefined): boolean {
  if (params === undefined) return false;
  const bytes = ENCODER.encode(params);
  return asString(bytes, read(params).get("mode"), SERVER_JSON) === "url";
}

function read(params: string | undefined): ReadonlyMap<string, Span> {
  if (params === undefined) return new Map();
  const bytes = ENCODER.encode(params);
  return members(bytes, { start: 0, end: bytes.length }, SERVER_JSON);
}

/** Whom a question is written for. */
export interface QuestionFor {
  /** Its id, raw JSON. */
  readonly id: string;
  /**
   * What an elicitation of a URL is called, which this era needs and the other
   * does not have.
   */
  readonly elicitationId: string;
  /** The client's revision. */
  readonly revision: SessionRevision;
}

/** Elicitation has modes, sampling lists of content, since this revision. */
const MODES_SINCE: SessionRevision = "2025-11-25";

/**
 * Writes the request.
 *
 * | in it | for a client of | becomes |
 * |---|---|---|
 * | a URL to open | 2025-11-25 | the same, with an id |
 * | the mode of a form | before 2025-11-25 | nothing |
 * | a message with several pieces of content | before 2025-11-25 | as many messages |
 */
export function writeQuestion(
  { method, params }: Question,
  { id, ...how }: QuestionFor,
): string {
  const head = `{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(method)}`;
  if (params === undefined) return `${head}}`;
  return `${head},"params":${writeParams(method, params, how)}}`;
}

function writeParams(
  method: string,
  params: string,
  { elicitationId, revision }: Omit<QuestionFor, "id">,
): string {
  const isOlder = revision < MODES_SINCE;
  const found = read(params);
  const bytes = ENCODER.encode(params);
  const whole = { start: 0, end: bytes.length };
  const edited = (edits: readonly Edit[]) =>
    DECODER.decode(applyEdits(bytes, edits));
  const changed = (key: string, json: string | undefined) =>
    edited(editMembers(bytes, whole, new Map([[key, json]]), SERVER_JSON));
  switch (method) {
    case "elicitation/create":
      if (isUrlMode(params)) {
        return found.has("elicitationId")
          ? params
          : changed("elicitationId", JSON.stringify(elicitationId));
      }
      return isOlder ? changed("mode", undefined) : params;
    case "sampling/createMessage": {
      const messages = found.get("messages");
      return isOlder && messages !== undefined
        ? edited(olderMessages(bytes, messages))
        : params;
    }
    default:
      return params;
  }
}

/** Each message with a list of content as messages with one piece each. */
function olderMessages(bytes: Uint8Array, messages: Span): readonly Edit[] {
  if (kindOf(bytes, messages) !== "array") return [];
  return elements(bytes, messages, SERVER_JSON).flatMap((message) => {
    if (kindOf(bytes, message) !== "object") return [];
    const content = members(bytes, message, SERVER_JSON).get("content");
    if (content === undefined || kindOf(bytes, content) !== "array") return [];
    const pieces = elements(bytes, content, SERVER_JSON)
      .map((piece) => text(bytes, piece));
    const [before, behind] = [
      text(bytes, { start: message.start, end: content.start }),
      text(bytes, { start: content.end, end: message.end }),
    ];
    const all = pieces.length === 0 ? [NO_CONTENT] : pieces;
    const json = all.map((piece) => `${before}${piece}${behind}`).join();
    return [{ ...message, json }];
  });
}

const NO_CONTENT = '{"type":"text","text":""}';

/** What a client's response to a question comes to. */
export type QuestionAnswer =
  | {
    readonly kind: "result";
    /** For the server, raw JSON of an object. */
    readonly result: string;
  }
  /** There is no way to tell the server: the call ends. */
  | { readonly kind: "failed"; readonly why: string };

/**
 * Reads a client's response. One that is an error can be told of an
 * elicitation only, as its being cancelled; the others have no way to say so.
 *
 * @param body The body that the response stands in.
 */
export function readQuestionAnswer(
  { method }: Pick<Question, "method">,
  body: Uint8Array,
  { result, error }: ResponseMessage,
): QuestionAnswer {
  if (result !== undefined && kindOf(body, result) === "object") {
    return { kind: "result", result: text(body, result) };
  }
  if (method === "elicitation/create") {
    return { kind: "result", result: '{"action":"cancel"}' };
  }
  const message = error !== undefined && kindOf(body, error) === "object"
    ? asString(body, members(body, error).get("message"))
    : undefined;
  return {
    kind: "failed",
    why: `the client did not answer ${method}${
      message === undefined ? "" : `: ${message}`
    }`,
  };
}
