/**
 * Decides what a body is: a JSON-RPC request, notification, response, a batch
 * of them, or nothing that may be passed on. Reads the raw bytes once, keeps
 * them, and says where the members that routing reads stand. Never throws.
 *
 * @module
 */

import { decodeString, decodeText } from "./_decode.ts";
import { matchName } from "./_fold.ts";
import { DUPLICATE_KEY, Reader } from "./_reader.ts";
import { JSON_LIMITS, type JsonLimits } from "./json_limits.ts";
import type {
  Malformed,
  Message,
  Params,
  Scanned,
  Span,
  StringSpan,
} from "./message.ts";

const QUOTE = 0x22;
const MINUS = 0x2d;
const OPEN_ARRAY = 0x5b;
const LETTER_N = 0x6e;
const OPEN_OBJECT = 0x7b;

const ENCODER = new TextEncoder();

/** A member's name, as a string and as the bytes that keys are matched with. */
interface Name<N extends string> {
  readonly name: N;
  readonly bytes: Uint8Array;
}

const ENVELOPE = names([
  "jsonrpc",
  "id",
  "method",
  "params",
  "result",
  "error",
]);

/** The members that this gateway, router or broker, reads in `params`. */
const PARAMS = names([
  "name",
  "arguments",
  "_meta",
  "uri",
  "ref",
  "cursor",
  "protocolVersion",
  "requestId",
  "progressToken",
  "capabilities",
  "clientInfo",
]);

/** An id: raw JSON text, or null, or absent where it is none. */
interface IdSpan extends Span {
  readonly raw?: string | null;
}

/** What has been read of a message. */
interface Draft {
  readonly start: number;
  jsonrpc: boolean;
  id?: IdSpan;
  method?: string;
  params?: Params;
  result?: Span;
  error?: Span;
  problem?: Problem;
}

/** The first thing that is not JSON-RPC, in valid JSON. */
interface Problem {
  readonly offset: number;
  readonly reason: string;
}

/**
 * Scans a body.
 *
 * JSON comes first: a body that is no JSON is a parse error, wherever the
 * problem stands. One that is JSON and not JSON-RPC is read to its end, so
 * that the refusal can carry the id.
 *
 * @example
 * ```ts
 * import { scan } from "./scanner.ts";
 *
 * const body = '{"jsonrpc":"2.0","id":7,"method":"tools/call",' +
 *   '"params":{"name":"weather_forecast"}}';
 * const message = scan(new TextEncoder().encode(body));
 * if (message.kind === "request") message.params?.name?.value; // "weather_forecast"
 * ```
 */
export function scan(
  bytes: Uint8Array,
  limits: JsonLimits = JSON_LIMITS,
): Scanned {
  const reader = new Reader(bytes, 0, bytes.length, limits.maxDepth);
  if (!reader.begin()) return parseError(reader, null);
  const scanned = reader.peek() === OPEN_ARRAY
    ? readBatch(reader)
    : readMessage(reader);
  if (reader.reason !== "" || reader.finish()) return scanned;
  return parseError(reader, scanned.kind === "batch" ? null : idOf(scanned));
}

function readBatch(reader: Reader): Scanned {
  const start = reader.position;
  const messages: Message[] = [];
  let problem: Malformed | undefined;
  if (reader.enterArray()) {
    while (reader.nextElement()) {
      const message = readMessage(reader);
      if (message.kind !== "malformed") messages.push(message);
      else if (reader.reason !== "") return message;
      else problem ??= message;
    }
  }
  if (reader.reason !== "") return parseError(reader, null);
  if (problem !== undefined) return problem;
  if (messages.length === 0) {
    return invalidRequest({ offset: start, reason: "an empty batch" }, null);
  }
  return { kind: "batch", messages };
}

