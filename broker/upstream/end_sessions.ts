/**
 * Ends the sessions with servers that the router opened for a client, when
 * that client's session has ended. A courtesy: a server forgets them anyway.
 *
 * @module
 */

import type { ServerConfig } from "../../shared/config/model.ts";
import { SESSION_HEADER, VERSION_HEADER } from "../../shared/headers.ts";
import type { Logger } from "../../shared/log.ts";
import type { OpenBackend } from "../../shared/sessions/sessions.ts";

/** Sends a request of which only the status matters, trusting the server's CA. */
export type FetchServer = (
  server: ServerConfig,
  init: RequestInit,
) => Promise<Response>;

/** What ending sessions needs. */
export interface EndSessionsOptions {
  /** Sends requests. */
  readonly fetch: FetchServer;
  /** The headers that a call to the server would carry. */
  readonly headers: (
    server: ServerConfig,
  ) => Promise<readonly (readonly [string, string])[]>;
  /** Milliseconds for one request. */
  readonly timeoutMs: number;
  /** Told of failures. */
  readonly log: Logger;
}

/** Requests under way at once. */
const PARALLEL = 8;
/** Sessions waiting to be ended; what is beyond is left to the servers. */
const MAX_WAITING = 1_000;

interface Ending {
  readonly server: ServerConfig;
  readonly id: string;
  readonly revision: string;
  readonly authorization: string | undefined;
}

/** Ends sessions in the background, a few at a time. */
export class SessionEnder {
  readonly #options: EndSessionsOptions;
  readonly #waiting: Ending[] = [];
  readonly #working = new Set<Promise<void>>();

  /** Begins with nothing to do. */
  constructor(options: EndSessionsOptions) {
    this.#options = options;
  }

  /**
   * Ends sessions, later. Those of servers that are not configured any more,
   * or not so, are left to themselves.
   *
   * @param authorization The client's own, for servers that get to see it.
   */
  end(
    backends: readonly OpenBackend[],
    servers: readonly ServerConfig[],
    authorization: string | undefined,
  ): void {
    for (const { server: key, backend: { id, revision } } of backends) {
      const server = servers.find((one) =>
        one.name === key.name && one.fingerprint === key.fingerprint
      );
      if (server === undefined || id === undefined) continue;
      if (this.#waiting.length >= MAX_WAITING) {
        this.#options.log.warn("too many sessions with servers to end");
        break;
      }
      this.#waiting.push({ server, id, revision, authorization });
    }
    while (
      this.#working.size < Math.min(PARALLEL, this.#waiting.length)
    ) {
      const work: Promise<void> = this.#work()
        .finally(() => this.#working.delete(work));
      this.#working.add(work);
    }
  }

  /** Waits until nothing is left to do. */
  async finish(): Promise<void> {
    while (this.#working.size > 0) await Promise.all(this.#working);
  }

  async #work(): Promise<void> {
    for (
      let next = this.#waiting.shift();
      next !== undefined;
      next = this.#waiting.shift()
    ) {
      try {
        await endOne(next, this.#options);
      } catch (error) {
        this.#options.log.debug("session with server not ended", {
          server: next.server.name,
          error,
        });
      }
    }
  }
}

async function endOne(
  { server, id, revision, authorization }: Ending,
  options: EndSessionsOptions,
): Promise<void> {
  const headers = new Headers();
  if (server.passthrough && authorization !== undefined) {
    headers.set("authorization", authorization);
  }
  for (const [name, value] of await options.headers(server)) {
    headers.set(name, value);
  }
  headers.set(SESSION_HEADER, id);
  headers.set(VERSION_HEADER, revision);
  const response = await options.fetch(server, {
    method: "DELETE",
    headers,
    signal: AbortSignal.timeout(options.timeoutMs),
  });
  await response.body?.cancel();
}
