/**
 * The servers of each gateway: resolves registrations one by one, then lets
 * those that want the same prefix or host contend. Pure.
 *
 * @module
 */

import type { Gateway } from "../resources/gateway.ts";
import { GATEWAY_GROUP, MCP_GROUP } from "../resources/groups.ts";
import type { HttpRoute } from "../resources/http_route.ts";
import type { McpServerRegistration } from "../resources/mcp_server_registration.ts";
import { byAge, keyOf } from "../resources/meta.ts";
import { mayRefer } from "../resources/reference_grant.ts";
import { isOurs } from "../resources/secret.ts";
import { attach, backendVerdict, servedHosts } from "./attach.ts";
import { type BackendPlace, findBackend } from "./backend_url.ts";
import { type Credentials, findCredentials } from "./credentials.ts";
import { inScope, type ServedGateway } from "./gateways.ts";
import { invalid, type Obstacle, obstacle } from "./obstacle.ts";
import { selects } from "./selector.ts";
import type { World } from "./world.ts";

/** A registration, resolved. */
export interface Server {
  /** The registration. */
  readonly registration: McpServerRegistration;
  /** Its name in the gateway. */
  readonly name: string;
  /** The route that leads to it. */
  readonly route?: HttpRoute;
  /** Where the route leads. */
  readonly backend?: Extract<BackendPlace, { kind: "found" }>;
  /** What its Secrets have. */
  readonly credentials: Credentials;
  /** The gateways that it is a server of. */
  readonly places: readonly ServerPlace[];
  /** What stands in the way everywhere, or is doubtful. */
  readonly obstacles: readonly Obstacle[];
}

/** A server in one gateway. */
export interface ServerPlace {
  /** The gateway. */
  readonly served: ServedGateway;
  /** The host that it is routed on. */
  readonly hostname: string;
  /** What stands in the way there. */
  readonly obstacle?: Obstacle;
}

/** Longest server name that the configuration takes. */
const MAX_NAME = 128;

/** Resolves the registrations that are ours, the oldest first. */
export function resolveServers(
  world: World,
  gateways: readonly ServedGateway[],
): readonly Server[] {
  const namespaces = new Set(
    [...world.services.values()].map(({ meta }) => meta.namespace),
  );
  const owners = new HostOwners(world);
  const resolved = world.registrations.filter((one) => isTaken(one, world))
    .toSorted((a, b) => byAge(a, b)).map((registration) =>
      resolve(registration, world, gateways, owners, namespaces)
    );
  return contend(resolved);
}

/** Tells whether a registration is ours to configure. */
export function isTaken(
  { meta }: McpServerRegistration,
  world: World,
): boolean {
  return !meta.deleting && inScope(meta.namespace, world) &&
    selects(world.settings.selector, meta.labels);
}

/** Tells whether a server is in a gateway's configuration. */
export function isConfigured(
  server: Server,
  place: ServerPlace,
): server is Server & Required<Pick<Server, "backend" | "route">> {
  return place.obstacle === undefined && server.backend !== undefined &&
    server.route !== undefined && server.obstacles.every(({ soft }) => soft);
}

function resolve(
  registration: McpServerRegistration,
  world: World,
  gateways: readonly ServedGateway[],
  owners: HostOwners,
  namespaces: ReadonlySet<string>,
): Server {
  const { meta, findings } = registration;
  const credentials = findCredentials(registration, world);
  const server: Server = {
    registration,
    name: keyOf(meta),
    credentials,
    places: [],
    obstacles: [],
  };
  const refuse = (...obstacles: readonly Obstacle[]): Server => ({
    ...server,
    obstacles,
  });
  if (findings.length > 0) return refuse(...invalid(findings));
  if (server.name.length > MAX_NAME) {
    return refuse(obstacle(
      "Invalid",
      `Cannot name the server ${server.name}: that has ${server.name.length} characters. Use at most ${MAX_NAME} for namespace and name`,
    ));
  }
  const found = findRoute(registration, world);
  if (!("kind" in found)) return refuse(found);
  const places = gateways.flatMap((served): ServerPlace[] => {
    const attached = attach(found, served);
    switch (attached?.kind) {
      case undefined:
        return [];
      case "refused":
        return [{ served, hostname: "", obstacle: attached.obstacle }];
      case "attached": {
        const { hostname } = attached;
        const taken = owners.problem(found, hostname, served, gateways);
        return [{ served, hostname, ...(taken ? { obstacle: taken } : {}) }];
      }
      default:
        return attached satisfies never;
    }
  });
  const [first] = places;
  if (first === undefined) {
    return refuse(obstacle(
      "NoGatewayExtension",
      `Cannot find a gateway for ${server.name}: HTTPRoute ${
        keyOf(found.meta)
      } attaches to ${
        found.parents.map((parent) => `${parent.kind} ${keyOf(parent)}`)
          .join(", ") || "nothing"
      }, which no accepted MCPGatewayExtension targets. Attach it to a Gateway that one does, or create one`,
    ));
  }
  const usable = places.filter((place) => place.obstacle === undefined);
  const backend = findBackend(
    found,
    registration.path,
    registration.caCert !== undefined,
    world,
    namespaces,
  );
  return {
    ...server,
    route: found,
    ...(backend.kind === "found" ? { backend } : {}),
    places,
    obstacles: [
      ...(usable.length === 0 && first.obstacle ? [first.obstacle] : []),
      ...(backend.kind === "refused" ? [backend.obstacle] : []),
      ...usable.flatMap(({ served }) =>
        routeProblems(found, backend, served, world)
      ),
      ...credentials.obstacles,
    ],
  };
}

