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
  endpointDiscovery,
  listenerDiscovery,
  routeDiscovery,
  secretDiscovery,
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
 * Reads the CA of each server that has one of its own.
 *
 * @throws {SecretError} If one cannot be read.
 */
export async function readCaCerts(
  config: GatewayConfig,
  io: SecretIo,
): Promise<ReadonlyMap<string, string>> {
  const caCerts = new Map<string, string>();
  for (const { name, caCert } of config.servers) {
    if (caCert === undefined) continue;
    caCerts.set(name, await readCertificates(caCert, io));
  }
  return caCerts;
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
  const withCerts = { ...options, caCerts: await readCaCerts(config, io) };
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

/** Mode of files that are nobody else's business. */
const PRIVATE = 0o600;

/**
 * Replaces a file as a whole: whoever reads it sees the old or a new one, also
 * where two programs replace it at a time.
 *
 * @param mode Who may read it; its owner where left out.
 */
export async function replaceFile(
  path: string,
  text: string,
  mode: number = PRIVATE,
): Promise<void> {
  const partial = `${path}.${crypto.randomUUID()}.partial`;
  try {
    await Deno.writeTextFile(partial, text, { mode, createNew: true });
    await Deno.rename(partial, path);
  } catch (error) {
    // It may not have come into being; the first failure is what matters.
    await Deno.remove(partial).catch(() => {});
    throw error;
  }
}

/** The files of one Envoy, in one folder. */
export class EnvoyFiles {
  readonly #dir: string;
  readonly #options: EnvoyOptions;
  readonly #mode: number;

  /**
   * Names the folder; writes nothing.
   *
   * @param mode Who may read the files; their owner where left out.
   */
  constructor(dir: string, options: EnvoyOptions, mode: number = PRIVATE) {
    this.#dir = dir;
    this.#options = options;
    this.#mode = mode;
  }

  /** Path of the bootstrap, Envoy's `-c`. */
  get bootstrap(): string {
    return `${this.#dir}/bootstrap.json`;
  }

  /** Writes everything, for an Envoy that is about to start. */
  async writeAll(
    servers: EnvoyServers,
    version: string,
    admin?: Endpoint,
  ): Promise<void> {
    await this.writeClusters(servers, version);
    await this.writeRoutes(servers, version);
    await this.writeListener(version);
    await this.writeBootstrap(admin);
  }

  /**
   * Writes the listener, and before it what it needs: its certificate, and
   * where the routers are, if that is a file of its own.
   */
  async writeListener(version: string): Promise<void> {
    const { tls, routersChange } = this.#options;
    const paths = {
      rds: `${this.#dir}/rds.json`,
      sds: `${this.#dir}/sds.json`,
    };
    if (routersChange) {
      await this.#write(
        "eds.json",
        endpointDiscovery(this.#options, version),
      );
    }
    if (tls !== undefined) {
      await this.#write("sds.json", secretDiscovery(tls, version));
    }
    await this.#write(
      "lds.json",
      listenerDiscovery(this.#options, paths, version),
    );
  }

  /** Writes the bootstrap. */
  writeBootstrap(admin?: Endpoint): Promise<void> {
    const paths = {
      cds: `${this.#dir}/cds.json`,
      lds: `${this.#dir}/lds.json`,
      eds: `${this.#dir}/eds.json`,
    };
    return this.#write(
      "bootstrap.json",
      bootstrap(this.#options, paths, admin),
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
    const path = `${this.#dir}/${name}`;
    return replaceFile(path, JSON.stringify(content), this.#mode);
  }
}
