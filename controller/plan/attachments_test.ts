import { assert, assertEquals } from "@std/assert";
import type { KubeObject } from "../../shared/kube/object.ts";
import { at } from "../../shared/envoy/_testing.ts";
import {
  type Around,
  configOf,
  ON_ENVOY_GATEWAY,
  planWith,
  replica,
  statusFor,
  statusOf,
} from "./_testing.ts";

/** The objects of a plan, by `Kind namespace/name`. */
function attachments(
  text = "",
  around: Around = {},
): ReadonlyMap<string, KubeObject> {
  return new Map(
    planWith(text, around).attachments.map((one) => [
      `${one.kind} ${one.metadata.namespace}/${one.metadata.name}`,
      one,
    ]),
  );
}

const FILTER = "EnvoyFilter mcp/mcp-gateway-mcp";
const SERVERS = "EnvoyFilter mcp/mcp-gateway-mcp-servers-0";
const ENDPOINT = "HTTPRoute mcp/mcp-gateway-endpoint";

/** Patches of an EnvoyFilter of one kind. */
function patches(object: KubeObject | undefined, applyTo: string): unknown[] {
  return (at(object, "spec.configPatches") as unknown[]).filter((one) =>
    at(one, "applyTo") === applyTo
  );
}

Deno.test("plan() marks what it makes as its own, and whose it is", () => {
  const all = attachments();
  assertEquals([...all.keys()], [ENDPOINT, FILTER, SERVERS]);
  for (const { metadata } of all.values()) {
    assertEquals(metadata.labels, {
      "app.kubernetes.io/managed-by": "mcp-gateway-controller",
      "app.kubernetes.io/part-of": "mcp-gateway",
      "mcp.kuadrant.io/extension-namespace": "mcp",
    });
    assertEquals(metadata.ownerReferences?.[0]?.uid, "u1");
  }
});

Deno.test("plan() names no owner across namespaces, as Kubernetes knows none", () => {
  const elsewhere = `
kind: MCPGatewayExtension
metadata: {name: main, namespace: mcp}
gone: true
---
apiVersion: mcp.kuadrant.io/v1
kind: MCPGatewayExtension
metadata: {name: main, namespace: ours, uid: u9}
spec: {targetRef: {name: gw, namespace: mcp, sectionName: mcp}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {name: grant, namespace: mcp}
spec: {from: [{group: mcp.kuadrant.io, kind: MCPGatewayExtension, namespace: ours}], to: [{group: gateway.networking.k8s.io, kind: Gateway}]}
`;
  const all = attachments(elsewhere);
  assertEquals([...all.keys()], [
    "HTTPRoute ours/mcp-gateway-endpoint",
    "EnvoyFilter mcp/mcp-gateway-ours",
    "EnvoyFilter mcp/mcp-gateway-ours-servers-0",
  ]);
  assertEquals(
    [...all.values()].map((one) => one.metadata.ownerReferences?.[0]?.uid),
    ["u9", undefined, undefined],
  );
});

Deno.test("the endpoint's route leads clients' host to the broker, without an end", () => {
  const route = attachments().get(ENDPOINT);
  assertEquals(at(route, "spec.hostnames"), ["mcp.example.test"]);
  assertEquals(at(route, "spec.parentRefs.0.sectionName"), "mcp");
  assertEquals(at(route, "spec.rules.0.matches.0.path"), {
    type: "PathPrefix",
    value: "/mcp",
  });
  assertEquals(at(route, "spec.rules.0.backendRefs.0.port"), 8080);
  assertEquals(at(route, "spec.rules.0.timeouts.request"), "0s");
});

Deno.test("the endpoint's route is left to those who want to make it", () => {
  const own = `
kind: MCPGatewayExtension
metadata: {name: main, namespace: mcp}
spec: {httpRouteManagement: Disabled}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: mine, namespace: mcp}
spec:
  parentRefs: [{name: gw, sectionName: mcp}]
  rules:
  - {backendRefs: [{name: website, port: 80}]}
  - {name: router, backendRefs: [{name: mcp-gateway, port: 50051}]}
  - {name: broker, backendRefs: [{name: mcp-gateway, port: 8080}]}
`;
  const all = attachments(own);
  assert(!all.has(ENDPOINT));
  // Only where the rule leads to the broker are bodies taken in whole.
  assertEquals(
    patches(all.get(FILTER), "HTTP_ROUTE").map((one) =>
      at(one, "match.routeConfiguration.vhost.route.name")
    ),
    ["broker"],
  );
});

