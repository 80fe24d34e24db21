/**
 * What tests of the store in Redis start from: a server, or the reason why the
 * test is skipped, and stores and gateways that use it.
 *
 * @module
 */

import { assert } from "@std/assert";
import { createLogger } from "../../shared/log.ts";
import { KeyRing } from "../../shared/sessions/keys.ts";
import { RedisStore } from "../../shared/sessions/redis_store.ts";
import {
  type SessionRequest,
  Sessions,
  type SessionsOptions,
} from "../../shared/sessions/sessions.ts";
import type { SessionStore } from "../../shared/sessions/store.ts";
import type { StoreFixture } from "../../shared/sessions/store_contract.ts";
import {
  findRedisServer,
  type RedisAvailability,
  RedisServer,
} from "./_redis_server.ts";

/** When the sessions of the contract begin. */
export const CONTRACT_START = 1_700_000_000_000;
/** For tests of what is right rather than of what is in time. */
export const PATIENT_MS = 10_000;

/** What a client says to open a session. */
export const REQUEST: SessionRequest = {
  identity: "me",
  route: "/mcp",
  revision: "2025-11-25",
  capabilities: {},
};

/** The server to be started, or why there is none. */
export const redis: RedisAvailability = await findRedisServer();

/** A server with connections to it; all closed at the end. */
export class World implements StoreFixture {
  /** The server. */
  readonly server: RedisServer;
  /** What stores and sessions logged, as JSON. */
  readonly logged: string[] = [];
  readonly #open: SessionStore[] = [];

  /** Takes a running server. */
  constructor(server: RedisServer) {
    this.server = server;
  }

  /** Starts a server, with more of its command line. */
  static async start(...args: string[]): Promise<World> {
    assert(redis.kind === "there");
    return new World(await RedisServer.start(redis.command, ...args));
  }

  /** Opens a store that waits for its answers. */
  connect(): Promise<RedisStore> {
    return this.open({ timeoutMs: PATIENT_MS, now: () => CONTRACT_START });
  }

  /** Opens a store as a gateway would. */
  async open(
    options: {
      url?: string;
      caCerts?: string;
      timeoutMs?: number;
      now?: () => number;
    } = {},
  ): Promise<RedisStore> {
    const log = createLogger({
      program: "test",
      level: "debug",
      format: "json",
      write: (line) => this.logged.push(line),
    });
    const store = await RedisStore.open({
      url: this.server.url,
      log,
      ...options,
    });
    this.#open.push(store);
    return store;
  }

  /** One more replica of the gateway. */
  async sessions(
    options: { timeoutMs?: number } & Partial<SessionsOptions> = {},
  ): Promise<Sessions> {
    const { timeoutMs = PATIENT_MS, now = Date.now } = options;
    return new Sessions({
      store: await this.open({ timeoutMs, now }),
      keys: new KeyRing(new Uint8Array(32).fill(7)),
      now: Date.now,
      randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
      log: createLogger({
        program: "test",
        level: "error",
        format: "json",
        write: (line) => this.logged.push(line),
      }),
      ...options,
    });
  }

  /** Closes all connections and ends the server. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const store of this.#open) await store.close();
    await this.server[Symbol.asyncDispose]();
  }
}

/** Declares a test that needs a server. */
export function proves(sentence: string, test: () => Promise<void>): void {
  Deno.test({
    name: redis.kind === "there" ? sentence : `${sentence}: ${redis.reason}`,
    ignore: redis.kind === "missing",
    fn: test,
  });
}
