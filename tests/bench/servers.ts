/**
 * The servers that calls go to, one for each era and way of naming tools; all
 * are one process. Pure.
 *
 * @module
 */

import type { GatewayConfig, ServerConfig } from "../../shared/config/model.ts";
import { DESTINATION_HEADER, UPSTREAM_HEADER } from "../../shared/headers.ts";
import type { Era } from "../../shared/mcp.ts";
import type { ServerEntry } from "../support/config_file.ts";

/** Whether the tool's name has a prefix that is removed on the way. */
export type Naming = "prefixed" | "plain";

/** A server, and what its own names of tools begin with. */
export interface NamedServer {
  /** The server. */
  readonly server: ServerConfig;
  /** Beginning of its tools' names. */
  readonly names: string;
}

const ERAS: readonly Era[] = ["session", "stateless"];
const NAMINGS: readonly Naming[] = ["prefixed", "plain"];

/** A server of the configuration, by era and naming: its name and its tools'. */
const SERVERS: Readonly<
  Record<Era, Readonly<Record<Naming, { name: string; names: string }>>>
> = {
  session: {
    prefixed: { name: "session", names: "" },
    plain: { name: "plain-session", names: "ps_" },
  },
  stateless: {
    prefixed: { name: "stateless", names: "" },
    plain: { name: "plain-stateless", names: "pt_" },
  },
};

/** Writes them into a configuration; `HOST:PORT` is where all of them are. */
export function serverEntries(address: string): readonly ServerEntry[] {
  return Object.entries(SERVERS).flatMap(([era, byNaming]) =>
    Object.entries(byNaming).map(([naming, { name, names }]) => ({
      name,
      url: `http://${address}/mcp?names=${names}`,
      era,
      ...(naming === "prefixed" ? { prefix: `${name}_` } : {}),
    }))
  );
}

/**
 * Finds a server of a kind.
 *
 * @throws {Error} Where the configuration has none.
 */
export function serverOf(
  config: GatewayConfig,
  era: Era,
  naming: Naming,
): NamedServer {
  const { name, names } = SERVERS[era][naming];
  const found = config.servers.find((server) => server.name === name);
  if (found === undefined) throw new Error(`Cannot find server ${name}`);
  return { server: found, names };
}

/** What the router would set, so that the same route matches. */
export function routeHeaders(
  server: ServerConfig,
): Readonly<Record<string, string>> {
  return {
    [DESTINATION_HEADER]: server.name,
    [UPSTREAM_HEADER]: server.fingerprint,
  };
}

/** What the processor in Go does with calls of each server's tools. */
export function processorRules(config: GatewayConfig): readonly object[] {
  return ERAS.flatMap((era) =>
    NAMINGS.map((naming) => {
      const { server, names } = serverOf(config, era, naming);
      const { pathname, search } = new URL(server.url);
      return {
        match: `"name":"${server.prefix}${names}`,
        ...(server.prefix === "" ? {} : { replace: `"name":"${names}` }),
        headers: {
          ":authority": server.hostname,
          ":path": pathname + search,
          ...routeHeaders(server),
        },
      };
    })
  );
}
