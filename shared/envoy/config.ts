/**
 * Generates Envoy's whole configuration from the gateway's, as plain objects
 * whose JSON Envoy reads. Pure: it reads no file and knows no clock.
 *
 * @module
 */

import type { GatewayConfig } from "../config/model.ts";
import {
  brokerCluster,
  loadAssignment,
  ROUTER_CLUSTER,
  serverCluster,
} from "./cluster.ts";
import { any, type JsonObject } from "./json.ts";
import { listener, type ListenerPaths } from "./listener.ts";
import type { EnvoyOptions } from "./options.ts";
import { type ListenerTls, tlsSecret } from "./tls.ts";

/** An `envoy.service.discovery.v3.DiscoveryResponse`: the content of one file. */
function discoveryResponse(
  version: string,
  type: string,
  resources: readonly JsonObject[],
): JsonObject {
  return {
    version_info: version,
    type_url: `type.googleapis.com/${type}`,
    resources: resources.map((resource) => any(type, resource)),
  };
}

/**
 * Generates the listeners' file, which does not depend on the servers.
 *
 * @param paths The files that the listener names.
 * @param version Shown by Envoy once it has taken this.
 */
export function listenerDiscovery(
  options: EnvoyOptions,
  paths: ListenerPaths,
  version: string,
): JsonObject {
  return discoveryResponse(version, "envoy.config.listener.v3.Listener", [
    listener(options, paths),
  ]);
}

/**
 * Generates the file of the listener's certificate.
 *
 * @param version Shown by Envoy once it has taken this.
 */
export function secretDiscovery(tls: ListenerTls, version: string): JsonObject {
  return discoveryResponse(
    version,
    "envoy.extensions.transport_sockets.tls.v3.Secret",
    [tlsSecret(tls)],
  );
}

/**
 * Generates the file that says where the routers are.
 *
 * @param version Shown by Envoy once it has taken this.
 */
export function endpointDiscovery(
  { routers }: EnvoyOptions,
  version: string,
): JsonObject {
  return discoveryResponse(
    version,
    "envoy.config.endpoint.v3.ClusterLoadAssignment",
    [loadAssignment(ROUTER_CLUSTER, routers)],
  );
}

/** Generates the clusters: the broker's and one per enabled server. */
export function clusters(
  config: GatewayConfig,
  options: EnvoyOptions,
): readonly JsonObject[] {
  const servers = config.servers
    .filter((server) => server.state === "Enabled")
    .map((server) => serverCluster(server, options));
  return [brokerCluster(options), ...servers];
}

/**
 * Generates the clusters' file. A cluster that is given twice is written once:
 * equal names mean equal clusters.
 *
 * @param version Shown by Envoy once it has taken this.
 */
export function clusterDiscovery(
  given: readonly JsonObject[],
  version: string,
): JsonObject {
  const byName = new Map(given.map((cluster) => [cluster.name, cluster]));
  return discoveryResponse(version, "envoy.config.cluster.v3.Cluster", [
    ...byName.values(),
  ]);
}

/**
 * Generates the routes' file.
 *
 * @param routes What `routeConfiguration` made.
 * @param version Shown by Envoy once it has taken this.
 */
export function routeDiscovery(
  routes: JsonObject,
  version: string,
): JsonObject {
  return discoveryResponse(
    version,
    "envoy.config.route.v3.RouteConfiguration",
    [routes],
  );
}
