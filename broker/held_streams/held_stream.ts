/**
 * The GET stream of one backend session, held open for as long as its client
 * listens: opened again when it ends or breaks, behind the last event that
 * came, until the server says that it has none, or does not know the session.
 *
 * | answer | consequence |
 * |---|---|
 * | an event stream | read to its end, then opened again |
 * | 404 | the session is lost: over |
 * | 400, the event id left out | likewise: many servers say so |
 * | 408, 409, 425, 429, 5xx, none | tried again, later and later |
 * | another 4xx to an event id | tried again without the id |
 * | 405, anything else | this server has no stream: over |
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#listening-for-messages-from-the-server
 * @module
 */

import { drop } from "../../shared/upstream/http_answers.ts";
import { LAST_EVENT_HEADER } from "../../shared/headers.ts";
import type { Logger } from "../../shared/log.ts";
import { readEvents, type ServerEvent } from "../../shared/sse/read_events.ts";
import { UpstreamError } from "../../shared/upstream/upstream_error.ts";
import type { Wait } from "../../shared/wait_on_timer.ts";
import {
  afterFailure,
  backoff,
  HEALTHY,
  type Patience,
} from "../upstream/health.ts";
import {
  type Backend,
  backendHeaders,
  type ServerAccess,
} from "../upstream/backend_request.ts";
import { errorText } from "../../shared/error_text.ts";
import { isEventStream } from "../../shared/media_type.ts";

/** How long to wait between two tries, milliseconds. */
export interface Reopening
  extends Pick<Patience, "backoffMs" | "maxBackoffMs"> {
  /** After an end that is no failure, where the server names no time. */
  readonly reopenMs: number;
  /** Longest time that a server may name. */
  readonly maxRetryMs: number;
  /** A stream that lasted so long was none in vain. */
  readonly lastingMs: number;
}

/** What holds unless something else is given. */
export const REOPENING: Reopening = {
  backoffMs: 250,
  maxBackoffMs: 8_000,
  reopenMs: 100,
  maxRetryMs: 60_000,
  lastingMs: 1_000,
};

/** What holding a stream takes. */
export interface HeldStreamOptions extends ServerAccess {
  /** The client's `Authorization`, as it is now. */
  readonly authorization: () => string | undefined;
  /** Told the data of each event that has any. */
  readonly onData: (data: string) => void;
  /** Told when it ended, or broke, and will be opened again. */
  readonly onInterrupted?: () => void;
  /** Told when the server that had it does not know its session any more. */
  readonly onLost?: () => void;
  /** Largest event, characters. */
  readonly eventBytes: number;
  /**
   * Told how much is held of an event that is under way, characters; false
   * where that is too much.
   */
  readonly mayHold: (characters: number) => boolean;
  /** How long to wait. */
  readonly reopening: Reopening;
  /** Waits. */
  readonly wait: Wait;
  /** At least 0, below 1. */
  readonly random: () => number;
  /** Milliseconds since some point. */
  readonly now: () => number;
  /** Told of failures. */
  readonly log: Logger;
}

/** Being opened or waited for, open, or over: not there, or closed by us. */
export type HeldState = "opening" | "open" | "absent" | "closed";

type Attempt =
  | { readonly kind: "over"; readonly status: number }
  | { readonly kind: "again"; readonly useful: boolean };

/** Statuses by which a server says that it is not the right moment. */
const LATER: readonly number[] = [408, 409, 425, 429];

/** Statuses by which a server says that it does not know a session any more. */
const LOST: readonly number[] = [400, 404];

/** One stream of one server, held open. */
export class HeldStream {
  /** Settles once it is open, or known not to become so at once. */
  readonly settled: Promise<void>;
  /** Settles once nothing of it goes on. */
  readonly finished: Promise<void>;
  readonly #backend: Backend;
  readonly #options: HeldStreamOptions;
  readonly #closing = new AbortController();
  #attempting = new AbortController();
  readonly #settle: () => void;
  #state: HeldState = "opening";
  #status: number | undefined;
  #hasBeenOpen = false;
  #lastEventId: string | undefined;
  #retryMs = 0;

  /** Begins. */
  constructor(backend: Backend, options: HeldStreamOptions) {
    this.#backend = backend;
    this.#options = options;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.settled = promise;
    this.#settle = resolve;
    this.finished = this.#run(this.#closing.signal).finally(resolve);
  }

