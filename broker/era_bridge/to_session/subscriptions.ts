/**
 * What one session with a server is subscribed to, and who wants to hear of
 * it: a resource is subscribed to once, however many watch it, and
 * unsubscribed when none does any more.
 *
 * @module
 */

import { errorText } from "../../../shared/error_text.ts";
import type { Logger } from "../../../shared/log.ts";

/** Told of a change: raw parameters of the notification. */
export type Watcher = (params: string) => void;

/** What subscriptions take. */
export interface SubscriptionsOptions {
  /** Sends a request about a resource; rejects where it is refused. */
  readonly ask: (
    method: "resources/subscribe" | "resources/unsubscribe",
    uri: string,
  ) => Promise<void>;
  /** Whether the session is over: there is nothing to unsubscribe then. */
  readonly isOver: () => boolean;
  /** Told of failures. */
  readonly log: Logger;
}

interface Subscription {
  readonly watchers: Set<Watcher>;
  isSubscribed: boolean;
  /** What was sent about it last, done: each waits for the one before. */
  line: Promise<void>;
}

/** The subscriptions of one session. */
export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #byUri = new Map<string, Subscription>();

  /** Begins without any. */
  constructor(options: SubscriptionsOptions) {
    this.#options = options;
  }

  /** Number of resources that somebody watches. */
  get size(): number {
    return this.#byUri.size;
  }

  /**
   * Somebody watches a resource.
   *
   * @returns Whether the server lets us subscribe to it.
   */
  async add(uri: string, watcher: Watcher): Promise<boolean> {
    const subscription = this.#byUri.get(uri) ?? {
      watchers: new Set<Watcher>(),
      isSubscribed: false,
      line: Promise.resolve(),
    };
    this.#byUri.set(uri, subscription);
    subscription.watchers.add(watcher);
    await this.#settle(uri, subscription);
    return subscription.isSubscribed;
  }

  /** Somebody does not watch it any more. */
  async remove(uri: string, watcher: Watcher): Promise<void> {
    const subscription = this.#byUri.get(uri);
    if (subscription === undefined) return;
    subscription.watchers.delete(watcher);
    await this.#settle(uri, subscription);
    const isUnused = subscription.watchers.size === 0 &&
      this.#byUri.get(uri) === subscription;
    if (isUnused) this.#byUri.delete(uri);
  }

  /**
   * Tells who watches a resource that it has changed, or one that it consists
   * of (2025-11-25, resources, subscriptions).
   */
  tell(uri: string, params: string): void {
    const exact = this.#byUri.get(uri);
    const concerned = exact !== undefined ? [exact] : Array.from(this.#byUri)
      .filter(([watched]) => uri.startsWith(watched))
      .map(([, subscription]) => subscription);
    for (const { watchers } of concerned) {
      for (const watcher of watchers) watcher(params);
    }
  }

  /** Makes the server know what is wanted, after all that was sent before. */
  #settle(uri: string, subscription: Subscription): Promise<void> {
    const { ask, isOver, log } = this.#options;
    return subscription.line = subscription.line.then(async () => {
      const isWanted = subscription.watchers.size > 0;
      if (isWanted === subscription.isSubscribed) return;
      if (!isWanted) {
        subscription.isSubscribed = false;
        if (isOver()) return;
      }
      try {
        await ask(
          isWanted ? "resources/subscribe" : "resources/unsubscribe",
          uri,
        );
        subscription.isSubscribed = isWanted;
      } catch (error) {
        log.debug("subscription not changed", { error: errorText(error) });
      }
    });
  }
}
