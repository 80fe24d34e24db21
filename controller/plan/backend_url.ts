/**
 * Where a route leads: its rule for a path, that rule's one backend, and the
 * URL by which broker and router reach it. Pure.
 *
 * A BackendTLSPolicy is not read: TLS is spoken where the Service's port says
 * so, where the port is 443, or where the registration has CA certificates.
 *
 * @module
 */

import {
  ENVOY_GATEWAY_GROUP,
  GATEWAY_GROUP,
  ISTIO_GROUP,
} from "../resources/groups.ts";
import type {
  BackendRef,
  HttpRoute,
  RouteRule,
} from "../resources/http_route.ts";
import { keyOf } from "../resources/meta.ts";
import { mayRefer } from "../resources/reference_grant.ts";
import type { Service, ServicePort } from "../resources/service.ts";
import { hostProblem, isHostname } from "./hosts.ts";
import { type Obstacle, obstacle } from "./obstacle.ts";
import type { World } from "./world.ts";

/** Where a route leads. */
export type BackendPlace =
  | {
    readonly kind: "found";
    /** Where broker and router reach it. */
    readonly url: string;
    /** Why it is http or https, for people. */
    readonly because: string;
    /** The rule that leads there. */
    readonly rule: RouteRule;
    /** That rule's backend. */
    readonly backend: BackendRef;
  }
  | { readonly kind: "refused"; readonly obstacle: Obstacle };

type Refused = Extract<BackendPlace, { kind: "refused" }>;

/** Host, port and scheme of a backend. */
interface Address {
  readonly kind: "address";
  readonly host: string;
  readonly port: number | undefined;
  readonly tls: boolean;
  readonly because: string;
  /** The host is what a tenant wrote, not a Service that a grant is for. */
  readonly named: boolean;
}

/**
 * Finds where a route leads for a path.
 *
 * @param tls TLS whatever the port says: there are certificates to check.
 * @param namespaces Namespaces that are known to be there.
 */
export function findBackend(
  route: HttpRoute,
  path: string,
  tls: boolean,
  world: World,
  namespaces: ReadonlySet<string>,
): BackendPlace {
  const own = `HTTPRoute ${keyOf(route.meta)}`;
  const rule = ruleFor(route, path);
  if (rule === undefined) {
    return refuse(
      "PathNotRouted",
      `Cannot route ${path}: no rule of ${own} takes it. Add a match of that path, or correct spec.path`,
    );
  }
  const where = `rule ${rule.index} of ${own}`;
  if (rule.changesPath) {
    return refuse(
      "RouteNotSupported",
      `Cannot use ${where}: it redirects, or rewrites the path, which the gateway sets itself. Remove that filter and write the server's own path in spec.path`,
    );
  }
  const backends = rule.backends.filter(({ weight }) => weight > 0);
  const [backend] = backends;
  if (backend === undefined || backends.length > 1) {
    return refuse(
      "RouteNotSupported",
      `Cannot use ${where}: it has ${backends.length} backends, and a session lives in one. Give it exactly one backendRef`,
    );
  }
  const address = addressOf(backend, route, where, world);
  if (address.kind === "refused") return address;
  const secure = tls || address.tls;
  const url = URL.parse(
    `${secure ? "https" : "http"}://${address.host}${
      address.port === undefined ? "" : `:${address.port}`
    }${path}`,
  );
  if (url === null || url.hostname === "") {
    return refuse(
      "BackendNotSupported",
      `Cannot use ${where}: ${
        JSON.stringify(address.host)
      } is no host. Correct it`,
    );
  }
  const problem = address.named
    ? hostProblem(url.hostname, backend.namespace, {
      clusterDomain: world.settings.clusterDomain,
      namespaces,
      allowLocal: world.settings.allowLocalBackends,
    })
    : undefined;
  if (problem !== undefined) {
    return refuse(
      "BackendNotPermitted",
      `Cannot call ${url.hostname} for ${where}: ${problem}. Refer to a Service, or to a host outside of the cluster`,
    );
  }
  return {
    kind: "found",
    url: url.href,
    because: tls && !address.tls
      ? "https, as there are CA certificates to check"
      : address.because,
    rule,
    backend,
  };
}

/** The rule that Envoy takes for a path: exact before the longest prefix. */
function ruleFor(route: HttpRoute, path: string): RouteRule | undefined {
  let best: RouteRule | undefined;
  let most = -1;
  for (const rule of route.rules) {
    for (const { type, value } of rule.paths) {
      const weight = type === "Exact"
        ? (value === path ? Infinity : -1)
        : type === "PathPrefix" && isBelow(path, value)
        ? value.length
        : -1;
      if (weight > most) [best, most] = [rule, weight];
    }
  }
  return best;
}

function isBelow(path: string, prefix: string): boolean {
  const trimmed = prefix.replace(/\/+$/, "");
  return path === trimmed || path.startsWith(`${trimmed}/`);
}