function findRoute(
  { target, meta }: McpServerRegistration,
  world: World,
): HttpRoute | Obstacle {
  if (target.group !== GATEWAY_GROUP || target.kind !== "HTTPRoute") {
    return obstacle(
      "UnsupportedTarget",
      `Cannot use spec.targetRef: it is a ${target.kind} of group ${target.group}. Name an HTTPRoute of ${GATEWAY_GROUP}`,
    );
  }
  // The grant first: without one, nobody learns what is there.
  const permitted = mayRefer(world.grants, {
    group: MCP_GROUP,
    kind: "MCPServerRegistration",
    namespace: meta.namespace,
  }, target);
  if (!permitted) {
    return obstacle(
      "RefNotPermitted",
      `Cannot use spec.targetRef: HTTPRoute ${
        keyOf(target)
      } is in another namespace. Create a ReferenceGrant in ${target.namespace} from MCPServerRegistration (${MCP_GROUP}) in ${meta.namespace} to HTTPRoute (${GATEWAY_GROUP})`,
    );
  }
  const route = world.routes.get(keyOf(target));
  if (route !== undefined && !route.meta.deleting) return route;
  return obstacle(
    "TargetNotFound",
    `Cannot use spec.targetRef: there is no HTTPRoute ${
      keyOf(target)
    }. Create it, or correct the name`,
  );
}

/** What a data plane needs of the route besides. */
function routeProblems(
  route: HttpRoute,
  backend: BackendPlace,
  served: ServedGateway,
  world: World,
): readonly Obstacle[] {
  const problems: Obstacle[] = [];
  const said = backendVerdict(route, served.gateway);
  if (said !== undefined) problems.push(said);
  if (backend.kind !== "found") return problems;
  const { backend: ref } = backend;
  switch (served.dataPlane) {
    case "envoy-gateway": {
      const { namespace } = served.gateway.meta;
      const permitted = mayRefer(world.grants, {
        group: GATEWAY_GROUP,
        kind: "HTTPRoute",
        namespace,
      }, ref);
      if (!permitted) {
        problems.push(obstacle(
          "RefNotPermitted",
          `Cannot route to ${ref.kind} ${
            keyOf(ref)
          } from the Gateway's namespace, where Envoy Gateway's routes by header are made. Create a ReferenceGrant in ${ref.namespace} from HTTPRoute (${GATEWAY_GROUP}) in ${namespace} to ${ref.kind}${
            ref.group === "" ? "" : ` (${ref.group})`
          }`,
        ));
      }
      break;
    }
    case "istio":
    case "other":
      break;
    default:
      served.dataPlane satisfies never;
  }
  return problems;
}

/** Who serves a host on a Gateway: the oldest route that does. */
class HostOwners {
  readonly #world: World;
  readonly #byGateway = new Map<string, ReadonlyMap<string, HttpRoute>>();

  constructor(world: World) {
    this.#world = world;
  }

