/**
 * A connection to a Redis server that is either there or fails at once.
 * Whatever is not answered in time is an error, and until the server answers
 * again nothing more is sent to it; a connection that was lost, or that stays
 * silent, is replaced in the background for as long as it takes.
 *
 * What is sent once is never sent again: only the caller knows whether that
 * would be right.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { createClient, ErrorReply, RESP_TYPES } from "@redis/client";
import { LIMITS } from "../limits.ts";
import type { Logger } from "../log.ts";
import { waitOnTimer } from "../wait_on_timer.ts";
import { parseStoreUrl, type RedisAddress } from "./store_url.ts";

/** How to connect. */
export interface RedisConnectionOptions {
  /** `redis://` or `rediss://`, with user and password; never logged. */
  readonly url: string;
  /** Told when the server goes and when it is back. */
  readonly log: Logger;
  /** PEM of authorities that are trusted besides the public ones. */
  readonly caCerts?: string;
  /** Milliseconds that an answer may take. Default 50. */
  readonly timeoutMs?: number;
}

/** What Redis answers: a bulk string is bytes, a status a string. */
export type RedisReply =
  | null
  | number
  | string
  | Uint8Array
  | readonly RedisReply[];

/** A Lua script that runs in the server, atomically. */
export class RedisScript {
  /** Its text. */
  readonly text: string;
  /** What the server knows it by: SHA-1 in hex. */
  readonly sha: string;

  /** Takes the text of a script. */
  constructor(text: string) {
    this.text = text;
    this.sha = createHash("sha1").update(text).digest("hex");
  }
}

/** An argument of a command; numbers are sent in decimal. */
export type RedisArgument = string | number | Uint8Array;

/** Silence after which a connection is taken for lost. */
const SILENCE_MS = 1_000;
/** To connect, with TLS and password. */
const CONNECT_MS = 1_000;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 500;
/** Commands without an answer yet; more than this is an outage as well. */
const MAX_PENDING = 10_000;

/** What to do where the server cannot prove who it is. */
const CERTIFICATE_REMEDY = "see the host of the store's URL, and " +
  "--store-ca-file where a private authority signed";

/** A key that never is, removed to see that the server can be written to. */
const PROBE = "mcpgw:1:probe";

/**
 * Answers of a server that is not now the one to talk to: it starts, cannot
 * write its disk, or became the replica of another.
 */
const NOT_THE_SERVER = /^(LOADING|MASTERDOWN|MISCONF|READONLY)\b/;

type Client = ReturnType<typeof makeClient>;

/** A connection that heals by itself. */
export class RedisConnection {
  readonly #address: RedisAddress;
  readonly #caCerts: string | undefined;
  readonly #name: string;
  readonly #log: Logger;
  readonly #timeoutMs: number;
  readonly #closing = new AbortController();
  #client: Client | undefined;
  /** Set from the first late answer until the next one that comes. */
  #silence: ReturnType<typeof setTimeout> | undefined;
  #connecting: Promise<void> | undefined;
  #why: unknown = "not connected yet";
  #away = false;

  private constructor(options: RedisConnectionOptions) {
    this.#address = parseStoreUrl(options.url);
    this.#caCerts = options.caCerts;
    const { host, port } = this.#address;
    this.#name = `redis ${host.includes(":") ? `[${host}]` : host}:${port}`;
    this.#log = options.log;
    this.#timeoutMs = options.timeoutMs ?? LIMITS.storeMs;
  }

  /**
   * Connects. A server that is not there yet is no error: it is looked for in
   * the background.
   *
   * @throws {Error} If the server is there and does not let us in.
   */
  static async open(options: RedisConnectionOptions): Promise<RedisConnection> {
    const connection = new RedisConnection(options);
    try {
      connection.#take(await connection.#connectOnce());
    } catch (error) {
      if (isRefusal(error)) {
        await connection.close();
        throw new Error(
          `Cannot open session store ${connection.#name}: ${said(error)}; ` +
            "see user, password and database of the store's URL",
          { cause: error },
        );
      }
      connection.#lost(error);
    }
    return connection;
  }

