/**
 * Reads the messages that Envoy sends with every request, field by field. What
 * is rare in them, or wrong, is left to the generated codec: whatever is read
 * here, that one reads alike. Pure.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { HeaderEntry } from "../answer.ts";
import type { Phase } from "../phase.ts";
import { LENGTH_DELIMITED, tagOf, VARINT, WireReader } from "./wire_reader.ts";

/** Namespace of the attributes that the filter was configured to send. */
export const ATTRIBUTES_NAMESPACE = "envoy.filters.http.ext_proc";
/** Envoy's word on where a response comes from. */
export const CODE_DETAILS = "response.code_details";

/** Fields of a ProcessingRequest. */
const REQUEST_HEADERS = tagOf(2, LENGTH_DELIMITED);
const RESPONSE_HEADERS = tagOf(3, LENGTH_DELIMITED);
const REQUEST_BODY = tagOf(4, LENGTH_DELIMITED);
const RESPONSE_BODY = tagOf(5, LENGTH_DELIMITED);
const METADATA_CONTEXT = tagOf(8, LENGTH_DELIMITED);
const ATTRIBUTES = tagOf(9, LENGTH_DELIMITED);
const PROTOCOL_CONFIG = tagOf(11, LENGTH_DELIMITED);
/** Fields of HttpHeaders, HeaderMap and HeaderValue. */
const HEADER_MAP = tagOf(1, LENGTH_DELIMITED);
const END_OF_HEADERS = tagOf(3, VARINT);
const HEADER = tagOf(1, LENGTH_DELIMITED);
const KEY = tagOf(1, LENGTH_DELIMITED);
const VALUE = tagOf(2, LENGTH_DELIMITED);
const RAW_VALUE = tagOf(3, LENGTH_DELIMITED);
/** Fields of HttpBody. */
const BODY = tagOf(1, LENGTH_DELIMITED);
const END_OF_BODY = tagOf(2, VARINT);
/** Fields of an entry of a map, of a Struct and of a Value. */
const ENTRY_KEY = tagOf(1, LENGTH_DELIMITED);
const ENTRY_VALUE = tagOf(2, LENGTH_DELIMITED);
const FIELDS = tagOf(1, LENGTH_DELIMITED);
const STRING_VALUE = tagOf(3, LENGTH_DELIMITED);

/** Bytes that are not UTF-8 come out as U+FFFD, as they always did. */
const utf8 = new TextDecoder();

/**
 * Reads a phase.
 *
 * @returns Undefined where the message is none of the four that are common, or
 * says more than these usually do.
 */
export function readCommonPhase(message: Uint8Array): Phase | undefined {
  const reader = new WireReader(
    Buffer.from(message.buffer, message.byteOffset, message.byteLength),
  );
  let phase: Phase | undefined;
  let codeDetails: string | undefined;
  while (reader.next()) {
    const { tag } = reader;
    switch (tag) {
      case REQUEST_HEADERS:
      case RESPONSE_HEADERS:
      case REQUEST_BODY:
      case RESPONSE_BODY:
        // Of two, the generated codec makes one.
        if (phase !== undefined) return undefined;
        phase = tag === REQUEST_HEADERS || tag === RESPONSE_HEADERS
          ? readHeaders(reader, tag)
          : readBody(reader, tag, message);
        if (phase === undefined) return undefined;
        break;
      case METADATA_CONTEXT:
        // Verified claims, maybe.
        if (reader.start < reader.end) return undefined;
        break;
      case ATTRIBUTES:
        if (codeDetails !== undefined) return undefined;
        codeDetails = readCodeDetails(reader);
        if (codeDetails === undefined) return undefined;
        break;
      case PROTOCOL_CONFIG:
        if (!skipProtocolConfig(reader)) return undefined;
        break;
      default:
        return undefined;
    }
  }
  if (reader.lost || phase === undefined) return undefined;
  return phase.kind === "response headers" && codeDetails !== undefined
    ? { kind: phase.kind, head: { ...phase.head, codeDetails } }
    : phase;
}

