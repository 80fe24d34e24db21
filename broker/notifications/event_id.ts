/**
 * Ids of events on clients' streams: which broker, which stream of it, which
 * event of that, and what the lists were then, by which another broker can tell
 * whether its client missed a change of them. They need not be secret: who presents one gets events of its
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
  /** Digest of the lists that the client saw when the event was sent. */
  readonly lists?: string;
}

const SHAPE = /^([0-9a-f]+)-(\d{1,15})-(\d{1,15})(?:-([\w-]{1,22}))?$/;

/**
 * Writes an id.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readEventId, writeEventId } from "./event_id.ts";
 *
 * const id = { instance: "c0ffee", stream: 3, event: 14, lists: "x_-Y" };
 * assertEquals(writeEventId(id), "c0ffee-3-14-x_-Y");
 * assertEquals(readEventId("c0ffee-3-14-x_-Y"), id);
 * ```
 */
export function writeEventId(
  { instance, stream, event, lists }: EventId,
): string {
  const id = `${instance}-${stream}-${event}`;
  return lists === undefined ? id : `${id}-${lists}`;
}

/** Reads an id; undefined for any other text. */
export function readEventId(text: string): EventId | undefined {
  const [, instance, stream, event, lists] = SHAPE.exec(text) ?? [];
  return instance === undefined || stream === undefined || event === undefined
    ? undefined
    : {
      instance,
      stream: Number(stream),
      event: Number(event),
      ...(lists === undefined ? {} : { lists }),
    };
}