Deno.test("on Istio a body is taken in before the router is asked, and neither where it is not ours", () => {
  const filters = patches(attachments().get(FILTER), "HTTP_FILTER");
  // Each goes first, so the last one is in front.
  assertEquals(filters.map((one) => at(one, "patch.value.name")), [
    "mcp_gateway.prepared_routes",
    "envoy.filters.http.ext_proc",
    "envoy.filters.http.buffer",
  ]);
  for (const one of filters) {
    assertEquals(at(one, "patch.operation"), "INSERT_FIRST");
    assertEquals(at(one, "match.listener.portNumber"), 80);
  }
  for (const one of filters.slice(1)) {
    assertEquals(at(one, "patch.value.disabled"), true);
  }
  const router = at(filters[1], "patch.value.typed_config");
  for (
    const [path, want] of Object.entries({
      "grpc_service.envoy_grpc.cluster_name":
        "outbound|50051||mcp-gateway.mcp.svc.cluster.local",
      // An HTTP/2 server closes the connection for a | in it.
      "grpc_service.envoy_grpc.authority": "mcp-gateway.mcp.svc.cluster.local",
      failure_mode_allow: false,
      allow_mode_override: true,
      "processing_mode.request_header_mode": "SEND",
      "processing_mode.request_trailer_mode": "SEND",
      "processing_mode.request_body_mode": "NONE",
      "processing_mode.response_header_mode": "SKIP",
      "response_attributes.0": "response.code_details",
      "mutation_rules.allow_all_routing": true,
      "mutation_rules.allow_envoy": true,
      route_cache_action: "CLEAR",
    })
  ) assertEquals(at(router, path), want, path);
});

const LEFT_TO_OWNER = "have the Gateway's proxies started with";

for (
  const { name, settings, left } of [
    { name: "nothing", settings: "", left: true },
    {
      name: "it as text, in JSON",
      settings:
        '{"runtimeValues": {"envoy.reloadable_features.ext_proc_graceful_grpc_close": "true"}}',
      left: false,
    },
    {
      name: "it as YAML, among other things",
      settings:
        "concurrency: 2\nruntimeValues:\n  envoy.reloadable_features.ext_proc_graceful_grpc_close: true\n",
      left: false,
    },
    {
      name: "the contrary",
      settings:
        '{"runtimeValues": {"envoy.reloadable_features.ext_proc_graceful_grpc_close": "false"}}',
      left: true,
    },
    { name: "what cannot be read", settings: "{a: [", left: true },
    { name: "something else", settings: "just text", left: true },
  ]
) {
  Deno.test(`an extension says ${left ? "that Istio's proxies need" : "nothing of"} a graceful close where their Gateway sets ${name}`, () => {
    const annotations = JSON.stringify({ "proxy.istio.io/config": settings });
    const gateway =
      `kind: Gateway\nmetadata: {name: gw, namespace: mcp}\nspec: {infrastructure: {annotations: ${annotations}}}`;
    const brokers = [replica("b", statusFor(configOf(planWith(gateway))))];
    const made = planWith(gateway, { brokers });
    const { status } = statusOf(made, "MCPGatewayExtension mcp/main");
    const text = JSON.stringify(status);
    assert(text.includes("Servers configured: 1"), text);
    assertEquals(text.includes(LEFT_TO_OWNER), left);
  });
}

Deno.test("on Istio nothing is said of a bootstrap, as nobody would hear it", () => {
  assertEquals(patches(attachments().get(FILTER), "BOOTSTRAP"), []);
});

Deno.test("on Istio the router is asked at clients' host and at servers' hosts", () => {
  const all = attachments();
  const hosts = [FILTER, SERVERS].flatMap((name) =>
    patches(all.get(name), "VIRTUAL_HOST").map((one) => {
      assert(
        JSON.stringify(at(one, "patch.value")).includes("ext_proc"),
      );
      return at(one, "match.routeConfiguration.vhost.name");
    })
  );
  assertEquals(hosts, ["mcp.example.test:80", "weather.mcp.local:80"]);
});

Deno.test("on Istio a server's own rule sends it what is meant for it, once", () => {
  const [patch] = patches(attachments().get(SERVERS), "HTTP_ROUTE");
  assertEquals(at(patch, "match.routeConfiguration.vhost"), {
    name: "weather.mcp.local:80",
    route: { name: "team.weather.0", action: "ROUTE" },
  });
  assertEquals(at(patch, "patch.value"), {
    metadata: { filter_metadata: { mcp_gateway: { server: "team/weather" } } },
    request_headers_to_remove: [
      "authorization",
      "cookie",
      "origin",
      "proxy-authorization",
      "x-mcp-caller",
      "x-mcp-upstream",
    ],
    route: {
      host_rewrite_literal: "weather.team.svc.cluster.local:9001",
      retry_policy: {
        retry_on: "connect-failure,refused-stream,reset-before-request",
      },
    },
  });
});

