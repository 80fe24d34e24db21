/**
 * How the router is attached to a Gateway of Envoy Gateway's: an
 * EnvoyExtensionPolicy on the MCP listener, and a route per server that matches
 * what the router says. Pure.
 *
 * The policy has no field for Envoy's mutation rules, hence a router cannot
 * change `:authority` (start it with `--steering header`): the server routes
 * are generated onto the MCP listener and the public host, where they match
 * `x-destination-mcp`, which the router takes from every client. Not
 * `x-mcp-upstream`, for the reasons in `istio.ts`. They stand in the Gateway's
 * namespace, where the controller may write; a policy on the user's own route
 * is for the user's own host and does not apply here.
 *
 * Left to the Gateway's owner, and told in a condition: the proxy's bootstrap
 * (`ext_proc_graceful_grpc_close`), and the connection's buffer of 32 KiB, which
 * only a ClientTrafficPolicy raises. A Gateway has one of those, and ours would
 * take the place of its owner's.
 *
 * Not closed here: a request's trailers pass unseen (Envoy adds none of them to
 * the headers), and clients can go to a server's own host past the router, where
 * the user's route attaches to a listener that they reach. The policy could only
 * name that whole listener, and with it every other tenant's host.
 *
 * @module
 */

import type { KubeObject } from "../../shared/kube/object.ts";
import {
  IDENTITY_NAMESPACES,
  MESSAGE_TIMEOUT_S,
  RESPONSE_ATTRIBUTES,
} from "../../shared/envoy/ext_proc.ts";
import { METADATA_NAMESPACE } from "../../shared/envoy/access_log.ts";
import { type JsonObject, seconds } from "../../shared/envoy/json.ts";
import { NEVER_FORWARDED } from "../../shared/envoy/route.ts";
import { DESTINATION_HEADER } from "../../shared/headers.ts";
import { ENVOY_GATEWAY_GROUP, GATEWAY_GROUP } from "../resources/groups.ts";
import { keyOf } from "../resources/meta.ts";
import { bodyLimit } from "./body_limit.ts";
import { brokerRules } from "./broker_route.ts";
import { sha256 } from "./credentials.ts";
import type { ServedGateway } from "./gateways.ts";
import { keepsAuthorization } from "./istio.ts";
import { kubeObject, ownedMetadata } from "./object.ts";
import type { ConfiguredServer } from "./output.ts";
import type { World } from "./world.ts";

/** Kind of attachment that the API server must know. */
export const ENVOY_GATEWAY_KIND: string =
  `EnvoyExtensionPolicy.${ENVOY_GATEWAY_GROUP}`;
/** Kind that raises the limit of bodies, used where it is known. */
export const BODY_LIMIT_KIND: string =
  `BackendTrafficPolicy.${ENVOY_GATEWAY_GROUP}`;

const VERSION = `${ENVOY_GATEWAY_GROUP}/v1alpha1`;

/** Generates the attachments of one gateway. */
export function envoyGatewayAttachments(
  served: ServedGateway,
  servers: readonly ConfiguredServer[],
  world: World,
): readonly KubeObject[] {
  return [
    extensionPolicy(served, world),
    ...bodyLimits(served, world),
    ...servers.map((one) => serverRoute(served, one)),
  ];
}

function extensionPolicy(served: ServedGateway, world: World): KubeObject {
  const { extension, gateway, listener } = served;
  const { router } = world.settings;
  return kubeObject(
    VERSION,
    "EnvoyExtensionPolicy",
    ownedMetadata(
      extension,
      gateway.meta.namespace,
      `mcp-gateway-${extension.meta.namespace}`,
    ),
    {
      targetRefs: [{
        group: GATEWAY_GROUP,
        kind: "Gateway",
        name: gateway.meta.name,
        sectionName: listener.name,
      }],
      extProc: [{
        backendRefs: [{
          group: "",
          kind: "Service",
          name: router.service,
          namespace: extension.meta.namespace,
          port: router.port,
        }],
        messageTimeout: seconds(MESSAGE_TIMEOUT_S),
        failOpen: false,
        processingMode: {
          allowModeOverride: true,
          // Headers only; the router asks for a body where it needs one.
          request: {},
          response: { attributes: RESPONSE_ATTRIBUTES },
        },
        metadata: {
          accessibleNamespaces: IDENTITY_NAMESPACES,
          writableNamespaces: [METADATA_NAMESPACE],
        },
      }],
    },
  );
}

/** Takes a body in whole before the router sees the request, as on Istio. */
function bodyLimits(
  served: ServedGateway,
  world: World,
): readonly KubeObject[] {
  const { extension } = served;
  const { namespace } = extension.meta;
  if (!world.kinds.has(BODY_LIMIT_KIND)) return [];
  const names = new Set(
    brokerRules(served, world).flatMap(({ route: { meta } }) =>
      meta.namespace === namespace ? [meta.name] : []
    ),
  );
  if (names.size === 0) return [];
  return [kubeObject(
    VERSION,
    "BackendTrafficPolicy",
    ownedMetadata(extension, namespace, "mcp-gateway-body-limit"),
    {
      targetRefs: [...names].sort().map((name) => ({
        group: GATEWAY_GROUP,
        kind: "HTTPRoute",
        name,
      })),
      requestBuffer: { limit: String(bodyLimit(served, world)) },
    },
  )];
}

/** Longest piece of a server's name that a route's name repeats. */
const MAX_SHOWN = 180;

function serverRoute(
  served: ServedGateway,
  { server }: ConfiguredServer,
): KubeObject {
  const { extension, gateway, listener, publicHost } = served;
  const { namespace } = gateway.meta;
  const { rule, backend, url } = server.backend;
  const { meta } = server.registration;
  const removed = [
    ...(keepsAuthorization(served, meta) ? [] : ["authorization"]),
    ...NEVER_FORWARDED,
  ];
  return kubeObject(
    `${GATEWAY_GROUP}/v1`,
    "HTTPRoute",
    ownedMetadata(
      extension,
      namespace,
      // A namespace and a name joined by - can be read in two ways.
      `mcp-server-${
        `${meta.namespace}-${meta.name}`.replaceAll(".", "-").slice(
          0,
          MAX_SHOWN,
        )
      }-${sha256(keyOf(meta)).slice(0, 8)}`,
    ),
    {
      parentRefs: [{
        group: GATEWAY_GROUP,
        kind: "Gateway",
        namespace,
        name: gateway.meta.name,
        sectionName: listener.name,
      }],
      hostnames: [publicHost],
      rules: [{
        matches: [{
          // The router sets it. A prefix would lose against the broker's:
          // the Gateway API looks at paths before it looks at headers.
          path: { type: "Exact", value: new URL(url).pathname },
          headers: [{
            type: "Exact",
            name: DESTINATION_HEADER,
            value: server.name,
          }],
        }],
        filters: [
          {
            type: "RequestHeaderModifier",
            requestHeaderModifier: { remove: removed },
          },
          ...(rule.setsHost ? [] : [hostFilter(url)]),
        ],
        backendRefs: [{
          group: backend.group,
          kind: backend.kind,
          name: backend.name,
          namespace: backend.namespace,
          ...(backend.port === undefined ? {} : { port: backend.port }),
          weight: 1,
        }],
        timeouts: { request: "0s" },
      }],
    },
  );
}

/** The server sees the host of its own URL; a rewrite takes none with a port. */
function hostFilter(url: string): JsonObject {
  return {
    type: "URLRewrite",
    urlRewrite: { hostname: new URL(url).hostname },
  };
}
