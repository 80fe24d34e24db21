/**
 * Tells the broker of a session that was opened with a server, so that it
 * listens there before the first call: what a server sends while nobody
 * listens is lost. A courtesy, which no call fails for.
 *
 * @module
 */

import { type HeldStreamHint, postHint } from "../shared/held_streams.ts";
import type { Logger } from "../shared/log.ts";

/** What telling works with. */
export interface BrokerHintOptions {
  /** Base URL of a broker's internal listener, where no other one is named. */
  readonly url: string;
  /** `fetch`, or a stand-in. */
  readonly fetch: (url: URL, init: RequestInit) => Promise<Response>;
  /** Milliseconds since some point. */
  readonly now: () => number;
  /** Log of what failed. */
  readonly log: Logger;
}

/** Milliseconds for which a broker that was not there is not asked again. */
const PAUSE_MS = 5_000;
/** Brokers that are remembered for that: those of before are gone for good. */
const MAX_PAUSED = 100;

/** Makes a function that tells the broker; it never rejects. */
export function createBrokerHint(
  { url: usual, fetch, now, log }: BrokerHintOptions,
): (session: string, server: string, url?: string) => Promise<void> {
  const paused = new Map<string, number>();
  return async (session, server, url = usual) => {
    if (now() < (paused.get(url) ?? -Infinity)) return;
    paused.delete(url);
    const hint: HeldStreamHint = { session, server };
    try {
      await postHint(fetch, url, hint);
    } catch (error) {
      // One that is slow is there.
      if (!isTimeout(error)) {
        if (paused.size >= MAX_PAUSED) paused.clear();
        paused.set(url, now() + PAUSE_MS);
      }
      log.debug("broker not told of a backend session", { server, error });
    }
  };
}

function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === "TimeoutError";
}
