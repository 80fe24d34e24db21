/**
 * Ids that find their way back: what a server calls its own request, progress
 * token or event, written so that the answer of a client names the server and
 * the backend session that it is for. The ids of several servers can then not
 * be taken for one another, and no replica needs to remember any of them.
 * Pure.
 *
 * They are no secret and no proof: an answer goes to the backend session of
 * the client that sends it, which may say there what it likes anyway.
 *
 * @module
 */

import { createHash } from "node:crypto";

/** Where a message of a server came from. */
export interface MessageSource {
  /** The server's name in the configuration. */
  readonly server: string;
  /** Tells backend sessions apart: {@linkcode backendTag}. */
  readonly tag: string;
}

/** An id with the place it is from. */
export interface RoutedId extends MessageSource {
  /** The server's own id: raw JSON text of a request's, plain text of an event's. */
  readonly id: string;
}

/** What all of them begin with. */
const MARK = "mcpgw";
const SHAPE = /^mcpgw:([A-Za-z0-9_-]{8}):([^:]*):(.*)$/s;

/**
 * Tells apart the sessions that one server, under one configuration, gave one
 * client: an answer meant for a session that was lost must not reach the one
 * that took its place, where the same id may stand for something else.
 *
 * @param fingerprint Of the server's configuration.
 * @param id The server's session id, where it gave one.
 * @returns 8 characters of base64url.
 */
export function backendTag(
  fingerprint: string,
  id: string | undefined,
): string {
  return createHash("sha256").update(JSON.stringify([fingerprint, id ?? null]))
    .digest("base64url").slice(0, 8);
}

/**
 * Writes the id, or progress token, of a server's request for a client.
 *
 * @param id Raw JSON text.
 * @returns JSON text of a string.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readRoutedId, writeRoutedId } from "./routed_id.ts";
 *
 * const source = { server: "weather", tag: "aBcDeF12" };
 * const id = writeRoutedId(source, "7");
 * assertEquals(id, '"mcpgw:aBcDeF12:weather:7"');
 * assertEquals(readRoutedId(id), { ...source, id: "7" });
 * ```
 */
export function writeRoutedId(
  { server, tag }: MessageSource,
  id: string,
): string {
  return JSON.stringify(`${MARK}:${tag}:${encodeURIComponent(server)}:${id}`);
}

/**
 * Reads what {@linkcode writeRoutedId} wrote.
 *
 * @param id Raw JSON text.
 * @returns The place and the server's own id, raw JSON text; undefined where
 * this is no such id.
 */
export function readRoutedId(id: string): RoutedId | undefined {
  if (!id.startsWith('"')) return undefined;
  const text = parsed(id);
  const routed = typeof text === "string" ? read(text) : undefined;
  if (routed === undefined) return undefined;
  const own = parsed(routed.id);
  return typeof own === "string" || typeof own === "number"
    ? routed
    : undefined;
}

/**
 * Writes the id of an event of a server's stream, so that a client that takes
 * the stream up again (`Last-Event-ID`) gets to that server.
 *
 * @param id The server's own event id.
 * @returns Visible ASCII.
 */
export function writeRoutedEventId(
  { server, tag }: MessageSource,
  id: string,
): string {
  return `${MARK}:${tag}:${encodeURIComponent(server)}:${
    encodeURIComponent(id.toWellFormed())
  }`;
}

/** Reads what {@linkcode writeRoutedEventId} wrote; undefined for other ids. */
export function readRoutedEventId(id: string): RoutedId | undefined {
  const routed = read(id);
  const own = routed && decoded(routed.id);
  return routed === undefined || own === undefined
    ? undefined
    : { ...routed, id: own };
}

function read(text: string): RoutedId | undefined {
  const [, tag, name, id] = SHAPE.exec(text) ?? [];
  const server = name === undefined ? undefined : decoded(name);
  return tag === undefined || id === undefined || server === undefined
    ? undefined
    : { server, tag, id };
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