function readHeaders(reader: WireReader, tag: number): Phase | undefined {
  const headers: HeaderEntry[] = [];
  let endOfStream = false;
  const outer = reader.enter();
  while (reader.next()) {
    switch (reader.tag) {
      case HEADER_MAP:
        if (!readHeaderMap(reader, headers)) return undefined;
        break;
      case END_OF_HEADERS:
        endOfStream = reader.value !== 0;
        break;
      default:
        return undefined;
    }
  }
  reader.leave(outer);
  return tag === REQUEST_HEADERS
    ? { kind: "request headers", head: { headers, endOfStream } }
    : { kind: "response headers", head: { headers } };
}

function readHeaderMap(reader: WireReader, into: HeaderEntry[]): boolean {
  const outer = reader.enter();
  while (reader.next()) {
    const header = reader.tag === HEADER ? readHeader(reader) : undefined;
    if (header === undefined) return false;
    into.push(header);
  }
  reader.leave(outer);
  return true;
}

function readHeader(reader: WireReader): HeaderEntry | undefined {
  let key: string | undefined = "";
  let value: string | undefined = "";
  let rawValue = "";
  const outer = reader.enter();
  while (reader.next()) {
    switch (reader.tag) {
      case KEY:
        key = asciiOf(reader);
        break;
      case VALUE:
        value = asciiOf(reader);
        break;
      case RAW_VALUE:
        rawValue = asciiOf(reader) ?? decoded(reader);
        break;
      default:
        return undefined;
    }
    // Strings in protobuf are checked to be UTF-8.
    if (key === undefined || value === undefined) return undefined;
  }
  reader.leave(outer);
  // Envoy fills one of the two, `raw_value` by default.
  return [key, rawValue === "" ? value : rawValue];
}

function readBody(
  reader: WireReader,
  tag: number,
  message: Uint8Array,
): Phase | undefined {
  let bytes = message.subarray(0, 0);
  let end = false;
  const outer = reader.enter();
  while (reader.next()) {
    switch (reader.tag) {
      case BODY:
        bytes = message.subarray(reader.start, reader.end);
        break;
      case END_OF_BODY:
        end = reader.value !== 0;
        break;
      default:
        return undefined;
    }
  }
  reader.leave(outer);
  return tag === REQUEST_BODY
    ? { kind: "request body", bytes }
    : { kind: "response body", bytes, end };
}

/** Reads the one attribute that the filter is configured to send. */
function readCodeDetails(reader: WireReader): string | undefined {
  const outer = reader.enter();
  if (!isNamed(reader, ATTRIBUTES_NAMESPACE)) return undefined;
  const entry = reader.enter();
  if (!reader.next() || reader.tag !== FIELDS) return undefined;
  const fields = reader.enter();
  if (!isNamed(reader, CODE_DETAILS)) return undefined;
  const value = reader.enter();
  if (!reader.next() || reader.tag !== STRING_VALUE) return undefined;
  const details = asciiOf(reader);
  // Nothing else, anywhere.
  for (const limit of [value, fields, entry, outer]) {
    if (reader.next()) return undefined;
    reader.leave(limit);
  }
  return details;
}

/** Reads the key of a map's entry, which must be that one, up to its value. */
function isNamed(reader: WireReader, name: string): boolean {
  return reader.next() && reader.tag === ENTRY_KEY &&
    asciiOf(reader) === name &&
    reader.next() && reader.tag === ENTRY_VALUE;
}

/** What else Envoy will send: it was configured to. */
function skipProtocolConfig(reader: WireReader): boolean {
  const outer = reader.enter();
  while (reader.next()) {
    if ((reader.tag & 7) !== VARINT) return false;
  }
  reader.leave(outer);
  return true;
}

/** The current field as a string; undefined unless it is ASCII. */
function asciiOf({ bytes, start, end }: WireReader): string | undefined {
  let all = 0;
  for (let i = start; i < end; i++) all |= bytes[i]!;
  return all < 0x80 ? bytes.toString("latin1", start, end) : undefined;
}

function decoded({ bytes, start, end }: WireReader): string {
  return utf8.decode(bytes.subarray(start, end));
}
