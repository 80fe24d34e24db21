/**
 * The options of `router envoy-config`.
 *
 * @module
 */

import { COMMON_OPTIONS } from "../../shared/common_options.ts";
import { parseAddress, type TcpAddress } from "../../shared/address.ts";
import { STDOUT_LOG } from "../../shared/envoy/access_log.ts";
import { ROUTER_OPTIONS } from "../options.ts";

/** Rows of the table for `parseOptions`. */
export const ENVOY_CONFIG_OPTIONS = {
  config: {
    ...COMMON_OPTIONS.config,
    help: "Configuration file, YAML or JSON; - for standard input",
  },
  secretsDir: COMMON_OPTIONS.secretsDir,
  out: {
    kind: "path",
    env: "GATEWAY_ENVOY_DIR",
    default: "/run/mcp-gateway/envoy",
    placeholder: "DIR",
    check: checkOut,
    help: "Directory for Envoy's files, made if need be; - writes one file " +
      "that has everything in it to standard output",
  },
  publish: {
    kind: "path",
    env: "GATEWAY_ENVOY_PUBLISH",
    placeholder: "FILE",
    check: checkAbsolute,
    help: "File that gets the configuration once Envoy knows its servers: " +
      "what router and broker are given by --config, so that neither sends " +
      "a call where Envoy cannot go yet",
  },
  watch: {
    kind: "boolean",
    env: "GATEWAY_ENVOY_WATCH",
    help: "Go on, and take every change of the configuration into force",
  },
  listen: {
    kind: "address",
    env: "GATEWAY_ENVOY_LISTEN",
    default: "0.0.0.0:8888",
    placeholder: "ADDRESS",
    help: "Where clients connect",
  },
  tlsCertificate: {
    kind: "path",
    env: "GATEWAY_ENVOY_TLS_CERTIFICATE",
    placeholder: "FILE",
    check: checkAbsolute,
    help: "Certificate of the listener and its chain, PEM, which Envoy reads " +
      "itself; plain HTTP where none is given",
  },
  tlsKey: {
    kind: "path",
    env: "GATEWAY_ENVOY_TLS_KEY",
    placeholder: "FILE",
    check: checkAbsolute,
    help: "Its key, PEM",
  },
  router: {
    kind: "list",
    of: "address",
    env: "GATEWAY_ENVOY_ROUTERS",
    default: "unix:/run/mcp-gateway/router.sock",
    placeholder: "ADDRESS",
    help: "Where Envoy reaches the routers; one for each process",
  },
  broker: {
    kind: "list",
    of: "address",
    env: "GATEWAY_ENVOY_BROKERS",
    default: "127.0.0.1:8080",
    placeholder: "ADDRESS",
    help: "Where Envoy reaches the brokers; one for each process",
  },
  admin: {
    kind: "string",
    env: "GATEWAY_ENVOY_ADMIN",
    default: "127.0.0.1:9901",
    placeholder: "ADDRESS",
    check: checkAdmin,
    help:
      "Where Envoy's admin interface listens, on loopback, or none; by it " +
      "this command sees whether Envoy has taken what it was told",
  },
  accessLog: {
    kind: "string",
    env: "GATEWAY_ENVOY_ACCESS_LOG",
    placeholder: "FILE",
    check: checkAccessLog,
    help: "Where each request is written as a line of JSON, with MCP's own " +
      "fields: stdout, or a file",
  },
  path: COMMON_OPTIONS.path,
  steering: ROUTER_OPTIONS.steering,
  maxBodyBytes: COMMON_OPTIONS.maxBodyBytes,
  maxConnections: {
    kind: "integer",
    env: "GATEWAY_ENVOY_MAX_CONNECTIONS",
    min: 1,
    max: 10_000_000,
    default: 10_000,
    placeholder: "COUNT",
    help: "Client connections in all",
  },
  maxStreams: {
    kind: "integer",
    env: "GATEWAY_ENVOY_MAX_STREAMS",
    min: 1,
    max: 100_000,
    default: 100,
    placeholder: "COUNT",
    help: "Requests at a time on one client connection (HTTP/2)",
  },
  maxHeapBytes: {
    kind: "integer",
    env: "GATEWAY_ENVOY_MAX_HEAP_BYTES",
    min: 64 * 1024 * 1024,
    max: 1024 ** 4,
    default: 1024 ** 3,
    placeholder: "BYTES",
    help: "Memory at which Envoy takes no more requests",
  },
  streamIdleSeconds: {
    kind: "integer",
    env: "GATEWAY_ENVOY_STREAM_IDLE_SECONDS",
    min: 1,
    max: 86_400,
    default: 300,
    placeholder: "SECONDS",
    help: "How long a client's stream may be silent",
  },
  callIdleSeconds: {
    kind: "integer",
    env: "GATEWAY_ENVOY_CALL_IDLE_SECONDS",
    min: 1,
    max: 86_400,
    default: 3_600,
    placeholder: "SECONDS",
    help: "How long a call to a server may be silent, as while a person " +
      "answers its question",
  },
  underscoreHeaders: {
    kind: "enum",
    env: "GATEWAY_ENVOY_UNDERSCORE_HEADERS",
    values: ["allow", "reject", "drop"],
    default: "allow",
    help: "What becomes of requests with an underscore in a header's name; " +
      "the gateway's own names are safe either way",
  },
  systemCa: {
    kind: "path",
    env: "GATEWAY_ENVOY_SYSTEM_CA",
    default: "/etc/ssl/certs/ca-certificates.crt",
    placeholder: "FILE",
    check: checkAbsolute,
    help: "Certificates, PEM, that https servers without a CA of their own " +
      "are checked against",
  },
  logLevel: COMMON_OPTIONS.logLevel,
  logFormat: COMMON_OPTIONS.logFormat,
} as const;

/** Standard output where a directory is wanted. */
export const STDOUT = "-";

const NO_ADMIN = "none";

/**
 * Reads the value of `--admin`: an address on loopback, undefined for none, or
 * what is wrong with it.
 */
export function parseAdmin(
  text: string,
): { readonly address: TcpAddress | undefined } | { readonly problem: string } {
  if (text === NO_ADMIN) return { address: undefined };
  const parsed = parseAddress(text);
  if (!parsed.ok) return { problem: `${parsed.problem}, or ${NO_ADMIN}` };
  const { address } = parsed;
  // Whoever reaches it can end Envoy.
  return address.kind === "tcp" &&
      /^(127\.\d+\.\d+\.\d+|::1)$/.test(address.host)
    ? { address }
    : {
      problem:
        `want an address on loopback, such as 127.0.0.1:9901, or ${NO_ADMIN}`,
    };
}

function checkAdmin(text: string): string | undefined {
  const parsed = parseAdmin(text);
  return "problem" in parsed ? parsed.problem : undefined;
}

function checkOut(path: string): string | undefined {
  return path === STDOUT ? undefined : checkAbsolute(path);
}

function checkAccessLog(text: string): string | undefined {
  if (text === STDOUT_LOG) return undefined;
  const problem = checkAbsolute(text);
  return problem && `${problem}, or ${STDOUT_LOG}`;
}

/** Envoy is started in another directory. */
function checkAbsolute(path: string): string | undefined {
  return path.startsWith("/") && !path.endsWith("/")
    ? undefined
    : "want an absolute path, without a slash at its end";
}
