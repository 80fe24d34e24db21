/**
 * Who sends a request, on which route, and which part of the catalog that
 * route shows: as the router signed it, or, where a client reaches the broker
 * directly, from the request itself. Pure.
 *
 * @module
 */

import type { Refusal } from "../shared/errors.ts";
import { CALLER_HEADER, VIRTUAL_SERVER_HEADER } from "../shared/headers.ts";
import { readCaller } from "../shared/sessions/caller.ts";
import { identityOf } from "../shared/sessions/identity.ts";
import type { KeyRing } from "../shared/sessions/keys.ts";

/** Who calls. */
export interface RequestCaller {
  /** Hash of issuer and subject, or "" for an anonymous caller. */
  readonly identity: string;
  /** Path of the endpoint as the client sees it. */
  readonly route: string;
  /** The virtual server asked for; undefined for the whole catalog. */
  readonly virtualServer?: string;
}

/** Outcome of looking at a request. */
export type CallerOutcome =
  | { readonly kind: "caller"; readonly caller: RequestCaller }
  | { readonly kind: "refused"; readonly refusal: Refusal };

/** What it takes to tell who calls. */
export interface CallerSettings {
  /** Keys that the router signs with. */
  readonly keys: KeyRing;
  /** Where the gateway serves MCP. */
  readonly path: string;
  /** Header that something trusted names callers with. */
  readonly identityHeader?: string | undefined;
}

/**
 * Tells who calls.
 *
 * | statement of the router | caller |
 * |---|---|
 * | valid | as it says |
 * | there, and not valid | refused: only an attempt at forgery looks so |
 * | none | from the request's own headers and path |
 *
 * @param path Path of the request, below the gateway's.
 * @param now Milliseconds since the epoch.
 */
export function callerOf(
  headers: Headers,
  path: string,
  settings: CallerSettings,
  now: number,
): CallerOutcome {
  const statement = headers.get(CALLER_HEADER);
  if (statement !== null) {
    const caller = readCaller(settings.keys, statement, now);
    return caller === undefined
      ? { kind: "refused", refusal: { kind: "forbidden caller" } }
      : { kind: "caller", caller };
  }
  const below = path.slice(settings.path.length).replace(/^\/|\/$/g, "");
  const { identityHeader } = settings;
  const virtualServer = below === ""
    ? headers.get(VIRTUAL_SERVER_HEADER) ?? undefined
    : below;
  return {
    kind: "caller",
    caller: {
      identity: identityOf({
        authorization: headers.get("authorization") ?? undefined,
        header: identityHeader === undefined
          ? undefined
          : headers.get(identityHeader) ?? undefined,
      }, { header: identityHeader }),
      route: below === "" ? settings.path : path,
      ...(virtualServer === undefined ? {} : { virtualServer }),
    },
  };
}

/** Tells whether a path is the gateway's own or a virtual server's below it. */
export function isGatewayPath(path: string, base: string): boolean {
  return path === base || path.startsWith(`${base}/`);
}
