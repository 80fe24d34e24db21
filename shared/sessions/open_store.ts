/**
 * Chooses the session store that the options name.
 *
 * @module
 */

import type { Logger } from "../log.ts";
import { MemoryStore } from "./memory_store.ts";
import { SqliteStore } from "./sqlite_store.ts";
import type { SessionStore } from "./store.ts";
import { checkStoreUrl } from "./store_url.ts";

/** Which store, and where it is. */
export interface StoreOptions {
  /**
   * `sqlite` is shared on one machine, `redis` by many; `memory` lives in one
   * process.
   */
  readonly kind: "sqlite" | "redis" | "memory";
  /** The state directory, which has the file of `sqlite`. */
  readonly stateDir: string;
  /** URL of the server of `redis`. */
  readonly url?: string | undefined;
  /** File that holds that URL, instead. */
  readonly urlFile?: string | undefined;
  /** Milliseconds that an answer of `redis` may take. */
  readonly timeoutMs?: number;
  /** Told when a store goes away and when it is back. */
  readonly log: Logger;
}

/** Opens a session store. Rejects, naming the remedy, where that fails. */
export async function openStore(options: StoreOptions): Promise<SessionStore> {
  switch (options.kind) {
    case "sqlite":
      return await SqliteStore.open(options.stateDir);
    case "redis": {
      const url = await urlOf(options);
      // Its client takes time to load, for those who use it only.
      const { RedisStore } = await import("./redis_store.ts");
      const { log, timeoutMs } = options;
      return await RedisStore.open({
        url,
        log,
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
      });
    }
    case "memory":
      return new MemoryStore();
    default:
      return options.kind satisfies never;
  }
}

async function urlOf({ url, urlFile }: StoreOptions): Promise<string> {
  if (url !== undefined) return url;
  if (urlFile === undefined) {
    throw new Error(
      "Cannot open session store redis: it has no address; give " +
        "--store-url-file FILE, GATEWAY_STORE_URL or --store-url",
    );
  }
  const text = await Deno.readTextFile(urlFile).catch((cause: unknown) => {
    const state = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `Cannot read URL of session store from ${urlFile}: ${state}`,
      { cause },
    );
  });
  const problem = checkStoreUrl(text);
  if (problem !== undefined) {
    throw new Error(
      `Cannot read URL of session store from ${urlFile}: ${problem}`,
    );
  }
  return text;
}
