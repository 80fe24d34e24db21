/**
 * What to write for one gateway: the configuration, the credentials, and what
 * attaches the router; or why something of it is not written. Pure.
 *
 * @module
 */

import { formatProblem, parseConfig } from "../../shared/config/parse.ts";
import type { KubeObject } from "../../shared/kube/object.ts";
import type { McpGatewayExtension } from "../resources/mcp_gateway_extension.ts";
import type { McpVirtualServer } from "../resources/mcp_virtual_server.ts";
import { keyOf } from "../resources/meta.ts";
import { mayRefer } from "../resources/reference_grant.ts";
import { isOurs } from "../resources/secret.ts";
import { BROKER_ROUTE, brokerRoute, isRouteTaken } from "./broker_route.ts";
import {
  ENVOY_GATEWAY_KIND,
  envoyGatewayAttachments,
} from "./envoy_gateway.ts";
import type { ServedGateway } from "./gateways.ts";
import { ISTIO_KIND, istioAttachments } from "./istio.ts";
import { dataObject, type Desired, ownedMetadata } from "./object.ts";
import { type Obstacle, obstacle } from "./obstacle.ts";
import {
  byteLength,
  CONFIG_KEY,
  configText,
  type ConfiguredServer,
  MAX_OBJECT_BYTES,
  secretData,
  serversOf,
} from "./output.ts";
import type { Server } from "./servers.ts";
import type { World } from "./world.ts";

/** What to write for one gateway. The Secret goes first: the other refers to it. */
export interface GatewayPlan {
  /** The extension, `namespace/name`. */
  readonly extension: string;
  /** Namespace of the two objects. */
  readonly namespace: string;
  /** Number of servers in the configuration. */
  readonly servers: number;
  /** The credentials. */
  readonly secret: Desired;
  /** The configuration. */
  readonly configMap: Desired;
}

/** A gateway, everything about it decided. */
export interface PlannedGateway {
  /** The gateway. */
  readonly served: ServedGateway;
  /** Its servers. */
  readonly servers: readonly ConfiguredServer[];
  /** What to write. */
  readonly plan: GatewayPlan;
  /** What attaches the router. */
  readonly attachments: readonly KubeObject[];
  /** What keeps the configuration, or the router, from its place. */
  readonly obstacles: readonly Obstacle[];
}

/** Plans one gateway. */
export function planGateway(
  served: ServedGateway,
  all: readonly Server[],
  virtualServers: readonly McpVirtualServer[],
  world: World,
): PlannedGateway {
  const { extension } = served;
  const own = keyOf(extension.meta);
  const servers = serversOf(all, own);
  const usable = virtualServers.filter(({ findings }) => findings.length === 0);
  const data = planData(extension, servers, usable, world);
  const attached = planAttachments(served, servers, world);
  return {
    served,
    servers,
    plan: {
      extension: own,
      namespace: extension.meta.namespace,
      servers: servers.length,
      secret: data.secret,
      configMap: data.configMap,
    },
    attachments: attached.objects,
    obstacles: [...data.obstacles, ...attached.obstacles],
  };
}

/** Both objects are kept where one cannot be written: they belong together. */
function planData(
  extension: McpGatewayExtension,
  servers: readonly ConfiguredServer[],
  virtualServers: readonly McpVirtualServer[],
  world: World,
): {
  readonly secret: Desired;
  readonly configMap: Desired;
  readonly obstacles: readonly Obstacle[];
} {
  const { namespace } = extension.meta;
  const { configMapName, secretName } = world.settings;
  const text = configText(servers, virtualServers);
  const files = secretData(servers);
  const obstacles = [
    ...tooLarge("ConfigTooLarge", `ConfigMap ${namespace}/${configMapName}`, [
      CONFIG_KEY,
      text,
    ]),
    ...tooLarge(
      "CredentialsTooLarge",
      `Secret ${namespace}/${secretName}`,
      ...files,
    ),
  ];
  const observed = world.configMaps.get(`${namespace}/${configMapName}`);
  if (observed !== undefined && !isOurs(observed)) {
    obstacles.push(notOurs("ConfigMap", namespace, configMapName));
  }
  const before = world.secrets.get(`${namespace}/${secretName}`);
  if (before !== undefined && !isOurs(before)) {
    obstacles.push(notOurs("Secret", namespace, secretName));
  }
  if (obstacles.length === 0 && observed?.data.get(CONFIG_KEY) !== text) {
    obstacles.push(...checked(text));
  }
  if (obstacles.length > 0) {
    const keep: Desired = { action: "keep" };
    return { secret: keep, configMap: keep, obstacles };
  }
  const metadata = (name: string) => ownedMetadata(extension, namespace, name);
  return {
    secret: {
      action: "apply",
      object: dataObject("Secret", metadata(secretName), files),
    },
    configMap: {
      action: "apply",
      object: dataObject(
        "ConfigMap",
        metadata(configMapName),
        new Map([[CONFIG_KEY, text]]),
      ),
    },
    obstacles,
  };
}

