/**
 * Answers a batch with an event stream: what the gateway answers itself at
 * once, and each request that is a server's business as it is answered. The
 * stream ends when each has its response.
 *
 * @see https://modelcontextprotocol.io/specification/2025-03-26/basic/transports#sending-messages-to-the-server
 * @module
 */

import { GatewayError } from "../../shared/errors.ts";
import { writeEvent } from "../../shared/sse/write_event.ts";
import {
  answerEvents,
  type AnswerSettings,
  type BatchedCall,
  failure,
} from "./call_answer.ts";
import { EventOutlet } from "./event_outlet.ts";

/** A request that the gateway answers itself. */
export interface OwnAnswer {
  /** Its id, raw JSON. */
  readonly id: string;
  /** Makes the response, JSON text. */
  readonly respond: () => Promise<Uint8Array>;
}

/** A batch with requests that have to be sent by themselves. */
export interface BatchToAnswer {
  /** Requests that the gateway answers itself, in order. */
  readonly own: readonly OwnAnswer[];
  /** The others, in order. */
  readonly calls: readonly BatchedCall[];
}

/** How batches are answered. */
export interface BatchSettings extends AnswerSettings {
  /** Requests of one batch that are on their way at once. */
  readonly callsAtOnce: number;
  /** Milliseconds between comments on a stream with nothing to say. */
  readonly keepAliveMs: number;
}

const DECODER = new TextDecoder();

/**
 * Answers a batch. A client that leaves ends the reading of answers: what that
 * means for a call is what it means for one that was sent by itself.
 */
export function answerBatch(
  { own, calls }: BatchToAnswer,
  settings: BatchSettings,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const outlet = new EventOutlet(settings.keepAliveMs);
  const { left } = outlet;
  const waiting = [...calls];
  const lane = async () => {
    for (;;) {
      const call = left.aborted ? undefined : waiting.shift();
      if (call === undefined) return;
      for await (const event of answerEvents(call, settings, left)) {
        await outlet.write(writeEvent(event));
      }
    }
  };
  const ownLane = async () => {
    for (const { id, respond } of own) {
      await outlet.write(writeEvent(await ownEvent(id, respond, settings)));
    }
  };
  const lanes = Array.from(
    { length: Math.min(calls.length, settings.callsAtOnce) },
    lane,
  );
  // Whoever writes to a client that has left is done, too.
  Promise.allSettled([ownLane(), ...lanes]).then(() => outlet.end());
  return outlet.body;
}

async function ownEvent(
  id: string,
  respond: () => Promise<Uint8Array>,
  { log }: BatchSettings,
) {
  try {
    return { data: DECODER.decode(await respond()) };
  } catch (error) {
    if (error instanceof GatewayError) return failure(id, error.refusal);
    log.error("request of a batch failed", { error });
    return failure(id, { kind: "internal error" });
  }
}
