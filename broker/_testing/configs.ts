/**
 * Short ways to write configurations in tests.
 *
 * @module
 */

import type {
  GatewayConfig,
  ServerConfig,
  VirtualServerConfig,
} from "../../shared/config/model.ts";

/** A server with defaults. */
export function serverConfig(
  name: string,
  more: Partial<ServerConfig> = {},
): ServerConfig {
  return {
    name,
    url: `http://${name}.test/mcp`,
    hostname: `${name}.mcp.local`,
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
    ...more,
  };
}

/** A configuration of these servers. */
export function gatewayConfig(
  servers: readonly ServerConfig[],
  virtualServers: readonly VirtualServerConfig[] = [],
): GatewayConfig {
  const version = servers.map((server) => server.name).join("+");
  return { version, servers, virtualServers };
}

/** JSON text of a tool, as a server would write it. */
export function toolText(
  name: string,
  more: Readonly<Record<string, unknown>> = {},
): string {
  return JSON.stringify({ name, inputSchema: { type: "object" }, ...more });
}

/** The same as UTF-8. */
export function toolBytes(
  name: string,
  more: Readonly<Record<string, unknown>> = {},
): Uint8Array {
  return new TextEncoder().encode(toolText(name, more));
}
