/**
 * Which listeners of a Gateway a route attaches to, and whether a request that
 * came in by the MCP listener can be routed to it. Pure.
 *
 * By hostname (Istio, others): the router changes the authority, and Envoy
 * looks again in the same route table. Istio makes one table of all HTTP
 * listeners of a port, and one per HTTPS listener, as each has certificates of
 * its own. By header (Envoy Gateway): the server's route is generated onto the
 * MCP listener, so that any listener of the Gateway will do.
 *
 * @module
 */

import { currentCondition } from "../resources/condition.ts";
import type { Gateway, Listener } from "../resources/gateway.ts";
import { GATEWAY_GROUP } from "../resources/groups.ts";
import type { HttpRoute, ParentRef } from "../resources/http_route.ts";
import { keyOf } from "../resources/meta.ts";
import type { ServedGateway } from "./gateways.ts";
import { commonHost, isHostname } from "./hosts.ts";
import { type Obstacle, obstacle } from "./obstacle.ts";

/** A route at the MCP listener: the host to route on, or why not. */
export type RouteAttachment =
  | { readonly kind: "attached"; readonly hostname: string }
  | { readonly kind: "refused"; readonly obstacle: Obstacle };

/** Finds out how a route attaches; nothing where it is not of this Gateway. */
export function attach(
  route: HttpRoute,
  served: ServedGateway,
): RouteAttachment | undefined {
  const { gateway } = served;
  const parents = route.parents.filter((parent) => isParent(parent, gateway));
  if (parents.length === 0) return undefined;
  const tried = parents.map((parent) => attachBy(route, parent, served));
  return tried.find(({ kind }) => kind === "attached") ?? tried[0];
}

function attachBy(
  route: HttpRoute,
  parent: ParentRef,
  served: ServedGateway,
): RouteAttachment {
  const { gateway } = served;
  const own = `HTTPRoute ${keyOf(route.meta)}`;
  const refuse = (
    reason: Obstacle["reason"],
    state: string,
  ): RouteAttachment => ({
    kind: "refused",
    obstacle: obstacle(reason, `Cannot route to ${own}: ${state}`),
  });
  const named = listenersOf(gateway, parent);
  const reached = named.filter((listener) => sharesRoutes(listener, served));
  if (reached.length === 0) {
    const { name, protocol, port } = served.listener;
    return refuse(
      "ListenerMismatch",
      `it attaches to ${
        named.map((one) => one.name).join(", ") || "no HTTP listener"
      } of Gateway ${keyOf(gateway.meta)}, and MCP is served by ${name}. ${
        protocol === "HTTP"
          ? `Attach it to a listener of port ${port} and protocol HTTP`
          : `Attach it to ${name}, whose hostname must take in both hosts: Envoy has a route table for each HTTPS listener`
      }`,
    );
  }
  const fitting = reached.filter(({ hostname }) =>
    hostsAt(route, hostname).length > 0
  );
  const allowed = fitting.filter((listener) =>
    isAllowed(route, listener, gateway) !== false
  );
  if (fitting.length > 0 && allowed.length === 0) {
    return refuse(
      "NotAllowedByListener",
      `listener ${fitting.map(({ name }) => name).join(", ")} of Gateway ${
        keyOf(gateway.meta)
      } takes no routes of namespace ${route.meta.namespace}. Let its owner set allowedRoutes.namespaces`,
    );
  }
  const accepted = verdictOf(route, parent);
  if (accepted?.status === "False") {
    return refuse(
      "RouteNotAccepted",
      `the controller of Gateway ${
        keyOf(gateway.meta)
      } does not accept it, ${accepted.reason}: ${accepted.message}. Correct the route`,
    );
  }
  const hostname = allowed.flatMap((listener) =>
    hostsAt(route, listener.hostname)
  ).find(isHostname);
  if (hostname === undefined) {
    return refuse(
      "NoHostname",
      `it has no host without * within ${
        reached.map((one) => one.hostname || "any host").join(", ")
      }. Give it a hostname of its own, such as weather.mcp.local`,
    );
  }
  const certain = allowed.some((listener) =>
    isAllowed(route, listener, gateway) === true
  );
  if (!certain && accepted?.status !== "True") {
    return refuse(
      "RoutePending",
      `listener ${
        allowed.map(({ name }) => name).join(", ")
      } selects namespaces by label, and the controller of Gateway ${
        keyOf(gateway.meta)
      } has not said whether it accepts the route. Wait for it, or see that it runs`,
    );
  }
  return { kind: "attached", hostname };
}