/** What router and broker would say. Nothing, or their parser and we differ. */
function checked(text: string): readonly Obstacle[] {
  const read = parseConfig(text, { file: CONFIG_KEY });
  return read.ok ? [] : [obstacle(
    "ConfigRefused",
    `Cannot write a configuration that would be refused: ${
      read.problems.map(formatProblem)[0]
    }. The last one stays. This is a defect of the controller: report it`,
  )];
}

function tooLarge(
  reason: "ConfigTooLarge" | "CredentialsTooLarge",
  what: string,
  ...entries: readonly (readonly [string, string])[]
): Obstacle[] {
  const bytes = entries.reduce(
    (sum, [key, value]) => sum + byteLength(key) + byteLength(value),
    0,
  );
  if (bytes <= MAX_OBJECT_BYTES) return [];
  return [obstacle(
    reason,
    `Cannot write ${what}: it would have ${bytes} bytes, and ${MAX_OBJECT_BYTES} is the most. The last one stays. Register fewer servers, or spread them over more gateways`,
  )];
}

function notOurs(kind: string, namespace: string, name: string): Obstacle {
  return obstacle(
    "NotOurs",
    `Cannot write ${kind} ${namespace}/${name}: someone else made it, as it lacks the label app.kubernetes.io/managed-by=mcp-gateway-controller. Delete it, or label it if it may be overwritten`,
  );
}

function planAttachments(
  served: ServedGateway,
  servers: readonly ConfiguredServer[],
  world: World,
): {
  readonly objects: readonly KubeObject[];
  readonly obstacles: readonly Obstacle[];
} {
  const obstacles: Obstacle[] = [];
  const objects: KubeObject[] = [];
  if (served.extension.managesRoute) {
    const problem = brokerRouteProblem(served, world);
    if (problem !== undefined) obstacles.push(problem);
    else objects.push(brokerRoute(served, world));
  }
  const missing = (kind: string) =>
    world.kinds.has(kind) ? undefined : obstacle(
      "AttachmentKindMissing",
      `Cannot attach the router to Gateway ${
        keyOf(served.gateway.meta)
      }: the API server has no ${kind}. Install the CRDs of the Gateway's controller`,
    );
  switch (served.dataPlane) {
    case "istio": {
      const problem = missing(ISTIO_KIND);
      if (problem !== undefined) obstacles.push(problem);
      else objects.push(...istioAttachments(served, servers, world));
      break;
    }
    case "envoy-gateway": {
      const problem = missing(ENVOY_GATEWAY_KIND) ??
        routerGrantProblem(served, world);
      if (problem !== undefined) obstacles.push(problem);
      else objects.push(...envoyGatewayAttachments(served, servers, world));
      break;
    }
    case "other":
      obstacles.push(obstacle(
        "AttachByHand",
        `Cannot attach the router to Gateway ${
          keyOf(served.gateway.meta)
        }: the controller of GatewayClass ${served.gateway.className} is neither Istio nor Envoy Gateway. Attach it by hand, as the documentation shows`,
      ));
      break;
    default:
      served.dataPlane satisfies never;
  }
  return { objects, obstacles };
}

function brokerRouteProblem(
  { extension, gateway, listener }: ServedGateway,
  world: World,
): Obstacle | undefined {
  const { namespace } = extension.meta;
  if (isRouteTaken(extension, world)) {
    return notOurs("HTTPRoute", namespace, BROKER_ROUTE);
  }
  const allowed = listener.allowed === "All" ||
    listener.allowed === "Selector" ||
    (listener.allowed === "Same" && namespace === gateway.meta.namespace);
  return allowed ? undefined : obstacle(
    "NotAllowedByListener",
    `Cannot route to the broker: listener ${listener.name} of Gateway ${
      keyOf(gateway.meta)
    } takes no routes of namespace ${namespace}. Let its owner set allowedRoutes.namespaces, or make the route yourself and set spec.httpRouteManagement to Disabled`,
  );
}

function routerGrantProblem(
  { extension, gateway }: ServedGateway,
  { grants, settings }: World,
): Obstacle | undefined {
  const { namespace } = extension.meta;
  const group = "gateway.envoyproxy.io";
  const permitted = mayRefer(grants, {
    group,
    kind: "EnvoyExtensionPolicy",
    namespace: gateway.meta.namespace,
  }, { group: "", kind: "Service", namespace, name: settings.router.service });
  return permitted ? undefined : obstacle(
    "RefNotPermitted",
    `Cannot attach the router to Gateway ${
      keyOf(gateway.meta)
    }: its Service is in another namespace. Create a ReferenceGrant in ${namespace} from EnvoyExtensionPolicy (${group}) in ${gateway.meta.namespace} to Service`,
  );
}
