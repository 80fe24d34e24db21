/**
 * Clients of both eras that keep a stream open, however often it ends, and
 * know the tools by what they are told there: they list once at the start, and
 * then only when told to, as the protocol has it.
 *
 * @module
 */

import { delay } from "../../shared/wait.ts";
import type { RawClient, RawListener } from "../support/raw_client.ts";
import type { StatelessClient } from "../support/stateless_client.ts";

const CHANGED = "notifications/tools/list_changed";
const ACKNOWLEDGED = "notifications/subscriptions/acknowledged";
/** Longer than any test: silence is no fault. */
const SILENCE_MS = 3_600_000;

/** A client that listens. Disposing of it ends that. */
export interface Listening extends AsyncDisposable {
  /** Its name. */
  readonly name: string;
  /** The tools that it believes there are. */
  readonly tools: readonly string[];
  /** How often its stream was opened. */
  readonly opened: number;
  /** What should not have happened to it. */
  readonly wrong: readonly string[];
}

abstract class Listener implements Listening {
  readonly name: string;
  readonly wrong: string[] = [];
  tools: readonly string[] = [];
  opened = 0;
  #running = true;
  #stream: RawListener | undefined;
  readonly #ended: Promise<void>;

  constructor(name: string) {
    this.name = name;
    this.#ended = Promise.resolve().then(() => this.#run());
  }

  /** Opens the stream, anew or where the one before ended. */
  protected abstract open(before?: RawListener): Promise<RawListener>;
  /** Reads it to its end; answers what was wrong with that. */
  protected abstract read(stream: RawListener): Promise<string | undefined>;

  async [Symbol.asyncDispose](): Promise<void> {
    this.#running = false;
    await this.#stream?.[Symbol.asyncDispose]();
    await this.#ended;
  }

  async #run(): Promise<void> {
    while (this.#running) {
      try {
        this.#stream = await this.open(this.#stream);
        this.opened++;
        const wrong = await this.read(this.#stream);
        if (wrong !== undefined) this.#note(wrong);
        await delay(this.#stream.retryMs ?? 0);
      } catch (error) {
        this.#note(error);
      }
    }
  }

  #note(wrong: unknown): void {
    // We ended it ourselves.
    if (!this.#running) return;
    this.wrong.push(
      `${new Date().toISOString().slice(11, 23)} ${this.name}: ${wrong}`,
    );
  }
}

/** Waits for the end of a stream that has nothing more to say. */
async function endOf(stream: RawListener): Promise<string | undefined> {
  try {
    const more = await stream.next();
    return `more behind the end: ${JSON.stringify(more)}`;
  } catch (error) {
    return isEnd(error) ? undefined : `it broke: ${error}`;
  }
}

function isEnd(error: unknown): boolean {
  return error instanceof Error && error.message === "The event stream ended";
}

/** A client in a session, with a GET stream. */
export class SessionListener extends Listener {
  readonly #client: RawClient;

  /** Begins to listen. */
  constructor(name: string, client: RawClient) {
    super(name);
    this.#client = client;
  }

  protected override async open(before?: RawListener): Promise<RawListener> {
    const last = before?.lastEventId;
    const stream = await this.#client.listen(
      last === undefined ? {} : { headers: { "last-event-id": last } },
    );
    if (before === undefined) this.tools = await this.#client.toolNames();
    return stream;
  }

  protected override async read(
    stream: RawListener,
  ): Promise<string | undefined> {
    try {
      while (true) {
        const { method } = await stream.next(SILENCE_MS);
        if (method === CHANGED) this.tools = await this.#client.toolNames();
      }
    } catch (error) {
      if (!isEnd(error)) return `it broke: ${error}`;
    }
    return stream.retryMs === undefined
      ? "it ended without a word on when to come back"
      : undefined;
  }
}

/** A client without, with a `subscriptions/listen`. */
export class StatelessListener extends Listener {
  readonly #client: StatelessClient;

  /** Begins to listen. */
  constructor(name: string, client: StatelessClient) {
    super(name);
    this.#client = client;
  }

  protected override open(): Promise<RawListener> {
    return this.#client.open("subscriptions/listen", {
      notifications: { toolsListChanged: true },
    });
  }

  protected override async read(
    stream: RawListener,
  ): Promise<string | undefined> {
    while (true) {
      const { method, result } = await stream.next(SILENCE_MS);
      if (result !== undefined) {
        return result["resultType"] === "complete"
          ? await endOf(stream)
          : `it ended with ${JSON.stringify(result)}`;
      }
      // What happened while there was no stream is for the client to ask.
      if (method === ACKNOWLEDGED || method === CHANGED) await this.#list();
    }
  }

  async #list(): Promise<void> {
    const { message, status, text } = await this.#client.request("tools/list");
    const { tools } = message?.result ?? {};
    if (tools === undefined) throw new Error(`cannot list: ${status} ${text}`);
    this.tools = tools.map(({ name }) => name);
  }
}
