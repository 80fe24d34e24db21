/**
 * Ids of events on clients' streams: which broker, which stream of it, which
 * event of that. They need not be secret: who presents one gets events of its
 * own session only. Pure.
 *
 * @module
 */

/** What an id says. */
export interface EventId {
  /** Tells brokers, and runs of one broker, apart: hexadecimal. */
  readonly instance: string;
  /** Number of the stream in its broker. */
  readonly stream: number;
  /** Number of the event in its stream; 0 is before the first. */
  readonly event: number;
}

const SHAPE = /^([0-9a-f]+)-(\d{1,15})-(\d{1,15})$/;

/**
 * Writes an id.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readEventId, writeEventId } from "./event_id.ts";
 *
 * const id = { instance: "c0ffee", stream: 3, event: 14 };
 * assertEquals(writeEventId(id), "c0ffee-3-14");
 * assertEquals(readEventId("c0ffee-3-14"), id);
 * ```
 */
export function writeEventId({ instance, stream, event }: EventId): string {
  return `${instance}-${stream}-${event}`;
}

/** Reads an id; undefined for any other text. */
export function readEventId(text: string): EventId | undefined {
  const [, instance, stream, event] = SHAPE.exec(text) ?? [];
  return instance === undefined || stream === undefined || event === undefined
    ? undefined
    : { instance, stream: Number(stream), event: Number(event) };
}
