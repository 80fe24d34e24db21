/**
 * What results of the stateless era say besides their content: JSON text.
 * Pure.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic#results
 * @module
 */

import { META, STATELESS_REVISIONS } from "../../shared/mcp.ts";
import type { CacheScope, ListHints } from "../catalog/list_hints.ts";

/** What the gateway calls itself. */
const NAME = "mcp-gateway";

/**
 * Writes the members that a list has besides its items: each with a comma
 * before it.
 *
 * @param version The gateway's version.
 */
export function listMembers(
  version: string,
  { ttlMs, cacheScope }: ListHints,
): string {
  const members = { ...hints(ttlMs, cacheScope), _meta: serverMeta(version) };
  return `,${JSON.stringify(members).slice(1, -1)}`;
}

/** What `server/discover` answers with. */
export interface Discovery {
  /** The gateway's version. */
  readonly version: string;
  /** What the servers that the client sees say of their use. */
  readonly instructions: string | undefined;
  /** Whether anybody watches resources for clients. */
  readonly watchesResources: boolean;
  /** Milliseconds that the answer may be kept. */
  readonly ttlMs: number;
  /** Who may be given it. */
  readonly cacheScope: CacheScope;
}

/** Writes a DiscoverResult. */
export function discoverResult(
  { version, instructions, watchesResources, ttlMs, cacheScope }: Discovery,
): string {
  return JSON.stringify({
    supportedVersions: STATELESS_REVISIONS,
    // Only what is served.
    capabilities: {
      tools: { listChanged: true },
      prompts: { listChanged: true },
      resources: {
        listChanged: true,
        ...(watchesResources ? { subscribe: true } : {}),
      },
      completions: {},
      logging: {},
    },
    ...(instructions === undefined ? {} : { instructions }),
    ...hints(ttlMs, cacheScope),
    _meta: serverMeta(version),
  });
}

/** `_meta` by which a result tells who answers. */
export function serverMeta(version: string): Readonly<Record<string, unknown>> {
  return { [META.serverInfo]: { name: NAME, version } };
}

function hints(ttlMs: number, cacheScope: CacheScope) {
  return { resultType: "complete", ttlMs, cacheScope };
}
