/**
 * The broker's options.
 *
 * @module
 */

import { COMMON_OPTIONS } from "../shared/common_options.ts";
import { LIMITS } from "../shared/limits.ts";
import type { OptionTable } from "../shared/options.ts";
import { READY_OPTIONS } from "../shared/ready_command.ts";

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
  internalUrl: {
    kind: "url",
    placeholder: "URL",
    help: "Where routers reach the internal listener of this very broker, " +
      "where there are several and --internal-listen names no address",
  },
  gatewayUrl: {
    kind: "url",
    env: "GATEWAY_URL",
    placeholder: "URL",
    help: "Where this broker reaches Envoy's listener for clients, such as " +
      "http://envoy:8888: there it sends the calls in a batch (2025-03-26), " +
      "one by one, and without it takes none",
  },
  bridgeSessions: {
    kind: "enum",
    values: ["principal", "call"],
    default: "principal",
    help: "How long a session with a server is held for clients of " +
      "2026-07-28, which have none: for each caller that can be told apart, " +
      "or for one call",
  },
  parkSeconds: {
    kind: "integer",
    min: 1,
    max: 3_600,
    default: LIMITS.parkMs / 1_000,
    placeholder: "SECONDS",
    help: "How long such a client may take to come back with answers to what " +
      "a server asked in a call, which is cancelled then",
  },
  listPageItems: {
    kind: "integer",
    min: 1,
    max: 100_000,
    default: LIMITS.listPageItems,
    placeholder: "COUNT",
    help: "How many tools, prompts or resources a client is given at once",
  },
} as const;

/** Every table of options: the broker's own, and those of its commands. */
export const BROKER_TABLES: readonly OptionTable[] = [
  BROKER_OPTIONS,
  READY_OPTIONS,
];
