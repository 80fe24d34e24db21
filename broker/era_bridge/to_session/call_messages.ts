/**
 * Reads what a server of the session era says in answer to one call: messages,
 * from JSON or from an event stream, which is taken up again where it ends too
 * soon and the server lets it. Decides nothing about what they say.
 *
 * | answer | messages |
 * |---|---|
 * | JSON | those in it, whatever the status |
 * | an event stream | those of its events, until whoever reads has enough |
 * | one that ends or breaks, with event ids | taken up again behind the last |
 * | anything else | none: an error |
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#sending-messages-to-the-server
 * @module
 */

import { drop } from "../../../shared/upstream/http_answers.ts";
import { joinBytes } from "../../../shared/bytes.ts";
import { GatewayError } from "../../../shared/errors.ts";
import { errorText } from "../../../shared/error_text.ts";
import type { Logger } from "../../../shared/log.ts";
import { isEventStream } from "../../../shared/media_type.ts";
import {
  readEvents,
  type ServerEvent,
} from "../../../shared/sse/read_events.ts";
import { messagesOf } from "../../../shared/upstream/server_message.ts";
import { UpstreamError } from "../../../shared/upstream/upstream_error.ts";
import type { Wait } from "../../../shared/wait_on_timer.ts";
import { ANSWER_PATIENCE } from "../../batches/call_answer.ts";

/** How an answer is read. */
export interface CallReading {
  /** Name of the server, for errors. */
  readonly server: string;
  /** Takes the stream up again, behind an event. */
  readonly resume: (after: string, signal: AbortSignal) => Promise<Response>;
  /** Largest answer in JSON, or event of a stream, bytes. */
  readonly answerBytes: number;
  /**
   * Told how much is held of what is not complete yet, characters, 0 at the
   * end; false where that is too much.
   */
  readonly mayHold: (characters: number) => boolean;
  /** Waits. */
  readonly wait: Wait;
  /** Told of streams that break. */
  readonly log: Logger;
}

const ENCODER = new TextEncoder();

/**
 * Reads an answer.
 *
 * @param response What the server answered the call with.
 * @param signal Ends reading.
 * @throws {GatewayError} If there is, or comes, nothing that could be read.
 */
export async function* callMessages(
  response: Response,
  reading: CallReading,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  if (isEventStream(response)) {
    yield* new CallStream(reading).messages(response, signal);
  } else yield* await readJson(response, reading);
}

async function readJson(
  response: Response,
  { server, answerBytes, mayHold }: CallReading,
): Promise<readonly Uint8Array[]> {
  const { status, headers } = response;
  const type = headers.get("content-type") ?? "";
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    await drop(response);
    throw noAnswer(server, status);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of response.body ?? new Blob([]).stream()) {
      size += chunk.byteLength;
      if (size > answerBytes || !mayHold(size)) throw tooLarge(server);
      chunks.push(chunk);
    }
  } catch (cause) {
    if (cause instanceof GatewayError) throw cause;
    throw new GatewayError({ kind: "connection lost", detail: server }, {
      cause,
    });
  } finally {
    mayHold(0);
  }
  // An event's text has lost its mark; what is JSON may have one.
  const text = new TextDecoder().decode(joinBytes(chunks));
  return messagesOf(ENCODER.encode(text));
}

/** One event stream, and those that take it up again. */
class CallStream {
  readonly #reading: CallReading;
  #lastEventId: string | undefined;
  #retryMs: number | undefined;
  #inVain = 0;

  constructor(reading: CallReading) {
    this.#reading = reading;
  }

  async *messages(
    first: Response,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array, void, void> {
    const { server, resume, wait } = this.#reading;
    const { resumeMs, maxResumeMs, resumptions } = ANSWER_PATIENCE;
    let response: Response | undefined = first;
    for (;;) {
      if (response !== undefined) yield* this.#read(response, signal);
      if (signal.aborted) return;
      if (this.#lastEventId === undefined || this.#inVain > resumptions) {
        throw new GatewayError({ kind: "connection lost", detail: server });
      }
      this.#inVain++;
      await wait(Math.min(this.#retryMs ?? resumeMs, maxResumeMs), signal);
      if (signal.aborted) return;
      response = await resume(this.#lastEventId, signal).catch(() => undefined);
      if (response === undefined || isEventStream(response)) continue;
      await drop(response);
      throw new GatewayError({ kind: "connection lost", detail: server });
    }
  }

  async *#read(
    response: Response,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array, void, void> {
    const { server, answerBytes, mayHold, log } = this.#reading;
    const body = response.body ?? new Blob([]).stream();
    try {
      for await (
        const event of readEvents(body, { eventBytes: answerBytes, mayHold })
      ) {
        this.#note(event);
        if (event.data === "" || event.event !== "message") continue;
        this.#inVain = 0;
        yield* messagesOf(ENCODER.encode(event.data));
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof UpstreamError && error.kind === "too large") {
        throw tooLarge(server);
      }
      log.debug("stream of a bridged call broke", {
        server,
        error: errorText(error),
      });
    }
  }

  #note({ id, retry }: ServerEvent): void {
    if (id !== undefined) {
      // What is no plain header is not worth an id: an empty one is none.
      this.#lastEventId = /^[\x21-\x7e]+$/.test(id) ? id : undefined;
    }
    this.#retryMs = retry ?? this.#retryMs;
  }
}

/** What a status, with nothing of MCP behind it, says. */
export function noAnswer(server: string, status: number): GatewayError {
  return new GatewayError({
    kind: status >= 400 ? "server refused" : "invalid answer",
    detail: `${server}: HTTP ${status} without an answer`,
  });
}

function tooLarge(server: string): GatewayError {
  return new GatewayError({
    kind: "invalid answer",
    detail: `${server}: its answers are too large`,
  });
}