function addressOf(
  backend: BackendRef,
  route: HttpRoute,
  where: string,
  world: World,
): Address | Refused {
  const { group, kind, namespace } = backend;
  const permitted = mayRefer(world.grants, {
    group: GATEWAY_GROUP,
    kind: "HTTPRoute",
    namespace: route.meta.namespace,
  }, backend);
  if (!permitted) {
    return refuse(
      "RefNotPermitted",
      `Cannot use ${where}: ${kind} ${
        keyOf(backend)
      } is in another namespace. Create a ReferenceGrant in ${namespace} from HTTPRoute (${GATEWAY_GROUP}) in ${route.meta.namespace} to ${kind}${
        group === "" ? "" : ` (${group})`
      }`,
    );
  }
  switch (`${group}/${kind}`) {
    case "/Service":
      return ofService(backend, where, world);
    case `${ISTIO_GROUP}/Hostname`:
      return ofHostname(backend, where);
    case `${ENVOY_GATEWAY_GROUP}/Backend`:
      return ofBackend(backend, where, world);
    default:
      return refuse(
        "BackendNotSupported",
        `Cannot use ${where}: its backend is a ${kind}${
          group === "" ? "" : ` of group ${group}`
        }. Use a Service, a Hostname of ${ISTIO_GROUP} or a Backend of ${ENVOY_GATEWAY_GROUP}`,
      );
  }
}

function ofService(
  backend: BackendRef,
  where: string,
  { services, settings }: World,
): Address | Refused {
  const service = services.get(keyOf(backend));
  if (service === undefined) return notFound(backend, where);
  const { port } = backend;
  const entry = service.ports.find((one) => one.port === port);
  // The ports of an alias say nothing about what is at its other end.
  if (entry === undefined && service.externalName === undefined) {
    return refuse(
      "BackendPortNotFound",
      `Cannot use ${where}: Service ${keyOf(backend)} has no port ${
        port ?? "where none is given"
      }. Its ports are ${
        service.ports.map((one) => one.port).join(", ") || "none"
      }`,
    );
  }
  return {
    kind: "address",
    host: hostOf(service, backend, settings.clusterDomain),
    port,
    named: service.externalName !== undefined,
    ...schemeOf(entry, port),
  };
}

function hostOf(
  service: Service,
  { name, namespace }: BackendRef,
  clusterDomain: string,
): string {
  return service.externalName ?? `${name}.${namespace}.svc.${clusterDomain}`;
}

/** Whether TLS is spoken at a port, and why. */
function schemeOf(
  entry: ServicePort | undefined,
  port: number | undefined,
): Pick<Address, "tls" | "because"> {
  const said = entry?.appProtocol;
  if (said !== undefined) {
    const tls = ["https", "kubernetes.io/wss", "tls"].includes(said);
    return {
      tls,
      because: `${tls ? "https" : "http"}, as its appProtocol is ${said}`,
    };
  }
  const named = /^https(-|$)/i.test(entry?.name ?? "");
  if (named || port === 443) {
    return {
      tls: true,
      because: `https, as its port is ${named ? entry?.name : port}`,
    };
  }
  return {
    tls: false,
    because:
      "http, as its port has no appProtocol https; a BackendTLSPolicy is not read",
  };
}

/** A host of an Istio ServiceEntry, which is outside: TLS but for port 80. */
function ofHostname(backend: BackendRef, where: string): Address | Refused {
  const host = backend.name.toLowerCase();
  if (!isHostname(host)) {
    return refuse(
      "BackendNotSupported",
      `Cannot use ${where}: ${
        JSON.stringify(backend.name)
      } is no DNS name. Write the host of a ServiceEntry`,
    );
  }
  const port = backend.port ?? 443;
  const tls = port !== 80;
  return {
    kind: "address",
    host,
    port,
    tls,
    named: true,
    because: `${tls ? "https" : "http"}, as its port is ${port}`,
  };
}

function ofBackend(
  backend: BackendRef,
  where: string,
  { backends }: World,
): Address | Refused {
  const found = backends.get(keyOf(backend));
  if (found === undefined) return notFound(backend, where);
  const [endpoint] = found.endpoints;
  if (endpoint === undefined || found.written !== 1) {
    return refuse(
      "BackendNotSupported",
      `Cannot use ${where}: Backend ${
        keyOf(backend)
      } has ${found.written} endpoints, ${found.endpoints.length} of them with a host and a port, and a session lives in one. Give it one fqdn or ip`,
    );
  }
  const tls = found.tls || endpoint.port === 443;
  return {
    kind: "address",
    host: endpoint.host.includes(":") ? `[${endpoint.host}]` : endpoint.host,
    port: endpoint.port,
    tls,
    named: true,
    because: tls
      ? `https, as ${found.tls ? "it has tls" : "its port is 443"}`
      : "http, as it has no tls",
  };
}

function notFound(backend: BackendRef, where: string): Refused {
  return refuse(
    "BackendNotFound",
    `Cannot use ${where}: there is no ${backend.kind} ${
      keyOf(backend)
    }. Create it, or correct the name`,
  );
}

function refuse(reason: Obstacle["reason"], message: string): Refused {
  return { kind: "refused", obstacle: obstacle(reason, message) };
}