function readMessage(reader: Reader): Message | Malformed {
  const start = reader.position;
  if (reader.peek() !== OPEN_OBJECT) {
    if (!reader.value()) return parseError(reader, null);
    return invalidRequest({ offset: start, reason: "not an object" }, null);
  }
  const draft: Draft = { start, jsonrpc: false };
  if (!readEnvelope(reader, draft)) {
    return parseError(reader, draft.id?.raw ?? null);
  }
  return classify(draft, reader.position);
}

/** Reads a message's members; false on a parse error. */
function readEnvelope(reader: Reader, draft: Draft): boolean {
  if (!reader.enterObject()) return false;
  while (reader.nextMember()) {
    if (!readMember(reader, draft)) return false;
  }
  // Of two ids neither is the message's.
  if (reader.reason === DUPLICATE_KEY && lookUp(reader, ENVELOPE) === "id") {
    delete draft.id;
  }
  return reader.reason === "";
}

function readMember(reader: Reader, draft: Draft): boolean {
  const name = lookUp(reader, ENVELOPE);
  const start = reader.position;
  const first = reader.peek();
  if (name === "params" && first === OPEN_OBJECT) {
    return readParams(reader, draft);
  }
  if (!reader.value()) return false;
  const end = reader.position;
  switch (name) {
    case undefined:
      break;
    case "variant":
      refuse(draft, reader.keyStart, "a variant of an envelope member's name");
      break;
    case "jsonrpc":
      draft.jsonrpc = true;
      if (first !== QUOTE || stringAt(reader, start).value !== "2.0") {
        refuse(draft, start, 'jsonrpc is not "2.0"');
      }
      break;
    case "id":
      draft.id = readId(reader, start, first);
      if (draft.id.raw === undefined) {
        refuse(draft, start, "id is neither a string nor an integer");
      }
      break;
    case "method":
      if (first !== QUOTE) refuse(draft, start, "method is not a string");
      else if (reader.loneSurrogate) {
        refuse(draft, start, "method has an unpaired surrogate");
      } else draft.method = stringAt(reader, start).value;
      break;
    case "params":
      refuse(draft, start, "params is not an object");
      break;
    case "result":
      draft.result = { start, end };
      break;
    case "error":
      draft.error = { start, end };
      if (first !== OPEN_OBJECT) refuse(draft, start, "error is not an object");
      break;
    default:
      return name satisfies never;
  }
  return true;
}

/** Takes the id that the reader has just read. */
function readId(reader: Reader, start: number, first: number): IdSpan {
  const end = reader.position;
  if (first === LETTER_N) return { start, end, raw: null };
  if (!isId(reader, first)) return { start, end };
  return { start, end, raw: decodeText(reader.bytes, start, end) };
}

/** Whether the value just read, which began with `first`, can be an id. */
function isId(reader: Reader, first: number): boolean {
  if (first === QUOTE) return !reader.loneSurrogate;
  return (first === MINUS || (first >= 0x30 && first <= 0x39)) &&
    reader.integer;
}

/** Reads the members of `params`; false on a parse error. */
function readParams(reader: Reader, draft: Draft): boolean {
  const start = reader.position;
  const params: { -readonly [K in keyof Params]: Params[K] } = {
    start,
    end: start,
  };
  if (!reader.enterObject()) return false;
  while (reader.nextMember()) {
    const name = lookUp(reader, PARAMS);
    const { keyStart, position: start } = reader;
    const first = reader.peek();
    if (!reader.value()) return false;
    switch (name) {
      case "variant":
        refuse(draft, keyStart, "a variant of a name in params");
        break;
      case "name":
      case "uri":
        if (first !== QUOTE) break;
        if (reader.loneSurrogate) {
          refuse(draft, start, `params.${name} has an unpaired surrogate`);
        } else params[name] = stringAt(reader, start);
        break;
      case "protocolVersion":
        if (first === QUOTE) params[name] = stringAt(reader, start);
        break;
      case "requestId":
      case "progressToken":
        if (isId(reader, first)) {
          const end = reader.position;
          const text = decodeText(reader.bytes, start, end);
          params[name] = { start, end, text };
        }
        break;
      case "arguments":
      case "ref":
        params[name] = { start, end: reader.position };
        break;
      case "_meta":
        params.meta = { start, end: reader.position };
        break;
    }
  }
  if (reader.reason !== "") return false;
  params.end = reader.position;
  draft.params = params;
  return true;
}

