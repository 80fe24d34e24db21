/**
 * Chooses the session store that the options name.
 *
 * @module
 */

import { nextTick } from "node:process";
import type { Logger } from "../log.ts";
import { MemoryStore } from "./memory_store.ts";
import { SqliteStore } from "./sqlite_store.ts";
import type { SessionStore } from "./store.ts";
import { checkStoreUrl, parseStoreUrl } from "./store_url.ts";
import { errorText } from "../error_text.ts";

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
  /** PEM file of authorities that its certificate may come from as well. */
  readonly caFile?: string | undefined;
  /** Whether the key that seals what is stored was made on this machine. */
  readonly hasLocalKey?: boolean;
  /** Milliseconds that an answer of `redis` may take. */
  readonly timeoutMs?: number;
  /** Told when a store goes away and when it is back. */
  readonly log: Logger;
}

/** Opens a session store. Rejects, naming the remedy, where that fails. */
export async function openStore(options: StoreOptions): Promise<SessionStore> {
  switch (options.kind) {
    case "sqlite":
      return await SqliteStore.open(options.stateDir, {
        log: options.log,
        endOfTurn: nextTick,
      });
    case "redis": {
      const url = await urlOf(options);
      const caCerts = await caCertsOf(url, options.caFile);
      // Its client takes time to load, for those who use it only.
      const { RedisStore } = await import("./redis_store.ts");
      const { log, timeoutMs, hasLocalKey } = options;
      // No refusal: one machine may well have its sessions in Redis, and
      // nothing tells the first of many machines from the only one.
      if (hasLocalKey) log.warn(LOCAL_KEY, { remedy: LOCAL_KEY_REMEDY });
      return await RedisStore.open({
        url,
        log,
        ...(caCerts === undefined ? {} : { caCerts }),
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
      });
    }
    case "memory":
      return new MemoryStore();
    default:
      return options.kind satisfies never;
  }
}

const LOCAL_KEY = "no other machine can share these sessions: " +
  "the signing key was made on this one";
const LOCAL_KEY_REMEDY = "give all machines the same key with " +
  "--signing-key-file or GATEWAY_SIGNING_KEY; on a single one, the file " +
  "signing.key of its state directory will do";

async function caCertsOf(
  url: string,
  file: string | undefined,
): Promise<string | undefined> {
  if (file === undefined) return undefined;
  const refuse = (state: string, cause?: unknown) =>
    new Error(
      `Cannot use certificate of session store from ${file}: ${state}`,
      { cause },
    );
  if (!parseStoreUrl(url).tls) {
    throw refuse("the store's URL is redis://, without TLS; write rediss://");
  }
  const text = await Deno.readTextFile(file).catch((cause: unknown) => {
    throw refuse(errorText(cause), cause);
  });
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw refuse("it has no PEM certificate in it");
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
    const state = errorText(cause);
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
