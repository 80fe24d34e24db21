/**
 * How the router is attached to a Gateway of Istio's: EnvoyFilters in the
 * Gateway's namespace. Pure.
 *
 * The server routes are not ours here: Istio makes them from users' HTTPRoutes,
 * and whatever policies those have must stay in force. What they share with,
 * and lack of, the routes that `shared/envoy/route.ts` generates:
 *
 * | there | here | why |
 * |---|---|---|
 * | one virtual host per server's hostname | the same, of the HTTPRoute's | the router changes `:authority`, and Envoy looks again in the table of that port |
 * | the router is asked about every request of the listener | about those to clients' host and to servers' hosts | a Gateway is shared: the router has no say over other hosts, its statements about callers do not reach them, and they do not fail with it |
 * | matches `x-destination-mcp` | matches what the HTTPRoute does | the router refuses every client that names a server's host, and the filter fails closed: nothing comes there but what was steered |
 * | matches `x-mcp-upstream` | does not | Istio and the router learn of a change at different times: a match would refuse calls in between, where without it one may reach the former address. No credential of the gateway's is on a call here (`credentialFor` is discovery), and a session that a server does not know is opened anew |
 * | removes `cookie`, `origin`, our caller's and upstream's headers | the same, merged into the rule that the registration leads by | nobody else's sessions, no statement of ours to servers |
 * | removes `authorization` | the same, but where the extension's owner names the registration: a policy on its route replaces the header, and removing would undo that | the specification forbids passing tokens through. The registration's owner cannot say so: he would be given the tokens |
 * | Host of the server's URL | the same, unless the HTTPRoute sets one | discovery and calls look alike to the server |
 * | no retries at a server | what was never sent only, there and at the broker | Istio's default sends a call again that was answered 503, and it may have run; a merge cannot remove the policy, only narrow it |
 *
 * Istio learns of a registration when the router does, and is slower. What is
 * steered to a rule that is not merged into yet would bring the server what a
 * client shows the gateway: a filter refuses it, and the router says that it may
 * be tried again. It needs Istio 1.26.
 *
 * The rule is found by its host, which is nobody else's, and by the name that
 * Istio gives its routes, `namespace.name.index` or the rule's own. At other
 * hosts of the same HTTPRoute, nothing is changed.
 *
 * @module
 */

import { parseAllDocuments } from "yaml";
import type { KubeObject } from "../../shared/kube/object.ts";
import { extProcFilter } from "../../shared/envoy/ext_proc.ts";
import { any, type JsonObject } from "../../shared/envoy/json.ts";
import {
  preparedFor,
  preparedRoutesFilter,
} from "../../shared/envoy/prepared_routes.ts";
import { NEVER_FORWARDED } from "../../shared/envoy/route.ts";
import type { Gateway } from "../resources/gateway.ts";
import { ISTIO_GROUP } from "../resources/groups.ts";
import { keyOf } from "../resources/meta.ts";
import { bodyLimit } from "./body_limit.ts";
import { brokerRules, istioRouteName } from "./broker_route.ts";
import type { ServedGateway } from "./gateways.ts";
import { kubeObject, ownedMetadata } from "./object.ts";
import type { ConfiguredServer } from "./output.ts";
import type { World } from "./world.ts";

/** Kind of attachment that the API server must know. */
export const ISTIO_KIND: string = `EnvoyFilter.${ISTIO_GROUP}`;

/** Without it Envoy resets the connections to the router, under load. */
export const GRACEFUL_CLOSE =
  "envoy.reloadable_features.ext_proc_graceful_grpc_close";

/** Servers in one EnvoyFilter, so that none grows beyond what etcd takes. */
const SERVERS_PER_FILTER = 250;
/** Where nothing can have been sent, hence nothing run. */
const NEVER_SENT = "connect-failure,refused-stream,reset-before-request";
const CONNECTION_MANAGER = "envoy.filters.network.http_connection_manager";
const BUFFER = "envoy.filters.http.buffer";
/** Enables the router's filter on a route or host. */
const ROUTER_HERE: JsonObject = {
  "envoy.filters.http.ext_proc": any(
    "envoy.extensions.filters.http.ext_proc.v3.ExtProcPerRoute",
    { overrides: {} },
  ),
};

/** Generates the attachments of one gateway. */
export function istioAttachments(
  served: ServedGateway,
  servers: readonly ConfiguredServer[],
  world: World,
): readonly KubeObject[] {
  const base = `mcp-gateway-${served.extension.meta.namespace}`;
  const parts: KubeObject[] = [];
  for (let from = 0; from < servers.length; from += SERVERS_PER_FILTER) {
    parts.push(envoyFilter(
      served,
      `${base}-servers-${from / SERVERS_PER_FILTER}`,
      servers.slice(from, from + SERVERS_PER_FILTER).flatMap((one) => [
        hostPatch(served, one.place.hostname),
        serverPatch(served, one),
      ]),
    ));
  }
  return [
    envoyFilter(served, base, [
      listenerPatch(served, world),
      // Each is put first: the buffer, which comes last here, ends up in front.
      filterPatch(served, preparedRoutesFilter()),
      filterPatch(served, routerFilter(served, world)),
      filterPatch(served, bufferFilter(served, world)),
      hostPatch(served, served.publicHost),
      ...brokerRules(served, world).map(({ istioName }) =>
        routePatch(served, { name: istioName, action: "ROUTE" }, {
          typed_per_filter_config: {
            [BUFFER]: bufferHere(served, world),
            ...ROUTER_HERE,
          },
          route: { retry_policy: { retry_on: NEVER_SENT } },
        })
      ),
    ]),
    ...parts,
  ];
}

