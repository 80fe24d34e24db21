/**
 * What comes back for one request of a batch, as events of the batch's stream.
 * Whatever happens, exactly one of them is the response.
 *
 * | what comes | becomes |
 * |---|---|
 * | JSON that is the response | an event |
 * | an event stream | its events as they are, ids included, until the response is there and the stream over |
 * | an event stream that ends too soon, with event ids | taken up again |
 * | a JSON-RPC error without an id | the same with the request's |
 * | a response to something else | nothing: it could pass for another request's |
 * | anything else, or nothing | an error with the request's id |
 *
 * @module
 */

import { drop } from "../../shared/upstream/http_answers.ts";
import { readBody } from "../../shared/body.ts";
import { type Refusal, replyToRefusal } from "../../shared/errors.ts";
import { SERVER_JSON } from "../../shared/jsonrpc/json_limits.ts";
import { members, text } from "../../shared/jsonrpc/values.ts";
import type { Logger } from "../../shared/log.ts";
import { readEvents, type ServerEvent } from "../../shared/sse/read_events.ts";
import type { OutgoingEvent } from "../../shared/sse/write_event.ts";
import {
  messagesOf,
  readServerMessage,
} from "../../shared/upstream/server_message.ts";
import { UpstreamError } from "../../shared/upstream/upstream_error.ts";
import type { Wait } from "../../shared/wait_on_timer.ts";
import { isEventStream } from "../../shared/media_type.ts";

/** A request that is sent by itself. */
export interface BatchedCall {
  /** Its id, raw JSON. */
  readonly id: string;
  /**
   * Sends it.
   *
   * @param after Id of the event after which its stream is to go on, where the
   * request itself was sent before.
   */
  readonly open: (
    after: string | undefined,
    signal: AbortSignal,
  ) => Promise<Response>;
}

/** How an answer is read. */
export interface AnswerSettings {
  /** Largest answer, or event of one, bytes. */
  readonly answerBytes: number;
  /** Milliseconds that a stream may take to end once the response is there. */
  readonly lingerMs: number;
  /** Milliseconds until a stream is taken up again that names no time. */
  readonly resumeMs: number;
  /** Longest time that a server may name. */
  readonly maxResumeMs: number;
  /** Times that a stream is taken up again in a row without an event. */
  readonly resumptions: number;
  /** Waits. */
  readonly wait: Wait;
  /** Told of failures. */
  readonly log: Logger;
}

/** How answers are read unless something else is given. */
export const ANSWER_PATIENCE: Pick<
  AnswerSettings,
  "lingerMs" | "resumeMs" | "maxResumeMs" | "resumptions"
> = { lingerMs: 500, resumeMs: 1_000, maxResumeMs: 60_000, resumptions: 3 };

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

/**
 * Sends a request and reads what comes back. Never throws.
 *
 * @param signal Aborts when nobody is interested any more: then there is no
 * response either.
 */
export async function* answerEvents(
  call: BatchedCall,
  settings: AnswerSettings,
  signal: AbortSignal,
): AsyncGenerator<OutgoingEvent, void, void> {
  const answer = new CallAnswer(call, settings);
  try {
    yield* answer.events(signal);
  } catch (error) {
    if (signal.aborted) return;
    settings.log.warn("call of a batch got no answer", {
      error,
      remedy: "check that --gateway-url leads to Envoy's listener",
    });
  }
  if (!answer.answered && !signal.aborted) {
    yield failure(call.id, answer.failure);
  }
}

/** An event that is an error of the gateway's. */
export function failure(id: string, refusal: Refusal): OutgoingEvent {
  return { data: replyToRefusal(refusal, id).body };
}

class CallAnswer {
  /** Whether the response was among the events. */
  answered = false;
  /** Why it is not, should it not come. */
  failure: Refusal = {
    kind: "internal error",
    detail: "no answer came back through the gateway; the call may have run",
  };
  readonly #call: BatchedCall;
  readonly #settings: AnswerSettings;
  #lastEventId: string | undefined;
  #retryMs: number | undefined;

  constructor(call: BatchedCall, settings: AnswerSettings) {
    this.#call = call;
    this.#settings = settings;
  }

