/**
 * Envoy's whole configuration in one file, for an Envoy that is told once and
 * for `envoy --mode validate`, which follows no other files. Pure.
 *
 * @module
 */

import type { GatewayConfig } from "../config/model.ts";
import { bootstrap } from "./bootstrap.ts";
import { clusters } from "./config.ts";
import type { JsonObject } from "./json.ts";
import { listener } from "./listener.ts";
import type { Endpoint, EnvoyOptions } from "./options.ts";
import { routeConfiguration, routedServers } from "./route.ts";
import { tlsSecret, tlsSocket } from "./tls.ts";

/**
 * Generates it.
 *
 * @param admin Where Envoy's admin interface listens; none where left out.
 */
export function staticBootstrap(
  config: GatewayConfig,
  options: EnvoyOptions,
  admin?: Endpoint,
): JsonObject {
  const { dynamic_resources: _, static_resources, ...rest } = bootstrap(
    options,
    { cds: "", lds: "" },
    admin,
  );
  const { clusters: ours } = static_resources as {
    readonly clusters: readonly JsonObject[];
  };
  return {
    ...rest,
    static_resources: {
      clusters: [...ours, ...clusters(config, options)],
      listeners: [staticListener(config, options)],
    },
  };
}

/** The listener with its routes and certificate in it. */
function staticListener(
  config: GatewayConfig,
  options: EnvoyOptions,
): JsonObject {
  const routes = routeConfiguration(routedServers(config, options), options);
  const { filter_chains, ...rest } = listener(options, { rds: "", sds: "" });
  return {
    ...rest,
    filter_chains: (filter_chains as readonly JsonObject[]).map((chain) => ({
      ...chain,
      filters: (chain.filters as readonly JsonObject[]).map((filter) => {
        const { rds: _, ...manager } = filter.typed_config as JsonObject;
        return {
          ...filter,
          typed_config: { ...manager, route_config: routes },
        };
      }),
      ...(options.tls === undefined ? {} : {
        transport_socket: tlsSocket({
          tls_certificates: [tlsSecret(options.tls).tls_certificate ?? null],
        }),
      }),
    })),
  };
}
