/**
 * The router's options.
 *
 * @module
 */

import { COMMON_OPTIONS } from "../shared/common_options.ts";

/** Rows of the router's table for `parseOptions`. */
export const ROUTER_OPTIONS = {
  ...COMMON_OPTIONS,
  listen: {
    kind: "list",
    of: "address",
    default: "0.0.0.0:50051",
    placeholder: "ADDRESS",
    help: "Where Envoy's external processing filter connects",
  },
  internalListen: {
    kind: "address",
    default: "0.0.0.0:9091",
    placeholder: "ADDRESS",
    help: "Where health, readiness, status and metrics are served",
  },
  steering: {
    kind: "enum",
    values: ["hostname", "header"],
    default: "hostname",
    help:
      "What Envoy's routes match: the server's hostname as :authority, or " +
      "only the x-destination-mcp header (for data planes that keep :authority)",
  },
  catalogUrl: {
    kind: "url",
    default: "http://127.0.0.1:9090",
    placeholder: "URL",
    help: "The broker's internal listener, asked who owns unprefixed names",
  },
} as const;
