/**
 * Decides who answers a message of the stateless era, once its envelope is
 * known to be complete: the broker, a server, or nobody. Pure.
 *
 * @module
 */

import type { Refusal } from "../shared/errors.ts";
import {
  MCP_METHOD_HEADER,
  MCP_NAME_HEADER,
  MCP_PARAM_PREFIX,
} from "../shared/headers.ts";
import type {
  NotificationMessage,
  RequestMessage,
} from "../shared/jsonrpc/message.ts";
import { checkParamHeaders } from "../shared/stateless/param_headers.ts";
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
 * | tools/call whose `Mcp-Param-*` say something else than its arguments | refuse: header mismatch |
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
  switch (call.kind) {
    case "none":
      return { kind: "broker", method, id };
    case "refuse":
      return call;
    case "call":
    case "bridge": {
      const wrong = checkArguments(message, call, head, context.bytes);
      return wrong === undefined
        ? call
        : { kind: "refuse", refusal: wrong, id };
    }
    default:
      return call satisfies never;
  }
}

function checkHeaders(
  message: RequestMessage,
  { values, repeated }: Pick<ReadHead, "values" | "repeated">,
): Refusal | undefined {
  const twice = MIRRORS.find((name) => repeated.includes(name));
  return twice === undefined
    ? checkStandardHeaders(message, (name) => values.get(name))
    : standsTwice(twice);
}

/** Holds `Mcp-Param-*` against the arguments that the tool mirrors there. */
function checkArguments(
  message: RequestMessage,
  { paramHeaders }: ServerCall | BridgedCall,
  { values, repeated }: Pick<ReadHead, "values" | "repeated">,
  bytes: Uint8Array,
): Refusal | undefined {
  if (paramHeaders === undefined) return undefined;
  const twice = paramHeaders.find(({ header }) =>
    repeated.includes(MCP_PARAM_PREFIX + header)
  );
  return twice === undefined
    ? checkParamHeaders(
      paramHeaders,
      bytes,
      message,
      (name) => values.get(name),
    )
    : standsTwice(MCP_PARAM_PREFIX + twice.header);
}

function standsTwice(name: string): Refusal {
  return { kind: "header mismatch", detail: `${name} stands more than once` };
}
