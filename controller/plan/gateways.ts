/**
 * Which listeners serve MCP: resolves each MCPGatewayExtension to its Gateway
 * and listener, or says why it cannot. Pure.
 *
 * @module
 */

import type { Gateway, Listener } from "../resources/gateway.ts";
import { GATEWAY_GROUP, MCP_GROUP } from "../resources/groups.ts";
import type { McpGatewayExtension } from "../resources/mcp_gateway_extension.ts";
import { byAge, keyOf } from "../resources/meta.ts";
import { currentCondition } from "../resources/condition.ts";
import { mayRefer } from "../resources/reference_grant.ts";
import { commonHost } from "./hosts.ts";
import { invalid, type Obstacle, obstacle } from "./obstacle.ts";
import type { DataPlane, World } from "./world.ts";

/** A listener that serves MCP. */
export interface ServedGateway {
  /** The extension that says so. */
  readonly extension: McpGatewayExtension;
  /** The Gateway. */
  readonly gateway: Gateway;
  /** Its listener. */
  readonly listener: Listener;
  /** What programs the Gateway. */
  readonly dataPlane: DataPlane;
  /** The host that clients use. */
  readonly publicHost: string;
}

/** An extension, and the listener that it resolves to or why it does not. */
export interface ResolvedExtension {
  /** The extension. */
  readonly extension: McpGatewayExtension;
  /** The listener. */
  readonly served?: ServedGateway;
  /** What stands in the way, or is doubtful. */
  readonly obstacles: readonly Obstacle[];
}

/**
 * Resolves the extensions, the oldest first: it keeps what two of them want.
 */
export function resolveExtensions(
  world: World,
): readonly ResolvedExtension[] {
  const namespaces = new Map<string, McpGatewayExtension>();
  const ports = new Map<string, McpGatewayExtension>();
  const extensions = world.extensions.filter(({ meta }) =>
    !meta.deleting && inScope(meta.namespace, world)
  ).sort(byAge);
  return extensions.map((extension) => {
    const own = keyOf(extension.meta);
    const refuse = (one: Obstacle) => ({ extension, obstacles: [one] });
    const { namespace } = extension.meta;
    const sibling = namespaces.get(namespace);
    if (sibling !== undefined) {
      return refuse(obstacle(
        "NamespaceConflict",
        `Cannot accept ${own}: namespace ${namespace} has the older ${
          keyOf(sibling.meta)
        }. Keep one of the two, or move this to another namespace`,
      ));
    }
    namespaces.set(namespace, extension);
    const resolved = resolve(extension, world);
    const { served } = resolved;
    if (served === undefined) return resolved;
    const place = `${keyOf(served.gateway.meta)} ${served.listener.port}`;
    const other = ports.get(place);
    if (other !== undefined) {
      return refuse(obstacle(
        "ListenerConflict",
        `Cannot accept ${own}: MCP is served on port ${served.listener.port} of Gateway ${
          keyOf(served.gateway.meta)
        } by the older ${keyOf(other.meta)}. Target a listener of another port`,
      ));
    }
    ports.set(place, extension);
    return resolved;
  });
}

/** Tells whether objects of a namespace are ours to plan. */
export function inScope(namespace: string, { settings }: World): boolean {
  return settings.namespaces.size === 0 || settings.namespaces.has(namespace);
}

