/**
 * The files that an Envoy on this machine takes its configuration from, written by
 * rename. Decides nothing of their content.
 *
 * @module
 */

import type { GatewayConfig } from "../config/model.ts";
import type { SecretIo } from "../config/secrets.ts";
import { readCertificates } from "../config/secrets.ts";
import { bootstrap } from "./bootstrap.ts";
import {
  clusterDiscovery,
  clusters,
  listenerDiscovery,
  routeDiscovery,
} from "./config.ts";
import type { JsonObject } from "./json.ts";
import type { Endpoint, EnvoyOptions } from "./options.ts";
import {
  joinRouted,
  routeConfiguration,
  type RoutedServer,
  routedServers,
} from "./route.ts";

/** What Envoy has to know of one configuration. */
export interface EnvoyServers {
  /** Clusters of the broker and of the servers. */
  readonly clusters: readonly JsonObject[];
  /** Servers and their clusters. */
  readonly routed: readonly RoutedServer[];
}

/**
 * Generates what Envoy has to know of a configuration.
 *
 * @throws {SecretError} If the CA of a server cannot be read.
 */
export async function envoyServers(
  config: GatewayConfig,
  options: EnvoyOptions,
  io: SecretIo,
): Promise<EnvoyServers> {
  const caCerts = new Map<string, string>();
  for (const { name, caCert } of config.servers) {
    if (caCert === undefined) continue;
    caCerts.set(name, await readCertificates(caCert, io));
  }
  const withCerts = { ...options, caCerts };
  return {
    clusters: clusters(config, withCerts),
    routed: routedServers(config, withCerts),
  };
}

/** What holds while routers may still act on the one before. */
export function joinServers(
  before: EnvoyServers,
  now: EnvoyServers,
): EnvoyServers {
  return {
    clusters: [...before.clusters, ...now.clusters],
    routed: joinRouted(before.routed, now.routed),
  };
}

/** Replaces a file as a whole: whoever reads it sees the old or the new one. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const partial = `${path}.partial`;
  await Deno.writeTextFile(partial, text, { mode: 0o600 });
  await Deno.rename(partial, path);
}

/** The files of one Envoy, in one folder. */
export class EnvoyFiles {
  readonly #dir: string;
  readonly #options: EnvoyOptions;

  /** Names the folder; writes nothing. */
  constructor(dir: string, options: EnvoyOptions) {
    this.#dir = dir;
    this.#options = options;
  }

  /** Path of the bootstrap, Envoy's `-c`. */
  get bootstrap(): string {
    return `${this.#dir}/bootstrap.json`;
  }

  /** Writes everything, for an Envoy that is about to start. */
  async writeAll(
    servers: EnvoyServers,
    version: string,
    admin: Endpoint,
  ): Promise<void> {
    await this.writeClusters(servers, version);
    await this.writeRoutes(servers, version);
    await this.#write(
      "lds.json",
      listenerDiscovery(this.#options, `${this.#dir}/rds.json`, version),
    );
    await this.#write(
      "bootstrap.json",
      bootstrap(this.#options, {
        cds: `${this.#dir}/cds.json`,
        lds: `${this.#dir}/lds.json`,
      }, admin),
    );
  }

  /** Writes the clusters. */
  writeClusters(servers: EnvoyServers, version: string): Promise<void> {
    return this.#write("cds.json", clusterDiscovery(servers.clusters, version));
  }

  /** Writes the routes. */
  writeRoutes(servers: EnvoyServers, version: string): Promise<void> {
    return this.#write(
      "rds.json",
      routeDiscovery(
        routeConfiguration(servers.routed, this.#options),
        version,
      ),
    );
  }

  #write(name: string, content: JsonObject): Promise<void> {
    return replaceFile(`${this.#dir}/${name}`, JSON.stringify(content));
  }
}
