/**
 * Rewrites one whole event of a `text/event-stream`: its id, and the messages
 * in its data. Bytes in, bytes out. Pure.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 * @module
 */

import { joinBytes } from "../bytes.ts";
import { SERVER_JSON } from "../jsonrpc/json_limits.ts";
import type { Span } from "../jsonrpc/message.ts";
import { elements, kindOf } from "../jsonrpc/values.ts";
import { EventLines } from "./_event_lines.ts";
import {
  rewriteServerMessage,
  type RewrittenMessage,
} from "./rewrite_message.ts";
import { type MessageSource, writeRoutedEventId } from "./routed_id.ts";

const LF = 0x0a;
const ENCODER = new TextEncoder();
/** An id that begins with U+FEFF keeps it: `ignoreBOM` means just that. */
const DECODER = new TextDecoder("utf-8", { ignoreBOM: true });
const DATA_FIELD = ENCODER.encode("data: ");
const LINE_FEED = Uint8Array.of(LF);

/** How events are rewritten, and who is told what was in them. */
export interface EventRewriting {
  /** Where the stream comes from. */
  readonly source: MessageSource;
  /** Whether the client takes several messages in one event. */
  readonly batches: boolean;
  /** Whether the client takes an event with data and no message in it. */
  readonly primes: boolean;
  /** Told of each message. */
  readonly onMessage: (message: RewrittenMessage) => void;
  /** Told of an event that has an id. */
  readonly onEventId: () => void;
}

/** What stands in place of a span. */
interface Edit extends Span {
  readonly bytes: Uint8Array;
}

/** What an event says, as far as it concerns us. */
interface Fields {
  /** Where the id stands that counts: the last. */
  readonly id: Span | undefined;
  /** The data, its lines joined. */
  readonly data: Uint8Array | undefined;
}

/**
 * Rewrites an event.
 *
 * @param event Its lines with their ends, without the blank one; the last may
 * be cut.
 * @returns The very input where nothing had to change; nothing where nothing is
 * left of it.
 */
export function rewriteEvent(
  event: Uint8Array,
  rewriting: EventRewriting,
): Uint8Array {
  const { id, data } = readFields(event);
  const idEdit = editOfId(event, id, rewriting);
  if (isPriming(data) && !rewriting.primes) {
    return edited(event, [...idEdit, ...withoutData(event)]);
  }
  if (data === undefined) return edited(event, idEdit);
  if (kindOf(data, { start: 0, end: data.length }) !== "array") {
    const message = rewriteServerMessage(data, rewriting.source);
    rewriting.onMessage(message);
    const edits = editsOfData(event, data, message.bytes);
    return edited(event, [...idEdit, ...edits]);
  }
  const messages = rewriteBatch(data, rewriting);
  if (rewriting.batches) {
    const edits = editsOfData(event, data, joinBatch(data, messages));
    return edited(event, [...idEdit, ...edits]);
  }
  // An array that holds no message is none of a server's making: a value.
  return messages.every(({ kind }) => kind === "malformed")
    ? edited(event, idEdit)
    : splitEvent(event, idEdit, messages.map(({ bytes }) => bytes));
}

/** Rewrites nothing but the id of an event, in the whole lines of what is there of it. */
export function rewriteEventId(
  event: Uint8Array,
  rewriting: EventRewriting,
): Uint8Array {
  const { id } = readFields(event, false);
  return edited(event, editOfId(event, id, rewriting));
}

/** Data that is no message: it tells of the id, and when to come back. */
function isPriming(data: Uint8Array | undefined): boolean {
  return data !== undefined && data.every((byte) => byte === LF);
}

/** Reads an event's fields; without its data, cut lines do not count. */
function readFields(event: Uint8Array, withData = true): Fields {
  const lines = new EventLines(event);
  let id: Span | undefined;
  let count = 0;
  let length = 0;
  let first: Span | undefined;
  while (lines.next()) {
    if (lines.field === "other" || !(withData || lines.whole)) continue;
    const { value } = lines;
    if (lines.field === "data") {
      first ??= value;
      count++;
      length += value.end - value.start;
    } // The format ignores ids with a NUL.
    else if (!event.subarray(value.start, value.end).includes(0)) id = value;
  }
  if (first === undefined || !withData) return { id, data: undefined };
  const data = count === 1
    ? event.subarray(first.start, first.end)
    : joinData(event, length + count - 1);
  return { id, data };
}

/** An event's data: its lines, joined by line feeds. */
function joinData(event: Uint8Array, length: number): Uint8Array {
  const data = new Uint8Array(length).fill(LF);
  const lines = new EventLines(event);
  let at = 0;
  while (lines.next()) {
    if (lines.field !== "data") continue;
    const { start, end } = lines.value;
    data.set(event.subarray(start, end), at);
    at += end - start + 1;
  }
  return data;
}

