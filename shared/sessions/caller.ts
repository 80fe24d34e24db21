/**
 * The signed statement by which the router tells the broker who calls and on
 * which route, in the `x-mcp-caller` header. The broker trusts it and nothing
 * else about the caller: a client that reaches the broker directly has none.
 * Pure.
 *
 * @module
 */

import type { KeyRing } from "./keys.ts";
import { readStatement, signStatement } from "./token.ts";

/**
 * How long a statement is good for, in milliseconds: one request's way, and
 * five minutes that the broker's clock may be ahead of the router's.
 */
export const CALLER_VALID_MS = 360_000;

/** Who calls, as the router found out. */
export interface Caller {
  /** Hash of issuer and subject, or "" for an anonymous caller. */
  readonly identity: string;
  /** Path of the request: `/mcp`, `/mcp/NAMESPACE/NAME`. */
  readonly route: string;
  /** Virtual server that was chosen, by path or by header. */
  readonly virtualServer?: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/**
 * Signs who calls.
 *
 * @param caller Who calls.
 * @param now Milliseconds since the epoch; the statement is valid for
 * {@linkcode CALLER_VALID_MS} from then.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readCaller, signCaller } from "./caller.ts";
 * import { KeyRing } from "./keys.ts";
 *
 * const keys = new KeyRing(new Uint8Array(32));
 * const header = signCaller(keys, { identity: "", route: "/mcp" }, 0);
 * assertEquals(readCaller(keys, header, 1_000)?.route, "/mcp");
 * assertEquals(readCaller(keys, header, 360_000), undefined);
 * ```
 */
export function signCaller(
  keys: KeyRing,
  caller: Omit<Caller, "expiresAt">,
  now: number,
): string {
  return signStatement(keys, "caller", {
    sub: caller.identity,
    aud: caller.route,
    ...(caller.virtualServer === undefined ? {} : { vs: caller.virtualServer }),
    exp: now + CALLER_VALID_MS,
  });
}

/**
 * Reads who calls. Undefined unless the router signed it, for this purpose,
 * and it is still valid.
 *
 * @param header Value of the `x-mcp-caller` header.
 * @param now Milliseconds since the epoch.
 */
export function readCaller(
  keys: KeyRing,
  header: string,
  now: number,
): Caller | undefined {
  const statement = readStatement(keys, "caller", header);
  if (statement === undefined) return undefined;
  const { sub, aud, vs, exp } = statement;
  if (typeof sub !== "string" || typeof aud !== "string") return undefined;
  if (vs !== undefined && typeof vs !== "string") return undefined;
  if (typeof exp !== "number" || !(exp > now)) return undefined;
  return {
    identity: sub,
    route: aud,
    ...(vs === undefined ? {} : { virtualServer: vs }),
    expiresAt: exp,
  };
}
