/**
 * The broker's options.
 *
 * @module
 */

import { COMMON_OPTIONS } from "../shared/common_options.ts";

/** Rows of the broker's table for `parseOptions`. */
export const BROKER_OPTIONS = {
  ...COMMON_OPTIONS,
  listen: {
    kind: "address",
    default: "0.0.0.0:8080",
    placeholder: "ADDRESS",
    help: "Where Envoy sends the requests that no server answers",
  },
  internalListen: {
    kind: "address",
    default: "0.0.0.0:9090",
    placeholder: "ADDRESS",
    help: "Where the catalog, health, readiness, status and metrics are served",
  },
} as const;
