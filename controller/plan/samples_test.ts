/**
 * What the planner makes of the samples in `manifests/`, and of manifests as
 * users of the upstream project have them.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  conditionsOf,
  configOf,
  objectsOf,
  type RawObject,
  replica,
  statusFor,
  statusOf,
  worldWith,
} from "./_testing.ts";
import { type Plan, plan } from "./plan.ts";

const SAMPLES = new URL("../../manifests/samples/", import.meta.url);

function sample(name: string): Promise<string> {
  return Deno.readTextFile(new URL(`${name}.yaml`, SAMPLES));
}

/** As an API server hands Secrets out. */
function stored(object: RawObject): RawObject {
  const { stringData = {}, ...rest } = object as RawObject & {
    readonly stringData?: Readonly<Record<string, string>>;
  };
  if (object.kind !== "Secret") return object;
  return {
    ...rest,
    data: Object.fromEntries(
      Object.entries(stringData).map(([key, value]) => [key, btoa(value)]),
    ),
  };
}

/** Plans twice: the second time, a broker has in force what came out. */
function planned(extension: string, ...texts: readonly string[]): Plan {
  const objects = objectsOf(...texts).map(stored);
  const first = plan(worldWith(objects));
  const [namespace = "", name = ""] = extension.split("/");
  return plan(worldWith(objects, {
    brokers: [{
      ...replica("b1", statusFor(configOf(first))),
      extension: { namespace, name },
    }],
  }));
}

const ALL_TRUE = [
  "Accepted=True Accepted",
  "ResolvedRefs=True ResolvedRefs",
  "Programmed=True Programmed",
  "Ready=True Ready",
];

for (
  const { gateway, server, kinds, left = [] } of [
    {
      gateway: "gateway-istio",
      server: "server",
      kinds: ["EnvoyFilter", "EnvoyFilter", "HTTPRoute"],
    },
    {
      gateway: "gateway-istio",
      server: "server-outside-istio",
      kinds: ["EnvoyFilter", "EnvoyFilter", "HTTPRoute"],
    },
    {
      gateway: "gateway-envoy-gateway",
      server: "server",
      kinds: [
        ...["BackendTrafficPolicy", "EnvoyExtensionPolicy"],
        ...["HTTPRoute", "HTTPRoute"],
      ],
      // The controller does not see them; the sample has the last two.
      left: [
        "Three things are left to you",
        "bootstrap",
        "connection.bufferLimit 4259840",
      ],
    },
  ]
) {
  Deno.test(`plan(): the samples ${gateway} and ${server} make a gateway with a server, and every condition holds`, async () => {
    const made = planned(
      "mcp-system/mcp",
      `apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: istio}
spec: {controllerName: istio.io/gateway-controller}`,
      await sample(gateway),
      await sample(server),
    );
    assertEquals(made.gateways.map(({ servers }) => servers), [1]);
    assertEquals(made.attachments.map(({ kind }) => kind).sort(), kinds);
    assert(made.statuses.length >= 2);
    for (const { kind, meta } of made.statuses) {
      const object = `${kind} ${meta.namespace}/${meta.name}`;
      assertEquals(conditionsOf(made, object), ALL_TRUE, object);
    }
    const { status } = statusOf(made, "MCPGatewayExtension mcp-system/mcp");
    const message = status.conditions[2]?.message ?? "";
    for (const one of left) assertStringIncludes(message, one);
    if (left.length === 0) assert(!message.includes("left to you"), message);
  });
}

Deno.test("plan(): with the sample of a data plane that is attached by hand, servers are configured all the same, and the extension says what is left", async () => {
  const made = planned(
    "mcp-system/mcp",
    await sample("envoy-by-hand"),
    await sample("server"),
  );
  const extension = "MCPGatewayExtension mcp-system/mcp";
  assertEquals(conditionsOf(made, extension).slice(2), [
    "Programmed=Unknown AttachByHand",
    "Ready=Unknown AttachByHand",
  ]);
  assertEquals(
    conditionsOf(made, "MCPServerRegistration weather-team/weather"),
    ALL_TRUE,
  );
  // What the sample's Envoy has by hand is what the configuration says.
  const [server] = configOf(made).servers;
  const envoy = await sample("envoy-by-hand");
  for (
    const one of [
      `domains: [${server?.hostname},`,
      `string_match: {exact: ${server?.name}}`,
      `host_rewrite_literal: ${new URL(server?.url ?? "").host}`,
    ]
  ) assertStringIncludes(envoy, one);
});

