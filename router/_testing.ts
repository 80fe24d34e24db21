/**
 * Configurations for the router's unit tests.
 *
 * @module
 */

import type {
  GatewayConfig,
  ServerConfig,
  VirtualServerConfig,
} from "../shared/config/model.ts";
import type { Logger } from "../shared/log.ts";
import { defaultHostname } from "../shared/names.ts";

/** A server with defaults for all that a test does not care about. */
export function server(
  name: string,
  changes: Partial<ServerConfig> = {},
): ServerConfig {
  return {
    name,
    url: `http://${name}.test:9000/mcp`,
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
    fingerprint: `fp-${name}`,
    ...changes,
  };
}

/** A configuration of these servers. */
export function config(
  servers: readonly ServerConfig[],
  virtualServers: readonly VirtualServerConfig[] = [],
): GatewayConfig {
  return { version: "c", servers, virtualServers };
}

/** A log that nobody reads. */
export const silent: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  with: () => silent,
};
