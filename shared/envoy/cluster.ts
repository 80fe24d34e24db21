/**
 * Envoy clusters: one per MCP server, one for the brokers, one for the routers.
 * Pure.
 *
 * A server's cluster never changes: its name contains a hash of everything in
 * it, so that a changed server is another cluster, and the route that names it
 * is the one atomic switch.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { isIP } from "node:net";
import type { ServerConfig } from "../config/model.ts";
import { READY_PATH } from "../status.ts";
import { any, type JsonObject, seconds } from "./json.ts";
import type { Endpoint, EnvoyOptions } from "./options.ts";

/** Name of the broker's cluster. */
export const BROKER_CLUSTER = "mcp_broker";
/** Name of the cluster of router processes. */
export const ROUTER_CLUSTER = "mcp_router";

/** Seconds to open a connection. */
const CONNECT_TIMEOUT_S = 2;
/**
 * Seconds that an idle upstream connection is kept. Below the 5 s after which
 * Node's and uvicorn's servers close theirs: whoever closes first decides
 * whether a request can be written into a connection that is already gone.
 */
const UPSTREAM_IDLE_S = 4;
/** Requests and connections to one cluster; the default of 1,024 is one burst. */
const MAX_REQUESTS = 10_000;
/** Flow control per stream and per connection, of Envoy's edge guide. */
const HTTP2_WINDOWS = {
  initial_stream_window_size: 64 * 1024,
  initial_connection_window_size: 1024 * 1024,
};

/** Host (without brackets), port and scheme of a server's URL. */
interface Origin {
  readonly tls: boolean;
  readonly host: string;
  readonly port: number;
}

function originOf(url: string): Origin {
  const { protocol, hostname, port } = new URL(url);
  const tls = protocol === "https:";
  return {
    tls,
    host: hostname.replace(/^\[|\]$/g, ""),
    port: port === "" ? (tls ? 443 : 80) : Number(port),
  };
}

/** An `envoy.config.core.v3.Address`. */
export function address(endpoint: Endpoint): JsonObject {
  return endpoint.kind === "unix" ? { pipe: { path: endpoint.path } } : {
    socket_address: { address: endpoint.host, port_value: endpoint.port },
  };
}

/**
 * Names the cluster of a server: `mcp_weather_1f0c9a44be21`. Equal origin and
 * CA, equal name.
 */
export function serverClusterName(
  server: ServerConfig,
  options: EnvoyOptions,
): string {
  const label = server.name.toLowerCase().replace(/[^a-z0-9]+/g, "_").slice(
    0,
    40,
  );
  const hash = createHash("sha256")
    .update(
      JSON.stringify([
        server.name,
        originOf(server.url),
        options.caCerts.get(server.name) ?? null,
      ]),
    )
    .digest("hex").slice(0, 12);
  return `mcp_${label}_${hash}`;
}

/**
 * Resolution by what the hosts are. Addresses need no DNS, and no warming. The
 * addresses of one name are alternatives (`localhost` is `::1` and
 * `127.0.0.1`, and a server may listen on one only): LOGICAL_DNS tries them in
 * turn, where STRICT_DNS would take each for a host of its own.
 */
function discovery(endpoints: readonly Endpoint[]): JsonObject {
  if (!areNamed(endpoints)) return { type: "STATIC" };
  return {
    type: endpoints.length === 1 ? "LOGICAL_DNS" : "STRICT_DNS",
    dns_lookup_family: "ALL",
  };
}

/**
 * An `envoy.config.endpoint.v3.ClusterLoadAssignment`.
 *
 * @param cluster Name of the cluster.
 */
export function loadAssignment(
  cluster: string,
  endpoints: readonly Endpoint[],
): JsonObject {
  return {
    cluster_name: cluster,
    endpoints: [{
      lb_endpoints: endpoints.map((endpoint) => ({
        endpoint: { address: address(endpoint) },
      })),
    }],
  };
}

/** Tells whether DNS has to find one of them. */
export function areNamed(endpoints: readonly Endpoint[]): boolean {
  return endpoints.some((e) => e.kind === "tcp" && isIP(e.host) === 0);
}

function base(name: string, endpoints: readonly Endpoint[]): JsonObject {
  return {
    name,
    ...discovery(endpoints),
    connect_timeout: seconds(CONNECT_TIMEOUT_S),
    load_assignment: loadAssignment(name, endpoints),
    // Nothing is retried at a server: a call may have run.
    circuit_breakers: circuitBreakers(0),
  };
}

function circuitBreakers(maxRetries: number): JsonObject {
  return {
    thresholds: [{
      max_connections: MAX_REQUESTS,
      max_pending_requests: MAX_REQUESTS,
      max_requests: MAX_REQUESTS,
      max_retries: maxRetries,
    }],
  };
}

function httpOptions(options: JsonObject): JsonObject {
  return {
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": any(
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        options,
      ),
    },
  };
}

const TCP_KEEPALIVE: JsonObject = {
  upstream_connection_options: {
    tcp_keepalive: {
      keepalive_time: 30,
      keepalive_interval: 10,
      keepalive_probes: 3,
    },
  },
};

/** Seconds for an answer to a health check, on a machine that is busy. */
const HEALTH_TIMEOUT_S = 2;
/** Health checks without an answer after which a process is left out. */
const UNANSWERED = 3;

