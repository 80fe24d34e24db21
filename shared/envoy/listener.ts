/**
 * The listener that clients connect to: connection manager, the router's
 * ext_proc filter, and the filter that routes. Pure.
 *
 * @module
 */

import { accessLog } from "./access_log.ts";
import { fileSource } from "./bootstrap.ts";
import { address, ROUTER_CLUSTER } from "./cluster.ts";
import { bufferLimit, extProcFilter } from "./ext_proc.ts";
import { any, type JsonObject, seconds } from "./json.ts";
import { localReplies } from "./local_reply.ts";
import type { EnvoyOptions } from "./options.ts";
import { ROUTE_CONFIG } from "./route.ts";
import { TLS_SECRET, tlsSocket } from "./tls.ts";

/** Name of the listener. */
export const LISTENER = "mcp";

/** Seconds for a client to send its request headers. */
const REQUEST_HEADERS_TIMEOUT_S = 10;
/** Seconds for a client to send a whole request. */
const REQUEST_TIMEOUT_S = 60;
/** Seconds that an idle client connection is kept. */
const CLIENT_IDLE_S = 900;
/** Largest request header block in KiB. */
const MAX_HEADERS_KB = 64;

/**
 * Takes in a whole body before the router sees anything of the request. The
 * router asks for bodies by itself, but when a client's HTTP/2 window or a
 * body beyond the limit fills up while Envoy waits for the router's word on
 * the headers, the request is refused by 413 at 64 KiB or hangs (Envoy 1.40).
 */
function bufferFilter(options: EnvoyOptions): JsonObject {
  return {
    name: "envoy.filters.http.buffer",
    typed_config: any("envoy.extensions.filters.http.buffer.v3.Buffer", {
      max_request_bytes: bufferLimit(options.maxBodyBytes),
    }),
  };
}

function routerFilter(): JsonObject {
  return {
    name: "envoy.filters.http.router",
    typed_config: any("envoy.extensions.filters.http.router.v3.Router", {
      suppress_envoy_headers: true,
    }),
  };
}

function connectionManager(options: EnvoyOptions, rds: string): JsonObject {
  return {
    stat_prefix: "mcp",
    codec_type: "AUTO",
    rds: { route_config_name: ROUTE_CONFIG, config_source: fileSource(rds) },
    http_filters: [
      bufferFilter(options),
      extProcFilter({
        cluster: ROUTER_CLUSTER,
        manyRouters: options.routersChange || options.routers.length > 1,
      }),
      routerFilter(),
    ],
    local_reply_config: localReplies(),
    ...(options.accessLog === undefined
      ? {}
      : { access_log: [accessLog(options.accessLog)] }),

    // The peer's address is the client's; what it says of itself is not.
    use_remote_address: true,
    xff_num_trusted_hops: 0,
    // No address is internal (this one is nobody's, and an empty list means
    // the default), else a client on a private network could send
    // x-envoy-retry-on and have a call run twice.
    internal_address_config: {
      cidr_ranges: [{ address_prefix: "0.0.0.0", prefix_len: 32 }],
    },
    server_header_transformation: "PASS_THROUGH",
    generate_request_id: true,

    normalize_path: true,
    merge_slashes: true,
    path_with_escaped_slashes_action: "REJECT_REQUEST",
    max_request_headers_kb: MAX_HEADERS_KB,
    common_http_protocol_options: {
      idle_timeout: seconds(CLIENT_IDLE_S),
      headers_with_underscores_action: options.underscoreHeaders,
    },
    http2_protocol_options: {
      max_concurrent_streams: options.maxStreams,
      initial_stream_window_size: 64 * 1024,
      initial_connection_window_size: 1024 * 1024,
    },
    request_headers_timeout: seconds(REQUEST_HEADERS_TIMEOUT_S),
    request_timeout: seconds(REQUEST_TIMEOUT_S),
    stream_idle_timeout: seconds(options.streamIdleSeconds),
  };
}

/** Files that the listener names, by absolute path. */
export interface ListenerPaths {
  /** Routes. */
  readonly rds: string;
  /** Certificate, where the listener has one. */
  readonly sds: string;
}

/**
 * The listener.
 *
 * @param options Where it listens, and limits.
 * @param paths The files that it names.
 */
export function listener(
  options: EnvoyOptions,
  { rds, sds }: ListenerPaths,
): JsonObject {
  return {
    name: LISTENER,
    address: address(options.listen),
    // With SO_REUSEPORT a second gateway would take half of the first one's
    // connections, where it should be told that the port is taken.
    enable_reuse_port: false,
    ...(options.listen.kind === "tcp"
      ? { connection_balance_config: { exact_balance: {} } }
      : {}),
    per_connection_buffer_limit_bytes: bufferLimit(options.maxBodyBytes),
    filter_chains: [{
      ...(options.tls === undefined ? {} : {
        transport_socket: tlsSocket({
          tls_certificate_sds_secret_configs: [
            { name: TLS_SECRET, sds_config: fileSource(sds) },
          ],
        }),
      }),
      filters: [{
        name: "envoy.filters.network.http_connection_manager",
        typed_config: any(
          "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
          connectionManager(options, rds),
        ),
      }],
    }],
  };
}
