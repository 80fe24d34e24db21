/**
 * What the planner looks at: everything observed at one moment, and the
 * settings. Pure.
 *
 * @module
 */

import type { Status } from "../../shared/status.ts";
import type { Gateway, GatewayClass } from "../resources/gateway.ts";
import type { HttpRoute } from "../resources/http_route.ts";
import type { McpGatewayExtension } from "../resources/mcp_gateway_extension.ts";
import type { McpServerRegistration } from "../resources/mcp_server_registration.ts";
import type { McpVirtualServer } from "../resources/mcp_virtual_server.ts";
import { byName, keyOf, type ObjectName } from "../resources/meta.ts";
import type { Resource } from "../resources/read.ts";
import type { ReferenceGrant } from "../resources/reference_grant.ts";
import type { ConfigMap, Secret } from "../resources/secret.ts";
import type { Backend, Service } from "../resources/service.ts";
import type { Selector } from "./selector.ts";

/** A Service of ours and the port that is meant. */
export interface ServicePlace {
  /** Name of the Service, in the MCPGatewayExtension's namespace. */
  readonly service: string;
  /** Its port. */
  readonly port: number;
}

/** What programs the Gateways of a class. */
export type DataPlane = "istio" | "envoy-gateway" | "other";

/** What the planner is told besides what it observes. */
export interface PlanSettings {
  /** Registrations that are ours; all where it is empty. */
  readonly selector: Selector;
  /** Namespaces that are ours; all where it is empty. */
  readonly namespaces: ReadonlySet<string>;
  /** The cluster's DNS domain. Default `cluster.local`. */
  readonly clusterDomain: string;
  /** Name of the ConfigMap, in the extension's namespace. */
  readonly configMapName: string;
  /** Name of the Secret, likewise. */
  readonly secretName: string;
  /** The router's gRPC port. */
  readonly router: ServicePlace;
  /** The broker's public port. */
  readonly broker: ServicePlace;
  /** Path that MCP is served at. Default `/mcp`. */
  readonly path: string;
  /** Largest body that router and broker take, in bytes. Default 4 MiB. */
  readonly maxBodyBytes: number;
  /** Backends may be on loopback: for a gateway on one machine. */
  readonly allowLocalBackends: boolean;
  /** What the controllers of GatewayClasses are, by `controllerName`. */
  readonly dataPlanes: ReadonlyMap<string, DataPlane>;
}

/** Controllers of GatewayClasses that are known. */
export const DATA_PLANES: ReadonlyMap<string, DataPlane> = new Map([
  ["istio.io/gateway-controller", "istio"],
  ["istio.io/unmanaged-gateway", "istio"],
  ["openshift.io/gateway-controller/v1", "istio"],
  ["gateway.envoyproxy.io/gatewayclass-controller", "envoy-gateway"],
]);

/** Fills in the defaults. */
export function planSettings(given: Partial<PlanSettings> = {}): PlanSettings {
  return {
    selector: [],
    namespaces: new Set(),
    clusterDomain: "cluster.local",
    configMapName: "mcp-gateway-config",
    secretName: "mcp-gateway-credentials",
    router: { service: "mcp-gateway", port: 50051 },
    broker: { service: "mcp-gateway", port: 8080 },
    path: "/mcp",
    maxBodyBytes: 4 * 1024 * 1024,
    allowLocalBackends: false,
    dataPlanes: DATA_PLANES,
    ...given,
  };
}

/** What one broker replica says. */
export interface BrokerReport {
  /** The MCPGatewayExtension that it serves. */
  readonly extension: ObjectName;
  /** Name of the replica, for messages. */
  readonly replica: string;
  /** Its status; absent where it could not be asked. */
  readonly status?: Status;
  /** Why it could not be asked. */
  readonly error?: string;
}

/** Everything that the planner looks at. */
export interface World {
  /** The time, RFC 3339, whole seconds. */
  readonly now: string;
  /** Settings. */
  readonly settings: PlanSettings;
  /** Kinds of attachments that the API server knows, `Kind.group`. */
  readonly kinds: ReadonlySet<string>;
  /** Namespaces whose Secrets may not be read. */
  readonly hiddenSecrets: ReadonlySet<string>;
  /** What the brokers say. */
  readonly brokers: readonly BrokerReport[];
  /** Registrations that the plan before this one took, `namespace/name`. */
  readonly taken: ReadonlySet<string>;
  /** Registrations, in no order. */
  readonly registrations: readonly McpServerRegistration[];
  /** Virtual servers, in no order. */
  readonly virtualServers: readonly McpVirtualServer[];
  /** Extensions, in no order. */
  readonly extensions: readonly McpGatewayExtension[];
  /** Grants. */
  readonly grants: readonly ReferenceGrant[];
  /** Routes, in no order. */
  readonly routes: ReadonlyMap<string, HttpRoute>;
  /** Gateways by `namespace/name`, as all that follow. */
  readonly gateways: ReadonlyMap<string, Gateway>;
  /** Classes by name, with `/` before it. */
  readonly gatewayClasses: ReadonlyMap<string, GatewayClass>;
  /** Services. */
  readonly services: ReadonlyMap<string, Service>;
  /** Envoy Gateway's Backends. */
  readonly backends: ReadonlyMap<string, Backend>;
  /** Secrets: those that may be referred to, and ours. */
  readonly secrets: ReadonlyMap<string, Secret>;
  /** ConfigMaps: ours. */
  readonly configMaps: ReadonlyMap<string, ConfigMap>;
}

/** What a world has besides objects. */
export type Surroundings = Pick<
  World,
  "now" | "settings" | "kinds" | "hiddenSecrets" | "brokers" | "taken"
>;

/** Puts a world together; objects in any order. */
export function worldOf(
  resources: Iterable<Resource>,
  surroundings: Surroundings,
): World {
  const all = [...resources];
  const of = <K extends Resource["kind"]>(kind: K) =>
    all.filter((one): one is Extract<Resource, { kind: K }> =>
      one.kind === kind
    ).sort((a, b) => byName(a.meta, b.meta));
  const byKey = <K extends Resource["kind"]>(kind: K) =>
    new Map(of(kind).map((one) => [keyOf(one.meta), one]));
  return {
    ...surroundings,
    brokers: surroundings.brokers.toSorted((a, b) =>
      byName(a.extension, b.extension) ||
      (a.replica < b.replica ? -1 : a.replica > b.replica ? 1 : 0)
    ),
    registrations: [...byKey("MCPServerRegistration").values()],
    virtualServers: [...byKey("MCPVirtualServer").values()],
    extensions: [...byKey("MCPGatewayExtension").values()],
    grants: of("ReferenceGrant"),
    routes: byKey("HTTPRoute"),
    gateways: byKey("Gateway"),
    gatewayClasses: byKey("GatewayClass"),
    services: byKey("Service"),
    backends: byKey("Backend"),
    secrets: byKey("Secret"),
    configMaps: byKey("ConfigMap"),
  };
}
