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

import { formatProblem, parseConfig } from "../../shared/config/parse.ts";
import type { KubeObject } from "../../shared/kube/object.ts";
import type { ServerStatus } from "../../shared/status.ts";
import type { Condition } from "../resources/condition.ts";
import { MCP_GROUP } from "../resources/groups.ts";
import type { McpGatewayExtension } from "../resources/mcp_gateway_extension.ts";
import type { McpVirtualServer } from "../resources/mcp_virtual_server.ts";
import { byName, instant, keyOf, type Meta } from "../resources/meta.ts";
import { mayRefer } from "../resources/reference_grant.ts";
import { isOurs } from "../resources/secret.ts";
import { brokerRoute, isRouteTaken } from "./broker_route.ts";
import {
  ENVOY_GATEWAY_KIND,
  envoyGatewayAttachments,
} from "./envoy_gateway.ts";
import {
  inScope,
  type ResolvedExtension,
  resolveExtensions,
  type ServedGateway,
} from "./gateways.ts";
import { ISTIO_KIND, istioAttachments } from "./istio.ts";
import { dataObject, type Desired, ownedMetadata } from "./object.ts";
import {
  invalid,
  judge,
  type Obstacle,
  obstacle,
  toConditions,
  verdict,
  type Verdicts,
} from "./obstacle.ts";
import {
  byteLength,
  CONFIG_KEY,
  configText,
  type ConfiguredServer,
  MAX_OBJECT_BYTES,
  secretData,
  serversOf,
} from "./output.ts";
import {
  gatewayReadiness,
  indexReports,
  type Readiness,
  type Reports,
  serverReadiness,
  virtualReadiness,
  worstReadiness,
} from "./readiness.ts";
import type { Reason } from "./reasons.ts";
import { resolveServers, type Server } from "./servers.ts";
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

/** A condition whose status or reason changes. */
export interface Transition {
  /** Type of the condition. */
  readonly type: string;
  /** What it was, nothing for a new one. */
  readonly before?: Condition;
  /** What it becomes. */
  readonly after: Condition;
}

/** The status of one object. */
export interface StatusPlan {
  /** `group/version`. */
  readonly apiVersion: string;
  /** Kind. */
  readonly kind:
    | "MCPGatewayExtension"
    | "MCPServerRegistration"
    | "MCPVirtualServer";
  /** The object. */
  readonly meta: Meta;
  /** Its whole status. */
  readonly status: StatusContent;
  /** It differs from what the object has. */
  readonly changed: boolean;
  /** What is worth an Event. */
  readonly transitions: readonly Transition[];
}

/** A status; all but the conditions is of registrations only. */
export interface StatusContent {
  /** What holds. */
  readonly conditions: readonly Condition[];
  /** The server's name in the gateway. */
  readonly serverName?: string;
  /** The host that it is routed on. */
  readonly hostname?: string;
  /** Where it is reached. */
  readonly url?: string;
  /** Its state, as the broker that has most to complain about says. */
  readonly state?: string;
  /** Since when, RFC 3339, whole seconds. */
  readonly since?: string;
  /** The era that it speaks. */
  readonly era?: string;
  /** The revision that was negotiated. */
  readonly revision?: string;
  /** Number of its tools that are listed. */
  readonly tools?: number;
  /** Number of its prompts that are listed. */
  readonly prompts?: number;
  /** Number of its resources that are listed. */
  readonly resources?: number;
  /** What went wrong last, while it matters. */
  readonly lastError?: string;
}

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
}

/** A gateway, everything about it decided. */
interface PlannedGateway {
  readonly served: ServedGateway;
  readonly servers: readonly ConfiguredServer[];
  readonly plan: GatewayPlan;
  readonly attachments: readonly KubeObject[];
  /** What keeps the configuration, or the router, from its place. */
  readonly obstacles: readonly Obstacle[];
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
    ],
  };
}