/**
 * Hosts that a route serves on a Gateway, those without `*`. Only where it may:
 * else anybody could keep a host from its owner.
 */
export function servedHosts(
  route: HttpRoute,
  gateway: Gateway,
): readonly string[] {
  const hosts = route.parents.filter((parent) => isParent(parent, gateway))
    .filter((parent) => verdictOf(route, parent)?.status !== "False")
    .flatMap((parent) =>
      listenersOf(gateway, parent).filter((listener) => {
        const allowed = isAllowed(route, listener, gateway);
        return allowed ?? verdictOf(route, parent)?.status === "True";
      })
    ).flatMap((listener) => hostsAt(route, listener.hostname));
  return [...new Set(hosts)].filter((host) => !host.includes("*"));
}

/** What the Gateway's controller says of the route's backends, where it is bad. */
export function backendVerdict(
  route: HttpRoute,
  gateway: Gateway,
): Obstacle | undefined {
  for (const { ref, conditions } of route.statuses) {
    if (!isParent(ref, gateway)) continue;
    const found = currentCondition(
      conditions,
      "ResolvedRefs",
      route.meta.generation,
    );
    if (found?.status !== "False") continue;
    return {
      ...obstacle(
        "BackendNotResolved",
        `HTTPRoute ${
          keyOf(route.meta)
        } does not reach its backend, ${found.reason}: ${found.message}. Correct the route: calls fail until then`,
      ),
      soft: true,
    };
  }
  return undefined;
}

function isParent(ref: ParentRef, { meta }: Gateway): boolean {
  return ref.group === GATEWAY_GROUP && ref.kind === "Gateway" &&
    ref.namespace === meta.namespace && ref.name === meta.name;
}

function listenersOf(
  gateway: Gateway,
  { sectionName, port }: ParentRef,
): readonly Listener[] {
  return gateway.listeners.filter((listener) =>
    (listener.protocol === "HTTP" || listener.protocol === "HTTPS") &&
    (sectionName === undefined || listener.name === sectionName) &&
    (port === undefined || listener.port === port)
  );
}

/** Whether a request of the MCP listener finds the routes of another one. */
function sharesRoutes(
  other: Listener,
  { listener, dataPlane }: ServedGateway,
): boolean {
  return dataPlane === "envoy-gateway" || other.name === listener.name ||
    (listener.protocol === "HTTP" && other.protocol === "HTTP" &&
      other.port === listener.port);
}

/** Hosts of a route at a listener, in the order of the route. */
function hostsAt(route: HttpRoute, listenerHost: string): readonly string[] {
  const wanted = route.hostnames.length === 0 ? [""] : route.hostnames;
  return wanted.flatMap((host) => {
    const common = commonHost(listenerHost, host);
    return common === undefined || common === "" ? [] : [common];
  });
}

/** Nothing where only who knows the namespace's labels can tell. */
function isAllowed(
  route: HttpRoute,
  { allowed }: Listener,
  gateway: Gateway,
): boolean | undefined {
  switch (allowed) {
    case "All":
      return true;
    case "Same":
      return route.meta.namespace === gateway.meta.namespace;
    case "None":
      return false;
    case "Selector":
      return undefined;
    default:
      return allowed satisfies never;
  }
}

/** What the Gateway's controller says of the route at one parent. */
function verdictOf(route: HttpRoute, parent: ParentRef) {
  const found = route.statuses.find(({ ref }) =>
    ref.namespace === parent.namespace && ref.name === parent.name &&
    ref.sectionName === parent.sectionName && ref.port === parent.port
  );
  return found &&
    currentCondition(found.conditions, "Accepted", route.meta.generation);
}
