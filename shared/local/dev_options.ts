/**
 * The options of `deno task dev`.
 *
 * @module
 */

import { LOG_LEVELS } from "../log.ts";

/** Rows of the table for `parseOptions`. */
export const DEV_OPTIONS = {
  config: {
    kind: "path",
    placeholder: "FILE",
    help: "Configuration, the gateway's own or an mcp.json; followed while " +
      "it runs. Sample servers are started where none is given",
  },
  port: {
    kind: "integer",
    min: 0,
    max: 65535,
    default: 8888,
    placeholder: "PORT",
    help: "Port for clients; 0 takes a free one",
  },
  brokerPort: {
    kind: "integer",
    min: 1,
    max: 65535,
    placeholder: "PORT",
    help: "Port of the broker behind Envoy; a free one where left out",
  },
  routers: {
    kind: "integer",
    min: 1,
    max: 16,
    default: 1,
    placeholder: "COUNT",
    help: "Number of router processes",
  },
  stateDir: {
    kind: "path",
    placeholder: "DIR",
    help: "Directory of sessions and key, kept; a temporary one where left out",
  },
  secretsDir: {
    kind: "path",
    placeholder: "DIR",
    help: "Directory of the files that {file: NAME} names; that of the " +
      "configuration where left out",
  },
  cacheDir: {
    kind: "path",
    placeholder: "DIR",
    help:
      "Directory of what is downloaded; ~/.cache/mcp-gateway where left out",
  },
  accessLog: {
    kind: "path",
    placeholder: "FILE",
    help: "File for Envoy's access log, JSON lines",
  },
  logLevel: {
    kind: "enum",
    values: LOG_LEVELS,
    default: "warn",
    help: "The most talkative records of router and broker that are shown",
  },
} as const;
