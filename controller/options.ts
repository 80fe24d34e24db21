/**
 * The controller's options.
 *
 * @module
 */

import { COMMON_OPTIONS } from "../shared/common_options.ts";
import { isObjectName } from "../shared/config/kube_source.ts";
import { parseSelector } from "./plan/selector.ts";
import { errorText } from "../shared/error_text.ts";
import type { OptionTable } from "../shared/options.ts";
import { READY_OPTIONS } from "../shared/ready_command.ts";

/** Rows of the controller's table for `parseOptions`. */
export const CONTROLLER_OPTIONS = {
  kubeconfig: {
    kind: "path",
    placeholder: "FILE",
    help: "Kubeconfig that leads to the API server, for a controller that is " +
      "not in a pod",
  },
  kubeContext: {
    kind: "string",
    placeholder: "NAME",
    help: "Context of the kubeconfig; its current one where none is given",
  },
  serviceAccountDir: COMMON_OPTIONS.serviceAccountDir,
  kubeHost: COMMON_OPTIONS.kubeHost,
  kubePort: COMMON_OPTIONS.kubePort,
  selector: {
    kind: "string",
    placeholder: "SELECTOR",
    check: checkSelector,
    help: "Labels of the registrations that are taken; all where none is given",
  },
  namespace: {
    kind: "list",
    of: "string",
    placeholder: "NAMES",
    help:
      "Namespaces whose registrations, virtual servers and extensions are " +
      "taken; all where none is given",
  },
  leaseName: {
    kind: "string",
    default: "mcp-gateway-controller",
    placeholder: "NAME",
    check: checkName,
    help: "Lease that decides which of several replicas writes",
  },
  leaseNamespace: {
    kind: "string",
    placeholder: "NAME",
    check: checkName,
    help: "Its namespace; the controller's own where none is given",
  },
  clusterDomain: {
    kind: "string",
    default: "cluster.local",
    placeholder: "DOMAIN",
    help: "DNS domain of the cluster's Services",
  },
  gatewayService: {
    kind: "string",
    default: "mcp-gateway",
    placeholder: "NAME",
    check: checkName,
    help: "Service of router and broker, beside each MCPGatewayExtension",
  },
  routerPort: {
    kind: "integer",
    min: 1,
    max: 65535,
    default: 50051,
    placeholder: "PORT",
    help: "Its port for Envoy's external processing filter",
  },
  brokerPort: {
    kind: "integer",
    min: 1,
    max: 65535,
    default: 8080,
    placeholder: "PORT",
    help: "Its port for MCP",
  },
  brokerStatusPort: {
    kind: "integer",
    min: 1,
    max: 65535,
    default: 9090,
    placeholder: "PORT",
    help: "Port at which each of its endpoints serves the broker's /status",
  },
  brokerStatusUrls: {
    kind: "list",
    of: "string",
    placeholder: "URLS",
    help: "Internal listeners of brokers to ask instead of those endpoints, " +
      "for a controller that is not in the cluster",
  },
  brokerPollSeconds: {
    kind: "integer",
    min: 1,
    max: 300,
    default: 2,
    placeholder: "SECONDS",
    help: "Time between two looks at the brokers' status",
  },
  allowLocalBackends: {
    kind: "boolean",
    help: "Servers may be on loopback, for a gateway on one machine",
  },
  path: COMMON_OPTIONS.path,
  maxBodyBytes: COMMON_OPTIONS.maxBodyBytes,
  internalListen: {
    kind: "address",
    default: "0.0.0.0:9092",
    placeholder: "ADDRESS",
    help: "Where health, readiness, status and metrics are served",
  },
  logLevel: COMMON_OPTIONS.logLevel,
  logFormat: COMMON_OPTIONS.logFormat,
  drainSeconds: COMMON_OPTIONS.drainSeconds,
} as const;

/** Every table of options: the controller's own, and those of its commands. */
export const CONTROLLER_TABLES: readonly OptionTable[] = [
  CONTROLLER_OPTIONS,
  READY_OPTIONS,
];

function checkSelector(text: string): string | undefined {
  try {
    parseSelector(text);
    return undefined;
  } catch (error) {
    return errorText(error);
  }
}

function checkName(name: string): string | undefined {
  return isObjectName(name) ? undefined : "want the name of an object";
}
