/**
 * Finds the lines of a `text/event-stream` in its bytes, and what field each
 * of them is. Decodes nothing, keeps nothing of the lines it has left.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
 * @module
 */

import type { Span } from "../jsonrpc/message.ts";

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const COLON = 0x3a;

const ID = [0x69, 0x64] as const;
const DATA = [0x64, 0x61, 0x74, 0x61] as const;

/** Finds line ends: `\n`, `\r\n` or `\r`. */
export class LineEnds {
  readonly #bytes: Uint8Array;
  /** The next carriage return at or behind what was asked last. */
  #cr = -1;

  /** Finds them in these bytes. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The offset of the next line end, or −1. To be asked from front to back. */
  next(from: number): number {
    const bytes = this.#bytes;
    // Seldom there at all: not to be looked for again with each line.
    if (this.#cr < from) {
      const cr = bytes.indexOf(CR, from);
      this.#cr = cr < 0 ? Infinity : cr;
    }
    const lf = bytes.indexOf(LF, from);
    if (this.#cr === Infinity) return lf;
    return lf < 0 ? this.#cr : Math.min(lf, this.#cr);
  }

  /** The offset behind the line end at `at`, as far as the bytes tell. */
  behind(at: number): number {
    const bytes = this.#bytes;
    return bytes[at] === CR && bytes[at + 1] === LF ? at + 2 : at + 1;
  }
}

/** Walks the lines of an event. */
export class EventLines {
  /** Where the line begins. */
  start = 0;
  /** Where it ends, its line end excluded. */
  end = 0;
  /** Where the next one begins. */
  behind = 0;
  /** Which field it is, of those that concern us. */
  field: "data" | "id" | "other" = "other";

  readonly #bytes: Uint8Array;
  readonly #ends: LineEnds;

  /** Walks these bytes, whose last line may have no end. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#ends = new LineEnds(bytes);
  }

  /** Moves to the next line; false where there is none. */
  next(): boolean {
    const bytes = this.#bytes;
    const start = this.behind;
    if (start >= bytes.length) return false;
    const end = this.#ends.next(start);
    this.start = start;
    this.end = end < 0 ? bytes.length : end;
    this.behind = end < 0 ? bytes.length : this.#ends.behind(end);
    if (this.#is(DATA)) this.field = "data";
    else this.field = this.#is(ID) ? "id" : "other";
    return true;
  }

  /** Whether the line has an end. */
  get whole(): boolean {
    return this.behind > this.end;
  }

  /** The value of a line of a known field; empty where it has no colon. */
  get value(): Span {
    const bytes = this.#bytes;
    const { start, end } = this;
    const colon = start + (this.field === "data" ? DATA : ID).length;
    if (colon >= end) return { start: end, end };
    const spaced = colon + 1 < end && bytes[colon + 1] === SPACE;
    return { start: colon + (spaced ? 2 : 1), end };
  }

  #is(name: readonly number[]): boolean {
    const bytes = this.#bytes;
    const behind = this.start + name.length;
    if (behind > this.end) return false;
    for (let i = 0; i < name.length; i++) {
      if (bytes[this.start + i] !== name[i]) return false;
    }
    return behind === this.end || bytes[behind] === COLON;
  }
}
