/**
 * The router's options.
 *
 * @module
 */

import { COMMON_OPTIONS } from "../shared/common_options.ts";
import { GRPC_SERVERS } from "./grpc_carrier.ts";

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
  grpcServer: {
    kind: "enum",
    values: GRPC_SERVERS,
    default: "auto",
    help:
      "What carries Envoy's calls: own, the router's HTTP/2, for less than " +
      "half the CPU time and for Envoys only; grpc-js, which may face a " +
      "network where others connect; auto, own on this machine and grpc-js " +
      "elsewhere",
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
