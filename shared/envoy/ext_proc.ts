/**
 * The filter by which Envoy asks the router, the same wherever the router is
 * attached: on a machine of our own, by Istio. Pure.
 *
 * @module
 */

import { METADATA_NAMESPACE } from "./access_log.ts";
import { any, type JsonObject, seconds } from "./json.ts";
import { retryElsewhere } from "./retry.ts";

/** Room above the body limit: the router refuses a large body before Envoy does. */
const BUFFER_MARGIN = 64 * 1024;
/** Seconds that the router may take; above the 8 s of a backend's handshake. */
export const MESSAGE_TIMEOUT_S = 10;

/**
 * Bytes that Envoy must be able to hold of a body.
 *
 * @param maxBodyBytes Largest body that the router takes.
 */
export function bufferLimit(maxBodyBytes: number): number {
  return maxBodyBytes + BUFFER_MARGIN;
}

/** Where Envoy's authentication leaves the claims that a session is bound to. */
export const IDENTITY_NAMESPACES: readonly string[] = [
  "envoy.filters.http.jwt_authn",
];

/** Attributes of a response that the router decides by. */
export const RESPONSE_ATTRIBUTES: readonly string[] = ["response.code_details"];

/** Where the routers are. */
export interface RouterPlace {
  /** Name of their cluster. */
  readonly cluster: string;
  /**
   * What Envoy calls them; their cluster's name where left out. Istio's have a
   * `|` in them, for which an HTTP/2 server may close the connection.
   */
  readonly authority?: string;
  /**
   * Envoy tells of itself in `x-envoy-*` of answers there, as its router filter
   * is not ours: the processor may remove them. False where left out.
   */
  readonly envoyTells?: boolean;
  /** There may be more than one, so that another one can be tried. */
  readonly manyRouters: boolean;
}

/** Generates the filter. */
export function extProcFilter(
  { cluster, authority, envoyTells, manyRouters }: RouterPlace,
): JsonObject {
  return {
    name: "envoy.filters.http.ext_proc",
    typed_config: any(
      "envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
      {
        grpc_service: {
          envoy_grpc: {
            cluster_name: cluster,
            ...(authority === undefined ? {} : { authority }),
          },
          timeout: seconds(MESSAGE_TIMEOUT_S),
          ...(manyRouters ? { retry_policy: retryElsewhere() } : {}),
        },
        message_timeout: seconds(MESSAGE_TIMEOUT_S),
        failure_mode_allow: false,
        // Headers of every request, to strip what a client forged. The body,
        // and the response's headers, only where the router asks for them.
        processing_mode: {
          request_header_mode: "SEND",
          response_header_mode: "SKIP",
          request_body_mode: "NONE",
          response_body_mode: "NONE",
          // A trailer would pass everything that is removed from the headers.
          request_trailer_mode: "SEND",
          response_trailer_mode: "SKIP",
        },
        allow_mode_override: true,
        // Whether a server answered or Envoy in its place.
        response_attributes: RESPONSE_ATTRIBUTES,
        // :authority and :path are the router's to set; x-envoy-* is nobody's,
        // and an attempt fails the request instead of going unnoticed.
        mutation_rules: {
          allow_all_routing: true,
          disallow_is_error: true,
          ...(envoyTells ? { allow_envoy: true } : {}),
        },
        // A route is never one that a header of the client's chose.
        route_cache_action: "CLEAR",
        metadata_options: {
          forwarding_namespaces: { untyped: IDENTITY_NAMESPACES },
          receiving_namespaces: { untyped: [METADATA_NAMESPACE] },
        },
      },
    ),
  };
}
