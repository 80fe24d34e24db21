/**
 * JSON bodies for the replies that Envoy makes by itself, in the words of the
 * one table of refusals. Status codes stay Envoy's own: the router's response
 * phase decides by them. Pure.
 *
 * @module
 */

import { BROKER_DESTINATION, DESTINATION_HEADER } from "../headers.ts";
import { type Refusal, replyToRefusal } from "../errors.ts";
import { any, type JsonObject } from "./json.ts";

/**
 * Start of the `details` that the router may give its own replies. Those, and
 * replies without details, keep the body that the router wrote.
 */
export const ROUTER_DETAILS_PREFIX = "mcp";

/** What is said about one kind of reply; the first that applies counts. */
interface Wording {
  /** CEL over Envoy's attributes; nothing for every reply of Envoy's. */
  readonly when?: string;
  readonly refusal: Refusal;
}

const RETRYABLE = { retryable: true };
const FROM_ROUTER = `response.code_details == "" ||
  response.code_details.startsWith("${ROUTER_DETAILS_PREFIX}")`;
const FOR_SERVER = `"${DESTINATION_HEADER}" in request.headers &&
  request.headers["${DESTINATION_HEADER}"] != "${BROKER_DESTINATION}"`;
/** Envoy gave up before the request left it: nothing was run. */
const NEVER_SENT = `(response.code_details == "no_healthy_upstream" ||
  response.code_details == "cluster_not_found" ||
  response.code_details.contains("connection_failure") ||
  response.code_details.contains("connection_timeout") ||
  response.code_details.contains("overflow"))`;
const FOR_BROKER =
  `request.headers["${DESTINATION_HEADER}"] == "${BROKER_DESTINATION}"`;

const WORDINGS: readonly Wording[] = [
  {
    when: `response.code == 404`,
    refusal: { kind: "invalid request", detail: "nothing is served here" },
  },
  {
    when: `response.code == 408`,
    refusal: { kind: "invalid request", detail: "not complete in time" },
  },
  { when: `response.code == 413`, refusal: { kind: "body too large" } },
  {
    when: `response.code == 431`,
    refusal: { kind: "invalid request", detail: "headers too large" },
  },
  {
    when: `response.code >= 400 && response.code < 500`,
    refusal: { kind: "invalid request", detail: "malformed HTTP" },
  },
  {
    // The router had sent it on: the server may have run it.
    when: `response.code_details.startsWith("ext_proc") && ${FOR_SERVER}`,
    refusal: { kind: "connection lost" },
  },
  {
    when: `response.code_details.startsWith("ext_proc")`,
    refusal: {
      kind: "internal error",
      detail: "the gateway's router does not answer",
      data: RETRYABLE,
    },
  },
  {
    when: `response.code == 503 && response.code_details == "overload"`,
    refusal: { kind: "internal error", detail: "overloaded", data: RETRYABLE },
  },
  {
    when: `response.code >= 502 && ${FOR_BROKER}`,
    refusal: {
      kind: "internal error",
      detail: "the gateway's broker does not answer",
      data: RETRYABLE,
    },
  },
  { when: `response.code == 504`, refusal: { kind: "server timed out" } },
  {
    when: `(response.code == 502 || response.code == 503) && ${NEVER_SENT}`,
    refusal: { kind: "server unreachable" },
  },
  {
    when: `response.code == 502 || response.code == 503`,
    refusal: { kind: "connection lost" },
  },
  { refusal: { kind: "internal error" } },
];

/** Doubles what Envoy's format strings read as the start of an operator. */
function literal(text: string): string {
  return text.replaceAll("%", "%%");
}

function mapper({ when, refusal }: Wording): JsonObject {
  const expression = `!(${FROM_ROUTER})${when ? ` && (${when})` : ""}`;
  return {
    filter: {
      extension_filter: {
        name: "envoy.access_loggers.extension_filters.cel",
        typed_config: any(
          "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
          { expression: expression.replace(/\s+/g, " ") },
        ),
      },
    },
    body_format_override: {
      text_format_source: {
        inline_string: literal(replyToRefusal(refusal, null).body),
      },
      content_type: "application/json",
    },
  };
}

/** The connection manager's `local_reply_config`. */
export function localReplies(): JsonObject {
  return { mappers: WORDINGS.map(mapper) };
}
