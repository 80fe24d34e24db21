/**
 * Envoy's bootstrap: what it is told on start, everything else comes from
 * files that it watches. Pure.
 *
 * @module
 */

import { address, routerCluster } from "./cluster.ts";
import { any, type JsonObject, seconds } from "./json.ts";
import type { Endpoint, EnvoyOptions } from "./options.ts";

/** The files that the bootstrap names, by absolute path. */
export interface XdsPaths {
  /** Clusters. */
  readonly cds: string;
  /** Listeners. */
  readonly lds: string;
  /** Where the routers are, if that may change. */
  readonly eds?: string;
}

/**
 * Points Envoy at a file. It takes a new version when another file is renamed
 * to that path; writing into the file in place goes unnoticed on purpose, as
 * half of one would be read.
 */
export function fileSource(path: string): JsonObject {
  return { path_config_source: { path }, resource_api_version: "V3" };
}

function adminOf(
  { adminPaths }: EnvoyOptions,
  endpoint: Endpoint,
): JsonObject {
  return {
    address: address(endpoint),
    ...(adminPaths === undefined
      ? {}
      : { allow_paths: adminPaths.map((prefix) => ({ prefix })) }),
  };
}

/**
 * Generates the bootstrap.
 *
 * @param options Where the router is (its cluster is static: it must be there
 * before any listener), and limits.
 * @param paths The files with clusters and listeners; the listener names the
 * one with the routes.
 * @param admin Where Envoy's admin interface listens; never let clients reach
 * it. None where left out.
 */
export function bootstrap(
  options: EnvoyOptions,
  paths: XdsPaths,
  admin?: Endpoint,
): JsonObject {
  return {
    node: { id: "mcp-gateway", cluster: "mcp-gateway" },
    ...(admin === undefined ? {} : { admin: adminOf(options, admin) }),
    dynamic_resources: {
      cds_config: fileSource(paths.cds),
      lds_config: fileSource(paths.lds),
    },
    static_resources: {
      clusters: [
        routerCluster(
          options,
          options.routersChange && paths.eds !== undefined
            ? fileSource(paths.eds)
            : undefined,
        ),
      ],
    },
    layered_runtime: {
      layers: [{
        name: "static",
        static_layer: {
          // Without it Envoy resets every ext_proc stream, and the gRPC server
          // closes connections that reset too often: 1 % of requests lost.
          "envoy.reloadable_features.ext_proc_graceful_grpc_close": true,
        },
      }],
    },
    overload_manager: {
      refresh_interval: seconds(0.25),
      resource_monitors: [
        {
          name: "envoy.resource_monitors.fixed_heap",
          typed_config: any(
            "envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
            { max_heap_size_bytes: options.maxHeapBytes },
          ),
        },
        {
          name: "envoy.resource_monitors.global_downstream_max_connections",
          typed_config: any(
            "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
            {
              max_active_downstream_connections: options.maxConnections,
            },
          ),
        },
      ],
      actions: [
        {
          name: "envoy.overload_actions.shrink_heap",
          triggers: [{
            name: "envoy.resource_monitors.fixed_heap",
            threshold: { value: 0.95 },
          }],
        },
        {
          name: "envoy.overload_actions.stop_accepting_requests",
          triggers: [{
            name: "envoy.resource_monitors.fixed_heap",
            threshold: { value: 0.98 },
          }],
        },
      ],
    },
  };
}