/**
 * What several processes of one kind need to stand in for each other.
 *
 * | a process | is noticed by | and gets no calls |
 * |---|---|---|
 * | says that it is not ready: it starts, or is about to stop | the next health check | until it says that it is |
 * | takes no connections | the call that finds out, which is tried at another | for a second |
 * | takes connections and does not answer | three health checks | until it answers |
 *
 * A process that stops goes on for longer (`--drain-delay-seconds`) than it
 * takes to notice, so that no call is on its way to it when it closes.
 */
function standIns(check: JsonObject, options: EnvoyOptions): JsonObject {
  return {
    // What did not reach a process is tried at another one.
    circuit_breakers: circuitBreakers(MAX_REQUESTS),
    outlier_detection: OUTLIER_DETECTION,
    health_checks: [{
      interval: seconds(options.healthCheckSeconds),
      // A minute by default: the first call after a quiet night would fail.
      no_traffic_interval: seconds(options.healthCheckSeconds),
      timeout: seconds(HEALTH_TIMEOUT_S),
      // A process that says that it is not ready is left out at once.
      unhealthy_threshold: UNANSWERED,
      healthy_threshold: 1,
      ...check,
    }],
    common_lb_config: {
      // Half of them by default, below which those that stop get calls, too.
      // Where none is ready each gets some: one that stops still serves.
      healthy_panic_threshold: { value: 1 },
      // By default what was noticed is acted on up to a second later.
      update_merge_window: seconds(0),
    },
  };
}

/** Takes a process that does not accept connections out for a second. */
const OUTLIER_DETECTION: JsonObject = {
  split_external_local_origin_errors: true,
  consecutive_local_origin_failure: 1,
  // A refusal of a program's is no failure of its process.
  enforcing_consecutive_5xx: 0,
  enforcing_consecutive_gateway_failure: 0,
  enforcing_success_rate: 0,
  enforcing_local_origin_success_rate: 0,
  interval: seconds(1),
  base_ejection_time: seconds(1),
  max_ejection_time: seconds(2),
  max_ejection_percent: 99,
};

function tlsContext(host: string, trustedCa: JsonObject): JsonObject {
  const ip = isIP(host) !== 0;
  return {
    transport_socket: {
      name: "envoy.transport_sockets.tls",
      typed_config: any(
        "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        {
          // An IP address is not allowed as SNI (RFC 6066, section 3).
          ...(ip ? {} : { sni: host }),
          common_tls_context: {
            tls_params: { tls_minimum_protocol_version: "TLSv1_2" },
            alpn_protocols: ["h2", "http/1.1"],
            validation_context: {
              trusted_ca: trustedCa,
              match_typed_subject_alt_names: [{
                san_type: ip ? "IP_ADDRESS" : "DNS",
                matcher: { exact: host },
              }],
            },
          },
        },
      ),
    },
  };
}

/** The cluster of one MCP server. */
export function serverCluster(
  server: ServerConfig,
  options: EnvoyOptions,
): JsonObject {
  const { tls, host, port } = originOf(server.url);
  const common = {
    common_http_protocol_options: { idle_timeout: seconds(UPSTREAM_IDLE_S) },
  };
  const cluster = {
    ...base(serverClusterName(server, options), [{ kind: "tcp", host, port }]),
    ...TCP_KEEPALIVE,
  };
  if (!tls) {
    return {
      ...cluster,
      ...httpOptions({
        ...common,
        explicit_http_config: { http_protocol_options: {} },
      }),
    };
  }
  const pem = options.caCerts.get(server.name);
  return {
    ...cluster,
    ...httpOptions({
      ...common,
      auto_config: {
        http_protocol_options: {},
        http2_protocol_options: HTTP2_WINDOWS,
      },
    }),
    ...tlsContext(
      host,
      pem === undefined
        ? { filename: options.systemCa }
        : { inline_string: pem },
    ),
  };
}

/** The cluster of the broker processes, the default backend. */
export function brokerCluster(options: EnvoyOptions): JsonObject {
  const { brokers } = options;
  const check = {
    http_health_check: { path: READY_PATH, host: BROKER_CLUSTER },
  };
  return {
    ...base(BROKER_CLUSTER, brokers),
    ...(brokers.every(({ kind }) => kind === "tcp") ? TCP_KEEPALIVE : {}),
    ...(brokers.length > 1 ? standIns(check, options) : {}),
    ...httpOptions({
      common_http_protocol_options: { idle_timeout: seconds(UPSTREAM_IDLE_S) },
      explicit_http_config: { http_protocol_options: {} },
    }),
  };
}

/**
 * The cluster of the router processes: gRPC, one endpoint per process.
 *
 * @param source Where Envoy is told of processes that come and go, an
 * `envoy.config.core.v3.ConfigSource`; left out, they are in the cluster.
 */
export function routerCluster(
  options: EnvoyOptions,
  source?: JsonObject,
): JsonObject {
  const several = source !== undefined || options.routers.length > 1;
  return {
    ...(source === undefined ? base(ROUTER_CLUSTER, options.routers) : {
      name: ROUTER_CLUSTER,
      connect_timeout: seconds(CONNECT_TIMEOUT_S),
      type: "EDS",
      eds_cluster_config: { eds_config: source },
      // A process that is left out is left alone, healthy or not.
      ignore_health_on_host_removal: true,
    }),
    ...(several ? standIns({ grpc_health_check: {} }, options) : {}),
    ...httpOptions({
      explicit_http_config: {
        // 1 MiB per stream: a body of the largest size is a few round trips.
        http2_protocol_options: {
          initial_stream_window_size: 1024 * 1024,
          initial_connection_window_size: 16 * 1024 * 1024,
        },
      },
    }),
  };
}
