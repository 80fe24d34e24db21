/**
 * The event stream of a server's answer on its way to the client, chunk by
 * chunk: what the server calls its requests and events is written so that the
 * client's answers find the way back. Decides too how long that is needed.
 * Pure.
 *
 * @module
 */

import { joinBytes } from "../shared/bytes.ts";
import { LIMITS } from "../shared/limits.ts";
import { canBeAsked, type ClientCapabilities } from "../shared/mcp.ts";
import { EventStreamRewriter } from "../shared/relay/event_stream_rewriter.ts";
import type { MessageSource } from "../shared/relay/routed_id.ts";

/** Which stream it is, and who reads it. */
export interface AnswerStreamOptions {
  /** The server, and which of its sessions. */
  readonly source: MessageSource;
  /** The call that it answers, raw id; none where it is taken up again. */
  readonly callId: string | undefined;
  /** Whether the client takes several messages in one event (2025-03-26). */
  readonly batches: boolean;
  /** Whether the client takes an event without a message (2025-11-25). */
  readonly primes: boolean;
  /** What the client declared. */
  readonly capabilities: ClientCapabilities;
  /** Whether one more stream may be let go. */
  readonly mayLetGo: () => boolean;
}

/** A chunk as the client is to get it. */
export interface RewrittenChunk {
  /** Its bytes; none where an event is not complete yet. */
  readonly bytes: Uint8Array;
  /** All that follows may pass as it is. */
  readonly letGo: boolean;
}

const NOTHING = new Uint8Array();

/** Rewrites one stream. */
export class AnswerStream {
  readonly #rewriter: EventStreamRewriter;
  readonly #callId: string | undefined;
  readonly #askable: boolean;
  readonly #mayLetGo: () => boolean;

  /** Begins with nothing read. */
  constructor(options: AnswerStreamOptions) {
    const { callId, capabilities, mayLetGo, ...rewriting } = options;
    this.#rewriter = new EventStreamRewriter({
      ...rewriting,
      // A server may ask with all that a client may say.
      maxEventBytes: LIMITS.bodyBytes,
    });
    this.#callId = callId;
    this.#mayLetGo = mayLetGo;
    this.#askable = canBeAsked(capabilities);
  }

  /**
   * Rewrites the next chunk.
   *
   * @param end Whether it is the last one: nothing is held back then.
   */
  push(chunk: Uint8Array, end: boolean): RewrittenChunk {
    const bytes = this.#rewriter.push(chunk, end);
    if (end || !this.#isDone() || !this.#mayLetGo()) {
      return { bytes, letGo: false };
    }
    const held = this.#rewriter.push(NOTHING, true);
    return {
      bytes: held.length === 0 ? bytes : joinBytes([bytes, held]),
      letGo: true,
    };
  }

  /**
   * Nobody can be asked, and a server that gives its first event no id gives
   * none. Where the call is answered already, the stream is about to end by
   * itself.
   */
  #isDone(): boolean {
    const { sawEvent, sawEventId, sawRequest } = this.#rewriter;
    return !this.#askable && sawEvent && !sawEventId && !sawRequest &&
      (this.#callId === undefined || !this.#rewriter.answered(this.#callId));
  }
}
