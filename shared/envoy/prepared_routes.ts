/**
 * A filter that lets a request which the router has steered pass only to a
 * route that was made ready for it, where routes are others' and what makes
 * them ready comes later than the router knows of the server. Pure.
 *
 * @module
 */

import { BROKER_DESTINATION, DESTINATION_HEADER } from "../headers.ts";
import { METADATA_NAMESPACE } from "./access_log.ts";
import { any, type JsonObject } from "./json.ts";

/** Name of the filter. */
export const PREPARED_ROUTES = "mcp_gateway.prepared_routes";
/** Policy that refuses, which Envoy names in `response.code_details`. */
export const UNPREPARED_POLICY = "mcp_gateway_route_not_ready";

const ROUTE_METADATA = "mcp_gateway";

/** Marks a route as ready for a server: a part of it, to be merged. */
export function preparedFor(server: string): JsonObject {
  return { metadata: { filter_metadata: { [ROUTE_METADATA]: { server } } } };
}

/**
 * Generates the filter. Its place is behind the router's, whose dynamic
 * metadata no client can set: other traffic is none of its business.
 */
export function preparedRoutesFilter(): JsonObject {
  const server = (filter: string) => ({
    filter,
    path: [{ key: "server" }],
    value: { present_match: true },
  });
  const refused: readonly JsonObject[] = [
    { metadata: server(METADATA_NAMESPACE) },
    {
      not_rule: {
        header: {
          name: DESTINATION_HEADER,
          string_match: { exact: BROKER_DESTINATION },
        },
      },
    },
    {
      not_rule: {
        sourced_metadata: {
          metadata_matcher: server(ROUTE_METADATA),
          metadata_source: "ROUTE",
        },
      },
    },
  ];
  return {
    name: PREPARED_ROUTES,
    typed_config: any("envoy.extensions.filters.http.rbac.v3.RBAC", {
      rules: {
        action: "DENY",
        policies: {
          [UNPREPARED_POLICY]: {
            permissions: [{ and_rules: { rules: refused } }],
            principals: [{ any: true }],
          },
        },
      },
    }),
  };
}