  /**
   * Sends a command.
   *
   * @throws {Error} If there is no connection, no answer in time, or an error.
   */
  send(command: string, ...args: RedisArgument[]): Promise<RedisReply> {
    const client = this.#client;
    if (client === undefined || this.#silence !== undefined) {
      return Promise.reject(this.#unavailable(this.#why));
    }
    const answer = client.sendCommand<RedisReply>([
      command,
      ...args.map(encoded),
    ]);
    return new Promise((resolve, reject) => {
      let timer = setTimeout(() => {
        // A process that was busy itself rings before it reads: let it read.
        timer = setTimeout(() => {
          const late = `no answer within ${this.#timeoutMs} ms`;
          this.#fallSilent(client, late);
          reject(this.#unavailable(late));
        }, 1);
      }, this.#timeoutMs);
      answer.then((reply) => {
        clearTimeout(timer);
        this.#heard(client);
        resolve(reply);
      }, (error) => {
        clearTimeout(timer);
        if (error instanceof ErrorReply) this.#heard(client);
        if (NOT_THE_SERVER.test(said(error))) this.#drop(client, error);
        reject(this.#unavailable(error));
      });
    });
  }

  /**
   * Runs a script with one key.
   *
   * @throws {Error} As {@linkcode send} does.
   */
  async run(
    script: RedisScript,
    key: string,
    ...args: RedisArgument[]
  ): Promise<RedisReply> {
    try {
      return await this.send("EVALSHA", script.sha, 1, key, ...args);
    } catch (error) {
      // A server that was started since does not know it, and has not run it.
      if (!isUnknownScript(error)) throw error;
      return await this.send("EVAL", script.text, 1, key, ...args);
    }
  }

  /** Disconnects, for good. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#why = "it is closed";
    clearTimeout(this.#silence);
    this.#silence = undefined;
    const client = this.#client;
    this.#client = undefined;
    if (client?.isOpen) client.destroy();
    await this.#connecting;
  }

  #take(client: Client): void {
    this.#client = client;
    client.on("error", (error) => this.#drop(client, error));
    client.on("end", () => this.#drop(client, "the connection was closed"));
    if (!client.isReady) return this.#drop(client, "the connection was closed");
    if (this.#away) this.#log.info("session store back", { at: this.#name });
    this.#away = false;
  }

  #drop(client: Client, why: unknown): void {
    if (client !== this.#client) return;
    this.#client = undefined;
    clearTimeout(this.#silence);
    this.#silence = undefined;
    if (client.isOpen) client.destroy();
    this.#lost(why);
  }

  #lost(why: unknown): void {
    this.#why = why;
    if (!this.#away) {
      const error = said(why);
      this.#log.warn("session store away", {
        at: this.#name,
        error,
        ...(/certificate/i.test(error) ? { remedy: CERTIFICATE_REMEDY } : {}),
      });
    }
    this.#away = true;
    this.#connecting ??= this.#reconnect();
  }

  async #reconnect(): Promise<void> {
    const { signal } = this.#closing;
    for (let pauseMs = FIRST_PAUSE_MS; !signal.aborted;) {
      try {
        const client = await this.#connectOnce();
        if (signal.aborted) client.destroy();
        else this.#take(client);
        if (this.#client !== undefined) {
          // Now, so that whatever loses it next starts anew.
          this.#connecting = undefined;
          return;
        }
      } catch (error) {
        if (!signal.aborted) this.#why = error;
      }
      await waitOnTimer(pauseMs, signal);
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    }
  }

  async #connectOnce(): Promise<Client> {
    const client = makeClient(this.#address, this.#caCerts);
    const failed = Promise.withResolvers<never>();
    client.on("error", failed.reject);
    const giveUp = () =>
      failed.reject(new Error(`no connection within ${CONNECT_MS} ms`));
    const timer = setTimeout(giveUp, CONNECT_MS);
    this.#closing.signal.addEventListener("abort", giveUp, { once: true });
    try {
      await Promise.race([failed.promise, connect(client)]);
      return client;
    } catch (error) {
      if (client.isOpen) client.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
      this.#closing.signal.removeEventListener("abort", giveUp);
    }
  }

  #fallSilent(client: Client, why: string): void {
    if (client !== this.#client || this.#silence !== undefined) return;
    this.#why = why;
    this.#silence = setTimeout(
      () => this.#drop(client, `no answer within ${SILENCE_MS} ms`),
      SILENCE_MS,
    );
  }

  #heard(client: Client): void {
    if (client !== this.#client) return;
    clearTimeout(this.#silence);
    this.#silence = undefined;
  }

  #unavailable(why: unknown): Error {
    return new Error(
      `Cannot use session store ${this.#name}: ${said(why)}`,
      { cause: why },
    );
  }
}

async function connect(client: Client): Promise<void> {
  await client.connect();
  // Whether we may write there, and it can, only a command tells.
  await client.sendCommand(["DEL", PROBE]);
}

function makeClient(address: RedisAddress, caCerts: string | undefined) {
  const { host, port, username, password, database } = address;
  const socket = {
    host,
    port,
    connectTimeout: CONNECT_MS,
    // We look for the server ourselves: so every attempt has its deadline.
    reconnectStrategy: false as const,
  };
  const tls = {
    tls: true as const,
    ...(caCerts === undefined ? {} : { ca: caCerts }),
  };
  return createClient({
    RESP: 2,
    socket: address.tls ? { ...socket, ...tls } : socket,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    database,
    disableOfflineQueue: true,
    // Commands that a narrow ACL need not allow.
    disableClientInfo: true,
    maintNotifications: "disabled",
    commandsQueueMaxLength: MAX_PENDING,
    commandOptions: { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
  });
}

function encoded(argument: RedisArgument): string | Buffer {
  if (typeof argument === "string") return argument;
  if (typeof argument === "number") return String(argument);
  return Buffer.from(argument.buffer, argument.byteOffset, argument.length);
}

function isRefusal(error: unknown): boolean {
  return error instanceof ErrorReply && !NOT_THE_SERVER.test(error.message);
}

function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && error.cause instanceof ErrorReply &&
    error.cause.message.startsWith("NOSCRIPT");
}

function said(cause: unknown): string {
  return cause instanceof Error ? cause.message || cause.name : String(cause);
}
