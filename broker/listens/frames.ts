/**
 * Writes the messages of a `subscriptions/listen` stream: each names the
 * request that opened it, by the id as its client wrote it. Pure.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/subscriptions
 * @module
 */

import { SERVER_JSON } from "../../shared/jsonrpc/json_limits.ts";
import type { Span } from "../../shared/jsonrpc/message.ts";
import { replaceText } from "../../shared/jsonrpc/splice.ts";
import { asString, kindOf, members } from "../../shared/jsonrpc/values.ts";
import { META } from "../../shared/mcp.ts";
import { changeNotification, type ListCapability } from "../catalog/kinds.ts";
import { type ListenFilter, writeListenFilter } from "./filter.ts";

/** Says what is granted: the first message of a stream. */
export function acknowledgement(id: string, granted: ListenFilter): string {
  return notification(
    "notifications/subscriptions/acknowledged",
    `{"_meta":${stamp(id)},"notifications":${writeListenFilter(granted)}}`,
  );
}

/** Says that the lists of a capability have changed. */
export function listChanged(id: string, capability: ListCapability): string {
  return notification(changeNotification(capability), `{"_meta":${stamp(id)}}`);
}

/**
 * Says that the stream is over, in an orderly way: its last message.
 *
 * @param serverInfo What else stands in `_meta`.
 */
export function completion(
  id: string,
  serverInfo: Readonly<Record<string, unknown>>,
): string {
  const meta = `{${key()}:${id},${JSON.stringify(serverInfo).slice(1)}`;
  return `{"jsonrpc":"2.0","id":${id},"result":{"resultType":"complete","_meta":${meta}}}`;
}

/** An update of a resource, and which resource it is of. */
export interface ResourceUpdate {
  /** Its URI. */
  readonly uri: string;
  /** The notification: JSON text. */
  readonly message: string;
}

/**
 * Passes on that a resource was updated: as its server wrote it, but for the
 * id of the stream.
 *
 * @param params What the server wrote.
 * @returns Undefined where that names no resource, or is no JSON.
 */
export function resourceUpdated(
  id: string,
  params: Uint8Array,
): ResourceUpdate | undefined {
  const whole = { start: 0, end: params.byteLength };
  try {
    if (kindOf(params, whole) !== "object") return undefined;
    const found = members(params, whole, SERVER_JSON);
    const uri = asString(params, found.get("uri"), SERVER_JSON);
    if (uri === undefined) return undefined;
    const stamped = stampParams(id, params, found.get("_meta"));
    return {
      uri,
      message: notification(
        "notifications/resources/updated",
        new TextDecoder().decode(stamped),
      ),
    };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function stampParams(
  id: string,
  params: Uint8Array,
  meta: Span | undefined,
): Uint8Array {
  if (meta === undefined) {
    // There is at least the URI behind it.
    return insertFirst(params, { start: 0, end: params.byteLength }, [
      `"_meta":${stamp(id)}`,
      ",",
    ]);
  }
  if (kindOf(params, meta) !== "object") {
    return replaceText(params, meta, stamp(id));
  }
  const found = members(params, meta, SERVER_JSON);
  const known = found.get(META.subscriptionId);
  return known === undefined
    ? insertFirst(params, meta, [
      `${key()}:${id}`,
      found.size === 0 ? "" : ",",
    ])
    // Of the stream between the server and us.
    : replaceText(params, known, id);
}

/** Inserts a member as the first one of an object. */
function insertFirst(
  bytes: Uint8Array,
  object: Span,
  member: readonly [text: string, separator: string],
): Uint8Array {
  const brace = bytes.indexOf(OPEN_OBJECT, object.start) + 1;
  return replaceText(bytes, { start: brace, end: brace }, member.join(""));
}

const OPEN_OBJECT = 0x7b;

function notification(method: string, params: string): string {
  return `{"jsonrpc":"2.0","method":"${method}","params":${params}}`;
}

function stamp(id: string): string {
  return `{${key()}:${id}}`;
}

function key(): string {
  return JSON.stringify(META.subscriptionId);
}
