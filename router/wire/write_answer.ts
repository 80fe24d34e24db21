/**
 * Writes what Envoy is told, as protobuf: byte for byte what the generated
 * codec would write. Pure.
 *
 * @module
 */

import type {
  Answer,
  Continue,
  HeaderEntry,
  Metadata,
  Reply,
} from "../answer.ts";
import type { PhaseKind } from "../phase.ts";
import { LENGTH_DELIMITED, tagOf, VARINT } from "./wire_reader.ts";
import { WireWriter } from "./wire_writer.ts";

/** Namespace of the dynamic metadata that the router sets. */
const METADATA_NAMESPACE = "mcp";

/** The field of a ProcessingResponse that answers a phase. */
const ANSWERS: Readonly<Record<PhaseKind, number>> = {
  "request headers": tagOf(1, LENGTH_DELIMITED),
  "response headers": tagOf(2, LENGTH_DELIMITED),
  "request body": tagOf(3, LENGTH_DELIMITED),
  "response body": tagOf(4, LENGTH_DELIMITED),
};
/** Its other fields. */
const REQUEST_TRAILERS = tagOf(5, LENGTH_DELIMITED);
const IMMEDIATE = tagOf(7, LENGTH_DELIMITED);
const DYNAMIC_METADATA = tagOf(8, LENGTH_DELIMITED);
const MODE_OVERRIDE = tagOf(9, LENGTH_DELIMITED);
/** Fields of HeadersResponse and BodyResponse. */
const COMMON = tagOf(1, LENGTH_DELIMITED);
/** Fields of CommonResponse. */
const HEADER_MUTATION = tagOf(2, LENGTH_DELIMITED);
const BODY_MUTATION = tagOf(3, LENGTH_DELIMITED);
const CLEAR_ROUTE_CACHE = tagOf(5, VARINT);
/** Fields of BodyMutation. */
const BODY = tagOf(1, LENGTH_DELIMITED);
const CLEAR_BODY = tagOf(2, VARINT);
/** Fields of TrailersResponse. */
const TRAILER_MUTATION = tagOf(1, LENGTH_DELIMITED);
/** Fields of HeaderMutation, HeaderValueOption and HeaderValue. */
const SET_HEADERS = tagOf(1, LENGTH_DELIMITED);
const REMOVE_HEADERS = tagOf(2, LENGTH_DELIMITED);
const HEADER = tagOf(1, LENGTH_DELIMITED);
const APPEND_ACTION = tagOf(3, VARINT);
const KEY = tagOf(1, LENGTH_DELIMITED);
const RAW_VALUE = tagOf(3, LENGTH_DELIMITED);
/** Fields of ImmediateResponse and HttpStatus. */
const STATUS = tagOf(1, LENGTH_DELIMITED);
const STATUS_CODE = tagOf(1, VARINT);
const REPLY_HEADERS = tagOf(2, LENGTH_DELIMITED);
const REPLY_BODY = tagOf(3, LENGTH_DELIMITED);
const DETAILS = tagOf(5, LENGTH_DELIMITED);
/** Fields of a Struct, of its entries, and of a Value. */
const FIELDS = tagOf(1, LENGTH_DELIMITED);
const ENTRY_KEY = tagOf(1, LENGTH_DELIMITED);
const ENTRY_VALUE = tagOf(2, LENGTH_DELIMITED);
const STRING_VALUE = tagOf(3, LENGTH_DELIMITED);
const STRUCT_VALUE = tagOf(5, LENGTH_DELIMITED);
/** Fields of ProcessingMode. */
const RESPONSE_HEADER_MODE = tagOf(2, VARINT);
const REQUEST_BODY_MODE = tagOf(3, VARINT);
const RESPONSE_BODY_MODE = tagOf(4, VARINT);

/** `HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD`: the default would append. */
const OVERWRITE = 2;
/** `HeaderSendMode`; the default leaves it as it is configured. */
const SEND = 1;
const SKIP = 2;
/** `BodySendMode`; the default, which is not written, is NONE. */
const STREAMED = 1;
const BUFFERED = 2;

/** One for all: a message is written in one go. */
const writer = new WireWriter();