/** Takes the string that the reader has just read. */
function stringAt(reader: Reader, start: number): StringSpan {
  const end = reader.position;
  const { bytes, escaped } = reader;
  const value = decodeString(bytes, start + 1, end - 1, escaped);
  return { start, end, value };
}

/**
 * Decides what a message is.
 *
 * | method | result | error | id            | is a             |
 * | ------ | ------ | ----- | ------------- | ---------------- |
 * | yes    | –      | –     | string/number | request          |
 * | yes    | –      | –     | –             | notification     |
 * | –      | yes    | –     | string/number | response         |
 * | –      | –      | yes   | any or none   | error response   |
 *
 * Everything else is an invalid request. MCP's schema makes the id of an
 * error response optional (2025-11-25, JSONRPCErrorResponse), so none is
 * taken for null.
 */
function classify(draft: Draft, end: number): Message | Malformed {
  const { start, id, method, params, result, error } = draft;
  if (!draft.jsonrpc) refuse(draft, start, "jsonrpc is missing");
  if (method !== undefined && (result ?? error) !== undefined) {
    refuse(draft, start, "both a request and a response");
  }
  if (result !== undefined && error !== undefined) {
    refuse(draft, start, "both result and error");
  }
  if ((method ?? result ?? error) === undefined) {
    refuse(draft, start, "no method, result or error");
  }
  if (result !== undefined && id === undefined) {
    refuse(draft, start, "a response without an id");
  }
  if (id?.raw === null && error === undefined) {
    refuse(draft, id.start, "id is null");
  }
  if (draft.problem !== undefined) {
    return invalidRequest(draft.problem, id?.raw ?? null);
  }
  const span = { start, end };
  if (method !== undefined) {
    const common = params === undefined
      ? { span, method }
      : { span, method, params };
    return typeof id?.raw === "string"
      ? { kind: "request", id: id.raw, ...common }
      : { kind: "notification", ...common };
  }
  return {
    kind: "response",
    span,
    id: id?.raw ?? null,
    idSpan: id === undefined
      ? { start: start + 1, end: start + 1 }
      : { start: id.start, end: id.end },
    ...(result === undefined ? {} : { result }),
    ...(error === undefined ? {} : { error }),
  };
}

/** Notes a problem; the first one stays. */
function refuse(draft: Draft, offset: number, reason: string): void {
  draft.problem ??= { offset, reason };
}

function idOf(message: Message | Malformed): string | null {
  return message.kind === "notification" ? null : message.id;
}

function parseError(reader: Reader, id: string | null): Malformed {
  const { offset, reason } = reader;
  return { kind: "malformed", refusal: "parse error", offset, reason, id };
}

function invalidRequest(problem: Problem, id: string | null): Malformed {
  const { offset, reason } = problem;
  return { kind: "malformed", refusal: "invalid request", offset, reason, id };
}

function names<N extends string>(list: readonly N[]): readonly Name<N>[] {
  return list.map((name) => ({ name, bytes: ENCODER.encode(name) }));
}

/** Finds which of the names the current member's key is, or is a variant of. */
function lookUp<N extends string>(
  reader: Reader,
  names: readonly Name<N>[],
): N | "variant" | undefined {
  let { bytes } = reader;
  let start = reader.keyStart + 1;
  let end = reader.keyEnd - 1;
  if (reader.keyEscaped) {
    bytes = ENCODER.encode(decodeString(bytes, start, end, true));
    start = 0;
    end = bytes.length;
  }
  for (const { name, bytes: wanted } of names) {
    if (end - start < wanted.length) continue;
    const match = matchName(bytes, start, end, wanted);
    if (match === "exact") return name;
    if (match === "variant") return "variant";
  }
  return undefined;
}
