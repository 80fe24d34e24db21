/**
 * What a client received in one conversation, as plain values: what two
 * recordings are compared by. Pure.
 *
 * @module
 */

import { isExactNumber } from "../support/exact_json.ts";

/** One event of a stream, or the one body of an answer that is no stream. */
export interface RecordedEvent {
  /** The event's own id, where the stream gave one. */
  readonly id?: string;
  /** The event's type, where the stream named one. */
  readonly type?: string;
  /** Milliseconds to wait before the stream is taken up again. */
  readonly retry?: number;
  /** The message, numbers as they were written; absent in a priming event. */
  readonly message?: unknown;
}

/** One HTTP request and everything that came back. */
export interface RecordedExchange {
  /** The step of the script that it belongs to. */
  readonly step: string;
  /** HTTP method. */
  readonly http: "POST" | "GET" | "DELETE";
  /** Method of the request or notification, `response`, or "". */
  readonly method: string;
  /** HTTP status. */
  readonly status: number;
  /** Headers of the answer that mean something to a client. */
  readonly headers: Readonly<Record<string, string>>;
  /** What came, in order. */
  readonly events: readonly RecordedEvent[];
  /** Who ended the answer. */
  readonly end: "server" | "client" | "failure";
}

/** A recorded conversation. */
export interface Transcript {
  /** Exchanges in the order in which they began. */
  readonly exchanges: readonly RecordedExchange[];
  /** Where the script could not go on as it should. */
  readonly problems: readonly string[];
}

/**
 * Writes an exchange as lines, a message's members one per line, so that two
 * can be compared, and the difference be read. The order of members and the
 * spelling of numbers count.
 */
export function exchangeLines(exchange: RecordedExchange): string[] {
  const { step, http, method, status, headers, events, end } = exchange;
  return [
    `${step}: ${http} ${method} -> ${status}, ended by the ${end}`,
    ...Object.entries(headers).map(([name, value]) => `  ${name}: ${value}`),
    ...events.flatMap(({ message, ...fields }) => [
      `  event ${JSON.stringify(fields)}`,
      ...message === undefined
        ? []
        : JSON.stringify(message, null, 1).split("\n").map((line) =>
          `  ${line}`
        ),
    ]),
  ];
}

/** A JSON object. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Whether a value is a JSON object. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null &&
    !Array.isArray(value) && !isExactNumber(value);
}

/** The value at a path, or undefined. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (inner, key) => isJsonObject(inner) ? inner[key] : undefined,
    value,
  );
}

/** A copy with the value at a path changed; the same value where it is not there. */
export function changeAt(
  value: unknown,
  path: readonly string[],
  change: (value: unknown) => unknown,
): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return change(value);
  if (!isJsonObject(value) || !Object.hasOwn(value, key)) return value;
  // Written out anew in the old order: the order counts.
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      name === key ? changeAt(inner, rest, change) : inner,
    ]),
  );
}

/** A copy with every message changed. */
export function changeMessages(
  exchange: RecordedExchange,
  change: (message: unknown) => unknown,
): RecordedExchange {
  return {
    ...exchange,
    events: exchange.events.map((event) =>
      event.message === undefined
        ? event
        : { ...event, message: change(event.message) }
    ),
  };
}
