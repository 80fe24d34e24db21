/**
 * Rewrites a server's `text/event-stream` on its way to a client, chunk by
 * chunk: ids of events and of the server's requests become routed ones,
 * everything else passes byte for byte. Holds back no more than the event
 * that is not at its end yet.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { joinBytes } from "../bytes.ts";
import { LineEnds } from "./_event_lines.ts";
import {
  type EventRewriting,
  rewriteEvent,
  rewriteEventId,
} from "./_rewrite_event.ts";
import type { RewrittenMessage } from "./rewrite_message.ts";
import type { MessageSource } from "./routed_id.ts";

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;
const MARK = [0xef, 0xbb, 0xbf] as const;
const NOTHING = new Uint8Array();

/** Answers remembered, at most: more than any client may have asked for. */
const MAX_ANSWERS = 1024;

/** Ids longer than this are remembered by a digest, characters. */
const LONG_ID = 64;

/** What a stream is rewritten with. */
export interface EventStreamOptions {
  /** Where the stream comes from. */
  readonly source: MessageSource;
  /**
   * Whether the client takes several messages in one event, as 2025-03-26
   * lets it; for others an event becomes several.
   */
  readonly batches: boolean;
  /**
   * Whether the client takes an event without a message, which since
   * 2025-11-25 begins a stream that can be taken up again. Clients of earlier
   * revisions choke on its empty data: only its id goes on. Default: it does.
   */
  readonly primes?: boolean;
  /**
   * Largest event that is rewritten, bytes. Of a larger one only the id is,
   * where it stands within them.
   */
  readonly maxEventBytes: number;
}

/**
 * Rewrites one stream.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { EventStreamRewriter } from "./event_stream_rewriter.ts";
 *
 * const rewriter = new EventStreamRewriter({
 *   source: { server: "weather", tag: "aBcDeF12" },
 *   batches: false,
 *   maxEventBytes: 1024,
 * });
 * const push = (text: string, end = false) =>
 *   new TextDecoder().decode(rewriter.push(new TextEncoder().encode(text), end));
 * assertEquals(push(": hello\n\nid: 7\nda"), ": hello\n\n");
 * assertEquals(
 *   push('ta: {"jsonrpc":"2.0","id":1,"method":"ping"}\n\n', true),
 *   "id: mcpgw:aBcDeF12:weather:7\n" +
 *     'data: {"jsonrpc":"2.0","id":"mcpgw:aBcDeF12:weather:1","method":"ping"}\n\n',
 * );
 * ```
 */
export class EventStreamRewriter {
  readonly #rewriting: EventRewriting;
  readonly #maxEventBytes: number;
  readonly #answers = new Set<string>();

  /** What is held back: the beginning of an event, in a buffer with room. */
  #buffer: Uint8Array = NOTHING;
  #held = 0;
  /** Offset in it of the current line; −1 where that began before. */
  #lineStart = 0;
  /** Offset in it up to which lines have been looked for. */
  #scanned = 0;
  #begun = false;
  /** Whether a `\n` that comes next is only the rest of a line end. */
  #afterCr = false;
  /** Whether the current event is too large to be held. */
  #passing = false;
  #sawEvent = false;
  #sawEventId = false;
  #sawRequest = false;