/**
 * Writes the answer to a phase as a ProcessingResponse, in memory that the next
 * message is written to as well.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { writeAnswer } from "./write_answer.ts";
 *
 * // response_headers (field 2) with an empty CommonResponse in it
 * assertEquals(
 *   [...writeAnswer("response headers", { kind: "continue" })],
 *   [0x12, 0x02, 0x0a, 0x00],
 * );
 * ```
 */
export function writeAnswer(phase: PhaseKind, answer: Answer): Uint8Array {
  writer.begin();
  if (answer.kind === "reply") writeReply(answer);
  else writeContinue(phase, answer);
  return writer.written();
}

/**
 * Writes the answer to request trailers: all of them go. A trailer would reach
 * a server past everything that was checked and removed in the headers.
 *
 * @returns The message, in memory that the next one is written to as well.
 */
export function dropTrailers(names: readonly string[]): Uint8Array {
  writer.begin();
  writeMutation(TRAILER_MUTATION, [], names);
  writer.message(REQUEST_TRAILERS, 0);
  return writer.written();
}

function writeContinue(phase: PhaseKind, answer: Continue): void {
  writeModes(answer);
  if (answer.metadata !== undefined) writeMetadata(answer.metadata);
  const before = writer.length;
  if (answer.reroute === true) writer.integer(CLEAR_ROUTE_CACHE, 1);
  if (answer.body !== undefined) writeBody(answer.body);
  if (answer.headers !== undefined) {
    writeMutation(HEADER_MUTATION, answer.headers.set, answer.headers.remove);
  }
  writer.message(COMMON, before);
  writer.message(ANSWERS[phase], before);
}

function writeModes({ phases, streamBody }: Continue): void {
  if (streamBody === true) {
    writer.integer(RESPONSE_BODY_MODE, STREAMED);
  } else if (phases !== undefined) {
    if (phases.requestBody) writer.integer(REQUEST_BODY_MODE, BUFFERED);
    writer.integer(RESPONSE_HEADER_MODE, phases.responseHeaders ? SEND : SKIP);
  } else return;
  writer.message(MODE_OVERRIDE, 0);
}

/** Facts of the router's, in a Struct of its own. */
function writeMetadata(metadata: Metadata): void {
  const before = writer.length;
  for (const [key, value] of Object.entries(metadata).reverse()) {
    const end = writer.length;
    writer.string(STRING_VALUE, value);
    writer.message(ENTRY_VALUE, end);
    writer.string(ENTRY_KEY, key);
    writer.message(FIELDS, end);
  }
  writer.message(STRUCT_VALUE, before);
  writer.message(ENTRY_VALUE, before);
  writer.string(ENTRY_KEY, METADATA_NAMESPACE);
  writer.message(FIELDS, before);
  writer.message(DYNAMIC_METADATA, before);
}

function writeBody(body: Uint8Array): void {
  const before = writer.length;
  if (body.length === 0) writer.integer(CLEAR_BODY, 1);
  else writer.bytes(BODY, body);
  writer.message(BODY_MUTATION, before);
}

function writeMutation(
  tag: number,
  set: readonly HeaderEntry[],
  remove: readonly string[],
): void {
  const before = writer.length;
  for (let i = remove.length - 1; i >= 0; i--) {
    writer.string(REMOVE_HEADERS, remove[i]!);
  }
  for (let i = set.length - 1; i >= 0; i--) {
    const [key, value] = set[i]!;
    const end = writer.length;
    writer.integer(APPEND_ACTION, OVERWRITE);
    const header = writer.length;
    if (value !== "") writer.string(RAW_VALUE, value);
    if (key !== "") writer.string(KEY, key);
    writer.message(HEADER, header);
    writer.message(SET_HEADERS, end);
  }
  writer.message(tag, before);
}

function writeReply({ status, headers, body, details }: Reply): void {
  if (details !== "") writer.string(DETAILS, details);
  if (typeof body !== "string") {
    if (body.length > 0) writer.bytes(REPLY_BODY, body);
  } else if (body !== "") writer.string(REPLY_BODY, body);
  writeMutation(REPLY_HEADERS, headers, []);
  const before = writer.length;
  if (status !== 0) writer.integer(STATUS_CODE, status);
  writer.message(STATUS, before);
  writer.message(IMMEDIATE, 0);
}
