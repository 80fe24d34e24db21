/**
 * Opens sessions with servers on behalf of clients, and makes each of them
 * what the client has a right to expect: the requests that it made for as long
 * as its session lasts are repeated there, and the broker knows of it before
 * the first call goes on, so that no word of the server's is lost.
 *
 * @module
 */

import type { ServerConfig } from "../shared/config/model.ts";
import type {
  BackendSession,
  ClientSession,
  Sessions,
} from "../shared/sessions/sessions.ts";
import type { Deadline } from "./exchange_ports.ts";
import type { ServerClient } from "./server_client.ts";

/** What opening works with. */
export interface BackendOpenerOptions {
  /** Keeps what is opened. */
  readonly sessions: Pick<
    Sessions,
    "backend" | "details" | "standing" | "unsubscribe"
  >;
  /** Speaks to servers. */
  readonly client: Pick<ServerClient, "open">;
  /**
   * Tells a broker that a session was opened; never rejects. `url` is that of
   * the broker that the client listens at, where it is known.
   */
  readonly announce: (
    session: string,
    server: string,
    url?: string,
  ) => Promise<void>;
}

/**
 * Openings that nobody waited for to the end are announced by the next call;
 * of so many at once, the oldest never.
 */
const MAX_UNANNOUNCED = 1_000;

/** Opens sessions with servers. */
export class BackendOpener {
  readonly #options: BackendOpenerOptions;
  /** Sessions just opened; with the announcement, once it is under way. */
  readonly #fresh = new Map<string, Promise<void> | undefined>();

  /** Makes one that has opened nothing. */
  constructor(options: BackendOpenerOptions) {
    this.#options = options;
  }

  /**
   * Answers the session with a server, opened where there is none.
   *
   * @param authorization The client's `Authorization`, where the server is to
   * have it.
   * @throws {GatewayError} If there is none in time, or the server will not.
   */
  async open(
    session: ClientSession,
    server: ServerConfig,
    authorization: string | undefined,
    deadline: Deadline,
  ): Promise<BackendSession> {
    const { sessions, client } = this.#options;
    const backend = await sessions.backend(session, server, async (signal) => {
      const opened = await client.open({
        server,
        details: await sessions.details(session),
        revision: session.revision,
        authorization,
        // Asked for at the end of the handshake: it may have changed meanwhile.
        standing: () => sessions.standing(session),
        onRefused: (uri) =>
          sessions.unsubscribe(session, { server: server.name, uri }),
      }, signal);
      this.#remember(keyOf(session, server));
      return opened;
    }, { deadlineMs: deadline.left() });
    // Nothing is fresh most of the time.
    if (this.#fresh.size > 0) await this.#announced(session, server);
    return backend;
  }

  #remember(key: string): void {
    this.#fresh.set(key, undefined);
    if (this.#fresh.size <= MAX_UNANNOUNCED) return;
    const [oldest] = this.#fresh.keys();
    if (oldest !== undefined) this.#fresh.delete(oldest);
  }

  /** Waits until the broker was told, by whichever call comes first. */
  async #announced(
    session: ClientSession,
    server: ServerConfig,
  ): Promise<void> {
    const key = keyOf(session, server);
    if (!this.#fresh.has(key)) return;
    let announcement = this.#fresh.get(key);
    if (announcement === undefined) {
      announcement = this.#announce(session, server);
      this.#fresh.set(key, announcement);
    }
    await announcement;
    // Not where it was opened once more meanwhile.
    if (this.#fresh.get(key) === announcement) this.#fresh.delete(key);
  }

  async #announce(session: ClientSession, server: ServerConfig): Promise<void> {
    const { sessions, announce } = this.#options;
    const standing = await sessions.standing(session).catch(() => undefined);
    await announce(session.id, server.name, standing?.listener?.url);
  }
}

function keyOf({ id }: ClientSession, server: ServerConfig): string {
  return JSON.stringify([id, server.name, server.fingerprint]);
}
