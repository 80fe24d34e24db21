/**
 * Writes requests to servers of the stateless era: the headers that mirror a
 * message, and the body with its envelope in `params._meta`. Takes a message
 * made here or a client's own, of which every other byte stays. Pure.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#request-metadata
 * @module
 */

import type { ParamHeader } from "../catalog.ts";
import {
  encodeHeaderValue,
  MCP_METHOD_HEADER,
  MCP_NAME_HEADER,
  VERSION_HEADER,
} from "../headers.ts";
import { invariant } from "../invariant.ts";
import {
  applyEdits,
  type Edit,
  editMembers,
  type MemberChanges,
} from "../jsonrpc/edit.ts";
import { SERVER_JSON } from "../jsonrpc/json_limits.ts";
import type { RequestMessage } from "../jsonrpc/message.ts";
import { scan } from "../jsonrpc/scanner.ts";
import { kindOf } from "../jsonrpc/values.ts";
import {
  type ClientCapabilities,
  type Implementation,
  META,
  type StatelessRevision,
} from "../mcp.ts";
import { paramHeaderValues } from "./param_headers.ts";
import { mirroredName } from "./standard_headers.ts";

/** What a request is to say of itself. */
export interface RequestEnvelope {
  /** Its revision. */
  readonly revision: StatelessRevision;
  /** What can be asked of its client. */
  readonly capabilities: ClientCapabilities;
  /** What its client calls itself. */
  readonly clientInfo?: Implementation;
  /** The lowest level of log messages wanted; none are by default. */
  readonly logLevel?: string;
}

/** How a message becomes a request of the stateless era. */
export interface WriteRequestOptions {
  /** What it says of itself, in place of whatever the message says. */
  readonly envelope: RequestEnvelope;
  /** Its id, raw JSON; the message's own by default. */
  readonly id?: string;
  /**
   * Its progress token, raw JSON; the message's own by default, null for none.
   */
  readonly progressToken?: string | null;
  /**
   * Other members of `params`, raw JSON by key, undefined for those to be
   * gone: a name without its prefix, `inputResponses`, `requestState`.
   */
  readonly params?: MemberChanges;
  /** Which arguments the tool mirrors in headers. */
  readonly paramHeaders?: readonly ParamHeader[];
}

/** A request as it is sent. Its media types are whoever sends it's business. */
export interface WrittenRequest {
  /** The headers that the protocol asks for, names in lower case. */
  readonly headers: readonly (readonly [string, string])[];
  /** The message. */
  readonly body: Uint8Array<ArrayBuffer>;
}

/** A message, and the body that it stands in. */
export interface MessageInBody {
  /** The body. */
  readonly bytes: Uint8Array;
  /** The message in it. */
  readonly message: RequestMessage;
}

/**
 * Makes a message that no client sent.
 *
 * @param id Raw JSON.
 * @param method Its method.
 * @param params Raw JSON of an object; none by default.
 */
export function newRequest(
  id: string,
  method: string,
  params = "{}",
): MessageInBody {
  const json = `{"jsonrpc":"2.0","id":${id},"method":${
    JSON.stringify(method)
  },"params":${params}}`;
  const bytes = new TextEncoder().encode(json);
  return { bytes, message: requestIn(bytes) };
}

/**
 * Writes a request.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { newRequest, writeRequest } from "./write_request.ts";
 *
 * const { headers } = writeRequest(
 *   newRequest("1", "tools/call", '{"name":"now","arguments":{}}'),
 *   { envelope: { revision: "2026-07-28", capabilities: {} } },
 * );
 * assertEquals(headers, [
 *   ["mcp-protocol-version", "2026-07-28"],
 *   ["mcp-method", "tools/call"],
 *   ["mcp-name", "now"],
 * ]);
 * ```
 */
export function writeRequest(
  { bytes, message }: MessageInBody,
  options: WriteRequestOptions,
): WrittenRequest {
  const body = applyEdits(
    bytes,
    editsOf(bytes, message, options),
    message.span,
  );
  // Headers are read off what is sent: they cannot say anything else.
  const sent = requestIn(body);
  const name = mirroredName(sent);
  return {
    headers: [
      [VERSION_HEADER, options.envelope.revision],
      [MCP_METHOD_HEADER, encodeHeaderValue(sent.method)],
      ...(name === undefined
        ? []
        : [[MCP_NAME_HEADER, encodeHeaderValue(name)] as const]),
      ...paramHeaderValues(options.paramHeaders ?? [], body, sent),
    ],
    body,
  };
}

function editsOf(
  bytes: Uint8Array,
  { params, span }: RequestMessage,
  options: WriteRequestOptions,
): readonly Edit[] {
  const ofMessage = new Map<string, string>();
  if (options.id !== undefined) ofMessage.set("id", options.id);
  const ofMeta = metaChanges(options);
  const ofParams = new Map(options.params);
  ofParams.delete("_meta");
  // An object is completed where it stands; anything else is no `_meta`.
  const meta = params?.meta !== undefined &&
      kindOf(bytes, params.meta) === "object"
    ? params.meta
    : undefined;
  if (meta === undefined) ofParams.set("_meta", newObject(ofMeta));
  if (params === undefined) ofMessage.set("params", newObject(ofParams));
  return [
    ...editMembers(bytes, span, ofMessage),
    ...(params === undefined ? [] : editMembers(bytes, params, ofParams)),
    ...(meta === undefined ? [] : editMembers(bytes, meta, ofMeta)),
  ];
}

/** What a client may not say of itself is never left as it was. */
function metaChanges(
  { envelope, progressToken }: WriteRequestOptions,
): MemberChanges {
  const { revision, capabilities, clientInfo, logLevel } = envelope;
  const changes = new Map<string, string | undefined>([
    [META.protocolVersion, JSON.stringify(revision)],
    [META.clientCapabilities, JSON.stringify(capabilities)],
    [META.clientInfo, clientInfo && JSON.stringify(clientInfo)],
    [META.logLevel, logLevel && JSON.stringify(logLevel)],
    [META.serverInfo, undefined],
    [META.subscriptionId, undefined],
  ]);
  if (progressToken !== undefined) {
    changes.set("progressToken", progressToken ?? undefined);
  }
  return changes;
}

function newObject(changes: MemberChanges): string {
  const members = [...changes].flatMap(([key, json]) =>
    json === undefined ? [] : [`${JSON.stringify(key)}:${json}`]
  );
  return `{${members.join(",")}}`;
}

function requestIn(bytes: Uint8Array): RequestMessage {
  // Deeper than what clients may send: what they declared is put in here.
  const message = scan(bytes, { maxDepth: SERVER_JSON.maxDepth });
  invariant(message.kind === "request", "a request that is written is one");
  return message;
}
