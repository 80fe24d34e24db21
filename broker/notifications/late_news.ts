/**
 * News of lists for clients that listen at another broker than they list at.
 * The broker that a client listens at tells it of a change when it has read
 * the new list itself; a client that then lists at a broker which has not done
 * so yet gets the old list, and would never hear again. So a broker remembers
 * whom it gave which list, and when that changes, asks the broker that they
 * listen at to tell those that were told before they were given the old one.
 *
 * @module
 */

import { readBody } from "../../shared/body.ts";
import { errorText } from "../../shared/error_text.ts";
import { isObject } from "../../shared/jsonrpc/parsed.ts";
import type { Logger } from "../../shared/log.ts";
import type {
  ClientSession,
  Listener,
} from "../../shared/sessions/sessions.ts";
import {
  changeNotification,
  LIST_CAPABILITIES,
  type ListCapability,
} from "../catalog/kinds.ts";
import type { ViewChanges } from "../catalog/views.ts";
import type { Hub } from "./hub.ts";

/** Path on a broker's internal listener. */
export const LATE_NEWS_PATH = "/late-news";

/** What it takes. */
export interface LateNewsOptions {
  /** Which broker this is. */
  readonly here: string;
  /** Where a session listens. */
  readonly listenerOf: (
    session: ClientSession,
  ) => Promise<Listener | undefined>;
  /** The streams that are here. */
  readonly hub: Pick<Hub, "has" | "send">;
  /** Hash of a capability's lists in a view, as they are now. */
  readonly hashOf: (
    view: string,
    capability: ListCapability,
  ) => string | undefined;
  /** Sends requests to other brokers. */
  readonly fetch: (url: URL, init: RequestInit) => Promise<Response>;
  /** Milliseconds since some point. */
  readonly now: () => number;
  /** Told of failures. */
  readonly log: Logger;
}

/** A list that a client was given here and that nobody here will tell it of. */
interface Given {
  readonly session: ClientSession;
  readonly view: string;
  readonly capability: ListCapability;
  readonly at: number;
}

/** What one broker asks another one to tell a session. */
interface News {
  readonly session: string;
  readonly capability: ListCapability;
  /** Absent where only the broker that asks knows of the change at all. */
  readonly given?: {
    readonly view: string;
    /** Hash of the lists as they are now. */
    readonly hash: string;
    /** Milliseconds since the client was given the old ones. */
    readonly age: number;
  };
}

/** Lists that are remembered, those given last. */
const MAX_GIVEN = 10_000;
/** Milliseconds after which the brokers have long read the same lists. */
const KEEP_MS = 600_000;
/** News in one request. */
const AT_ONCE = 1_000;
/** Sessions whose place is looked up at once. */
const LOOKUPS = 16;
/** Milliseconds that another broker may take. */
const TIMEOUT_MS = 2_000;
/** Largest request, bytes. */
const NEWS_BYTES = 1024 * 1024;

/** Late news, of this broker to others and the other way round. */
export class LateNews {
  readonly #options: LateNewsOptions;
  /** By session, view and capability; given last, last. */
  readonly #given = new Map<string, Given>();
  /** When the streams here were told last, by view and capability. */
  readonly #told = new Map<string, number>();
  readonly #working = new Set<Promise<void>>();

  /** Begins with nothing. */
  constructor(options: LateNewsOptions) {
    this.#options = options;
  }

