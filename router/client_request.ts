/**
 * A client's request, once its head is read: who sent it, in which session,
 * and its place among what that session has under way.
 *
 * @module
 */

import type { ServerConfig } from "../shared/config/model.ts";
import { GatewayError } from "../shared/errors.ts";
import { SESSION_HEADER } from "../shared/headers.ts";
import type { ClientSession } from "../shared/sessions/sessions.ts";
import type {
  Caller,
  CallPlace,
  CallsInFlight,
  ExchangePorts,
} from "./exchange_ports.ts";
import type { ReadHead } from "./request_head.ts";

/** One request. */
export class ClientRequest {
  /** What it is carried with. */
  readonly ports: ExchangePorts;
  /** Its head. */
  readonly head: ReadHead;
  /** Who sent it. */
  readonly caller: Caller;

  #place: CallPlace | undefined;
  #closed = false;

  /** Begins with no place taken. */
  constructor(ports: ExchangePorts, head: ReadHead, caller: Caller) {
    this.ports = ports;
    this.head = head;
    this.caller = caller;
  }

  /**
   * The session that it is sent in.
   *
   * @throws {GatewayError} If there is none.
   */
  session(): Promise<ClientSession> {
    return this.ports.verify(this.head.values.get(SESSION_HEADER), this.caller);
  }

  /** The client's credentials, for a server that is to have them. */
  authorization(server: ServerConfig): string | undefined {
    return server.passthrough
      ? this.head.values.get("authorization")
      : undefined;
  }

  /**
   * Takes a place, until the request is over.
   *
   * @throws {GatewayError} If the session has too much under way.
   */
  takePlace(
    among: "calls" | "relays",
    session: ClientSession,
    { id, server }: Parameters<CallsInFlight["begin"]>[1],
  ): void {
    // A client that left meanwhile gives back no place that it takes now.
    if (this.#closed) throw new GatewayError({ kind: "internal error" });
    this.#place = this.ports[among].begin(session, { id, server });
    if (this.#place === undefined) {
      throw new GatewayError({ kind: "too many calls" });
    }
  }

  /** Whether the client has cancelled what it has a place for. */
  get cancelled(): boolean {
    return this.#place?.cancelled ?? false;
  }

  /** The request is over, however it ended. */
  close(): void {
    this.#closed = true;
    this.#place?.giveBack();
    this.#place = undefined;
  }
}
