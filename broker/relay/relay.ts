/**
 * Carries messages of clients to the servers that their sessions are open
 * with, in the background and in order, each server apart from the others: one
 * that hangs costs only its own. Bounded: what is too much is not sent.
 *
 * @module
 */

import type { ServerConfig } from "../../shared/config/model.ts";
import { readBody } from "../../shared/body.ts";
import type { Logger } from "../../shared/log.ts";
import type { MessageSource } from "../../shared/relay/routed_id.ts";
import type {
  ClientSession,
  Sessions,
} from "../../shared/sessions/sessions.ts";
import { readEvents } from "../../shared/sse/read_events.ts";
import { readServerMessage } from "../../shared/upstream/server_message.ts";
import type { Wait } from "../../shared/wait_on_timer.ts";
import { briefly } from "../briefly.ts";
import {
  type Backend,
  backendHeaders,
  findBackends,
  type ServerAccess,
} from "../upstream/backend_request.ts";

/** What carrying messages takes. */
export interface RelayOptions extends ServerAccess {
  /** Backend sessions of clients. */
  readonly sessions: Pick<Sessions, "backends">;
  /** The servers in force. */
  readonly servers: () => readonly ServerConfig[];
  /**
   * Told the data of events that a server sends along with its answer to a
   * session's message.
   */
  readonly onData: (session: string, backend: Backend, data: string) => void;
  /** Milliseconds that a server may take for one message. */
  readonly timeoutMs: number;
  /** Waits. */
  readonly wait: Wait;
  /** Messages on their way at once. */
  readonly relayedMessages: number;
  /** Bytes of them. */
  readonly relayedBytes: number;
  /** Told of failures. */
  readonly log: Logger;
}

/** A message to be carried. */
export interface Relayed {
  /** The client's session. */
  readonly session: ClientSession;
  /** One JSON-RPC message. */
  readonly bytes: Uint8Array;
  /** The client's `Authorization`, for servers that get to see it. */
  readonly authorization: string | undefined;
  /** Which backend sessions get it; all unless given. */
  readonly to?: (backend: Backend) => boolean;
}

/** Messages to one server that may wait at once. */
const MAX_WAITING = 64;
/** Largest event of an answer that is read. */
const EVENT_BYTES = 1024 * 1024;
/** Bytes read of another answer, so that its connection can be used again. */
const ANSWER_BYTES = 64 * 1024;
/** Milliseconds that a client waits for what servers answer. */
const ASK_MS = 1_000;

/** What waits for one backend session. */
interface Line {
  last: Promise<void>;
  length: number;
}

/** Carries messages. */
export class Relay {
  readonly #options: RelayOptions;
  /** By client session: looking up goes in order, too. */
  readonly #lookups = new Map<string, Promise<void>>();
  /** By client session and backend session. */
  readonly #lines = new Map<string, Line>();
  readonly #working = new Set<Promise<void>>();
  #messages = 0;
  #bytes = 0;

  /** Begins with nothing to do. */
  constructor(options: RelayOptions) {
    this.#options = options;
  }

  /** Messages on their way. */
  get count(): number {
    return this.#messages;
  }

