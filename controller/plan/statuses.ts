/**
 * The status of each object of ours: what of it holds, by what was planned and
 * by what the brokers say. Pure.
 *
 * @module
 */

import type { ServerStatus } from "../../shared/status.ts";
import { PROXY_SETTINGS } from "../resources/gateway.ts";
import type { McpGatewayExtension } from "../resources/mcp_gateway_extension.ts";
import type { McpServerRegistration } from "../resources/mcp_server_registration.ts";
import type { McpVirtualServer } from "../resources/mcp_virtual_server.ts";
import { keyOf } from "../resources/meta.ts";
import { bodyLimit } from "./body_limit.ts";
import type { PlannedGateway } from "./gateway_plan.ts";
import type { ResolvedExtension } from "./gateways.ts";
import { closesGracefully, GRACEFUL_CLOSE } from "./istio.ts";
import {
  invalid,
  judge,
  type Obstacle,
  obstacle,
  verdict,
  type Verdicts,
} from "./obstacle.ts";
import type { ConfiguredServer } from "./output.ts";
import {
  gatewayReadiness,
  type Readiness,
  type Reports,
  serverReadiness,
  virtualReadiness,
  worstReadiness,
} from "./readiness.ts";
import type { Reason } from "./reasons.ts";
import type { Server } from "./servers.ts";
import {
  type StatusContent,
  type StatusPlan,
  statusPlan,
} from "./status_plan.ts";
import type { World } from "./world.ts";

/** Plans the status of an extension. */
export function extensionStatus(
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
        ? { message: programmedMessage(gateway, world) }
        : {}),
    },
    Ready: readiness.ready,
  };
  return statusPlan("MCPGatewayExtension", extension, world, {
    verdicts: judge(holds, [...obstacles, ...gateway?.obstacles ?? []]),
  });
}

function programmedMessage(
  { plan, served }: PlannedGateway,
  world: World,
): string {
  const told = `Servers configured: ${plan.servers}`;
  switch (served.dataPlane) {
    case "istio":
      return closesGracefully(served.gateway)
        ? told
        : `${told}. One thing is left to you: have the Gateway's proxies started with ${GRACEFUL_CLOSE}: "true" in their runtimeValues, or calls are lost under load. Set it in annotation ${PROXY_SETTINGS} of the Gateway's spec.infrastructure.annotations, or, which is not seen here, for the whole mesh`;
    case "envoy-gateway":
      return `${told}. Three things are left to you: start the routers with --steering header; set ${GRACEFUL_CLOSE}: true in the EnvoyProxy's bootstrap, or calls are lost under load; give the Gateway a ClientTrafficPolicy with connection.bufferLimit ${
        bodyLimit(served, world)
      }, or messages beyond 100 KiB hang`;
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

/**
 * Plans the status of a registration.
 *
 * @param configured The gateways that it is configured in.
 */
export function serverStatus(
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

/** Plans the last status of a registration that is not ours any more. */
export function releasedStatus(
  registration: McpServerRegistration,
  world: World,
): StatusPlan {
  const none = verdict("NotSelected", "");
  return statusPlan("MCPServerRegistration", registration, world, {
    verdicts: judge({
      ...{ Accepted: none, ResolvedRefs: none },
      ...{ Programmed: none, Ready: none },
    }, [obstacle(
      "NotSelected",
      "Took it out of the gateway: its labels are not those that this controller selects any more. Label it as before, if that was not meant",
    )]),
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
  server: Partial<ServerStatus> = {},
): Omit<StatusContent, "conditions"> {
  const { state, since, era, revision, tools, prompts, resources, lastError } =
    server;
  const at = Date.parse(since ?? "");
  return {
    ...(state === undefined ? {} : { state }),
    ...(Number.isFinite(at)
      ? { since: new Date(at).toISOString().replace(/\.\d+Z$/, "Z") }
      : {}),
    ...(era === undefined ? {} : { era }),
    ...(revision === undefined ? {} : { revision }),
    ...(tools === undefined ? {} : { tools }),
    ...(prompts === undefined ? {} : { prompts }),
    ...(resources === undefined ? {} : { resources }),
    ...(lastError === undefined ? {} : { lastError }),
  };
}

/** Plans the status of a virtual server. */
export function virtualStatus(
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
      `It selects tools (${tools.length}) and prompts (${
        prompts?.length ?? "every one"
      }), at ${world.settings.path}/${name}`,
      [],
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
    fields: facts(readiness?.facts),
  });
}