/** An empty id stays: it says that there is none. */
function editOfId(
  event: Uint8Array,
  id: Span | undefined,
  { source, onEventId }: EventRewriting,
): readonly Edit[] {
  if (id === undefined || id.start === id.end) return [];
  onEventId();
  const own = DECODER.decode(event.subarray(id.start, id.end));
  return [{ ...id, bytes: ENCODER.encode(writeRoutedEventId(source, own)) }];
}

/** A message of a batch, and where it stood. */
type BatchMember = RewrittenMessage & { readonly span: Span };

/** The messages of a batch (2025-03-26); none where it is not JSON. */
function rewriteBatch(
  data: Uint8Array,
  { source, onMessage }: EventRewriting,
): readonly BatchMember[] {
  let spans: readonly Span[];
  try {
    spans = elements(data, { start: 0, end: data.length }, SERVER_JSON);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return [];
  }
  return spans.map((span) => {
    const bytes = data.subarray(span.start, span.end);
    const message = rewriteServerMessage(bytes, source);
    onMessage(message);
    return { ...message, span };
  });
}

/** A batch with its messages rewritten. */
function joinBatch(
  data: Uint8Array,
  messages: readonly BatchMember[],
): Uint8Array {
  return edited(
    data,
    messages
      .map(({ span, bytes }) => ({ ...span, bytes }))
      .filter(({ start, end, bytes }) => !isAt(data, start, end, bytes)),
  );
}

/**
 * Puts other data into the lines of an event. What is rewritten are ids, and
 * none of them has a line break in it: lines stay lines.
 */
function editsOfData(
  event: Uint8Array,
  before: Uint8Array,
  after: Uint8Array,
): readonly Edit[] {
  if (before === after) return [];
  const edits: Edit[] = [];
  const lines = new EventLines(event);
  let at = 0;
  while (lines.next()) {
    if (lines.field !== "data") continue;
    const end = lineEnd(after, at);
    const { value } = lines;
    const bytes = after.subarray(at, end);
    if (!isAt(event, value.start, value.end, bytes)) {
      edits.push({ ...value, bytes });
    }
    at = end + 1;
  }
  return edits;
}

/**
 * Takes the data out of an event: nobody is told of one without any, yet its
 * id and its time to come back count (event stream interpretation, dispatch).
 */
function withoutData(event: Uint8Array): readonly Edit[] {
  const edits: Edit[] = [];
  const lines = new EventLines(event);
  while (lines.next()) {
    if (lines.field !== "data") continue;
    edits.push({ start: lines.start, end: lines.behind, bytes: NOTHING });
  }
  return edits;
}

/**
 * Makes one event of each message; what else the event says, its id above
 * all, stays with the last.
 */
function splitEvent(
  event: Uint8Array,
  idEdit: readonly Edit[],
  messages: readonly Uint8Array[],
): Uint8Array {
  const lines = new EventLines(event);
  const before: Uint8Array[] = [];
  const edits = [...idEdit];
  while (lines.next()) {
    if (lines.field !== "data") continue;
    const { start, end, behind } = lines;
    const isFirst = edits.length === idEdit.length;
    const lineBreak = lines.whole ? event.subarray(end, behind) : LINE_FEED;
    const written = isFirst
      ? messages.map((message) => joinBytes(dataLines(message, lineBreak)))
      : [];
    for (const data of written.slice(0, -1)) before.push(data, lineBreak);
    edits.push({ start, end: behind, bytes: written.at(-1) ?? NOTHING });
  }
  return joinBytes([...before, edited(event, edits)]);
}

const NOTHING = new Uint8Array();

/** The lines that say some data. */
function dataLines(data: Uint8Array, lineBreak: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at <= data.length;) {
    const end = lineEnd(data, at);
    parts.push(DATA_FIELD, data.subarray(at, end), lineBreak);
    at = end + 1;
  }
  return parts;
}

function lineEnd(data: Uint8Array, from: number): number {
  const end = data.indexOf(LF, from);
  return end < 0 ? data.length : end;
}

/** Bytes with other bytes in place of some spans, which do not overlap. */
function edited(bytes: Uint8Array, edits: readonly Edit[]): Uint8Array {
  if (edits.length === 0) return bytes;
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const edit of edits.toSorted((a, b) => a.start - b.start)) {
    parts.push(bytes.subarray(at, edit.start), edit.bytes);
    at = edit.end;
  }
  return joinBytes([...parts, bytes.subarray(at)]);
}

/** Whether just these bytes stand in a span. */
function isAt(
  bytes: Uint8Array,
  start: number,
  end: number,
  want: Uint8Array,
): boolean {
  if (end - start !== want.length) return false;
  for (let i = 0; i < want.length; i++) {
    if (bytes[start + i] !== want[i]) return false;
  }
  return true;
}
