/**
 * Values that the tests in this folder start from.
 *
 * @module
 */

import type { GatewayConfig, ServerConfig } from "../config/model.ts";
import type { JsonObject } from "./json.ts";
import { type EnvoyOptions, envoyOptions } from "./options.ts";

/** A server; whatever is not given is as plain as it can be. */
export function server(
  name: string,
  given: Partial<ServerConfig> = {},
): ServerConfig {
  return {
    name,
    url: `http://127.0.0.1:9001/mcp`,
    hostname: `${name}.mcp.local`,
    prefix: "",
    state: "Enabled",
    headers: [],
    credentialFor: [],
    passthrough: false,
    era: "auto",
    initialization: "direct",
    userSpecificList: false,
    category: [],
    tags: [],
    fingerprint: "f",
    ...given,
  };
}

/** A configuration of these servers. */
export function config(...servers: ServerConfig[]): GatewayConfig {
  return { version: "v1", servers, virtualServers: [] };
}

/** Options with a router on a unix socket. */
export function options(given: Partial<EnvoyOptions> = {}): EnvoyOptions {
  return envoyOptions({
    listen: { kind: "tcp", host: "127.0.0.1", port: 8888 },
    broker: { kind: "tcp", host: "127.0.0.1", port: 8080 },
    routers: [{ kind: "unix", path: "/run/router-0.sock" }],
    ...given,
  });
}

/** Looks a value up by a path of keys and indexes: `a.b.0.c`. */
export function at(value: unknown, path: string): unknown {
  let here = value;
  for (const key of path.split(".")) {
    here = typeof here === "object" && here !== null
      ? (here as JsonObject)[key]
      : undefined;
  }
  return here;
}