for (
  const { name, annotation, kept } of [
    { name: "the registration", annotation: "team/weather", kept: true },
    { name: "its namespace", annotation: "x/y, team/*", kept: true },
    { name: "another one", annotation: "team/news", kept: false },
    { name: "everything", annotation: "*", kept: false },
  ]
) {
  Deno.test(`authorization ${kept ? "stays" : "goes"} where the gateway's owner names ${name}`, () => {
    const all = attachments(`
kind: MCPGatewayExtension
metadata: {name: main, namespace: mcp, annotations: {mcp.kuadrant.io/keep-authorization: "${annotation}"}}
`);
    const [patch] = patches(all.get(SERVERS), "HTTP_ROUTE");
    const removed = at(patch, "patch.value.request_headers_to_remove");
    assertEquals((removed as string[]).includes("authorization"), !kept);
  });
}

Deno.test("authorization goes whatever the registration's own owner says", () => {
  const all = attachments(`
kind: MCPServerRegistration
metadata: {name: weather, namespace: team, annotations: {mcp.kuadrant.io/keep-authorization: "team/weather"}}
`);
  const [patch] = patches(all.get(SERVERS), "HTTP_ROUTE");
  assertEquals(
    at(patch, "patch.value.request_headers_to_remove.0"),
    "authorization",
  );
});

Deno.test("a Host that the route sets is left to it", () => {
  const all = attachments(`
kind: HTTPRoute
metadata: {name: weather, namespace: team}
spec: {rules: [{name: mine, filters: [{type: URLRewrite, urlRewrite: {hostname: api.example.com}}], backendRefs: [{name: weather, port: 9001}]}]}
`);
  const [patch] = patches(all.get(SERVERS), "HTTP_ROUTE");
  assertEquals(at(patch, "match.routeConfiguration.vhost.route.name"), "mine");
  assertEquals(at(patch, "patch.value.route.host_rewrite_literal"), undefined);
});

Deno.test("an HTTPS listener is one chain of its port, found by its host", () => {
  const all = attachments(`
kind: Gateway
metadata: {name: gw, namespace: mcp}
spec: {listeners: [{name: mcp, hostname: mcp.example.test, port: 443, protocol: HTTPS}]}
`);
  const [filter] = patches(all.get(FILTER), "HTTP_FILTER");
  assertEquals(
    at(filter, "match.listener.filterChain.sni"),
    "mcp.example.test",
  );
});

Deno.test("a smaller limit of bodies is Envoy's, a larger one not", () => {
  const limit = (bytes: number) =>
    at(
      patches(
        attachments(
          `kind: MCPGatewayExtension\nmetadata: {name: main, namespace: mcp}\nspec: {maxBodyBytes: ${bytes}}`,
        ).get(FILTER),
        "LISTENER",
      )[0],
      "patch.value.per_connection_buffer_limit_bytes",
    );
  assertEquals(limit(1000), 1000 + 65536);
  assertEquals(limit(1e9), 4 * 1024 * 1024 + 65536);
});

