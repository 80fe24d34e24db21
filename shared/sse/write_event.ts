/**
 * Writes server-sent events. Pure.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 * @module
 */

const ENCODER = new TextEncoder();

/** What an event says. */
export interface OutgoingEvent {
  /** Its data; line breaks in it are kept as the format wants them. */
  readonly data?: string;
  /** Its id, without line breaks. */
  readonly id?: string;
  /** Its type, without line breaks; `message` where there is none. */
  readonly event?: string;
  /** Milliseconds after which the client should come back. */
  readonly retry?: number;
}

/**
 * Writes one event.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { writeEvent } from "./write_event.ts";
 *
 * assertEquals(
 *   new TextDecoder().decode(writeEvent({ data: "{\n}" })),
 *   "data: {\ndata: }\n\n",
 * );
 * ```
 */
export function writeEvent(event: OutgoingEvent): Uint8Array<ArrayBuffer> {
  let text = "";
  if (event.id !== undefined) {
    // A line break would let the id write lines of its own.
    text += `id: ${event.id.replace(/[\r\n\0]/g, "")}\n`;
  }
  if (event.event !== undefined && event.event !== "message") {
    text += `event: ${event.event.replace(/[\r\n]/g, "")}\n`;
  }
  if (event.retry !== undefined) text += `retry: ${event.retry}\n`;
  if (event.data !== undefined) {
    for (const line of event.data.split(/\r\n|\r|\n/)) {
      text += `data: ${line}\n`;
    }
  }
  return ENCODER.encode(`${text}\n`);
}

/** Writes a comment, which keeps a silent connection open. */
export function writeComment(comment: string): Uint8Array<ArrayBuffer> {
  return ENCODER.encode(`: ${comment.replace(/[\r\n]/g, " ")}\n\n`);
}