  /**
   * Carries a message. Settles when each server has answered, or failed to;
   * never rejects.
   */
  send(relayed: Relayed): Promise<void> {
    const { id } = relayed.session;
    const before = this.#lookups.get(id) ?? Promise.resolve();
    const found = before.then(() => this.#backends(relayed));
    // Lines are joined before the next message is looked up.
    const joined = found.then((backends) =>
      backends.map((backend) => this.#join(relayed, backend))
    );
    const looked: Promise<void> = joined.then(() => {
      if (this.#lookups.get(id) === looked) this.#lookups.delete(id);
    });
    this.#lookups.set(id, looked);
    const work: Promise<void> = joined.then((all) => Promise.all(all))
      .then(() => void this.#working.delete(work));
    this.#working.add(work);
    return work;
  }

  /**
   * Carries a request, and waits a little until the servers have answered:
   * what the client sends next is to find it done. Never rejects.
   */
  ask(relayed: Relayed): Promise<void> {
    return briefly(this.send(relayed), ASK_MS, this.#options.wait);
  }

  /** Carries a message to the backend session that it names. */
  sendTo(target: MessageSource, relayed: Relayed): Promise<void> {
    return this.send({
      ...relayed,
      to: ({ source }) =>
        source.server === target.server && source.tag === target.tag,
    });
  }

  /** Waits until nothing is on its way. */
  async finish(): Promise<void> {
    while (this.#working.size > 0) await Promise.all(this.#working);
  }

  async #backends({ session, to }: Relayed): Promise<readonly Backend[]> {
    const { sessions, servers, log } = this.#options;
    try {
      const open = await sessions.backends(session);
      const found = findBackends(open, servers());
      return to === undefined ? found : found.filter(to);
    } catch (error) {
      log.debug("message of a client not passed on", {
        session: session.id,
        error: textOf(error),
      });
      return [];
    }
  }

  /** Sends it when all before it are through; settles then. */
  #join(relayed: Relayed, backend: Backend): Promise<void> {
    const { relayedMessages, relayedBytes, log } = this.#options;
    const key = `${relayed.session.id} ${backend.source.tag}`;
    const line = this.#lines.get(key) ?? { last: Promise.resolve(), length: 0 };
    const size = relayed.bytes.byteLength;
    if (
      line.length >= MAX_WAITING || this.#messages >= relayedMessages ||
      this.#bytes + size > relayedBytes
    ) {
      log.warn("too many messages of clients on their way", {
        server: backend.server.name,
      });
      return Promise.resolve();
    }
    line.length++;
    this.#messages++;
    this.#bytes += size;
    this.#lines.set(key, line);
    line.last = line.last.then(() => this.#post(relayed, backend)).then(() => {
      this.#messages--;
      this.#bytes -= size;
      if (--line.length === 0) this.#lines.delete(key);
    });
    return line.last;
  }

  /** Never rejects. */
  async #post(relayed: Relayed, backend: Backend): Promise<void> {
    const { fetch, timeoutMs, wait, log } = this.#options;
    const { bytes, authorization } = relayed;
    const late = new AbortController();
    const done = new AbortController();
    wait(timeoutMs, done.signal).then(() => late.abort());
    try {
      const headers = await backendHeaders(backend, this.#options, {
        accept: "application/json, text/event-stream",
        "content-type": "application/json",
      }, authorization);
      const response = await fetch(backend.server, {
        method: "POST",
        headers,
        body: Uint8Array.from(bytes),
        signal: late.signal,
      });
      await this.#hear(response, relayed.session.id, backend);
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
    } catch (error) {
      log.debug("message of a client not passed on", {
        server: backend.server.name,
        error: late.signal.aborted
          ? `no answer within ${timeoutMs} ms`
          : textOf(error),
      });
    } finally {
      done.abort();
    }
  }

  /** Reads an event stream up to the response; nobody needs other answers. */
  async #hear(
    { body, headers }: Response,
    session: string,
    backend: Backend,
  ): Promise<void> {
    if (body === null) return;
    const type = headers.get("content-type") ?? "";
    if (!/^text\/event-stream\b/i.test(type)) {
      const length = headers.get("content-length");
      const read = await readBody(body, length, ANSWER_BYTES);
      if (read === undefined) await body.cancel().catch(() => {});
      return;
    }
    for await (
      const { data } of readEvents(body, { eventBytes: EVENT_BYTES })
    ) {
      if (data === "") continue;
      const { kind } = readServerMessage(ENCODER.encode(data));
      if (kind === "result" || kind === "error") return;
      this.#options.onData(session, backend, data);
    }
  }
}

const ENCODER = new TextEncoder();

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
