/**
 * Small worlds in YAML, and what the tests of this folder ask of plans.
 *
 * @module
 */

import { assert } from "@std/assert";
import { parseAllDocuments } from "yaml";
import type { GatewayConfig } from "../../shared/config/model.ts";
import { parseConfig } from "../../shared/config/parse.ts";
import type { ServerStatus, Status } from "../../shared/status.ts";
import { keyOf } from "../resources/meta.ts";
import { readResource } from "../resources/read.ts";
import { BODY_LIMIT_KIND, ENVOY_GATEWAY_KIND } from "./envoy_gateway.ts";
import { ISTIO_KIND } from "./istio.ts";
import { CONFIG_KEY } from "./output.ts";
import { type Plan, plan } from "./plan.ts";
import type { StatusPlan } from "./status_plan.ts";
import {
  type BrokerReport,
  type PlanSettings,
  planSettings,
  type World,
  worldOf,
} from "./world.ts";

/** An object as YAML has it. */
export type RawObject = Record<string, unknown>;

/** The moment that tests plan at. */
export const NOW = "2026-02-03T04:05:06Z";

/** One gateway of Istio's and one server behind it, all well. */
export const BASE = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: istio}
spec: {controllerName: istio.io/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: mcp, generation: 2, creationTimestamp: "2026-01-01T00:00:00Z"}
spec:
  gatewayClassName: istio
  listeners:
  - {name: mcp, hostname: mcp.example.test, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}
  - {name: servers, hostname: "*.mcp.local", port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}
---
apiVersion: mcp.kuadrant.io/v1
kind: MCPGatewayExtension
metadata: {name: main, namespace: mcp, uid: u1, generation: 1, creationTimestamp: "2026-01-01T00:00:00Z"}
spec: {targetRef: {name: gw, sectionName: mcp}}
---
apiVersion: v1
kind: Service
metadata: {name: weather, namespace: team}
spec: {ports: [{name: http, port: 9001}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: weather, namespace: team, generation: 1, creationTimestamp: "2026-01-02T00:00:00Z"}
spec:
  parentRefs: [{name: gw, namespace: mcp, sectionName: servers}]
  hostnames: [weather.mcp.local]
  rules: [{backendRefs: [{name: weather, port: 9001}]}]
---
apiVersion: mcp.kuadrant.io/v1
kind: MCPServerRegistration
metadata: {name: weather, namespace: team, uid: u2, generation: 3, creationTimestamp: "2026-01-02T00:00:00Z"}
spec: {targetRef: {name: weather}, prefix: weather_}
`;

/** The same on Envoy Gateway; laid over {@linkcode BASE}. */
export const ON_ENVOY_GATEWAY = `
kind: GatewayClass
metadata: {name: istio}
spec: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {name: gateway, namespace: team}
spec:
  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: mcp}]
  to: [{group: "", kind: Service}]
`;

/** What a test's world has besides objects. */
export interface Around {
  /** Settings other than the defaults. */
  readonly settings?: Partial<PlanSettings>;
  /** What the brokers say. */
  readonly brokers?: readonly BrokerReport[];
  /** Kinds of attachments; all where left out. */
  readonly kinds?: readonly string[];
  /** Registrations that the plan before took. */
  readonly taken?: readonly string[];
  /** Namespaces whose Secrets cannot be read. */
  readonly hidden?: readonly string[];
  /** The moment. */
  readonly now?: string;
}

/**
 * Reads YAML documents. One that names an object of an earlier one is laid over
 * it: mappings are joined, `null` removes, anything else replaces. With
 * `gone: true` the object itself goes.
 */
export function objectsOf(...texts: readonly string[]): RawObject[] {
  const objects = new Map<string, RawObject>();
  for (const text of texts) {
    for (const document of parseAllDocuments(text)) {
      const object = "toJS" in document ? document.toJS() as RawObject : {};
      if (object === null) continue;
      const meta = object.metadata as RawObject;
      const key = `${object.kind} ${meta.namespace ?? ""}/${meta.name}`;
      if (object.gone === true) objects.delete(key);
      else objects.set(key, lay(objects.get(key), object) as RawObject);
    }
  }
  return [...objects.values()];
}

function lay(under: unknown, over: unknown): unknown {
  if (!isMapping(over)) return over;
  const result: RawObject = isMapping(under) ? { ...under } : {};
  for (const [key, value] of Object.entries(over)) {
    if (value === null) delete result[key];
    else result[key] = lay(result[key], value);
  }
  return result;
}

function isMapping(value: unknown): value is RawObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Puts objects into a world. */
export function worldWith(
  objects: readonly unknown[],
  { settings, brokers = [], kinds, hidden = [], taken = [], now = NOW }:
    Around = {},
): World {
  return worldOf(
    objects.flatMap((object) => {
      const read = readResource(object);
      return read === undefined ? [] : [read];
    }),
    {
      now,
      settings: planSettings(settings),
      kinds: new Set(
        kinds ?? [ISTIO_KIND, ENVOY_GATEWAY_KIND, BODY_LIMIT_KIND],
      ),
      hiddenSecrets: new Set(hidden),
      brokers,
      taken: new Set(taken),
    },
  );
}

/** Plans {@linkcode BASE} with documents laid over it. */
export function planWith(text: string, around: Around = {}): Plan {
  return plan(worldWith(objectsOf(BASE, text), around));
}

/** The status of one object, `Kind namespace/name`. */
export function statusOf(made: Plan, object: string): StatusPlan {
  const found = made.statuses.find(({ kind, meta }) =>
    `${kind} ${keyOf(meta)}` === object
  );
  assert(found !== undefined, `${object} has no status`);
  return found;
}

/** The conditions of one object, `Accepted=True Accepted`, in their order. */
export function conditionsOf(made: Plan, object: string): readonly string[] {
  return statusOf(made, object).status.conditions.map((one) =>
    `${one.type}=${one.status} ${one.reason}`
  );
}

/** Text of the configuration of the only gateway. */
export function configTextOf(made: Plan): string {
  const configMap = made.gateways[0]?.configMap;
  assert(configMap?.action === "apply", "no configuration is written");
  return configMap.object.data?.[CONFIG_KEY] ?? "";
}

/** The configuration of the only gateway, as router and broker read it. */
export function configOf(made: Plan): GatewayConfig {
  const read = parseConfig(configTextOf(made), { file: CONFIG_KEY });
  assert(read.ok, JSON.stringify(read.problems[0]));
  assert(read.problems.every(({ path }) => path.startsWith("virtualServers")));
  return read.config;
}

/** What a broker says that has a configuration in force. */
export function statusFor(
  { servers, virtualServers }: GatewayConfig,
  over: Partial<ServerStatus> = {},
): Status {
  return {
    version: "test",
    configProblems: [],
    ready: true,
    servers: servers.map(({ name, url, hostname, prefix, state }) => ({
      name,
      url,
      hostname,
      prefix,
      state: state === "Disabled" ? "disabled" : "ready",
      since: "2026-02-01T00:00:00.250Z",
      era: "session",
      revision: "2025-11-25",
      tools: 3,
      problems: [],
      ...over,
    })),
    virtualServers: virtualServers.map(({ name, tools, prompts }) => ({
      name,
      tools: tools.length,
      prompts: prompts?.length ?? 0,
      problems: [],
    })),
    conflicts: [],
  };
}

/** A replica of the broker of `mcp/main`. */
export function replica(name: string, status?: Status): BrokerReport {
  return {
    extension: { namespace: "mcp", name: "main" },
    replica: name,
    ...(status === undefined ? { error: "connection refused" } : { status }),
  };
}
