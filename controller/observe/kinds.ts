/**
 * The kinds that the controller reads and writes, as an API server serves
 * them. Pure.
 *
 * @module
 */

import type { Resource } from "../../shared/kube/object.ts";
import {
  ENVOY_GATEWAY_GROUP,
  GATEWAY_GROUP,
  ISTIO_GROUP,
  MCP_GROUP,
} from "../resources/groups.ts";

function kind(
  group: string,
  version: string,
  plural: string,
  name: string,
  namespaced = true,
): Resource {
  return { group, version, plural, kind: name, namespaced };
}

/** MCPServerRegistrations. */
export const REGISTRATIONS: Resource = kind(
  MCP_GROUP,
  "v1",
  "mcpserverregistrations",
  "MCPServerRegistration",
);
/** MCPVirtualServers. */
export const VIRTUAL_SERVERS: Resource = kind(
  MCP_GROUP,
  "v1",
  "mcpvirtualservers",
  "MCPVirtualServer",
);
/** MCPGatewayExtensions. */
export const EXTENSIONS: Resource = kind(
  MCP_GROUP,
  "v1",
  "mcpgatewayextensions",
  "MCPGatewayExtension",
);
/** GatewayClasses. */
export const GATEWAY_CLASSES: Resource = kind(
  GATEWAY_GROUP,
  "v1",
  "gatewayclasses",
  "GatewayClass",
  false,
);
/** Gateways. */
export const GATEWAYS: Resource = kind(
  GATEWAY_GROUP,
  "v1",
  "gateways",
  "Gateway",
);
/** HTTPRoutes. */
export const HTTP_ROUTES: Resource = kind(
  GATEWAY_GROUP,
  "v1",
  "httproutes",
  "HTTPRoute",
);
/** ReferenceGrants; every release of the Gateway API serves this version. */
export const REFERENCE_GRANTS: Resource = kind(
  GATEWAY_GROUP,
  "v1beta1",
  "referencegrants",
  "ReferenceGrant",
);
/** Services. */
export const SERVICES: Resource = kind("", "v1", "services", "Service");
/** EndpointSlices: where a Service's replicas are. */
export const ENDPOINT_SLICES: Resource = kind(
  "discovery.k8s.io",
  "v1",
  "endpointslices",
  "EndpointSlice",
);
/** Envoy Gateway's Backends. */
export const BACKENDS: Resource = kind(
  ENVOY_GATEWAY_GROUP,
  "v1alpha1",
  "backends",
  "Backend",
);
/** Istio's EnvoyFilters. */
export const ENVOY_FILTERS: Resource = kind(
  ISTIO_GROUP,
  "v1alpha3",
  "envoyfilters",
  "EnvoyFilter",
);
/** Envoy Gateway's EnvoyExtensionPolicies. */
export const EXTENSION_POLICIES: Resource = kind(
  ENVOY_GATEWAY_GROUP,
  "v1alpha1",
  "envoyextensionpolicies",
  "EnvoyExtensionPolicy",
);
/** Envoy Gateway's BackendTrafficPolicies. */
export const TRAFFIC_POLICIES: Resource = kind(
  ENVOY_GATEWAY_GROUP,
  "v1alpha1",
  "backendtrafficpolicies",
  "BackendTrafficPolicy",
);

/** Kinds with a status of ours, by their name. */
export const STATUS_KINDS: Readonly<
  Record<
    "MCPGatewayExtension" | "MCPServerRegistration" | "MCPVirtualServer",
    Resource
  >
> = {
  MCPGatewayExtension: EXTENSIONS,
  MCPServerRegistration: REGISTRATIONS,
  MCPVirtualServer: VIRTUAL_SERVERS,
};

/** Kinds that a router is attached with, besides routes: optional ones. */
export const POLICY_KINDS: readonly Resource[] = [
  ENVOY_FILTERS,
  EXTENSION_POLICIES,
  TRAFFIC_POLICIES,
];

/** Kinds that a router is attached with. */
export const ATTACHMENT_KINDS: readonly Resource[] = [
  ...POLICY_KINDS,
  HTTP_ROUTES,
];

/** `Kind.group`, as the planner names optional kinds. */
export function kindId({ group, kind }: Resource): string {
  return `${kind}.${group}`;
}
