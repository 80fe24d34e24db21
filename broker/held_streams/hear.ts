/**
 * What becomes of the messages that a server sends on the stream of a backend
 * session. Pure.
 *
 * | message | becomes |
 * |---|---|
 * | a list has changed | a reason to read it again: clients see the merged one |
 * | another notification, a request | the client's, rewritten so that its answer finds the way |
 * | a response | nothing: those stand on the stream of their request |
 * | no JSON-RPC message | nothing |
 *
 * @module
 */

import {
  rewriteServerMessage,
  type RewrittenMessage,
} from "../../shared/relay/rewrite_message.ts";
import type { MessageSource } from "../../shared/relay/routed_id.ts";
import { messagesOf } from "../../shared/upstream/server_message.ts";
import { kindsChangedBy, type ListKind } from "../catalog/kinds.ts";

/** What is to be done about one message. */
export type Heard =
  /** The client gets it. */
  | { readonly kind: "pass"; readonly text: string }
  /** These lists of the server are to be read again. */
  | { readonly kind: "changed"; readonly lists: readonly ListKind[] }
  /** Nobody gets it. */
  | { readonly kind: "dropped"; readonly why: string };

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

/**
 * Reads the data of one event: a message, or several (2025-03-26 has batches).
 *
 * @param source The backend session that it came from.
 */
export function hear(data: string, source: MessageSource): readonly Heard[] {
  const bytes = ENCODER.encode(data);
  return messagesOf(bytes).map((one) =>
    decide(rewriteServerMessage(one, source))
  );
}

function decide(message: RewrittenMessage): Heard {
  switch (message.kind) {
    case "request":
      return { kind: "pass", text: DECODER.decode(message.bytes) };
    case "notification": {
      const lists = kindsChangedBy(message.method);
      return lists.length > 0
        ? { kind: "changed", lists }
        : { kind: "pass", text: DECODER.decode(message.bytes) };
    }
    case "response":
      return { kind: "dropped", why: "a response on another stream" };
    case "malformed":
      return { kind: "dropped", why: "not a JSON-RPC message" };
    default:
      return message satisfies never;
  }
}
