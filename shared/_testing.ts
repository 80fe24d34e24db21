/**
 * Values that many tests start from: configurations, secrets in memory, a log
 * that nobody reads.
 *
 * @module
 */

import type {
  GatewayConfig,
  ServerConfig,
  VirtualServerConfig,
} from "./config/model.ts";
import type { SecretIo } from "./config/secrets.ts";
import type { Logger } from "./log.ts";
import { defaultHostname } from "./names.ts";

/** A server; whatever is not given is as plain as it can be. */
export function server(
  name: string,
  given: Partial<ServerConfig> = {},
): ServerConfig {
  return {
    name,
    url: `http://${name}.test:9001/mcp`,
    hostname: defaultHostname(name),
    prefix: "",
    state: "Enabled",
    headers: [],
    credentialFor: ["discovery"],
    passthrough: false,
    era: "auto",
    initialization: "direct",
    userSpecificList: false,
    category: [],
    tags: [],
    fingerprint: `${name}-1`,
    ...given,
  };
}

/** A configuration of these servers; its version tells which they are. */
export function config(
  servers: readonly ServerConfig[],
  virtualServers: readonly VirtualServerConfig[] = [],
): GatewayConfig {
  const version = servers.map(({ name }) => name).join("+");
  return { version, servers, virtualServers };
}

/** Secrets in memory, by file name below the secrets directory. */
export function secretsOf(files: Readonly<Record<string, string>>): SecretIo {
  return {
    secretsDir: "/secrets",
    readTextFile: (path) => {
      const text = files[path.slice("/secrets/".length)];
      return text === undefined
        ? Promise.reject(new Deno.errors.NotFound(path))
        : Promise.resolve(text);
    },
    env: () => undefined,
  };
}

/** Drops every record. */
export const SILENT: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  with: () => SILENT,
};
