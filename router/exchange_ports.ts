/**
 * What an exchange needs from outside: sessions, servers, the clock, as one
 * interface. Types only.
 *
 * @module
 */

import type { ServerConfig } from "../shared/config/model.ts";
import type { Logger } from "../shared/log.ts";
import type {
  BackendSession,
  ClientSession,
} from "../shared/sessions/sessions.ts";
import type { HeaderEntry } from "./answer.ts";
import type { ServerCall } from "./decide_call.ts";
import type { HeadSettings, RequestHead } from "./request_head.ts";
import type { RouteTable } from "../shared/routing/route_table.ts";

/** Who makes a request and where: what sessions are bound to. */
export interface Caller {
  /** Hash of issuer and subject, or "". */
  readonly identity: string;
  /** Path of the request. */
  readonly route: string;
  /** Virtual server that was asked for. */
  readonly virtualServer?: string;
}

/** A complete answer of a server, fetched by the router itself. */
export interface FetchedAnswer {
  /** HTTP status. */
  readonly status: number;
  /** Its headers; what of them may cross is not decided yet. */
  readonly headers: readonly HeaderEntry[];
  /** The whole body. */
  readonly body: Uint8Array;
}

/** A point in time. */
export interface Deadline {
  /** Milliseconds that are left, never negative. */
  left(): number;
}

/** The calls in flight at this router, of which each session has so many. */
export interface CallsInFlight {
  /**
   * Takes a place.
   *
   * @param call Its id, raw JSON, and who answers it; a stream that is taken
   * up again has no id.
   * @returns The place; undefined when all are taken.
   */
  begin(
    session: ClientSession,
    call: { readonly id: string | undefined; readonly server: ServerConfig },
  ): CallPlace | undefined;
  /**
   * Marks a call as cancelled.
   *
   * @returns Who answers it; undefined where that is not known, or not for
   * sure: then nothing is marked.
   */
  cancel(session: ClientSession, id: string): ServerConfig | undefined;
}

/** A call's place among those in flight. */
export interface CallPlace {
  /** Whether the client has cancelled the call. */
  readonly cancelled: boolean;
  /** Gives it back; once more does nothing. */
  giveBack(): void;
}

/** Settings of the router. */
export interface ExchangeSettings extends HeadSettings {
  /** Whether the router changes `:authority`, or leaves that to routes. */
  readonly steering: "hostname" | "header";
}

/** What an exchange needs from outside. */
export interface ExchangePorts {
  /** The table in force; undefined while there is no configuration. */
  table(): RouteTable | undefined;
  /** Settings that do not change while the program runs. */
  readonly settings: ExchangeSettings;
  /** Who calls, by the configured source of identity. */
  identify(head: RequestHead, values: ReadonlyMap<string, string>): string;
  /** Signs what the router knows about a caller, for the broker. */
  signCaller(caller: Caller): string;
  /** The client's session; a refusal is thrown as {@linkcode GatewayError}. */
  verify(token: string | undefined, caller: Caller): Promise<ClientSession>;
  /** The server's session for this client's, opened where there is none. */
  open(
    session: ClientSession,
    server: ServerConfig,
    authorization: string | undefined,
    deadline: Deadline,
  ): Promise<BackendSession>;
  /** The server's session for this client's, where there is one. */
  backendWith(
    session: ClientSession,
    server: ServerConfig,
  ): Promise<BackendSession | undefined>;
  /** Remembers that the client wants to hear of a resource. */
  subscribe(
    session: ClientSession,
    server: ServerConfig,
    uri: string,
  ): Promise<void>;
  /** Remembers that it does not any more. */
  unsubscribe(
    session: ClientSession,
    server: ServerConfig,
    uri: string,
  ): Promise<void>;
  /** When an answer must be there that Envoy waits for from now on. */
  deadline(): Deadline;
  /** Forgets a backend session that its server does not know any more. */
  forget(
    session: ClientSession,
    server: ServerConfig,
    backend: BackendSession,
  ): Promise<void>;
  /** Whether a server still knows a session; true where it cannot be told. */
  knows(
    server: ServerConfig,
    backend: BackendSession,
    headers: readonly HeaderEntry[],
  ): Promise<boolean>;
  /** Headers that the gateway itself sets on calls to a server. */
  callHeaders(server: ServerConfig): Promise<readonly HeaderEntry[]>;
  /** Runs a call without Envoy and returns the whole answer. */
  run(
    call: ServerCall,
    session: ClientSession,
    backend: BackendSession,
    headers: readonly HeaderEntry[],
    deadline: Deadline,
  ): Promise<FetchedAnswer>;
  /** Whether one more exchange may be ended before Envoy ends it. */
  mayLetGo(): boolean;
  /** Calls in flight. */
  readonly calls: CallsInFlight;
  /** Answers and notifications of clients on their way to a server. */
  readonly relays: Pick<CallsInFlight, "begin">;
  /** Log of the exchange. */
  readonly log: Logger;
}
