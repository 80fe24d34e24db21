/**
 * Reads any object that the API server has into what the planner uses of it.
 * Takes whatever comes; what is none of our kinds is nothing. Pure.
 *
 * @module
 */

import { Fields } from "./fields.ts";
import type { Finding } from "./finding.ts";
import {
  type Gateway,
  type GatewayClass,
  readGateway,
  readGatewayClass,
} from "./gateway.ts";
import { ENVOY_GATEWAY_GROUP, GATEWAY_GROUP, MCP_GROUP } from "./groups.ts";
import { type HttpRoute, readHttpRoute } from "./http_route.ts";
import {
  type McpGatewayExtension,
  readExtension,
} from "./mcp_gateway_extension.ts";
import {
  type McpServerRegistration,
  readRegistration,
} from "./mcp_server_registration.ts";
import {
  type McpVirtualServer,
  readVirtualServer,
} from "./mcp_virtual_server.ts";
import { type Meta, readMeta } from "./meta.ts";
import { readReferenceGrant, type ReferenceGrant } from "./reference_grant.ts";
import {
  type ConfigMap,
  readConfigMap,
  readSecretObject,
  type Secret,
} from "./secret.ts";
import {
  type Backend,
  readBackend,
  readService,
  type Service,
} from "./service.ts";

/** An object of one of the kinds that we read. */
export type Resource =
  | Backend
  | ConfigMap
  | Gateway
  | GatewayClass
  | HttpRoute
  | McpGatewayExtension
  | McpServerRegistration
  | McpVirtualServer
  | ReferenceGrant
  | Secret
  | Service;

type Reader = (object: Fields, meta: Meta, findings: Finding[]) => Resource;

/** Readers by `group/kind`; a kind's versions have one shape. */
const READERS: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ["/ConfigMap", readConfigMap],
  ["/Secret", readSecretObject],
  ["/Service", readService],
  [`${ENVOY_GATEWAY_GROUP}/Backend`, readBackend],
  [`${GATEWAY_GROUP}/Gateway`, readGateway],
  [`${GATEWAY_GROUP}/GatewayClass`, readGatewayClass],
  [`${GATEWAY_GROUP}/HTTPRoute`, readHttpRoute],
  [`${GATEWAY_GROUP}/ReferenceGrant`, readReferenceGrant],
  [`${MCP_GROUP}/MCPGatewayExtension`, readExtension],
  [`${MCP_GROUP}/MCPServerRegistration`, readRegistration],
  [`${MCP_GROUP}/MCPVirtualServer`, readVirtualServer],
]);

/**
 * Reads an object.
 *
 * @param raw The object. Items of a list from the API server have neither
 * `apiVersion` nor `kind`: give both, or say them by `as`.
 * @param as What the object is, where it does not say so itself.
 * @returns Nothing for a kind that we do not read, or without a usable name.
 */
export function readResource(
  raw: unknown,
  as: { readonly apiVersion?: string; readonly kind?: string } = {},
): Resource | undefined {
  const findings: Finding[] = [];
  const object = new Fields(raw, findings);
  const apiVersion = as.apiVersion ?? object.text("apiVersion") ?? "";
  const kind = as.kind ?? object.text("kind") ?? "";
  const group = apiVersion.includes("/") ? apiVersion.split("/")[0] : "";
  const reader = READERS.get(`${group}/${kind}`);
  const meta = readMeta(object);
  return reader && meta && reader(object, meta, findings);
}
