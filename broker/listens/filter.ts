/**
 * Reads what a client wants to hear of, and writes what of it is granted.
 * Pure.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/subscriptions
 * @module
 */

import type { Refusal } from "../../shared/errors.ts";
import type { RequestMessage, Span } from "../../shared/jsonrpc/message.ts";
import {
  elements,
  kindOf,
  members,
  stringValue,
} from "../../shared/jsonrpc/values.ts";
import { LIST_CAPABILITIES, type ListCapability } from "../catalog/kinds.ts";

/** What a client hears of. */
export interface ListenFilter {
  /** Whose lists' changes. */
  readonly lists: readonly ListCapability[];
  /** Which resources' updates: URIs, each once. */
  readonly uris: readonly string[];
}

/** How much one client may ask for. */
export interface ListenFilterLimits {
  /** Resources. */
  readonly subscriptionsPerSession: number;
  /** Bytes of the URI of one. */
  readonly subscriptionUriBytes: number;
}

/** Outcome of reading a filter. */
export type ListenFilterOutcome =
  | { readonly kind: "filter"; readonly filter: ListenFilter }
  | { readonly kind: "refused"; readonly refusal: Refusal };

/** The member of the filter for each capability. */
const LIST_MEMBERS: Readonly<Record<ListCapability, string>> = {
  tools: "toolsListChanged",
  prompts: "promptsListChanged",
  resources: "resourcesListChanged",
};

const URIS_MEMBER = "resourceSubscriptions";

/**
 * Reads `params.notifications` of `subscriptions/listen`. Members that are
 * unknown here ask for nothing that there is.
 *
 * @param body The body that the request stands in.
 */
export function readListenFilter(
  body: Uint8Array,
  { params }: RequestMessage,
  limits: ListenFilterLimits,
): ListenFilterOutcome {
  const wanted = params && members(body, params).get("notifications");
  if (wanted === undefined || kindOf(body, wanted) !== "object") {
    return invalid("params.notifications is not an object");
  }
  const found = members(body, wanted);
  const lists: ListCapability[] = [];
  for (const capability of LIST_CAPABILITIES) {
    const member = LIST_MEMBERS[capability];
    const value = found.get(member);
    if (value === undefined) continue;
    if (kindOf(body, value) !== "boolean") {
      return invalid(`params.notifications.${member} is not a boolean`);
    }
    if (body[value.start] === LETTER_T) lists.push(capability);
  }
  const uris = readUris(body, found.get(URIS_MEMBER), limits);
  return uris.kind === "refused"
    ? uris
    : { kind: "filter", filter: { lists, uris: uris.uris } };
}

const LETTER_T = 0x74;

function readUris(
  body: Uint8Array,
  span: Span | undefined,
  { subscriptionsPerSession, subscriptionUriBytes }: ListenFilterLimits,
):
  | { readonly kind: "uris"; readonly uris: readonly string[] }
  | Extract<ListenFilterOutcome, { kind: "refused" }> {
  if (span === undefined) return { kind: "uris", uris: [] };
  const spans = kindOf(body, span) === "array" ? elements(body, span) : [];
  if (
    kindOf(body, span) !== "array" ||
    spans.some((one) => kindOf(body, one) !== "string")
  ) return invalid(`params.notifications.${URIS_MEMBER} is no list of strings`);
  if (spans.some(({ start, end }) => end - start - 2 > subscriptionUriBytes)) {
    return invalid(
      `params.notifications.${URIS_MEMBER} has a URI of more than ${subscriptionUriBytes} bytes`,
    );
  }
  const uris = [...new Set(spans.map((one) => stringValue(body, one)))];
  return uris.length > subscriptionsPerSession
    ? {
      kind: "refused",
      refusal: {
        kind: "too many subscriptions",
        detail: `at most ${subscriptionsPerSession}`,
      },
    }
    : { kind: "uris", uris };
}

/**
 * Writes the `notifications` of an acknowledgement: what is granted, and
 * nothing else.
 */
export function writeListenFilter({ lists, uris }: ListenFilter): string {
  return JSON.stringify({
    ...Object.fromEntries(lists.map((one) => [LIST_MEMBERS[one], true])),
    ...(uris.length === 0 ? {} : { [URIS_MEMBER]: uris }),
  });
}

function invalid(
  detail: string,
): Extract<ListenFilterOutcome, { kind: "refused" }> {
  return { kind: "refused", refusal: { kind: "invalid params", detail } };
}
