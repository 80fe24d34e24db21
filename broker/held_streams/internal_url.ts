/**
 * Where others reach a broker's internal listener. Pure.
 *
 * @module
 */

import { type Address, formatAddress } from "../../shared/address.ts";

/** Addresses that something listens at and nobody can connect to. */
const ANY: readonly string[] = ["0.0.0.0", "::"];

/**
 * Tells the URL that an option names, else the one that the address where it
 * listens makes.
 *
 * @returns Nothing where neither says.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { internalUrl } from "./internal_url.ts";
 *
 * const tcp = (host: string) => ({ kind: "tcp", host, port: 9090 }) as const;
 * assertEquals(internalUrl(undefined, tcp("10.0.0.2")), {
 *   url: "http://10.0.0.2:9090",
 * });
 * assertEquals(internalUrl(undefined, tcp("0.0.0.0")), {});
 * ```
 */
export function internalUrl(
  given: URL | undefined,
  listen: Address,
): { readonly url?: string } {
  if (given !== undefined) return { url: given.href };
  if (
    listen.kind === "unix" || listen.port === 0 || ANY.includes(listen.host)
  ) return {};
  return { url: `http://${formatAddress(listen)}` };
}