function envoyFilter(
  { extension, gateway }: ServedGateway,
  name: string,
  configPatches: readonly JsonObject[],
): KubeObject {
  const { namespace } = gateway.meta;
  return kubeObject(
    `${ISTIO_GROUP}/v1alpha3`,
    "EnvoyFilter",
    ownedMetadata(extension, namespace, name),
    {
      workloadSelector: {
        labels: {
          "gateway.networking.k8s.io/gateway-name": gateway.meta.name,
        },
      },
      configPatches,
    },
  );
}

/** Envoy's own default of 1 MiB would refuse what the router takes. */
function listenerPatch(
  served: ServedGateway,
  world: World,
): JsonObject {
  return {
    applyTo: "LISTENER",
    match: {
      context: "GATEWAY",
      listener: { portNumber: served.listener.port },
    },
    patch: {
      operation: "MERGE",
      value: { per_connection_buffer_limit_bytes: bodyLimit(served, world) },
    },
  };
}

function filterPatch(
  { listener: { protocol, hostname, port } }: ServedGateway,
  value: JsonObject,
): JsonObject {
  return {
    applyTo: "HTTP_FILTER",
    match: {
      context: "GATEWAY",
      listener: {
        portNumber: port,
        filterChain: {
          // HTTPS listeners of a port are chains, told apart by their hosts.
          ...(protocol === "HTTPS" && hostname !== "" ? { sni: hostname } : {}),
          filter: { name: CONNECTION_MANAGER },
        },
      },
    },
    patch: { operation: "INSERT_FIRST", value },
  };
}

/** Asks the router, where {@linkcode ROUTER_HERE} says so. */
function routerFilter(served: ServedGateway, world: World): JsonObject {
  const host = routerHost(served, world);
  const { port } = world.settings.router;
  return {
    ...extProcFilter({
      cluster: `outbound|${port}||${host}`,
      authority: host,
      envoyTells: true,
      manyRouters: true,
    }),
    disabled: true,
  };
}

/**
 * Takes in a whole body before the router sees the request, on routes to the
 * broker only: all MCP requests match one of those at first. Other traffic of
 * the listener streams as it did.
 */
function bufferFilter(served: ServedGateway, world: World): JsonObject {
  return {
    name: BUFFER,
    disabled: true,
    typed_config: any("envoy.extensions.filters.http.buffer.v3.Buffer", {
      max_request_bytes: bodyLimit(served, world),
    }),
  };
}

function bufferHere(served: ServedGateway, world: World): JsonObject {
  return any("envoy.extensions.filters.http.buffer.v3.BufferPerRoute", {
    buffer: { max_request_bytes: bodyLimit(served, world) },
  });
}

function routerHost(
  { extension }: ServedGateway,
  { settings: { router, clusterDomain } }: World,
): string {
  return `${router.service}.${extension.meta.namespace}.svc.${clusterDomain}`;
}

/** Has the router asked about everything at a host. */
function hostPatch({ listener }: ServedGateway, host: string): JsonObject {
  return {
    applyTo: "VIRTUAL_HOST",
    match: {
      context: "GATEWAY",
      routeConfiguration: {
        portNumber: listener.port,
        vhost: { name: `${host}:${listener.port}` },
      },
    },
    patch: {
      operation: "MERGE",
      value: { typed_per_filter_config: ROUTER_HERE },
    },
  };
}

function serverPatch(
  served: ServedGateway,
  { server, place }: ConfiguredServer,
): JsonObject {
  const { route, backend: { rule, url }, registration } = server;
  const { port } = served.listener;
  return routePatch(
    served,
    { name: istioRouteName(route, rule), action: "ROUTE" },
    {
      ...preparedFor(server.name),
      request_headers_to_remove: [
        ...(keepsAuthorization(served, registration.meta)
          ? []
          : ["authorization"]),
        ...NEVER_FORWARDED,
      ],
      route: {
        ...(rule.setsHost ? {} : { host_rewrite_literal: new URL(url).host }),
        retry_policy: { retry_on: NEVER_SENT },
      },
    },
    `${place.hostname}:${port}`,
  );
}

function routePatch(
  { listener }: ServedGateway,
  route: JsonObject,
  value: JsonObject,
  virtualHost?: string,
): JsonObject {
  return {
    applyTo: "HTTP_ROUTE",
    match: {
      context: "GATEWAY",
      routeConfiguration: {
        portNumber: listener.port,
        vhost: {
          ...(virtualHost === undefined ? {} : { name: virtualHost }),
          route,
        },
      },
    },
    patch: { operation: "MERGE", value },
  };
}

/**
 * Whether the Gateway's owner has its proxies started with `GRACEFUL_CLOSE`. No
 * EnvoyFilter can: what it says of a bootstrap, Istio ignores since 1.21.
 */
export function closesGracefully({ proxySettings }: Gateway): boolean {
  const [document] = parseAllDocuments(proxySettings);
  if (document === undefined || document.errors.length > 0) return false;
  const value = document.getIn(["runtimeValues", GRACEFUL_CLOSE]);
  return value === "true" || value === true;
}

/** Whether the gateway's owner says that a policy replaces the header. */
export function keepsAuthorization(
  { extension }: ServedGateway,
  registration: { readonly namespace: string; readonly name: string },
): boolean {
  return extension.keepAuthorization.some((one) =>
    one === keyOf(registration) || one === `${registration.namespace}/*`
  );
}