  /** Begins a stream. */
  constructor(
    { source, batches, primes = true, maxEventBytes }: EventStreamOptions,
  ) {
    this.#maxEventBytes = maxEventBytes;
    this.#rewriting = {
      source,
      batches,
      primes,
      onMessage: (message) => this.#note(message),
      onEventId: () => this.#sawEventId = true,
    };
  }

  /** Whether an event with data has come to its end, or to the bound. */
  get sawEvent(): boolean {
    return this.#sawEvent;
  }

  /** Whether an event had an id: whether the stream can be taken up again. */
  get sawEventId(): boolean {
    return this.#sawEventId;
  }

  /** Whether the server asked its client something. */
  get sawRequest(): boolean {
    return this.#sawRequest;
  }

  /**
   * Whether the server answered a request in this stream.
   *
   * @param id Of the request, raw JSON text.
   */
  answered(id: string): boolean {
    return this.#answers.has(answerKey(id));
  }

  /**
   * Takes the next piece of the stream and gives what can go on: possibly
   * nothing, possibly the very piece. Never throws.
   *
   * @param end Whether the stream ends behind it. What was held back then goes
   * out, an event that was cut off as if it were whole.
   */
  push(chunk: Uint8Array, end: boolean): Uint8Array {
    const bytes = this.#append(chunk);
    const eventStart = this.#beginning(bytes, end);
    if (eventStart < 0) return NOTHING;
    const out: Uint8Array[] = [];
    const kept = this.#scan(bytes, eventStart, out);
    if (!end) this.#keep(bytes, kept);
    else if (kept < bytes.length) {
      out.push(rewriteEvent(bytes.subarray(kept), this.#rewriting));
    }
    // Buffers are let go once something of them was given: no need to copy.
    const [only = NOTHING] = out;
    return out.length <= 1 ? only : joinBytes(out);
  }

  /** All that is there: what was held, and the new piece. */
  #append(chunk: Uint8Array): Uint8Array {
    if (this.#held === 0) return chunk;
    const length = this.#held + chunk.length;
    if (length > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#held));
      larger.set(this.#buffer.subarray(0, this.#held));
      this.#buffer = larger;
    }
    this.#buffer.set(chunk, this.#held);
    return this.#buffer.subarray(0, length);
  }

  /** Holds what is there from an offset on. */
  #keep(bytes: Uint8Array, from: number): void {
    this.#held = bytes.length - from;
    this.#lineStart = Math.max(-1, this.#lineStart - from);
    this.#scanned = this.#held;
    if (this.#held === 0) this.#buffer = NOTHING;
    else if (from > 0 || this.#buffer.length === 0) {
      this.#buffer = bytes.slice(from);
    }
  }

  /**
   * Where the current event begins: behind a byte order mark and the second
   * half of a line end; −1 where too little is there to tell.
   */
  #beginning(bytes: Uint8Array, end: boolean): number {
    if (this.#begun) {
      const half = this.#afterCr && bytes[this.#scanned] === LF;
      if (bytes.length > this.#scanned) this.#afterCr = false;
      if (!half) return 0;
      const nothingHeld = this.#scanned === 0;
      this.#lineStart = ++this.#scanned;
      return nothingHeld ? this.#scanned : 0;
    }
    const marked = MARK.every((byte, i) =>
      i >= bytes.length || byte === bytes[i]
    );
    if (marked && bytes.length < MARK.length && !end) {
      this.#keep(bytes, 0);
      return -1;
    }
    this.#begun = true;
    const start = marked && bytes.length >= MARK.length ? MARK.length : 0;
    this.#lineStart = this.#scanned = start;
    return start;
  }

  /**
   * Rewrites the events that end in these bytes.
   *
   * @returns From where on bytes have to wait.
   */
  #scan(bytes: Uint8Array, start: number, out: Uint8Array[]): number {
    const ends = new LineEnds(bytes);
    let eventStart = start;
    let given = 0;
    const replace = (
      end: number,
      rewrite: (event: Uint8Array, rewriting: EventRewriting) => Uint8Array,
    ) => {
      const event = bytes.subarray(eventStart, end);
      const rewritten = rewrite(event, this.#rewriting);
      if (rewritten === event) return;
      out.push(bytes.subarray(given, eventStart), rewritten);
      // What is left out takes the blank line behind it along.
      given = rewritten.length === 0 ? ends.behind(end) : end;
    };
    for (;;) {
      const lineEnd = ends.next(this.#scanned);
      const reached = lineEnd < 0 ? bytes.length : lineEnd;
      if (!this.#passing && reached - eventStart > this.#maxEventBytes) {
        replace(eventStart + this.#maxEventBytes, rewriteEventId);
        this.#passing = this.#sawEvent = true;
      }
      if (lineEnd < 0) break;
      const behind = ends.behind(lineEnd);
      this.#afterCr = bytes[lineEnd] === CR && lineEnd + 1 === bytes.length;
      if (lineEnd === this.#lineStart) {
        if (!this.#passing) replace(lineEnd, rewriteEvent);
        this.#passing = false;
        eventStart = behind;
      } else if (
        this.#lineStart === eventStart && bytes[eventStart] === COLON
      ) {
        eventStart = behind; // a keep-alive is not to wait for an event
      }
      this.#lineStart = this.#scanned = behind;
    }
    const kept = this.#passing ? bytes.length : eventStart;
    if (kept - given === bytes.length) out.push(bytes);
    else if (given < kept) out.push(bytes.subarray(given, kept));
    return kept;
  }

  #note(message: RewrittenMessage): void {
    this.#sawEvent = true;
    if (message.kind === "request") this.#sawRequest = true;
    if (message.kind !== "response") return;
    if (this.#answers.size < MAX_ANSWERS) {
      this.#answers.add(answerKey(message.id));
    }
  }
}

/** What equal ids have in common, however they are written. */
function answerKey(id: string): string {
  const value = JSON.parse(id);
  const exact = typeof value !== "number" || Number.isSafeInteger(value);
  const key = exact ? JSON.stringify(value) : id;
  return key.length <= LONG_ID
    ? key
    : createHash("sha256").update(key).digest("base64url");
}
