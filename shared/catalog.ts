/**
 * The contract between the broker, which knows what servers offer, and the
 * router, which needs to know who owns an unprefixed name. Served by the
 * broker as JSON on its internal listener under {@linkcode CATALOG_PATH}.
 *
 * A request with `If-None-Match: "VERSION"` and `Prefer: wait=SECONDS`
 * (RFC 7240) is held until the catalog differs from VERSION, or answered 304
 * when the time is over.
 *
 * @module
 */

import type { Era } from "./mcp.ts";

/** Path of the catalog on the broker's internal listener. */
export const CATALOG_PATH = "/catalog";

/** Who owns a name, and what the owner calls it. */
export interface CatalogEntry {
  /** Name of the server. */
  readonly server: string;
  /** The tool's, prompt's own name at that server. */
  readonly name: string;
  /** Arguments of a tool that clients mirror in headers; absent for none. */
  readonly paramHeaders?: readonly ParamHeader[];
}

/**
 * An argument of a tool that clients of the stateless era mirror in a header
 * `Mcp-Param-NAME`.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#custom-headers-from-tool-parameters
 */
export interface ParamHeader {
  /** NAME, lower case. */
  readonly header: string;
  /** Keys that lead from `arguments` to the value; at least one. */
  readonly path: readonly string[];
  /** What the value is. */
  readonly type: "string" | "integer" | "boolean";
}

/** A template of resource URIs, and whose it is. */
export interface CatalogTemplate {
  /** Name of the server. */
  readonly server: string;
  /** The template (RFC 6570). */
  readonly uriTemplate: string;
}

/** Live facts about one server that the router acts on. */
export interface CatalogServer {
  /** Name of the server. */
  readonly name: string;
  /** Whether it is listed now. */
  readonly ready: boolean;
  /** Revision that the broker negotiated with it, where it is connected. */
  readonly revision?: string;
  /**
   * The era that it speaks, last known: kept while it is not listed. Absent
   * where it was never reached.
   */
  readonly era?: Era;
  /**
   * Whether a server of the stateless era keeps sessions too, for clients that
   * want one: then it speaks with each client in the client's own era.
   */
  readonly sessions?: boolean;
}

/** Everything the broker tells the router. */
export interface Catalog {
  /** Short hash of the content; also the ETag. */
  readonly version: string;
  /** Version of the configuration this was built from. */
  readonly config: string;
  /**
   * False while a server without a prefix that was never listed may still come:
   * a name that is missing is then not known to be unknown. (A name that starts
   * with a prefix is decided by that alone.)
   */
  readonly complete: boolean;
  /**
   * The same for URIs, which no prefix decides about: false while any server
   * that was never listed may still come.
   */
  readonly urisComplete: boolean;
  /** Each configured server. */
  readonly servers: readonly CatalogServer[];
  /**
   * By exposed name. A server that is not listed just now keeps the names it
   * had, so that a call for it fails as unreachable, not as unknown.
   */
  readonly tools: Readonly<Record<string, CatalogEntry>>;
  /** By exposed name. */
  readonly prompts: Readonly<Record<string, CatalogEntry>>;
  /** By URI; the entry's name is the URI again. */
  readonly resources: Readonly<Record<string, CatalogEntry>>;
  /** In the order in which they are tried; the first match owns a URI. */
  readonly templates: readonly CatalogTemplate[];
}
