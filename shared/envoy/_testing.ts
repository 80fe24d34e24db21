/**
 * Values that the tests in this folder start from.
 *
 * @module
 */

import { config as plainConfig, server as plainServer } from "../_testing.ts";
import type { GatewayConfig, ServerConfig } from "../config/model.ts";
import type { JsonObject } from "./json.ts";
import { type EnvoyOptions, envoyOptions } from "./options.ts";

/** A server on loopback without credentials. */
export function server(
  name: string,
  given: Partial<ServerConfig> = {},
): ServerConfig {
  return plainServer(name, {
    url: "http://127.0.0.1:9001/mcp",
    credentialFor: [],
    ...given,
  });
}

/** A configuration of these servers. */
export function config(...servers: ServerConfig[]): GatewayConfig {
  return plainConfig(servers);
}

/** Options with a router on a unix socket. */
export function options(given: Partial<EnvoyOptions> = {}): EnvoyOptions {
  return envoyOptions({
    listen: { kind: "tcp", host: "127.0.0.1", port: 8888 },
    brokers: [{ kind: "tcp", host: "127.0.0.1", port: 8080 }],
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
