/**
 * The heart of the controller: from everything observed at one moment to
 * everything that should be written. Pure.
 *
 * 1. Each MCPGatewayExtension is resolved to a listener.
 * 2. Each registration that is ours is resolved to a server: route, host, URL,
 *    credentials. Those that want the same contend, and the older one keeps it.
 * 3. Each gateway gets a ConfigMap, a Secret and what attaches the router.
 * 4. Each object of ours gets conditions that say what of it holds.
 *
 * The order in which objects were observed changes nothing, and what has its
 * content already is not written again.
 *
 * @module
 */

import type { KubeObject } from "../../shared/kube/object.ts";
import { byName, keyOf } from "../resources/meta.ts";
import { type GatewayPlan, planGateway } from "./gateway_plan.ts";
import { inScope, resolveExtensions } from "./gateways.ts";
import { indexReports } from "./readiness.ts";
import type { Reason } from "./reasons.ts";
import { isTaken, resolveServers, type Server } from "./servers.ts";
import type { StatusPlan } from "./status_plan.ts";
import {
  extensionStatus,
  releasedStatus,
  serverStatus,
  virtualStatus,
} from "./statuses.ts";
import type { World } from "./world.ts";

/** Everything that should be written. */
export interface Plan {
  /** Configurations and credentials, by extension. */
  readonly gateways: readonly GatewayPlan[];
  /**
   * What attaches the routers. Objects of ours (by the label
   * `app.kubernetes.io/managed-by`, of the kinds that are made here) that are
   * not among these are wanted no more, but for {@linkcode Plan.keep}.
   */
  readonly attachments: readonly KubeObject[];
  /**
   * Namespaces whose extension cannot be understood now: their attachments (by
   * the label `mcp.kuadrant.io/extension-namespace`) stay as they are, as a
   * slip of the pen must not take a router away that guards servers' hosts.
   */
  readonly keep: readonly string[];
  /** The status of each object of ours. */
  readonly statuses: readonly StatusPlan[];
  /**
   * Registrations that are ours, or were and have not been told otherwise yet,
   * `namespace/name`: for the next plan.
   */
  readonly taken: ReadonlySet<string>;
}

/** Reasons for which an extension has no right to its attachments any more. */
const FORFEITS: readonly Reason[] = [
  "RefNotPermitted",
  "NamespaceConflict",
  "ListenerConflict",
];

/** Plans. */
export function plan(world: World): Plan {
  const extensions = resolveExtensions(world);
  const served = extensions.flatMap((one) => one.served ? [one.served] : []);
  const servers = resolveServers(world, served);
  const virtualServers = world.virtualServers.filter(({ meta }) =>
    !meta.deleting && inScope(meta.namespace, world)
  );
  const gateways = served.map((one) =>
    planGateway(one, servers, virtualServers, world)
  );
  const reports = indexReports(world);
  const configured = Map.groupBy(
    gateways.flatMap((gateway) =>
      gateway.servers.map((one) => ({ gateway, one }))
    ),
    ({ one }): Server => one.server,
  );
  // Said until its status has it, and never again: another controller may take
  // it from there.
  const released = world.registrations.filter((one) =>
    world.taken.has(keyOf(one.meta)) && !one.meta.deleting &&
    !isTaken(one, world)
  ).map((one) => releasedStatus(one, world));
  return {
    gateways: gateways.map((one) => one.plan),
    attachments: gateways.flatMap((one) => one.attachments),
    keep: extensions.filter(({ served, obstacles }) =>
      served === undefined &&
      !obstacles.some(({ reason }) => FORFEITS.includes(reason))
    ).map(({ extension }) => extension.meta.namespace),
    statuses: [
      ...extensions.map((one) =>
        extensionStatus(one, gateways, reports, world)
      ),
      ...servers.toSorted((a, b) =>
        byName(a.registration.meta, b.registration.meta)
      ).map((one) =>
        serverStatus(one, configured.get(one) ?? [], reports, world)
      ),
      ...virtualServers.map((one) =>
        virtualStatus(one, gateways, reports, world)
      ),
      ...released,
    ],
    taken: new Set([
      ...servers.map(({ name }) => name),
      ...released.filter(({ changed }) => changed).map(({ meta }) =>
        keyOf(meta)
      ),
    ]),
  };
}
