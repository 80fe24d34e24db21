/**
 * What is bound to one broker: calls that wait for an answer of their client.
 * What leads back to one is sealed text that names the broker which has it;
 * another one that is given it passes the whole request on to the owner's
 * internal listener, with a signed statement of who sent it, and the answer
 * back. Nothing is ever taken over: a broker that is gone took its calls along.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import {
  CALLER_HEADER,
  FORWARDED_HEADER,
  isInternalHeader,
} from "../../shared/headers.ts";
import { isObject } from "../../shared/jsonrpc/parsed.ts";
import { readCaller, signCaller } from "../../shared/sessions/caller.ts";
import type { KeyRing } from "../../shared/sessions/keys.ts";
import { seal, type SealedPlace, unseal } from "../../shared/sessions/seal.ts";
import type { Listener } from "../../shared/sessions/sessions.ts";
import type { RequestCaller } from "../caller.ts";

/** Path on a broker's internal listener that takes what is another's. */
export const FORWARDED_PATH = "/forwarded";

/** Where something is. */
export interface Owned<T> {
  /** The broker that has it. */
  readonly owner: Listener;
  /** What it is there. */
  readonly what: T;
}

/** What it takes to seal. */
export interface Sealing {
  /** Keys of all brokers of this gateway. */
  readonly keys: KeyRing;
  /** Source of randomness. */
  readonly randomBytes: (length: number) => Uint8Array;
}

/** Writes what leads back to something: base64url, no longer than needed. */
export function sealOwned(
  { keys, randomBytes }: Sealing,
  place: SealedPlace,
  { owner, what }: Owned<unknown>,
): string {
  const value = { b: owner.broker, u: owner.url, w: what };
  return Buffer.from(seal(keys, place, value, randomBytes))
    .toString("base64url");
}

/**
 * Reads what {@linkcode sealOwned} wrote.
 *
 * @returns Undefined for anything else, and in another place.
 */
export function openOwned(
  keys: KeyRing,
  place: SealedPlace,
  sealed: string,
): Owned<unknown> | undefined {
  const bytes = Buffer.from(sealed, "base64url");
  // One spelling only: another one of the same bytes was altered, too.
  if (bytes.toString("base64url") !== sealed) return undefined;
  const value = unseal(keys, place, bytes);
  if (!isObject(value) || typeof value["b"] !== "string") return undefined;
  const { b: broker, u: url, w: what } = value;
  return {
    owner: { broker, ...(typeof url === "string" ? { url } : {}) },
    what,
  };
}

/** A client's request, read. */
export interface ClientRequest {
  /** Its headers. */
  readonly headers: Headers;
  /** Its body. */
  readonly body: Uint8Array;
  /** Who sent it, and where. */
  readonly caller: RequestCaller;
}

/** What it takes to pass a request on. */
export interface Forwarding {
  /** Keys of all brokers of this gateway. */
  readonly keys: KeyRing;
  /** Sends requests to other brokers. */
  readonly fetch: (url: URL, init: RequestInit) => Promise<Response>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** Headers of one connection, or that the next hop writes itself. */
const NOT_FORWARDED: readonly string[] = [
  "connection",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/** Whether a request has been passed on already: once is enough. */
export function isForwarded(headers: Headers): boolean {
  return headers.has(FORWARDED_HEADER);
}

/**
 * Passes a request on to its owner. The answer may be a stream.
 *
 * @returns Undefined where the owner cannot be reached: whether it had the
 * request is then not known.
 */
export async function forwardToOwner(
  owner: Listener,
  { headers, body, caller }: ClientRequest,
  { keys, fetch, now }: Forwarding,
  signal?: AbortSignal,
): Promise<Response | undefined> {
  if (owner.url === undefined || isForwarded(headers)) return undefined;
  const sent = new Headers();
  for (const [name, value] of headers) {
    if (!NOT_FORWARDED.includes(name) && !isInternalHeader(name)) {
      sent.append(name, value);
    }
  }
  sent.set(CALLER_HEADER, signCaller(keys, caller, now()));
  sent.set(FORWARDED_HEADER, "1");
  try {
    const response = await fetch(new URL(FORWARDED_PATH, owner.url), {
      method: "POST",
      headers: sent,
      body: body as Uint8Array<ArrayBuffer>,
      redirect: "manual",
      ...(signal === undefined ? {} : { signal }),
    });
    return new Response(response.body, {
      status: response.status,
      headers: response.headers,
    });
  } catch {
    return undefined;
  }
}

/**
 * Serves a request that another broker has passed on, as if it had come here.
 * Only with the other's statement of who sent it: on the internal listener
 * nobody else has a say.
 *
 * @param handler Serves requests of clients.
 * @param now Milliseconds since the epoch.
 */
export async function serveForwarded(
  request: Request,
  handler: (request: Request) => Promise<Response>,
  keys: KeyRing,
  now: number,
): Promise<Response> {
  const statement = request.headers.get(CALLER_HEADER);
  const caller = statement === null
    ? undefined
    : readCaller(keys, statement, now);
  if (caller === undefined || !isForwarded(request.headers)) {
    await request.body?.cancel();
    return new Response(null, { status: 403 });
  }
  const url = new URL(request.url);
  url.pathname = caller.route;
  const own = new Request(url, request);
  // Where it came from was checked where it came in.
  for (const name of ["host", "origin"]) own.headers.delete(name);
  return await handler(own);
}
