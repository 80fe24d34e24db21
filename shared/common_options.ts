/**
 * The options that router and broker share, to be spread into each program's
 * own table.
 *
 * @module
 */

import { isObjectName, parseKubeName } from "./config/kube_source.ts";
import { isInternalHeader } from "./headers.ts";
import { SERVICE_ACCOUNT_DIR } from "./kube/in_cluster.ts";
import { LIMITS } from "./limits.ts";
import { LOG_FORMATS, LOG_LEVELS } from "./log.ts";
import { checkStoreUrl } from "./sessions/store_url.ts";

/** Rows of a table for `parseOptions`. */
export const COMMON_OPTIONS = {
  config: {
    kind: "path",
    default: "/etc/mcp-gateway/config.yaml",
    placeholder: "FILE",
    check: checkConfig,
    help: "Configuration file, YAML or JSON, or kube:NAMESPACE/NAME for a " +
      "ConfigMap; read again when it changes",
  },
  configSecret: {
    kind: "string",
    default: "mcp-gateway-credentials",
    placeholder: "NAME",
    check: checkSecretName,
    help: "Secret beside that ConfigMap that holds what {file: NAME} names",
  },
  secretsDir: {
    kind: "path",
    default: "/run/secrets/mcp-gateway",
    placeholder: "DIR",
    help: "Directory of the files that {file: NAME} in the configuration names",
  },
  serviceAccountDir: {
    kind: "path",
    default: SERVICE_ACCOUNT_DIR,
    placeholder: "DIR",
    help: "Directory of the pod's service account, for kube:NAMESPACE/NAME",
  },
  kubeHost: {
    kind: "string",
    flag: false,
    env: "KUBERNETES_SERVICE_HOST",
    help: "Host of the API server; set in every pod",
  },
  kubePort: {
    kind: "string",
    flag: false,
    env: "KUBERNETES_SERVICE_PORT",
    help: "Port of the API server; set in every pod",
  },
  stateDir: {
    kind: "path",
    default: "/var/lib/mcp-gateway",
    placeholder: "DIR",
    help: "Directory of the session store and the signing key, shared by " +
      "router and broker",
  },
  store: {
    kind: "enum",
    values: ["sqlite", "redis", "memory"],
    default: "sqlite",
    help: "Where sessions are kept: shared on one machine, on many, or not",
  },
  storeUrl: {
    kind: "string",
    secret: true,
    placeholder: "URL",
    excludes: "storeUrlFile",
    check: checkStoreUrl,
    help: "Redis server, redis://… or rediss://…; with a password, rather " +
      "in a file or in the environment, since everybody sees flags",
  },
  storeUrlFile: {
    kind: "path",
    placeholder: "FILE",
    help: "File that holds the URL of the Redis server",
  },
  storeCaFile: {
    kind: "path",
    placeholder: "FILE",
    help: "File of the certificate, PEM, that the Redis server's is signed " +
      "with, where no public authority did; for rediss://",
  },
  storeTimeoutMs: {
    kind: "integer",
    min: 5,
    max: 5000,
    default: LIMITS.storeMs,
    placeholder: "MS",
    help: "How long an answer of the Redis server may take",
  },
  identityHeader: {
    kind: "header",
    check: checkIdentityHeader,
    help: "Header, set by a filter before the gateway, that names the caller",
  },
  signingKeyFile: {
    kind: "path",
    placeholder: "FILE",
    excludes: "signingKey",
    help: "File of the key that signs session ids and seals the store; made " +
      "in the state directory where none is given",
  },
  signingKey: {
    kind: "string",
    flag: false,
    secret: true,
    help: "The key itself, instead of a file",
  },
  previousSigningKeyFile: {
    kind: "path",
    placeholder: "FILE",
    excludes: "previousSigningKey",
    help: "File of an older key that is still accepted, for rotation",
  },
  previousSigningKey: {
    kind: "string",
    flag: false,
    secret: true,
    help: "The older key itself, instead of a file",
  },
  path: {
    kind: "string",
    default: "/mcp",
    placeholder: "PATH",
    check: checkPath,
    help: "Path of the MCP endpoint",
  },
  allowedOrigins: {
    kind: "list",
    of: "string",
    placeholder: "ORIGINS",
    help: "Origins of web pages that may use the gateway, besides those of " +
      "this machine; * for all",
  },
  allowedHosts: {
    kind: "list",
    of: "string",
    placeholder: "HOSTS",
    help:
      "Values of the Host header that are accepted; all where none is given",
  },
  maxBodyBytes: {
    kind: "integer",
    min: 1024,
    max: 256 * 1024 * 1024,
    default: LIMITS.bodyBytes,
    placeholder: "BYTES",
    help: "Largest request body",
  },
  logLevel: {
    kind: "enum",
    values: LOG_LEVELS,
    default: "info",
    help: "The most talkative records that are written",
  },
  logFormat: {
    kind: "enum",
    values: LOG_FORMATS,
    default: "json",
    help: "JSON lines, or lines for people",
  },
  drainDelaySeconds: {
    kind: "integer",
    min: 0,
    max: 3600,
    default: 5,
    placeholder: "SECONDS",
    help: "How long it serves as before once SIGTERM tells it to stop, until " +
      "whoever sends it calls knows that it is not ready",
  },
  drainSeconds: {
    kind: "integer",
    min: 0,
    max: 3600,
    default: 20,
    placeholder: "SECONDS",
    help: "How long calls in flight may take once it takes no more",
  },
} as const;

function checkConfig(config: string): string | undefined {
  const parsed = parseKubeName(config);
  return parsed.kind === "invalid" ? parsed.problem : undefined;
}

function checkSecretName(name: string): string | undefined {
  return isObjectName(name) ? undefined : "want the name of a Secret";
}

function checkIdentityHeader(name: string): string | undefined {
  return isInternalHeader(name)
    ? "want a header that is not the gateway's own (those are removed)"
    : undefined;
}

function checkPath(path: string): string | undefined {
  return /^\/[A-Za-z0-9._~/-]*[A-Za-z0-9._~-]$/.test(path) &&
      !/\/(\.{1,2})?(\/|$)/.test(path)
    ? undefined
    : "want an absolute path such as /mcp, without query and final slash";
}