Deno.test("many servers are spread over EnvoyFilters", () => {
  const many = Array.from({ length: 251 }, (_, i) => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: s${i}, namespace: team, creationTimestamp: "2026-01-09T00:00:00Z"}
spec: {parentRefs: [{name: gw, namespace: mcp, sectionName: servers}], hostnames: [s${i}.mcp.local], rules: [{backendRefs: [{name: weather, port: 9001}]}]}
---
apiVersion: mcp.kuadrant.io/v1
kind: MCPServerRegistration
metadata: {name: s${i}, namespace: team, creationTimestamp: "2026-01-09T00:00:00Z"}
spec: {targetRef: {name: s${i}}, prefix: s${i}_}
`).join("---");
  const sizes = [...attachments(many)].filter(([name]) =>
    name.includes("-servers-")
  ).map(([, object]) => patches(object, "HTTP_ROUTE").length);
  assertEquals(sizes, [250, 2]);
});

const POLICY = "EnvoyExtensionPolicy mcp/mcp-gateway-mcp";

Deno.test("on Envoy Gateway the router is asked on the MCP listener, headers only", () => {
  const policy = attachments(ON_ENVOY_GATEWAY).get(POLICY);
  assertEquals(at(policy, "spec.targetRefs.0"), {
    group: "gateway.networking.k8s.io",
    kind: "Gateway",
    name: "gw",
    sectionName: "mcp",
  });
  const { backendRefs: _, ...rest } = at(policy, "spec.extProc.0") as Record<
    string,
    unknown
  >;
  assertEquals(rest, {
    messageTimeout: "10s",
    failOpen: false,
    processingMode: {
      allowModeOverride: true,
      request: {},
      response: { attributes: ["response.code_details"] },
    },
    metadata: {
      accessibleNamespaces: ["envoy.filters.http.jwt_authn"],
      writableNamespaces: ["mcp"],
    },
  });
});

Deno.test("on Envoy Gateway each server has a route that only the router can lead to", () => {
  const all = attachments(ON_ENVOY_GATEWAY);
  const [name, route] =
    [...all].find(([name]) =>
      name.startsWith("HTTPRoute mcp/mcp-server-team-weather-")
    ) ?? [];
  assert(name !== undefined);
  assertEquals(at(route, "spec.hostnames"), ["mcp.example.test"]);
  assertEquals(at(route, "spec.rules.0.matches"), [{
    // More specific than the broker's prefix, as paths come before headers.
    path: { type: "Exact", value: "/mcp" },
    headers: [{
      type: "Exact",
      name: "x-destination-mcp",
      value: "team/weather",
    }],
  }]);
  assertEquals(at(route, "spec.rules.0.backendRefs.0.namespace"), "team");
  assertEquals(
    at(route, "spec.rules.0.filters.0.requestHeaderModifier.remove.0"),
    "authorization",
  );
  assertEquals(
    at(route, "spec.rules.0.filters.1.urlRewrite.hostname"),
    "weather.team.svc.cluster.local",
  );
});

Deno.test("on Envoy Gateway bodies beyond 32 KiB need a policy of their own", () => {
  const policy = "BackendTrafficPolicy mcp/mcp-gateway-body-limit";
  const all = attachments(ON_ENVOY_GATEWAY);
  assertEquals(
    at(all.get(policy), "spec.targetRefs.0.name"),
    "mcp-gateway-endpoint",
  );
  assertEquals(at(all.get(policy), "spec.requestBuffer.limit"), "4259840");
  const old = attachments(ON_ENVOY_GATEWAY, {
    kinds: ["EnvoyExtensionPolicy.gateway.envoyproxy.io"],
  });
  assert(old.has(POLICY) && !old.has(policy));
});

Deno.test("two servers never share a generated route's name", () => {
  const twins = `
kind: MCPServerRegistration
metadata: {name: weather, namespace: team}
gone: true
---
${
    ["team/a-b", "team-a/b"].map((key, i) => {
      const [namespace, name] = key.split("/");
      return `
apiVersion: v1
kind: Service
metadata: {name: s, namespace: ${namespace}}
spec: {ports: [{port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata: {name: g, namespace: ${namespace}}
spec: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: mcp}], to: [{group: "", kind: Service}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: s, namespace: ${namespace}}
spec: {parentRefs: [{name: gw, namespace: mcp}], hostnames: [s${i}.mcp.local], rules: [{backendRefs: [{name: s, port: 80}]}]}
---
apiVersion: mcp.kuadrant.io/v1
kind: MCPServerRegistration
metadata: {name: ${name}, namespace: ${namespace}}
spec: {targetRef: {name: s}}
`;
    }).join("---")
  }`;
  const names = [...attachments(`${ON_ENVOY_GATEWAY}\n---\n${twins}`).keys()]
    .filter((name) => name.includes("mcp-server-team-a-b-"));
  assertEquals(new Set(names).size, 2);
});

Deno.test("an unknown data plane gets the endpoint's route and nothing else", () => {
  const other =
    `kind: GatewayClass\nmetadata: {name: istio}\nspec: {controllerName: x.example/y}`;
  assertEquals([...attachments(other).keys()], [ENDPOINT]);
});

for (
  const { name, spec, keep } of [
    { name: "cannot be read", spec: "{publicHost: 'a b'}", keep: ["mcp"] },
    {
      name: "names a listener that is gone",
      spec: "{targetRef: {sectionName: gone}}",
      keep: ["mcp"],
    },
    {
      name: "has lost its grant",
      spec: "{targetRef: {namespace: other}}",
      keep: [],
    },
  ]
) {
  Deno.test(`attachments ${keep.length > 0 ? "stay" : "go"} where their extension ${name}`, () => {
    const made = planWith(
      `kind: MCPGatewayExtension\nmetadata: {name: main, namespace: mcp}\nspec: ${spec}`,
    );
    assertEquals(made.attachments, []);
    assertEquals(made.keep, keep);
  });
}