  /**
   * What speaks against a route's host. The router lets no client name a
   * server's host, so whoever could register another's host could take it
   * from him.
   */
  problem(
    route: HttpRoute,
    hostname: string,
    { gateway }: ServedGateway,
    gateways: readonly ServedGateway[],
  ): Obstacle | undefined {
    const own = keyOf(route.meta);
    const reserved = gateways.find((one) =>
      one.publicHost === hostname &&
      keyOf(one.gateway.meta) === keyOf(gateway.meta)
    );
    if (reserved !== undefined) {
      return obstacle(
        "HostnameReserved",
        `Cannot route HTTPRoute ${own} on ${hostname}: clients of MCPGatewayExtension ${
          keyOf(reserved.extension.meta)
        } use that host. Give the route one of its own`,
      );
    }
    const owner = this.#at(gateway).get(hostname);
    if (owner === undefined || owner.meta.namespace === route.meta.namespace) {
      return undefined;
    }
    return obstacle(
      "HostnameTaken",
      `Cannot route HTTPRoute ${own} on ${hostname}: an older HTTPRoute of namespace ${owner.meta.namespace} serves that host on Gateway ${
        keyOf(gateway.meta)
      }. Give the route a host of its own`,
    );
  }

  #at(gateway: Gateway): ReadonlyMap<string, HttpRoute> {
    const key = keyOf(gateway.meta);
    const known = this.#byGateway.get(key);
    if (known !== undefined) return known;
    const owners = new Map<string, HttpRoute>();
    for (const route of [...this.#world.routes.values()].sort(byAge)) {
      if (route.meta.deleting || isOurs(route)) continue;
      for (const host of servedHosts(route, gateway)) {
        if (!owners.has(host)) owners.set(host, route);
      }
    }
    this.#byGateway.set(key, owners);
    return owners;
  }
}

/**
 * Lets servers contend for prefixes and hosts, gateway by gateway. Given the
 * oldest first, so that the older one keeps what both want, also while its
 * backend or its Secret is missing: names do not change hands by an outage.
 */
function contend(servers: readonly Server[]): readonly Server[] {
  const claims = new Map<string, Claims>();
  return servers.map((server) => {
    const places = server.places.map((place): ServerPlace => {
      if (place.obstacle !== undefined) return place;
      const key = keyOf(place.served.extension.meta);
      const claim = claims.get(key) ?? new Claims();
      claims.set(key, claim);
      const lost = claim.stake(server, place);
      return lost === undefined ? place : { ...place, obstacle: lost };
    });
    const lost = places.flatMap((place, i) =>
      place.obstacle !== undefined && server.places[i]?.obstacle === undefined
        ? [place.obstacle]
        : []
    );
    if (lost.length === 0) return server;
    // Lost in one gateway only, it stays a server of the others.
    const everywhere = places.every((place) => place.obstacle !== undefined);
    return {
      ...server,
      places,
      obstacles: [
        ...lost.map((one) => everywhere ? one : { ...one, soft: true }),
        ...server.obstacles,
      ],
    };
  });
}

/** What the servers of one gateway have claimed so far. */
class Claims {
  readonly #hosts = new Map<string, Server>();
  readonly #prefixes = new Map<string, Server>();

  /** Claims a server's host and prefix, or tells why that cannot be. */
  stake(server: Server, place: ServerPlace): Obstacle | undefined {
    const { name, registration: { prefix, meta } } = server;
    const gateway = `MCPGatewayExtension ${keyOf(place.served.extension.meta)}`;
    const refuse = (
      reason: Obstacle["reason"],
      what: string,
      other: Server,
      remedy: string,
    ) =>
      obstacle(
        reason,
        `Cannot add ${name} to ${gateway}: ${what} the older registration ${other.name}. ${remedy}`,
      );
    const sameHost = this.#hosts.get(place.hostname);
    if (sameHost !== undefined) {
      return refuse(
        "HostnameConflict",
        `its host ${place.hostname} is that of`,
        sameHost,
        "Give its route another host",
      );
    }
    const samePrefix = prefix === "" ? undefined : this.#prefixes.get(prefix);
    if (samePrefix !== undefined) {
      return refuse(
        "PrefixConflict",
        `its prefix ${prefix} is that of`,
        samePrefix,
        "Create it anew with a prefix of its own",
      );
    }
    for (let length = 1; length < prefix.length; length++) {
      const shadowed = this.#prefixes.get(prefix.slice(0, length));
      if (
        shadowed === undefined ||
        shadowed.registration.meta.namespace === meta.namespace
      ) continue;
      return refuse(
        "PrefixShadows",
        `its prefix ${prefix} would take calls from ${
          prefix.slice(0, length)
        }, that of`,
        shadowed,
        "Create it anew with a prefix that does not begin with that",
      );
    }
    this.#hosts.set(place.hostname, server);
    if (prefix !== "") this.#prefixes.set(prefix, server);
    return undefined;
  }
}
