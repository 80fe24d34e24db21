/**
 * Names of servers, hostnames and tools: how they are formed, checked and
 * resolved. Pure.
 *
 * @module
 */

/**
 * Makes the hostname that Envoy routes on for a server without one: its name
 * as a DNS label under `.mcp.local`.
 *
 * @example
 * ```ts
 * import { defaultHostname } from "./names.ts";
 *
 * defaultHostname("team/Weather API"); // "team-weather-api.mcp.local"
 * ```
 */
export function defaultHostname(serverName: string): string {
  const label = serverName.toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 63)
    .replace(/-+$/, "");
  return `${label || "server"}.mcp.local`;
}

/** Something that owns every name starting with its prefix. */
export interface Prefixed {
  /** The prefix, or "" for none. */
  readonly prefix: string;
}

/**
 * Finds who owns a tool's or prompt's name by prefix; the longest prefix
 * wins. Router and broker both decide with this function, so a name means the
 * same server on every replica. Servers without a prefix own nothing here:
 * their names are found in the catalog.
 */
export function ownerByPrefix<T extends Prefixed>(
  name: string,
  candidates: readonly T[],
): T | undefined {
  let best: T | undefined;
  for (const candidate of candidates) {
    if (candidate.prefix === "" || !name.startsWith(candidate.prefix)) continue;
    if (best === undefined || candidate.prefix.length > best.prefix.length) {
      best = candidate;
    }
  }
  return best;
}