  /** Whether it is open. */
  get state(): HeldState {
    return this.#state;
  }

  /** Whether the server refused for want of another credential. */
  get unauthorized(): boolean {
    return this.#status === 401 || this.#status === 403;
  }

  /**
   * Opens it again, behind the last event: where its server was away, the
   * connection may be dead, of which nothing would ever tell.
   */
  reopen(): void {
    this.#attempting.abort();
  }

  /** Ends it. */
  close(): void {
    this.#closing.abort();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { reopening, wait, random, log } = this.#options;
    let health = HEALTHY;
    while (!signal.aborted) {
      const attempt = await this.#attempt(signal);
      if (signal.aborted) break;
      if (attempt.kind === "over") {
        this.#state = "absent";
        this.#status = attempt.status;
        if (LOST.includes(attempt.status) && this.#hasBeenOpen) {
          this.#options.onLost?.();
        }
        log.debug("server has no stream for a session", {
          server: this.#backend.server.name,
          status: attempt.status,
        });
        return;
      }
      if (this.#state === "open") this.#options.onInterrupted?.();
      this.#state = "opening";
      health = attempt.useful ? HEALTHY : afterFailure(health, 0);
      const pause = attempt.useful
        ? reopening.reopenMs
        : backoff(health, random(), reopening);
      await wait(Math.max(pause, this.#retryMs), signal);
    }
    this.#state = "closed";
  }

  /** Opens it once and reads it to its end. Never rejects. */
  async #attempt(signal: AbortSignal): Promise<Attempt> {
    const { now, log, reopening } = this.#options;
    const tried = { at: now(), said: false };
    this.#attempting = new AbortController();
    const either = AbortSignal.any([signal, this.#attempting.signal]);
    try {
      const response = await this.#open(either);
      if (!isEventStream(response)) return await this.#refused(response);
      this.#state = "open";
      this.#hasBeenOpen = true;
      tried.at = now();
      this.#settle();
      const body = response.body ?? new Blob([]).stream();
      for await (const event of readEvents(body, this.#options)) {
        // Whoever closes a stream wants to hear nothing more of it.
        if (signal.aborted) break;
        // Only an id is no more than where the next one would begin.
        tried.said ||= event.data !== "" || event.retry !== undefined;
        this.#take(event);
      }
    } catch (error) {
      if (signal.aborted) return { kind: "again", useful: false };
      // The same event would come again, and again.
      if (error instanceof UpstreamError && error.kind === "too large") {
        this.#lastEventId = undefined;
      }
      this.#settle();
      log.debug("stream of a server broke", {
        server: this.#backend.server.name,
        error: errorText(error),
      });
    }
    const lasted = this.#state === "open" &&
      now() - tried.at >= reopening.lastingMs;
    return { kind: "again", useful: tried.said || lasted };
  }

  async #open(signal: AbortSignal): Promise<Response> {
    const { authorization, fetch } = this.#options;
    const headers = await backendHeaders(
      this.#backend,
      this.#options,
      {
        accept: "text/event-stream",
        ...(this.#lastEventId === undefined
          ? {}
          : { [LAST_EVENT_HEADER]: this.#lastEventId }),
      },
      authorization(),
    );
    return await fetch(this.#backend.server, {
      method: "GET",
      headers,
      signal,
    });
  }

  async #refused(response: Response): Promise<Attempt> {
    const { status } = response;
    await drop(response);
    if (LATER.includes(status)) return { kind: "again", useful: false };
    // One that falters keeps nobody waiting.
    this.#settle();
    if (status >= 500) return { kind: "again", useful: false };
    if (status === 404 || this.#lastEventId === undefined) {
      return { kind: "over", status };
    }
    this.#lastEventId = undefined;
    return { kind: "again", useful: false };
  }

  #take({ id, retry, data }: ServerEvent): void {
    if (id !== undefined) {
      // What is no plain header is not worth an id: an empty one is none.
      this.#lastEventId = /^[\x21-\x7e]+$/.test(id) ? id : undefined;
    }
    if (retry !== undefined) {
      this.#retryMs = Math.min(retry, this.#options.reopening.maxRetryMs);
    }
    if (data !== "") this.#options.onData(data);
  }
}
