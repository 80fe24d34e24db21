/**
 * API groups that we read and write. Pure.
 *
 * @module
 */

/** Our own kinds. */
export const MCP_GROUP = "mcp.kuadrant.io";
/** The Gateway API. */
export const GATEWAY_GROUP = "gateway.networking.k8s.io";
/** Istio's networking kinds. */
export const ISTIO_GROUP = "networking.istio.io";
/** Envoy Gateway's kinds. */
export const ENVOY_GATEWAY_GROUP = "gateway.envoyproxy.io";

/** Label of Secrets that registrations may refer to; its value is `true`. */
export const SECRET_LABEL = "mcp.kuadrant.io/secret";
/** Label of everything that this controller writes. */
export const MANAGED_BY_LABEL = "app.kubernetes.io/managed-by";
/** Value of {@linkcode MANAGED_BY_LABEL}. */
export const MANAGED_BY = "mcp-gateway-controller";
/** Label of attachments: the namespace of their MCPGatewayExtension. */
export const EXTENSION_LABEL = "mcp.kuadrant.io/extension-namespace";
