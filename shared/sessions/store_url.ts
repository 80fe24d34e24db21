/**
 * The address of a Redis server as people write it: `redis://` or, with TLS,
 * `rediss://`, with user, password, host, port and database number. Never
 * shows what it was given: a password may stand in it. Pure.
 *
 * @module
 */

/** Where a Redis server is and how to get in. */
export interface RedisAddress {
  /** Name or address, IPv6 without brackets. */
  readonly host: string;
  /** TCP port. */
  readonly port: number;
  /** Whether TLS is spoken. */
  readonly tls: boolean;
  /** ACL user; the server's `default` where left out. */
  readonly username?: string;
  /** Password, where there is one. */
  readonly password?: string;
  /** Number of the database. */
  readonly database: number;
}

const DEFAULT_PORT = 6379;
const WANTED = "want redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], or " +
  "rediss:// for TLS, with special characters of the password as %XX";

/**
 * Reads the URL of a Redis server.
 *
 * @throws {TypeError} That says what is wanted, and nothing of the URL.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseStoreUrl } from "./store_url.ts";
 *
 * assertEquals(parseStoreUrl("rediss://gateway:p%40ss@redis.example/2"), {
 *   host: "redis.example",
 *   port: 6379,
 *   tls: true,
 *   username: "gateway",
 *   password: "p@ss",
 *   database: 2,
 * });
 * ```
 */
export function parseStoreUrl(text: string): RedisAddress {
  const url = URL.parse(text.trim());
  const [, database] = /^\/?(\d{0,4})$/.exec(url?.pathname ?? "?") ?? [];
  if (
    url === null || database === undefined || url.hostname === "" ||
    !/^rediss?:$/.test(url.protocol) || url.search !== "" || url.hash !== ""
  ) throw new TypeError(WANTED);
  const username = decoded(url.username);
  const password = decoded(url.password);
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? DEFAULT_PORT : Number(url.port),
    tls: url.protocol === "rediss:",
    ...(username === "" ? {} : { username }),
    ...(password === "" ? {} : { password }),
    database: Number(database),
  };
}

/** Says what is wrong with the URL of a Redis server, or undefined. */
export function checkStoreUrl(text: string): string | undefined {
  try {
    parseStoreUrl(text);
    return undefined;
  } catch (error) {
    if (error instanceof TypeError) return error.message;
    throw error;
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new TypeError(WANTED);
  }
}
