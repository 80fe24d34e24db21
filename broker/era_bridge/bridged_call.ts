/**
 * The contract between the endpoints, which know their client, and the bridges
 * to servers of the other era, which carry single calls. Types only.
 *
 * @module
 */

import type { ServerConfig } from "../../shared/config/model.ts";
import type {
  RequestMessage,
  StringSpan,
} from "../../shared/jsonrpc/message.ts";
import type { TargetKind } from "../../shared/routing/call_target.ts";
import type { ClientSession } from "../../shared/sessions/sessions.ts";
import type { Envelope } from "../../shared/stateless/envelope.ts";
import type { RequestCaller } from "../caller.ts";
import type { MergedItem } from "../catalog/merge.ts";

/** A call whose server speaks the other era. */
export interface BridgedCall {
  /** The request, as it stands in the body: names as the client knows them. */
  readonly request: RequestMessage;
  /** The body as the client wrote it. */
  readonly body: Uint8Array;
  /** Who calls. */
  readonly caller: RequestCaller;
  /** The `authorization` header of the request, where it has one. */
  readonly authorization: string | undefined;
  /** Who is to answer. */
  readonly server: ServerConfig;
  /** What the call is about. */
  readonly target: TargetKind;
  /** The tool's or prompt's own name at the server; the resource's URI. */
  readonly name: string;
  /** Where in the body the client's name for it stands. */
  readonly named: StringSpan;
  /**
   * What the server lists of it; absent where it lists no such thing just now,
   * and for a URI that nothing but a template matches.
   */
  readonly item?: MergedItem;
  /**
   * Aborts when the client goes away before it has the whole answer; never
   * afterwards.
   */
  readonly signal: AbortSignal;
}

/** A call of a client of the stateless era, whose server has sessions. */
export interface StatelessCall extends BridgedCall {
  /** What the request says of itself and its client. */
  readonly envelope: Envelope;
  /** The request's headers, for the broker that it may have to be passed to. */
  readonly headers: Headers;
}

/** A call of a client in a session, whose server is of the stateless era. */
export interface SessionCall extends BridgedCall {
  /** The client's session. Its client going away is no cancellation. */
  readonly session: ClientSession;
}

/**
 * Carries a call to a server that has sessions.
 *
 * @returns The whole HTTP response: JSON, or a stream of events. Refusals may
 * be thrown as a `GatewayError`.
 */
export type ToSession = (call: StatelessCall) => Promise<Response>;

/** Carries a call to a server of the stateless era; see {@linkcode ToSession}. */
export type ToStateless = (call: SessionCall) => Promise<Response>;