function planGateway(
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
    return notOurs("HTTPRoute", namespace, "mcp-gateway-endpoint");
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

function extensionStatus(
  { extension, served, obstacles }: ResolvedExtension,
  gateways: readonly PlannedGateway[],
  reports: Reports,
  world: World,
): StatusPlan {
  const own = keyOf(extension.meta);
  const gateway = gateways.find((one) => one.plan.extension === own);
  const readiness = gatewayReadiness(extension, reports);
  const holds: Verdicts = {
    Accepted: accepted(
      served === undefined
        ? "Its fields are valid, and nothing older is in its place"
        : `MCP is served at ${served.publicHost}${world.settings.path}, by listener ${served.listener.name} of Gateway ${
          keyOf(served.gateway.meta)
        }`,
      pendingFields(extension, world),
    ),
    ResolvedRefs: verdict(
      "ResolvedRefs",
      "The Gateway and its listener are there",
    ),
    Programmed: {
      ...readiness.programmed,
      ...(readiness.programmed.reason === "Programmed" && gateway
        ? { message: programmedMessage(gateway) }
        : {}),
    },
    Ready: readiness.ready,
  };
  return statusPlan("MCPGatewayExtension", extension, world, {
    verdicts: judge(holds, [...obstacles, ...gateway?.obstacles ?? []]),
  });
}

function programmedMessage({ plan, served }: PlannedGateway): string {
  const close = "ext_proc_graceful_grpc_close";
  const told = `${plan.servers} servers are configured`;
  switch (served.dataPlane) {
    case "istio":
      return `${told}. The Gateway's proxies take ${close} from the EnvoyFilter when they start: restart those that are older`;
    case "envoy-gateway":
      return `${told}. Routers must be started with --steering header, and the EnvoyProxy's bootstrap must set envoy.reloadable_features.${close}: true, or calls are lost under load`;
    case "other":
      return told;
    default:
      return served.dataPlane satisfies never;
  }
}

function pendingFields(
  { pending, maxBodyBytes }: McpGatewayExtension,
  { settings }: World,
): readonly string[] {
  return maxBodyBytes !== undefined && maxBodyBytes > settings.maxBodyBytes
    ? [...pending, `spec.maxBodyBytes above ${settings.maxBodyBytes}`]
    : pending;
}

function accepted(message: string, pending: readonly string[]) {
  return pending.length === 0 ? verdict("Accepted", message) : verdict(
    "PartlyActedOn",
    `${message}. Accepted and not acted on in this version: ${
      pending.join(", ")
    }`,
  );
}

function serverStatus(
  server: Server,
  configured: readonly {
    readonly gateway: PlannedGateway;
    readonly one: ConfiguredServer;
  }[],
  reports: Reports,
  world: World,
): StatusPlan {
  const { registration, backend, places } = server;
  const readiness = worstReadiness(
    configured.map(({ one }) => serverReadiness(one, reports)),
  );
  const holds: Verdicts = {
    Accepted: accepted(
      `It is ${server.name}${
        places.flatMap(({ served, obstacle }) =>
          obstacle === undefined
            ? [` of MCPGatewayExtension ${keyOf(served.extension.meta)}`]
            : []
        ).join(" and")
      }`,
      registration.tokenUrlElicitation ? ["spec.tokenURLElicitation"] : [],
    ),
    ResolvedRefs: verdict(
      "ResolvedRefs",
      backend === undefined ? "" : `${backend.url} (${backend.because})`,
    ),
    ...said(readiness),
  };
  // What keeps a configuration from being written matters to who waits for it.
  const waits = readiness?.programmed.reason !== "Programmed";
  const obstacles = [
    ...server.obstacles,
    ...(waits ? withheld(configured.map(({ gateway }) => gateway)) : []),
  ];
  const [first] = configured;
  const hostname = first?.one.place.hostname ??
    places.find((place) => place.hostname !== "")?.hostname;
  return statusPlan("MCPServerRegistration", registration, world, {
    verdicts: judge(holds, obstacles),
    fields: {
      serverName: server.name,
      ...(hostname ? { hostname } : {}),
      ...(backend === undefined ? {} : { url: backend.url }),
      ...facts(readiness?.facts),
    },
  });
}

/** What the brokers say, or that nothing asks them. */
function said(
  readiness: Readiness | undefined,
): Pick<Verdicts, "Programmed" | "Ready"> {
  const none = verdict("Pending", "It is in no configuration yet");
  return {
    Programmed: readiness?.programmed ?? none,
    Ready: readiness?.ready ?? none,
  };
}

/** Reasons for which a configuration is not written. */
const WITHHOLDS: readonly Reason[] = [
  "ConfigRefused",
  "ConfigTooLarge",
  "CredentialsTooLarge",
  "NotOurs",
];

/** Why configurations are not written. */
function withheld(gateways: readonly PlannedGateway[]): readonly Obstacle[] {
  return gateways.flatMap(({ plan, obstacles }) =>
    plan.configMap.action === "keep"
      ? obstacles.filter(({ reason }) => WITHHOLDS.includes(reason))
      : []
  );
}

function facts(
  server: ServerStatus | undefined,
): Omit<StatusContent, "conditions"> {
  if (server === undefined) return {};
  const { state, since, era, revision, tools, prompts, resources, lastError } =
    server;
  const at = Date.parse(since);
  return {
    state,
    ...(Number.isFinite(at)
      ? { since: new Date(at).toISOString().replace(/\.\d+Z$/, "Z") }
      : {}),
    ...(era === undefined ? {} : { era }),
    ...(revision === undefined ? {} : { revision }),
    tools,
    ...(prompts === undefined ? {} : { prompts }),
    ...(resources === undefined ? {} : { resources }),
    ...(lastError === undefined ? {} : { lastError }),
  };
}

function virtualStatus(
  virtual: McpVirtualServer,
  gateways: readonly PlannedGateway[],
  reports: Reports,
  world: World,
): StatusPlan {
  const name = keyOf(virtual.meta);
  const readiness = worstReadiness(
    gateways.map(({ served: { extension } }) =>
      virtualReadiness(name, extension, reports)
    ),
  );
  const { tools, prompts } = virtual;
  const holds: Verdicts = {
    Accepted: accepted(
      `It selects ${tools.length} tools and ${
        prompts?.length ?? 0
      } prompts, at ${world.settings.path}/${name}`,
      prompts === undefined
        ? [
          "spec.prompts left out, which selects no prompt instead of every one",
        ]
        : [],
    ),
    ResolvedRefs: verdict("ResolvedRefs", "It refers to nothing by reference"),
    ...said(readiness),
  };
  const obstacles = [
    ...invalid(virtual.findings),
    ...(gateways.length === 0
      ? [obstacle(
        "NoGatewayExtension",
        "Cannot serve it: there is no accepted MCPGatewayExtension. Create one",
      )]
      : []),
    ...(readiness?.programmed.reason === "Programmed"
      ? []
      : withheld(gateways)),
  ];
  return statusPlan("MCPVirtualServer", virtual, world, {
    verdicts: judge(holds, obstacles),
  });
}

function statusPlan(
  kind: StatusPlan["kind"],
  { meta, conditions: before, status: observed }: {
    readonly meta: Meta;
    readonly conditions: readonly Condition[];
    readonly status: unknown;
  },
  { now }: World,
  { verdicts, fields = {} }: {
    readonly verdicts: Verdicts;
    readonly fields?: Omit<StatusContent, "conditions">;
  },
): StatusPlan {
  const conditions = toConditions(verdicts, before, meta.generation, now);
  const status: StatusContent = { conditions, ...fields };
  return {
    apiVersion: `${MCP_GROUP}/v1`,
    kind,
    meta,
    status,
    changed: !sameStatus(status, before, observed),
    transitions: conditions.flatMap((after): Transition[] => {
      const old = before.find(({ type }) => type === after.type);
      if (old?.status === after.status && old.reason === after.reason) {
        return [];
      }
      return [{
        type: after.type,
        ...(old === undefined ? {} : { before: old }),
        after,
      }];
    }),
  };
}

/** Fields that a status of ours may have besides conditions. */
const STATUS_FIELDS = [
  "serverName",
  "hostname",
  "url",
  "state",
  "since",
  "era",
  "revision",
  "tools",
  "prompts",
  "resources",
  "lastError",
] as const;

/**
 * The members of a status that are ours, conditions apart: null for those that
 * it has not, so that an older value goes.
 */
export function statusMembers(
  status: StatusContent,
): Readonly<Record<string, string | number | null>> {
  return Object.fromEntries(
    STATUS_FIELDS.map((field) => [field, status[field] ?? null]),
  );
}

function sameStatus(
  status: StatusContent,
  before: readonly Condition[],
  observed: unknown,
): boolean {
  const old = typeof observed === "object" && observed !== null
    ? observed as Readonly<Record<string, unknown>>
    : {};
  const same = status.conditions.every((one) => {
    const other = before.find(({ type }) => type === one.type);
    return other !== undefined && other.status === one.status &&
      other.reason === one.reason && other.message === one.message &&
      other.observedGeneration === one.observedGeneration &&
      other.lastTransitionTime === one.lastTransitionTime;
  });
  return same && STATUS_FIELDS.every((field) => {
    const was = old[field] ?? undefined;
    return field === "since"
      ? instant(was) === instant(status.since)
      : was === status[field];
  });
}
