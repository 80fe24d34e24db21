/**
 * Ends the sessions with servers that the router opened for a client, when
 * that client's session has ended. A courtesy: a server forgets them anyway.
 *
 * @module
 */

import type { ServerConfig } from "../../shared/config/model.ts";
import type { Logger } from "../../shared/log.ts";
import type { OpenBackend } from "../../shared/sessions/sessions.ts";
import { type Backend, backendHeaders } from "./backend_request.ts";

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

interface Ending extends Pick<Backend, "server" | "session"> {
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
    for (const { server: key, backend: session } of backends) {
      const server = servers.find((one) =>
        one.name === key.name && one.fingerprint === key.fingerprint
      );
      if (server === undefined || session.id === undefined) continue;
      if (this.#waiting.length >= MAX_WAITING) {
        this.#options.log.warn("too many sessions with servers to end");
        break;
      }
      this.#waiting.push({ server, session, authorization });
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
  { authorization, ...backend }: Ending,
  options: EndSessionsOptions,
): Promise<void> {
  const response = await options.fetch(backend.server, {
    method: "DELETE",
    headers: await backendHeaders(backend, options, {}, authorization),
    signal: AbortSignal.timeout(options.timeoutMs),
  });
  await response.body?.cancel();
}
