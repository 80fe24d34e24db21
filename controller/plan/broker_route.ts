/**
 * The route that leads `/mcp` to the broker, the default backend. Pure.
 *
 * @module
 */

import type { KubeObject } from "../../shared/kube/object.ts";
import { GATEWAY_GROUP } from "../resources/groups.ts";
import type { HttpRoute } from "../resources/http_route.ts";
import type { McpGatewayExtension } from "../resources/mcp_gateway_extension.ts";
import { keyOf } from "../resources/meta.ts";
import { isOurs } from "../resources/secret.ts";
import type { ServedGateway } from "./gateways.ts";
import { kubeObject, ownedMetadata } from "./object.ts";
import type { World } from "./world.ts";

/** Name of the route that we make, in the extension's namespace. */
export const BROKER_ROUTE = "mcp-gateway-endpoint";

/** Generates the route. */
export function brokerRoute(
  { extension, gateway, listener, publicHost }: ServedGateway,
  { settings }: World,
): KubeObject {
  const { namespace } = extension.meta;
  return kubeObject(
    `${GATEWAY_GROUP}/v1`,
    "HTTPRoute",
    ownedMetadata(extension, namespace, BROKER_ROUTE),
    {
      parentRefs: [{
        group: GATEWAY_GROUP,
        kind: "Gateway",
        namespace: gateway.meta.namespace,
        name: gateway.meta.name,
        sectionName: listener.name,
      }],
      hostnames: [publicHost],
      rules: [{
        matches: [{ path: { type: "PathPrefix", value: settings.path } }],
        backendRefs: [{
          group: "",
          kind: "Service",
          name: settings.broker.service,
          port: settings.broker.port,
          weight: 1,
        }],
        // Event streams stay open for as long as somebody listens.
        timeouts: { request: "0s" },
      }],
    },
  );
}

/** Tells whether somebody else has made a route of that name. */
export function isRouteTaken(
  { meta }: McpGatewayExtension,
  { routes }: World,
): boolean {
  const route = routes.get(`${meta.namespace}/${BROKER_ROUTE}`);
  return route !== undefined && !isOurs(route);
}

/** A rule that leads to the broker. */
export interface BrokerRule {
  /** Its route. */
  readonly route: Pick<HttpRoute, "meta"> | {
    readonly meta: { readonly namespace: string; readonly name: string };
  };
  /** What Istio calls it. */
  readonly istioName: string;
}

/**
 * Finds the rules that lead to an extension's broker: of the route that we
 * make, which may not be observed yet, and of those that others made.
 */
export function brokerRules(
  { extension, gateway }: ServedGateway,
  { routes, settings }: World,
): readonly BrokerRule[] {
  const { namespace } = extension.meta;
  const own = { namespace, name: BROKER_ROUTE };
  const ours: BrokerRule[] = extension.managesRoute
    ? [{ route: { meta: own }, istioName: `${namespace}.${BROKER_ROUTE}.0` }]
    : [];
  const others = [...routes.values()].filter((route) =>
    !(extension.managesRoute && keyOf(route.meta) === keyOf(own)) &&
    route.parents.some((parent) => keyOf(parent) === keyOf(gateway.meta))
  ).flatMap((route) =>
    route.rules.filter((rule) =>
      rule.backends.some((backend) =>
        backend.group === "" && backend.kind === "Service" &&
        backend.namespace === namespace &&
        backend.name === settings.broker.service &&
        backend.port === settings.broker.port
      )
    ).map(({ index, name }) => ({
      route,
      istioName: istioRouteName(route, { index, ...(name ? { name } : {}) }),
    }))
  );
  return [...ours, ...others];
}

/** What Istio calls a rule of a route, in the Envoy routes that it makes. */
export function istioRouteName(
  { meta }: Pick<HttpRoute, "meta">,
  { index, name }: { readonly index: number; readonly name?: string },
): string {
  return name ?? `${meta.namespace}.${meta.name}.${index}`;
}
