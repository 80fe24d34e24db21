/**
 * Follows the broker's catalog by long polling and keeps the last good copy
 * while the broker is away.
 *
 * @module
 */

import { type Catalog, CATALOG_PATH } from "../shared/catalog.ts";
import type { Logger } from "../shared/log.ts";
import type { Wait } from "../shared/wait_on_timer.ts";

/** What following needs. */
export interface FollowOptions {
  /** Base URL of the broker's internal listener. */
  readonly url: string;
  /** Called with each catalog that differs from the one before. */
  readonly onCatalog: (catalog: Catalog) => void;
  /** Called after each attempt, whatever came of it. */
  readonly onAttempt: () => void;
  /** Ends the following. */
  readonly signal: AbortSignal;
  /** `fetch`, or a stand-in. */
  readonly fetch: (url: URL, init: RequestInit) => Promise<Response>;
  /** Waits between attempts. */
  readonly delay: Wait;
  /** Log of the connection. */
  readonly log: Logger;
}

/** Seconds the broker may hold a question back. */
const WAIT_S = 25;
/** Milliseconds until an answer that does not come is given up. */
const TIMEOUT_MS = (WAIT_S + 5) * 1000;
const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 1000;

/** Follows the catalog until the signal aborts; never rejects. */
export async function followCatalog(options: FollowOptions): Promise<void> {
  const { signal, log } = options;
  let version: string | undefined;
  let retryMs = FIRST_RETRY_MS;
  let reachable: boolean | undefined;
  while (!signal.aborted) {
    try {
      const catalog = await ask(options, version);
      if (reachable !== true) log.info("broker reached", { url: options.url });
      reachable = true;
      retryMs = FIRST_RETRY_MS;
      if (catalog !== undefined) {
        version = catalog.version;
        options.onCatalog(catalog);
        log.debug("catalog taken over", { version });
      }
      options.onAttempt();
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof NotReady) {
        log.debug("broker has no catalog yet", { url: options.url });
      } else if (reachable !== false) {
        log.warn("broker unreachable, last catalog stays", {
          url: options.url,
          error,
        });
        reachable = false;
      }
      options.onAttempt();
      // A restarted broker may know less at first: ask for whatever it has.
      await options.delay(retryMs, signal);
      retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
    }
  }
}

/** A broker that is starting, or takes over a configuration: no fault. */
class NotReady extends Error {}

/** Asks once; undefined where nothing changed. */
async function ask(
  { url, signal, fetch }: FollowOptions,
  version: string | undefined,
): Promise<Catalog | undefined> {
  const response = await fetch(new URL(CATALOG_PATH, url), {
    headers: version === undefined
      ? {}
      : { "if-none-match": `"${version}"`, prefer: `wait=${WAIT_S}` },
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
  });
  if (response.status === 304) {
    await response.body?.cancel();
    return undefined;
  }
  if (response.status === 503) {
    await response.body?.cancel();
    throw new NotReady();
  }
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`Cannot read the catalog: HTTP ${response.status}`);
  }
  return parseCatalog(await response.json());
}

/** Checks what came over the wire. */
function parseCatalog(value: unknown): Catalog {
  const catalog = value as Partial<Catalog> | null;
  if (
    typeof catalog !== "object" || catalog === null ||
    typeof catalog.version !== "string" ||
    typeof catalog.complete !== "boolean" ||
    typeof catalog.tools !== "object" || typeof catalog.prompts !== "object"
  ) {
    throw new TypeError("Cannot read the catalog: it has another form");
  }
  return catalog as Catalog;
}