  async *events(
    signal: AbortSignal,
  ): AsyncGenerator<OutgoingEvent, void, void> {
    const { resumptions, resumeMs, maxResumeMs, wait } = this.#settings;
    for (let inVain = 0; inVain <= resumptions; inVain++) {
      const after = this.#lastEventId;
      const done = new AbortController();
      const either = AbortSignal.any([signal, done.signal]);
      try {
        const response = await this.#call.open(after, either);
        if (!isEventStream(response)) {
          if (after === undefined) yield* this.#json(response);
          else await drop(response);
          return;
        }
        this.failure = { kind: "connection lost" };
        for await (const event of this.#stream(response, signal)) {
          inVain = 0;
          yield event;
        }
      } finally {
        done.abort(); // ends a read that nobody waits for any more
      }
      if (this.answered || this.#lastEventId === undefined) return;
      const pause = this.#retryMs ?? resumeMs;
      await wait(Math.min(pause, maxResumeMs), signal);
      if (signal.aborted) return;
    }
  }

  /** An answer that is complete. */
  async *#json(
    response: Response,
  ): AsyncGenerator<OutgoingEvent, void, void> {
    const { status, headers } = response;
    const declared = headers.get("content-length");
    const { answerBytes } = this.#settings;
    const body = await readBody(response.body, declared, answerBytes);
    if (body === undefined) {
      await drop(response);
      this.failure = tooLarge(answerBytes);
      return;
    }
    for (const message of messagesOf(body)) {
      // What some filter says in JSON of its own is none of MCP's.
      const isMessage = readServerMessage(message).kind !== "malformed";
      const event = isMessage ? this.#take(message) : undefined;
      if (event !== undefined) yield event;
    }
    this.failure = {
      kind: "internal error",
      detail: `the gateway answered HTTP ${status}, which is no answer`,
      data: { status },
    };
  }

  /** Events of a stream, until it ends or breaks. */
  async *#stream(
    response: Response,
    signal: AbortSignal,
  ): AsyncGenerator<OutgoingEvent, void, void> {
    const { answerBytes, lingerMs, wait, log } = this.#settings;
    const body = response.body ?? new Blob([]).stream();
    const over = new AbortController();
    let linger: Promise<void> | undefined;
    const events = readEvents(body, { eventBytes: answerBytes });
    try {
      for (;;) {
        // The response is the last that anybody waits for.
        if (this.answered) linger ??= wait(lingerMs, over.signal);
        const next = events.next();
        const turn = await (linger ? Promise.race([next, linger]) : next);
        if (turn === undefined || turn.done) return;
        yield* this.#hear(turn.value);
      }
    } catch (error) {
      if (error instanceof UpstreamError && error.kind === "too large") {
        this.failure = tooLarge(answerBytes);
        // It would come again.
        this.#lastEventId = undefined;
      }
      if (!signal.aborted) {
        log.debug("stream of a call in a batch broke", { error });
      }
    } finally {
      over.abort();
      // It may hang in a read, which only ending the request ends.
      void events.return().catch(() => {});
    }
  }

  *#hear(event: ServerEvent): Generator<OutgoingEvent, void, void> {
    const { id, retry, data } = event;
    if (id !== undefined) {
      // What is no plain header is not worth an id: an empty one is none.
      this.#lastEventId = /^[\x21-\x7e]+$/.test(id) ? id : undefined;
    }
    this.#retryMs = retry ?? this.#retryMs;
    const rest = {
      ...(id === undefined ? {} : { id }),
      ...(retry === undefined ? {} : { retry }),
    };
    if (event.event !== "message") {
      // Clients take no message from it, whatever it says.
      yield { ...rest, event: event.event, data };
      return;
    }
    if (data === "") {
      yield { ...rest, ...(id === undefined ? {} : { data }) };
      return;
    }
    const events = messagesOf(ENCODER.encode(data))
      .flatMap((message) => this.#take(message) ?? []);
    const last = events.pop();
    yield* events;
    // Who has the id has everything before it.
    if (last !== undefined) yield { ...rest, ...last };
    else if (id !== undefined) yield { ...rest, data: "" };
  }

  /** What becomes of one message. */
  #take(bytes: Uint8Array): OutgoingEvent | undefined {
    const message = readServerMessage(bytes);
    if (message.kind !== "result" && message.kind !== "error") {
      return { data: DECODER.decode(bytes) };
    }
    const { id } = this.#call;
    const nameless = message.kind === "error" && message.id === "null";
    if (this.answered || !(nameless || isSameId(message.id, id))) {
      this.#settings.log.debug("response to another request dropped", {});
      return undefined;
    }
    this.answered = true;
    return { data: nameless ? named(bytes, id) : DECODER.decode(bytes) };
  }
}

function tooLarge(bytes: number): Refusal {
  return {
    kind: "internal error",
    detail:
      `the answer is larger than the ${bytes} bytes that one in a batch ` +
      "may have; the call may have run. Send it as a single message",
  };
}

/** An error of who could not read the request's id, with that id. */
function named(bytes: Uint8Array, id: string): string {
  const json = ENCODER.encode(DECODER.decode(bytes)); // without a mark
  const whole = { start: 0, end: json.byteLength };
  const error = members(json, whole, SERVER_JSON).get("error");
  const raw = error === undefined ? "null" : text(json, error);
  return `{"jsonrpc":"2.0","id":${id},"error":${raw}}`;
}

/** Whether two ids, raw JSON, are equal however they are written. */
function isSameId(one: string, other: string): boolean {
  if (one === other) return true;
  const [a, b] = [JSON.parse(one), JSON.parse(other)];
  return a === b && (typeof a !== "number" || Number.isSafeInteger(a));
}
