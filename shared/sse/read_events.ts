/**
 * Reads a server's `text/event-stream` within a limit: bytes in, events out.
 * Knows nothing of what the events say.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
 * @module
 */

import { UpstreamError } from "../upstream/upstream_error.ts";
import { smallReads } from "./_small_reads.ts";

/** One event. */
export interface ServerEvent {
  /** The event's type; `message` where the stream named none. */
  readonly event: string;
  /** Its data, lines joined by `\n`. */
  readonly data: string;
  /** The stream's last event id, where it gave one. */
  readonly id?: string;
  /** Reconnection time the stream asked for with this event, milliseconds. */
  readonly retry?: number;
}

/** How much of a stream is read. */
export interface EventStreamLimits {
  /** Largest single event, bytes. */
  readonly eventBytes: number;
  /** Largest whole stream, bytes; without it only events are limited. */
  readonly totalBytes?: number;
  /**
   * Told after each chunk how much of an unfinished event is held, characters,
   * and 0 at the end. False where that is too much, for whatever reason.
   */
  readonly mayHold?: (characters: number) => boolean;
}

/**
 * Reads events until the stream ends. Events without data are yielded only
 * where they carry `retry` or `id`, so that a priming event is seen.
 *
 * Leaving the loop cancels the stream.
 *
 * @throws {UpstreamError} `too large` beyond a limit; whatever the stream
 * fails with.
 */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
  limits: EventStreamLimits,
): AsyncGenerator<ServerEvent, void, void> {
  try {
    yield* read(body, limits);
  } finally {
    limits.mayHold?.(0);
  }
}

async function* read(
  body: ReadableStream<Uint8Array>,
  { eventBytes, totalBytes, mayHold }: EventStreamLimits,
): AsyncGenerator<ServerEvent, void, void> {
  const decoder = new TextDecoder();
  let total = 0;
  let pending = "";
  let scannedTo = 0;
  let event = new EventBuilder();
  for await (const chunk of smallReads(body)) {
    total += chunk.byteLength;
    if (totalBytes !== undefined && total > totalBytes) {
      throw new UpstreamError("too large", {
        message: `event stream is larger than ${totalBytes} bytes`,
      });
    }
    pending += decoder.decode(chunk, { stream: true });
    // Lines end with \n, \r\n or \r; a \r at the very end may be half of one.
    let start = 0;
    let at = scannedTo;
    for (;;) {
      const end = lineEnd(pending, at);
      if (end === -1) break;
      const terminator = pending[end] === "\r" && pending[end + 1] === "\n"
        ? 2
        : 1;
      const finished = event.addLine(pending.slice(start, end));
      start = at = end + terminator;
      if (finished) {
        const built = event.build();
        event = new EventBuilder();
        if (built !== undefined) yield built;
      }
    }
    pending = pending.slice(start);
    scannedTo = Math.max(0, pending.length - 1);
    const held = pending.length + event.size;
    if (held > eventBytes) {
      throw new UpstreamError("too large", {
        message: `event is larger than ${eventBytes} bytes`,
      });
    }
    if (mayHold?.(held) === false) {
      throw new UpstreamError("too large", {
        message: "too much is held of unfinished events",
      });
    }
  }
  // Nothing comes that could be its other half.
  if (pending.endsWith("\r") && event.addLine(pending.slice(0, -1))) {
    const built = event.build();
    if (built !== undefined) yield built;
  }
}

/** Index of the next line end that is certain, or -1. */
function lineEnd(text: string, from: number): number {
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x0a) return i;
    if (code === 0x0d) return i + 1 < text.length ? i : -1;
  }
  return -1;
}

/** Collects the lines of one event. */
class EventBuilder {
  /** Characters held so far. */
  size = 0;
  #event = "message";
  readonly #data: string[] = [];
  #id: string | undefined;
  #retry: number | undefined;

  /** Adds a line; true where it was the empty one that ends the event. */
  addLine(line: string): boolean {
    if (line === "") return true;
    const colon = line.indexOf(":");
    if (colon === 0) return false; // a comment, such as a keep-alive
    const field = colon === -1 ? line : line.slice(0, colon);
    const raw = colon === -1 ? "" : line.slice(colon + 1);
    const value = raw.startsWith(" ") ? raw.slice(1) : raw;
    this.size += value.length;
    switch (field) {
      case "data":
        this.#data.push(value);
        break;
      case "event":
        this.#event = value;
        break;
      case "id":
        if (!value.includes("\0")) this.#id = value;
        break;
      case "retry":
        if (/^\d+$/.test(value)) this.#retry = Number(value);
        break;
    }
    return false;
  }

  /** The event, or undefined where the lines said nothing. */
  build(): ServerEvent | undefined {
    if (
      this.#data.length === 0 && this.#id === undefined &&
      this.#retry === undefined
    ) return undefined;
    return {
      event: this.#event,
      data: this.#data.join("\n"),
      ...(this.#id === undefined ? {} : { id: this.#id }),
      ...(this.#retry === undefined ? {} : { retry: this.#retry }),
    };
  }
}