/** The way in which users of the upstream project write theirs. */
const UPSTREAM = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: istio}
spec: {controllerName: istio.io/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  labels: {istio: ingressgateway}
  name: front
  namespace: ingress
spec:
  gatewayClassName: istio
  listeners:
  - {name: clients, hostname: 'mcp.127-0-0-1.sslip.io', port: 8080, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}
  - {name: backends, hostname: '*.mcp.local', port: 8080, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}
  - {name: echo-outside, hostname: 'echo.127-0-0-1.sslip.io', port: 8080, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: extensions, namespace: ingress}
spec:
  from: [{group: mcp.kuadrant.io, kind: MCPGatewayExtension, namespace: tools}]
  to: [{group: gateway.networking.k8s.io, kind: Gateway}]
---
apiVersion: mcp.kuadrant.io/v1alpha1
kind: MCPGatewayExtension
metadata: {name: extension, namespace: tools}
spec:
  targetRef:
    group: gateway.networking.k8s.io
    kind: Gateway
    name: front
    namespace: ingress
    sectionName: clients
  publicHost: "mcp.127-0-0-1.sslip.io"
---
apiVersion: v1
kind: Service
metadata: {name: echo-server, namespace: samples}
spec: {type: ClusterIP, selector: {app: echo}, ports: [{name: http, port: 9090, targetPort: 9090}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: echo-route, namespace: samples, labels: {mcp-server: 'true'}}
spec:
  parentRefs: [{name: front, namespace: ingress}]
  hostnames: ['echo.mcp.local']
  rules:
  - matches: [{path: {type: PathPrefix, value: /}}]
    backendRefs: [{name: echo-server, port: 9090}]
---
apiVersion: mcp.kuadrant.io/v1
kind: MCPServerRegistration
metadata: {name: echo, namespace: samples, labels: {mcp.kuadrant.io/managed: 'true'}}
spec:
  path: /v1/special/mcp
  prefix: echo_
  targetRef: {group: gateway.networking.k8s.io, kind: HTTPRoute, name: echo-route}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: code-outside, namespace: samples}
spec:
  parentRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: front, namespace: ingress}]
  hostnames: [code.mcp.local]
  rules:
  - matches: [{path: {type: PathPrefix, value: /mcp}}]
    filters: [{type: URLRewrite, urlRewrite: {hostname: api.code.example.com}}]
    backendRefs: [{group: networking.istio.io, kind: Hostname, name: api.code.example.com, port: 443}]
---
apiVersion: v1
kind: Secret
metadata: {name: code-token, namespace: samples, labels: {mcp.kuadrant.io/secret: "true"}}
stringData: {token: "Bearer abc"}
---
apiVersion: mcp.kuadrant.io/v1alpha1
kind: MCPServerRegistration
metadata: {name: code, namespace: samples}
spec:
  prefix: code_
  targetRef: {group: gateway.networking.k8s.io, kind: HTTPRoute, name: code-outside}
  credentialRef: {name: code-token, key: token}
---
apiVersion: mcp.kuadrant.io/v1
kind: MCPVirtualServer
metadata: {name: some, namespace: default}
spec:
  description: "some of it"
  tools: [echo_say, code_search]
`;

Deno.test("plan(): manifests as users of the upstream project have them keep their meaning", () => {
  const made = planned("tools/extension", UPSTREAM);
  assertEquals(
    made.statuses.flatMap(({ kind, meta }) =>
      conditionsOf(made, `${kind} ${meta.namespace}/${meta.name}`)
    ),
    [...ALL_TRUE, ...ALL_TRUE, ...ALL_TRUE, ...ALL_TRUE],
  );
  const { servers, virtualServers } = configOf(made);
  assertEquals(
    servers.map(({ name, url, hostname, prefix }) => [
      ...[name, url, hostname, prefix],
    ]),
    [
      [
        "samples/code",
        "https://api.code.example.com/mcp",
        ...["code.mcp.local", "code_"],
      ],
      [
        "samples/echo",
        "http://echo-server.samples.svc.cluster.local:9090/v1/special/mcp",
        ...["echo.mcp.local", "echo_"],
      ],
    ],
  );
  const [credential] = servers[0]?.headers ?? [];
  assertEquals(credential?.name, "authorization");
  assertEquals(servers[0]?.credentialFor, ["discovery"]);
  assertEquals(virtualServers, [{
    name: "default/some",
    description: "some of it",
    tools: ["echo_say", "code_search"],
    // Every prompt, as nothing is said of them.
  }]);
});
