/**
 * Carries messages of clients to the servers that their sessions are open
 * with, in the background and in order, each server apart from the others: one
 * that hangs costs only its own. What is urgent waits for nothing before it.
 * Bounded: what is too much is not sent.
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
import { errorText } from "../../shared/error_text.ts";

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
  /** Messages on their way at once; to one server, an eighth of them. */
  readonly relayedMessages: number;
  /** Bytes of them; likewise. */
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
  /** Whether it goes at once, past those that wait. */
  readonly urgent?: boolean;
}

/** Messages to one backend session that may wait at once. */
const MAX_WAITING = 64;
/**
 * What one server may take of what may be on its way in all; what is urgent
 * has a share of its own.
 */
const SERVER_SHARE = 1 / 8;
/** Largest event of an answer that is read. */
const EVENT_BYTES = 1024 * 1024;
/** Bytes read of another answer, so that its connection can be used again. */
const ANSWER_BYTES = 64 * 1024;
/** Milliseconds that a client waits for what servers answer. */
const ASK_MS = 1_000;

/** What waits for one backend session, apart from what is urgent. */
interface Line {
  last: Promise<void>;
  length: number;
}

/** What is on its way. */
interface Load {
  messages: number;
  bytes: number;
}

/** Carries messages. */
export class Relay {
  readonly #options: RelayOptions;
  /** By client session: looking up goes in order, too. */
  readonly #lookups = new Map<string, Promise<void>>();
  /** By client session, backend session, and whether it is urgent. */
  readonly #lines = new Map<string, Line>();
  readonly #working = new Set<Promise<void>>();
  readonly #load: Load = { messages: 0, bytes: 0 };
  /** By server, and whether it is urgent. */
  readonly #loads = new Map<string, Load>();

  /** Begins with nothing to do. */
  constructor(options: RelayOptions) {
    this.#options = options;
  }

  /** Messages on their way. */
  get count(): number {
    return this.#load.messages;
  }

  /**
   * Carries a message. Settles when each server has answered, or failed to;
   * never rejects.
   */
  send(relayed: Relayed): Promise<void> {
    // Looking up may take as long as the store: that is bounded, too.
    if (!this.#fits(relayed)) return this.#refuse();
    const looked = this.#add(relayed);
    const { id } = relayed.session;
    const before = relayed.urgent ? undefined : this.#lookups.get(id);
    const found = (before ?? Promise.resolve())
      .then(() => this.#backends(relayed));
    // Lines are joined before the next message is looked up.
    const joined = found.then((backends) => {
      looked();
      return backends.map((backend) => this.#join(relayed, backend));
    });
    if (!relayed.urgent) this.#queueLookup(id, joined);
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
        error: errorText(error),
      });
      return [];
    }
  }

  #queueLookup(session: string, joined: Promise<unknown>): void {
    const looked: Promise<void> = joined.then(() => {
      if (this.#lookups.get(session) === looked) this.#lookups.delete(session);
    });
    this.#lookups.set(session, looked);
  }

  /** Sends it when all before it are through; settles then. */
  #join(relayed: Relayed, backend: Backend): Promise<void> {
    const { session, urgent = false } = relayed;
    const { server, source } = backend;
    const share = `${server.name} ${urgent}`;
    const key = `${session.id} ${source.tag} ${urgent}`;
    const line = this.#lines.get(key) ?? { last: Promise.resolve(), length: 0 };
    if (line.length >= MAX_WAITING || !this.#fits(relayed, share)) {
      return this.#refuse(server.name);
    }
    line.length++;
    this.#lines.set(key, line);
    const through = this.#add(relayed, share);
    const before = urgent ? Promise.resolve() : line.last;
    return line.last = before.then(() => this.#post(relayed, backend))
      .then(() => {
        through();
        if (--line.length === 0) this.#lines.delete(key);
      });
  }

  #refuse(server?: string): Promise<void> {
    this.#options.log.warn(
      "too many messages of clients on their way",
      server === undefined ? {} : { server },
    );
    return Promise.resolve();
  }

  /** Whether there is room for a message, in a server's share too. */
  #fits({ bytes }: Relayed, share?: string): boolean {
    const { relayedMessages, relayedBytes } = this.#options;
    const fits = (load: Load, part: number) =>
      load.messages < part * relayedMessages &&
      // Alone, any message has its turn: its own limit is another.
      (load.bytes === 0 ||
        load.bytes + bytes.byteLength <= part * relayedBytes);
    return fits(this.#load, 1) &&
      (share === undefined || fits(this.#loadOf(share), SERVER_SHARE));
  }

  /** Counts a message in; what is returned counts it out. */
  #add({ bytes }: Relayed, share?: string): () => void {
    const count = (messages: 1 | -1) => {
      const shares = share === undefined ? [] : [this.#loadOf(share)];
      for (const load of [this.#load, ...shares]) {
        load.messages += messages;
        load.bytes += messages * bytes.byteLength;
      }
    };
    count(1);
    return () => count(-1);
  }

  /** There is one for each server that was ever sent a message. */
  #loadOf(share: string): Load {
    const load = this.#loads.get(share) ?? { messages: 0, bytes: 0 };
    this.#loads.set(share, load);
    return load;
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
        body: bytes as Uint8Array<ArrayBuffer>,
        signal: late.signal,
      });
      await this.#hear(response, relayed.session.id, backend);
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
    } catch (error) {
      log.debug("message of a client not passed on", {
        server: backend.server.name,
        error: late.signal.aborted
          ? `no answer within ${timeoutMs} ms`
          : errorText(error),
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
