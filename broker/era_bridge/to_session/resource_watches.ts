/**
 * Hears of changes of resources at servers of the session era: a subscription
 * in a session whose own stream is open, shared by all who watch the same
 * resource in it, ended by the last of them, and made anew where the server
 * lost the session.
 *
 * @module
 */

import { errorText } from "../../../shared/error_text.ts";
import { isObject, member } from "../../../shared/jsonrpc/parsed.ts";
import type { Logger } from "../../../shared/log.ts";
import type { Implementation } from "../../../shared/mcp.ts";
import type { Wait } from "../../../shared/wait_on_timer.ts";
import type { Reopening } from "../../held_streams/held_stream.ts";
import { afterFailure, backoff, HEALTHY } from "../../upstream/health.ts";
import type { ResourceWatch } from "../watch_resources.ts";
import type { BridgeSession } from "./bridge_session.ts";
import type { BridgeSessions } from "./bridge_sessions.ts";
import { Subscriptions } from "./subscriptions.ts";

/** What watching takes. */
export interface ResourceWatchesOptions {
  /** Sessions with servers. */
  readonly sessions: Pick<BridgeSessions, "lease">;
  /** What the gateway calls itself towards servers. */
  readonly clientInfo: Implementation;
  /** How long to wait before a session that was lost is opened anew. */
  readonly reopening: Reopening;
  /** Waits. */
  readonly wait: Wait;
  /** At least 0, below 1. */
  readonly random: () => number;
  /** Told of failures. */
  readonly log: Logger;
}

/** A watch in one session. */
interface Joined {
  readonly session: BridgeSession;
  readonly honoured: readonly string[];
  /** Ends the subscriptions that nobody else shares. */
  leave(): Promise<void>;
}

/** All watches of this broker. */
export class ResourceWatches {
  readonly #options: ResourceWatchesOptions;
  readonly #subscriptions = new WeakMap<BridgeSession, Subscriptions>();

  /** Begins without any. */
  constructor(options: ResourceWatchesOptions) {
    this.#options = options;
  }

  /**
   * Watches.
   *
   * @returns The URIs that the server lets us subscribe to.
   */
  async watch(watch: ResourceWatch): Promise<readonly string[]> {
    const joined = await this.#tryJoin(watch, watch.uris);
    if (joined === undefined) return [];
    if (joined.honoured.length === 0 || watch.signal.aborted) {
      await joined.leave();
      return [];
    }
    void this.#keep(watch, joined);
    return joined.honoured;
  }

  /** Keeps a watch until its end, from session to session. Never rejects. */
  async #keep(watch: ResourceWatch, first: Joined): Promise<void> {
    const { signal, onUpdated } = watch;
    const uris = first.honoured;
    let joined: Joined | undefined = first;
    while (joined !== undefined) {
      await aborted(AbortSignal.any([signal, joined.session.lost]));
      await joined.leave();
      if (signal.aborted) return;
      joined = await this.#rejoin(watch, uris);
      // Nobody knows what changed meanwhile: it has to be read again.
      for (const uri of joined?.honoured ?? []) {
        onUpdated(new TextEncoder().encode(JSON.stringify({ uri })));
      }
    }
  }

  async #rejoin(
    watch: ResourceWatch,
    uris: readonly string[],
  ): Promise<Joined | undefined> {
    const { wait, random, reopening } = this.#options;
    let health = HEALTHY;
    while (!watch.signal.aborted) {
      const joined = await this.#tryJoin(watch, uris);
      if (joined !== undefined && joined.honoured.length > 0) return joined;
      await joined?.leave();
      health = afterFailure(health, 0);
      await wait(backoff(health, random(), reopening), watch.signal);
    }
    return undefined;
  }

  async #tryJoin(
    watch: ResourceWatch,
    uris: readonly string[],
  ): Promise<Joined | undefined> {
    try {
      return await this.#join(watch, uris);
    } catch (error) {
      this.#options.log.info("resources not watched", {
        server: watch.server.name,
        error: errorText(error),
      });
      return undefined;
    }
  }

  async #join(
    watch: ResourceWatch,
    uris: readonly string[],
  ): Promise<Joined> {
    const { sessions, clientInfo } = this.#options;
    const { server, identity, authorization, onUpdated } = watch;
    const { session, release } = await sessions.lease(identity, {
      server,
      capabilities: {},
      clientInfo,
      authorization,
    });
    const leave = () => Promise.resolve(release());
    if (!canSubscribe(session) || !await session.listen()) {
      return { session, honoured: [], leave };
    }
    const subscriptions = this.#of(session);
    const told = (params: string) =>
      onUpdated(new TextEncoder().encode(params));
    const outcomes = await Promise.all(
      uris.map((uri) => subscriptions.add(uri, told)),
    );
    const honoured = uris.filter((_, index) => outcomes[index]);
    return {
      session,
      honoured,
      leave: async () => {
        await Promise.all(
          uris.map((uri) => subscriptions.remove(uri, told)),
        );
        release();
      },
    };
  }

  #of(session: BridgeSession): Subscriptions {
    let known = this.#subscriptions.get(session);
    if (known === undefined) {
      const subscriptions = known = new Subscriptions({
        ask: (method, uri) => session.ask(method, { uri }),
        isOver: () => session.lost.aborted,
        log: this.#options.log,
      });
      session.onUpdated = (uri, params) => subscriptions.tell(uri, params);
      this.#subscriptions.set(session, known);
    }
    return known;
  }
}

function canSubscribe({ introduction }: BridgeSession): boolean {
  const resources = member(introduction.capabilities, "resources");
  return isObject(resources) && member(resources, "subscribe") === true;
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) =>
    signal.addEventListener("abort", () => resolve(), { once: true })
  );
}
