/**
 * Reads what a request of the stateless era says of itself in `_meta`, and so
 * decides which era a message is of. Pure.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic#_meta
 * @module
 */

import type { Refusal } from "../errors.ts";
import type {
  Message,
  NotificationMessage,
  RawSpan,
  RequestMessage,
  Span,
} from "../jsonrpc/message.ts";
import { parseExactly } from "../jsonrpc/parse_exactly.ts";
import { isObject } from "../jsonrpc/parsed.ts";
import { asString, kindOf, members, text } from "../jsonrpc/values.ts";
import {
  type ClientCapabilities,
  type Implementation,
  isStatelessRevision,
  META,
  STATELESS_REVISIONS,
  type StatelessRevision,
} from "../mcp.ts";

/** What a request of the stateless era says of itself. */
export interface Envelope {
  /** Its revision. */
  readonly revision: StatelessRevision;
  /** Where the capabilities stand that its client declares. */
  readonly capabilities: Span;
  /** Where the client's name and version stand, where it says so. */
  readonly clientInfo?: Span;
  /** The level of log messages it wants, as written; unchecked. */
  readonly logLevel?: Span;
  /** The token of progress notifications, where it wants some. */
  readonly progressToken?: RawSpan;
}

/** Which era a message is of. */
export type EraOutcome =
  /** No word of the stateless era in it. */
  | { readonly kind: "session" }
  | { readonly kind: "stateless"; readonly envelope: Envelope }
  /** Of the stateless era, and wrong: the refusal is written that way. */
  | { readonly kind: "refused"; readonly refusal: Refusal };

/**
 * Decides which era a message is of.
 *
 * | message | header | era |
 * |---|---|---|
 * | names a revision in `_meta` | the same | stateless |
 * | names a revision in `_meta` | none, or another one | refused: header mismatch |
 * | names one that is not spoken here | the same | refused: unsupported revision |
 * | names one, but no capabilities | the same | refused: envelope incomplete |
 * | `initialize` that names none | any | session |
 * | names none | of the stateless era | refused |
 * | names none | none, or of the session era | session |
 *
 * A notification carries no envelope: its header alone tells.
 *
 * @param bytes The body.
 * @param message The one message in it.
 * @param header Value of `MCP-Protocol-Version`, where it was sent.
 */
export function eraOf(
  bytes: Uint8Array,
  message: Message,
  header: string | undefined,
): EraOutcome {
  const byHeader = isStatelessRevision(header);
  if (message.kind === "response") {
    return byHeader
      ? refused({
        kind: "invalid request",
        detail: `revision ${header} has no responses of clients`,
      })
      : SESSION;
  }
  const meta = metaOf(bytes, message);
  const claim = meta?.get(META.protocolVersion);
  if (message.kind === "notification") {
    return byHeader ? { kind: "stateless", envelope: empty(header) } : SESSION;
  }
  if (claim !== undefined) return read(bytes, meta!, claim, header);
  if (!byHeader || message.method === "initialize") return SESSION;
  return refused(incomplete(`${META.protocolVersion} is missing`));
}

const SESSION: EraOutcome = { kind: "session" };

/** Nothing is known of who sends a notification, nor needs to be. */
function empty(revision: StatelessRevision): Envelope {
  return { revision, capabilities: { start: 0, end: 0 } };
}

function metaOf(
  bytes: Uint8Array,
  { params }: RequestMessage | NotificationMessage,
): ReadonlyMap<string, Span> | undefined {
  const meta = params?.meta;
  return meta !== undefined && kindOf(bytes, meta) === "object"
    ? members(bytes, meta)
    : undefined;
}

function read(
  bytes: Uint8Array,
  meta: ReadonlyMap<string, Span>,
  claim: Span,
  header: string | undefined,
): EraOutcome {
  const revision = asString(bytes, claim);
  if (revision === undefined) {
    return refused(incomplete(`${META.protocolVersion} is not a string`));
  }
  if (header === undefined) {
    return refused({
      kind: "header mismatch",
      detail: "MCP-Protocol-Version is missing",
    });
  }
  if (header !== revision) {
    return refused({
      kind: "header mismatch",
      detail: "MCP-Protocol-Version is not the revision that _meta names",
    });
  }
  if (!isStatelessRevision(revision)) return refused(unsupported(revision));
  const capabilities = meta.get(META.clientCapabilities);
  if (capabilities === undefined || kindOf(bytes, capabilities) !== "object") {
    return refused(incomplete(`${META.clientCapabilities} is not an object`));
  }
  const clientInfo = meta.get(META.clientInfo);
  if (clientInfo !== undefined && kindOf(bytes, clientInfo) !== "object") {
    return refused(incomplete(`${META.clientInfo} is not an object`));
  }
  const logLevel = meta.get(META.logLevel);
  const token = meta.get("progressToken");
  return {
    kind: "stateless",
    envelope: {
      revision,
      capabilities,
      ...(clientInfo === undefined ? {} : { clientInfo }),
      ...(logLevel === undefined ? {} : { logLevel }),
      ...(token === undefined
        ? {}
        : { progressToken: { ...token, text: text(bytes, token) } }),
    },
  };
}

/** What the client declared; members that are unknown here are kept. */
export function capabilitiesOf(
  bytes: Uint8Array,
  { capabilities }: Envelope,
): ClientCapabilities {
  const parsed = parseExactly(text(bytes, capabilities));
  return isObject(parsed) ? parsed : {};
}

/** What the client calls itself, where it does in the form that MCP has. */
export function clientInfoOf(
  bytes: Uint8Array,
  { clientInfo }: Envelope,
): Implementation | undefined {
  if (clientInfo === undefined) return undefined;
  const parsed = parseExactly(text(bytes, clientInfo));
  return isObject(parsed) && typeof parsed["name"] === "string" &&
      typeof parsed["version"] === "string"
    ? parsed as unknown as Implementation
    : undefined;
}

/** The refusal of a revision that is not spoken here. */
export function unsupported(requested: string): Refusal {
  return {
    kind: "unsupported revision",
    data: {
      supported: STATELESS_REVISIONS,
      requested: requested.slice(0, MAX_SHOWN),
    },
  };
}

/** Characters of a revision that are shown. */
const MAX_SHOWN = 64;

function incomplete(detail: string): Refusal {
  return { kind: "envelope incomplete", detail };
}

function refused(refusal: Refusal): EraOutcome {
  return { kind: "refused", refusal };
}
