/**
 * Who answers a call: servers, prefixes, virtual servers and the broker's
 * catalog, put together once per change and asked per call. Pure.
 *
 * @module
 */

import type { Catalog, CatalogEntry, CatalogServer } from "../catalog.ts";
import type { GatewayConfig, ServerConfig } from "../config/model.ts";
import type { Refusal } from "../errors.ts";
import type { Era } from "../mcp.ts";
import { ownerByPrefix } from "../names.ts";
import { type UriMatcher, uriMatcher } from "../uri_template.ts";
import type { TargetKind } from "./call_target.ts";

/** A tool, prompt or resource, resolved to who runs it. */
export type Resolution =
  | {
    readonly kind: "server";
    readonly server: ServerConfig;
    /** What the server calls it; a resource's URI is the same everywhere. */
    readonly name: string;
    /** What the catalog says of it, where it lists a tool or prompt so. */
    readonly entry?: CatalogEntry;
  }
  | { readonly kind: "refused"; readonly refusal: Refusal };

/** Kinds of names that are routed by name. */
type NamedKind = Exclude<TargetKind, "resource">;

interface Template {
  readonly server: ServerConfig;
  readonly uriTemplate: string;
  readonly matches: UriMatcher;
}

interface VirtualServer {
  readonly tool: ReadonlySet<string>;
  /** Absent where it has every prompt. */
  readonly prompt: ReadonlySet<string> | undefined;
}

/** Everything a call is routed by, as of one configuration and one catalog. */
export class RouteTable {
  readonly #enabled: readonly ServerConfig[];
  readonly #byName: ReadonlyMap<string, ServerConfig>;
  readonly #hosts: ReadonlySet<string>;
  readonly #virtualServers: ReadonlyMap<string, VirtualServer>;
  readonly #catalog: Catalog | undefined;
  readonly #templates: readonly Template[];
  readonly #facts: ReadonlyMap<string, CatalogServer>;

  /** Builds the table; `catalog` is absent while the broker was not reached. */
  constructor(config: GatewayConfig, catalog: Catalog | undefined) {
    this.#enabled = config.servers.filter((s) => s.state === "Enabled");
    this.#byName = new Map(this.#enabled.map((s) => [s.name, s]));
    // Disabled servers' hosts too: Envoy may still have a route for them.
    this.#hosts = new Set(config.servers.map((s) => s.hostname));
    this.#virtualServers = new Map(
      config.virtualServers.map((v) => [
        v.name,
        { tool: new Set(v.tools), prompt: v.prompts && new Set(v.prompts) },
      ]),
    );
    this.#catalog = catalog;
    this.#facts = new Map(
      (catalog?.servers ?? []).map((facts) => [facts.name, facts]),
    );
    this.#templates = (catalog?.templates ?? []).flatMap(
      ({ server: name, uriTemplate }) => {
        const server = this.#byName.get(name);
        const matches = uriMatcher(uriTemplate);
        return server === undefined || matches === undefined
          ? []
          : [{ server, uriTemplate, matches }];
      },
    );
  }

  /** Tells whether a host is one that only the router may name. */
  isServerHost(host: string): boolean {
    return this.#hosts.has(host);
  }

  /** The enabled server of that name. */
  serverNamed(name: string): ServerConfig | undefined {
    return this.#byName.get(name);
  }

  /** Tells whether there is a virtual server of that name. */
  hasVirtualServer(name: string): boolean {
    return this.#virtualServers.has(name);
  }

  /** Resolves what a call asks for, as one virtual server or none shows it. */
  resolve(
    target: TargetKind,
    named: string,
    virtualServer?: string,
  ): Resolution {
    return target === "resource"
      ? this.#resolveUri(named, virtualServer)
      : this.#resolveName(target, named, virtualServer);
  }

  /**
   * Tells in which era a server is spoken to for a client: as configured, else
   * in the client's own where the broker found that the server speaks it, else
   * in the other; undefined where nobody knows yet.
   *
   * @param client The client's era.
   */
  eraFor({ name, era }: ServerConfig, client: Era): Era | undefined {
    if (era !== "auto") return era;
    const facts = this.#facts.get(name);
    return facts?.sessions && client === "session" ? client : facts?.era;
  }

  /**
   * Resolves an exposed name.
   *
   * | name | answer |
   * |---|---|
   * | not selected by the virtual server | unknown |
   * | starts with a server's prefix | that server (longest prefix) |
   * | in the catalog | the server that owns it |
   * | not there, no or no complete catalog | catalog unavailable |
   * | not there | unknown |
   */
  #resolveName(
    kind: NamedKind,
    name: string,
    virtualServer?: string,
  ): Resolution {
    if (virtualServer !== undefined) {
      const selection = this.#virtualServers.get(virtualServer);
      if (selection === undefined) {
        return refused({ kind: "unknown virtual server" });
      }
      if (selection[kind]?.has(name) === false) return unknown(kind, name);
    }
    const owner = ownerByPrefix(name, this.#enabled);
    const entry = this.#entry(kind, name);
    if (owner !== undefined) {
      const own = name.slice(owner.prefix.length);
      if (own === "") return unknown(kind, name);
      return entry?.server === owner.name
        ? { kind: "server", server: owner, name: own, entry }
        : { kind: "server", server: owner, name: own };
    }
    const server = entry && this.#byName.get(entry.server);
    if (entry !== undefined && server !== undefined) {
      return { kind: "server", server, name: entry.name, entry };
    }
    // Who never saw the whole catalog cannot say that a name is unknown.
    return this.#catalog?.complete
      ? unknown(kind, name)
      : refused({ kind: "catalog unavailable" });
  }

  /**
   * Resolves a resource's URI, or the template of one.
   *
   * | URI | answer |
   * |---|---|
   * | asked for in a virtual server | unknown: those select tools and prompts |
   * | in the catalog | the server that owns it |
   * | is, or matches, a template | that template's server, in catalog order |
   * | not there, no or no complete catalog | catalog unavailable |
   * | not there | unknown |
   */
  #resolveUri(uri: string, virtualServer?: string): Resolution {
    if (virtualServer !== undefined) {
      return this.#virtualServers.has(virtualServer)
        ? unknownUri(uri)
        : refused({ kind: "unknown virtual server" });
    }
    const entry = own(this.#catalog?.resources, uri);
    const server = entry === undefined
      ? this.#templates.find((template) =>
        template.uriTemplate === uri || template.matches(uri)
      )?.server
      : this.#byName.get(entry.server);
    if (server !== undefined) return { kind: "server", server, name: uri };
    return this.#catalog?.urisComplete
      ? unknownUri(uri)
      : refused({ kind: "catalog unavailable" });
  }

  #entry(kind: NamedKind, name: string): CatalogEntry | undefined {
    return own(
      kind === "tool" ? this.#catalog?.tools : this.#catalog?.prompts,
      name,
    );
  }
}

/** Reads an own member: names are data, and prototypes have names too. */
function own(
  entries: Readonly<Record<string, CatalogEntry>> | undefined,
  name: string,
): CatalogEntry | undefined {
  return entries !== undefined && Object.hasOwn(entries, name)
    ? entries[name]
    : undefined;
}

function unknownUri(uri: string): Resolution {
  return refused({ kind: "unknown resource", data: { uri } });
}

function refused(refusal: Refusal): Resolution {
  return { kind: "refused", refusal };
}

function unknown(kind: NamedKind, name: string): Resolution {
  return refused({
    kind: kind === "tool" ? "unknown tool" : "unknown prompt",
    detail: name,
  });
}