  /** A session was given a list here. */
  listed(
    session: ClientSession,
    view: string,
    capability: ListCapability,
  ): void {
    const key = `${session.id} ${capability} ${view}`;
    this.#given.delete(key);
    // Whoever listens here is told here.
    if (this.#options.hub.has(session.id)) return;
    const at = this.#options.now();
    this.#given.set(key, { session, view, capability, at });
    for (const [oldest, { at: then }] of this.#given) {
      if (this.#given.size <= MAX_GIVEN && at - then <= KEEP_MS) break;
      this.#given.delete(oldest);
    }
  }

  /** Lists have changed, and the streams here were told so. */
  changed(changes: ViewChanges): void {
    const now = this.#options.now();
    for (const capability of LIST_CAPABILITIES) {
      for (const view of changes[capability]) {
        this.#told.set(`${capability} ${view}`, now);
      }
    }
    const stale = this.#take(({ view, capability }) =>
      changes[capability].includes(view)
    );
    this.#own(this.#passOn(stale, ({ session, view, capability, at }) => {
      const hash = this.#options.hashOf(view, capability);
      return hash === undefined ? undefined : {
        session: session.id,
        capability,
        given: { view, hash, age: now - at },
      };
    }));
  }

  /** A list of one session's own has changed, and it does not listen here. */
  changedFor(session: string, capability: ListCapability): void {
    const stale = this.#take((given) =>
      given.session.id === session && given.capability === capability
    );
    this.#own(
      this.#passOn(stale.slice(0, 1), () => ({ session, capability })),
    );
  }

  /** Takes what another broker wants sessions to be told of. */
  async serve(request: Request): Promise<Response> {
    const length = request.headers.get("content-length");
    const body = await readBody(request.body, length, NEWS_BYTES);
    const news = body === undefined ? undefined : readNews(body);
    if (news === undefined) return new Response(null, { status: 400 });
    for (const one of news) {
      if (!this.#isNews(one)) continue;
      const method = changeNotification(one.capability);
      const message = JSON.stringify({ jsonrpc: "2.0", method });
      this.#options.hub.send(one.session, message);
    }
    return new Response(null, { status: 204 });
  }

  /** Waits until all that was to be passed on is. */
  async finish(): Promise<void> {
    await Promise.all(this.#working);
  }

  #isNews({ capability, given }: News): boolean {
    if (given === undefined) return true;
    const { hashOf, now } = this.#options;
    const { view, hash, age } = given;
    // Not known here yet: whoever listens here is told once it is.
    if (hashOf(view, capability) !== hash) return false;
    const told = this.#told.get(`${capability} ${view}`);
    // Told since: the old list was asked for again then.
    return told === undefined || now() - told >= age;
  }

  #take(which: (given: Given) => boolean): readonly Given[] {
    const oldest = this.#options.now() - KEEP_MS;
    const taken: Given[] = [];
    for (const [key, given] of this.#given) {
      if (!which(given)) continue;
      this.#given.delete(key);
      if (given.at >= oldest) taken.push(given);
    }
    return taken;
  }

  async #passOn(
    stale: readonly Given[],
    write: (given: Given) => News | undefined,
  ): Promise<void> {
    const byBroker = new Map<string, News[]>();
    for (let at = 0; at < stale.length; at += LOOKUPS) {
      await Promise.all(
        stale.slice(at, at + LOOKUPS).map(async (given) => {
          const news = write(given);
          const url = await this.#placeOf(given.session);
          if (news === undefined || url === undefined) return;
          byBroker.set(url, [...byBroker.get(url) ?? [], news]);
        }),
      );
    }
    await Promise.all(
      [...byBroker].map(([url, news]) => this.#send(url, news)),
    );
  }

  /** Undefined where it listens nowhere, here, or where nobody can be told. */
  async #placeOf(session: ClientSession): Promise<string | undefined> {
    const { here, listenerOf, log } = this.#options;
    try {
      const listener = await listenerOf(session);
      return listener?.broker === here ? undefined : listener?.url;
    } catch (error) {
      log.debug("place of a listener not known", {
        session: session.id,
        error: errorText(error),
      });
      return undefined;
    }
  }

  async #send(url: string, news: readonly News[]): Promise<void> {
    const { fetch, log } = this.#options;
    for (let at = 0; at < news.length; at += AT_ONCE) {
      try {
        const response = await fetch(new URL(LATE_NEWS_PATH, url), {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(news.slice(at, at + AT_ONCE)),
          signal: AbortSignal.timeout(TIMEOUT_MS),
        });
        await response.body?.cancel();
      } catch (error) {
        log.debug("late news not passed on", { error: errorText(error) });
        return;
      }
    }
  }

  #own(work: Promise<void>): void {
    const owned: Promise<void> = work.catch((error: unknown) => {
      this.#options.log.error("late news lost", { error });
    }).finally(() => this.#working.delete(owned));
    this.#working.add(owned);
  }
}

function readNews(body: Uint8Array): readonly News[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
  return Array.isArray(value) && value.every(isNews) ? value : undefined;
}

function isNews(value: unknown): value is News {
  if (!isObject(value)) return false;
  const { session, capability, given } = value;
  return typeof session === "string" &&
    (LIST_CAPABILITIES as readonly unknown[]).includes(capability) &&
    (given === undefined ||
      isObject(given) && typeof given["view"] === "string" &&
        typeof given["hash"] === "string" && typeof given["age"] === "number");
}