function resolve(
  extension: McpGatewayExtension,
  world: World,
): ResolvedExtension {
  const { target, meta, findings } = extension;
  const refuse = (...obstacles: readonly Obstacle[]) => ({
    extension,
    obstacles,
  });
  if (findings.length > 0) return refuse(...invalid(findings));
  if (target.group !== GATEWAY_GROUP || target.kind !== "Gateway") {
    return refuse(obstacle(
      "UnsupportedTarget",
      `Cannot use spec.targetRef: it is a ${target.kind} of group ${target.group}. Name a Gateway of ${GATEWAY_GROUP}`,
    ));
  }
  // The grant first: without one, nobody learns what is there.
  const permitted = mayRefer(world.grants, {
    group: MCP_GROUP,
    kind: "MCPGatewayExtension",
    namespace: meta.namespace,
  }, target);
  if (!permitted) {
    return refuse(obstacle(
      "RefNotPermitted",
      `Cannot use spec.targetRef: Gateway ${
        keyOf(target)
      } is in another namespace. Create a ReferenceGrant in ${target.namespace} from MCPGatewayExtension (${MCP_GROUP}) in ${meta.namespace} to Gateway (${GATEWAY_GROUP})`,
    ));
  }
  const gateway = world.gateways.get(keyOf(target));
  if (gateway === undefined || gateway.meta.deleting) {
    return refuse(obstacle(
      "TargetNotFound",
      `Cannot use spec.targetRef: there is no Gateway ${
        keyOf(target)
      }. Create it, or correct the name`,
    ));
  }
  const listener = gateway.listeners.find(({ name }) =>
    name === target.sectionName
  );
  if (listener === undefined) {
    return refuse(obstacle(
      "ListenerNotFound",
      `Cannot use spec.targetRef.sectionName: Gateway ${
        keyOf(target)
      } has no listener ${
        JSON.stringify(target.sectionName)
      }. Its listeners are ${
        gateway.listeners.map(({ name }) => name).join(", ") || "none"
      }`,
    ));
  }
  if (listener.protocol !== "HTTP" && listener.protocol !== "HTTPS") {
    return refuse(obstacle(
      "ListenerNotSupported",
      `Cannot use listener ${listener.name} of Gateway ${
        keyOf(target)
      }: its protocol is ${listener.protocol}. Target one of HTTP or HTTPS`,
    ));
  }
  const host = publicHost(extension, listener);
  if (typeof host !== "string") return refuse(host);
  return {
    extension,
    served: {
      extension,
      gateway,
      listener,
      dataPlane: dataPlaneOf(gateway, world),
      publicHost: host,
    },
    obstacles: programmedProblems(gateway, listener),
  };
}

function publicHost(
  { publicHost: wanted }: McpGatewayExtension,
  { name, hostname }: Listener,
): string | Obstacle {
  if (wanted === "") {
    if (hostname !== "" && !hostname.startsWith("*")) return hostname;
    return obstacle(
      "PublicHostMissing",
      `Cannot tell clients' host: listener ${name} is for ${
        hostname || "any host"
      }. Set spec.publicHost, or the listener's hostname`,
    );
  }
  return commonHost(hostname, wanted) === wanted ? wanted : obstacle(
    "PublicHostMismatch",
    `Cannot use spec.publicHost: ${wanted} is not within ${hostname}, the hostname of listener ${name}. Change one of the two`,
  );
}

function dataPlaneOf(
  { className }: Gateway,
  { gatewayClasses, settings }: World,
): DataPlane {
  const name = gatewayClasses.get(`/${className}`)?.controllerName ?? "";
  return settings.dataPlanes.get(name) ?? "other";
}

/** Names what the Gateway's controller says against the listener. */
function programmedProblems(
  gateway: Gateway,
  listener: Listener,
): readonly Obstacle[] {
  const { generation } = gateway.meta;
  const own = `listener ${listener.name} of Gateway`;
  const wrong = ([
    [own, listener.conditions, "Accepted"],
    [own, listener.conditions, "ResolvedRefs"],
    [own, listener.conditions, "Programmed"],
    ["Gateway", gateway.conditions, "Accepted"],
    ["Gateway", gateway.conditions, "Programmed"],
  ] as const).flatMap(([what, conditions, type]) => {
    const found = currentCondition(conditions, type, generation);
    return found?.status === "False" ? [{ what, type, found }] : [];
  });
  // References alone, of a kind of routes perhaps, do not keep it from serving.
  if (wrong.every(({ type }) => type === "ResolvedRefs")) return [];
  // The cause stands before what follows from it: a Gateway without a listener
  // that works does not say why.
  return wrong.slice(0, 1).map(({ what, type, found }) => ({
    ...obstacle(
      "GatewayNotProgrammed",
      `Cannot serve at ${what} ${
        keyOf(gateway.meta)
      }: ${type} is False, ${found.reason}: ${found.message}. Correct the Gateway`,
    ),
    soft: true,
  }));
}
