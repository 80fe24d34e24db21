/**
 * Decides who answers a message of the stateless era, once its envelope is
 * known to be complete: the broker, a server, or nobody. Pure.
 *
 * @module
 */

import type { Refusal } from "../shared/errors.ts";
import { MCP_METHOD_HEADER, MCP_NAME_HEADER } from "../shared/headers.ts";
import type {
  NotificationMessage,
  RequestMessage,
} from "../shared/jsonrpc/message.ts";
import { checkStandardHeaders } from "../shared/stateless/standard_headers.ts";
import {
  type BridgedCall,
  decideCall,
  type MessageContext,
  type Refused,
  refuseMethod,
  type ServerCall,
} from "./decide_call.ts";
import type { ReadHead } from "./request_head.ts";

/** What becomes of a message. */
export type StatelessDecision =
  | Refused
  /** The broker answers. */
  | {
    readonly kind: "broker";
    readonly method: string;
    /** The request's id, raw JSON. */
    readonly id: string;
  }
  /** A server answers. */
  | ServerCall
  /** The broker translates for a server of the other era. */
  | BridgedCall
  /** A notification: heard, and nobody's business. */
  | { readonly kind: "accept"; readonly id: null };

/**
 * Requests that a server is asked directly. What others of the session era ask
 * for is unknown here, as are they: the broker says so.
 */
const DIRECT: ReadonlySet<string> = new Set([
  "tools/call",
  "prompts/get",
  "resources/read",
  "completion/complete",
]);

/** Headers that mirror the message, of which each stands once. */
const MIRRORS: readonly string[] = [MCP_METHOD_HEADER, MCP_NAME_HEADER];

/**
 * Decides about a message.
 *
 * | message | decision |
 * |---|---|
 * | a notification | accept: this era has none that a server needs (transports, sending messages) |
 * | its headers are missing, malformed, repeated, or say something else | refuse: header mismatch |
 * | tools/call, prompts/get, resources/read, completion/complete | by its server |
 * | anything else | broker |
 */
export function decideStateless(
  message: RequestMessage | NotificationMessage,
  head: Pick<ReadHead, "values" | "repeated">,
  context: MessageContext,
): StatelessDecision {
  if (message.kind === "notification") return { kind: "accept", id: null };
  const { method, id } = message;
  const mismatch = checkHeaders(message, head);
  if (mismatch !== undefined) return { kind: "refuse", refusal: mismatch, id };
  const refused = refuseMethod(message);
  if (refused !== undefined) return refused;
  if (!DIRECT.has(method)) return { kind: "broker", method, id };
  const call = decideCall(message, "stateless", context);
  return call.kind === "none" ? { kind: "broker", method, id } : call;
}

function checkHeaders(
  message: RequestMessage,
  { values, repeated }: Pick<ReadHead, "values" | "repeated">,
): Refusal | undefined {
  const twice = MIRRORS.find((name) => repeated.includes(name));
  return twice === undefined
    ? checkStandardHeaders(message, (name) => values.get(name))
    : { kind: "header mismatch", detail: `${twice} stands more than once` };
}
