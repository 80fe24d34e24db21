import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { at, options, server } from "./_testing.ts";
import { brokerCluster, routerCluster, serverCluster } from "./cluster.ts";
import { serverClusterName } from "./cluster.ts";

const protocol = (cluster: unknown, field: string): unknown =>
  at(
    (at(cluster, "typed_extension_protocol_options") as Record<
      string,
      unknown
    >)[
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    ],
    field,
  );
const TLS = "transport_socket.typed_config";
const ADDRESS =
  "load_assignment.endpoints.0.lb_endpoints.0.endpoint.address.socket_address";

for (
  const { name, url, want } of [
    {
      name: "an IPv4 address needs no DNS",
      url: "http://10.0.0.1:81/mcp",
      want: { type: "STATIC", address: "10.0.0.1", port_value: 81 },
    },
    {
      name: "an IPv6 address loses its brackets",
      url: "http://[::1]/mcp",
      want: { type: "STATIC", address: "::1", port_value: 80 },
    },
    {
      name: "the addresses of a name are tried in turn",
      url: "http://localhost:9000/mcp",
      want: { type: "LOGICAL_DNS", address: "localhost", port_value: 9000 },
    },
    {
      name: "https without a port is 443",
      url: "https://mcp.example.com/mcp",
      want: {
        type: "LOGICAL_DNS",
        address: "mcp.example.com",
        port_value: 443,
      },
    },
  ]
) {
  Deno.test(`serverCluster(): ${name}`, () => {
    const cluster = serverCluster(server("s", { url }), options());
    const { type, ...address } = want;
    assertEquals(at(cluster, "type"), type);
    assertEquals(at(cluster, ADDRESS), address);
  });
}

Deno.test("serverCluster() of an http server speaks HTTP/1.1 without TLS", () => {
  const cluster = serverCluster(server("s"), options());
  assertEquals(at(cluster, "transport_socket"), undefined);
  assertEquals(protocol(cluster, "explicit_http_config"), {
    http_protocol_options: {},
  });
});

Deno.test("serverCluster() closes idle connections before Node's 5 s do", () => {
  const cluster = serverCluster(server("s"), options());
  assertEquals(
    protocol(cluster, "common_http_protocol_options.idle_timeout"),
    "4s",
  );
});

Deno.test("serverCluster() checks a certificate against name and system bundle", () => {
  const cluster = serverCluster(
    server("s", { url: "https://mcp.example.com/mcp" }),
    options({ systemCa: "/ca.crt" }),
  );
  assertEquals(at(cluster, `${TLS}.sni`), "mcp.example.com");
  const context = at(
    cluster,
    `${TLS}.common_tls_context.validation_context`,
  );
  assertEquals(context, {
    trusted_ca: { filename: "/ca.crt" },
    match_typed_subject_alt_names: [{
      san_type: "DNS",
      matcher: { exact: "mcp.example.com" },
    }],
  });
});

Deno.test("serverCluster() checks a certificate against the server's own CA", () => {
  const cluster = serverCluster(
    server("s", { url: "https://mcp.example.com/mcp" }),
    options({ caCerts: new Map([["s", "PEM"]]) }),
  );
  assertEquals(
    at(cluster, `${TLS}.common_tls_context.validation_context.trusted_ca`),
    { inline_string: "PEM" },
  );
});

Deno.test("serverCluster() of an https address sends no SNI and matches the address", () => {
  const cluster = serverCluster(
    server("s", { url: "https://10.0.0.1/mcp" }),
    options(),
  );
  assertEquals(at(cluster, `${TLS}.sni`), undefined);
  assertEquals(
    at(
      cluster,
      `${TLS}.common_tls_context.validation_context.match_typed_subject_alt_names.0`,
    ),
    { san_type: "IP_ADDRESS", matcher: { exact: "10.0.0.1" } },
  );
});

Deno.test("serverClusterName() changes with origin and CA, not with what routes decide", () => {
  const name = (given: Parameters<typeof server>[1], pem?: string) =>
    serverClusterName(
      server("Team/Weather API", given),
      options(
        pem === undefined
          ? {}
          : { caCerts: new Map([["Team/Weather API", pem]]) },
      ),
    );
  const plain = name({ url: "https://a.example/mcp" });
  assert(/^mcp_team_weather_api_[0-9a-f]{12}$/.test(plain), plain);
  assertEquals(name({ url: "https://a.example/other" }), plain);
  assertEquals(name({ url: "https://a.example/mcp", prefix: "p_" }), plain);
  assertNotEquals(name({ url: "https://b.example/mcp" }), plain);
  assertNotEquals(name({ url: "http://a.example/mcp" }), plain);
  assertNotEquals(name({ url: "https://a.example/mcp" }, "PEM"), plain);
});

Deno.test("serverClusterName() of two servers at one URL differs", () => {
  assertNotEquals(
    serverClusterName(server("a-b"), options()),
    serverClusterName(server("a_b"), options()),
  );
});

for (
  const { name, cluster } of [
    { name: "serverCluster()", cluster: serverCluster(server("s"), options()) },
    { name: "brokerCluster()", cluster: brokerCluster(options()) },
    { name: "routerCluster()", cluster: routerCluster(options()) },
  ]
) {
  Deno.test(`${name} allows a burst of requests and no retry`, () => {
    const thresholds = at(cluster, "circuit_breakers.thresholds.0");
    assertEquals(at(thresholds, "max_requests"), 10_000);
    assertEquals(at(thresholds, "max_connections"), 10_000);
    assertEquals(at(thresholds, "max_retries"), 0);
  });
}

Deno.test("routerCluster() speaks HTTP/2 to one endpoint per process", () => {
  const cluster = routerCluster(options({
    routers: [
      { kind: "unix", path: "/run/0.sock" },
      { kind: "tcp", host: "127.0.0.1", port: 50051 },
    ],
  }));
  assertEquals(
    at(cluster, "load_assignment.endpoints.0.lb_endpoints"),
    [
      { endpoint: { address: { pipe: { path: "/run/0.sock" } } } },
      {
        endpoint: {
          address: {
            socket_address: { address: "127.0.0.1", port_value: 50051 },
          },
        },
      },
    ],
  );
  assert(protocol(cluster, "explicit_http_config.http2_protocol_options"));
  assert(at(cluster, "outlier_detection"), "a dead process is left out");
});

for (
  const { name, cluster } of [
    { name: "routerCluster()", cluster: routerCluster(options()) },
    { name: "brokerCluster()", cluster: brokerCluster(options()) },
  ]
) {
  Deno.test(`${name} never leaves out the only process`, () => {
    assertEquals(at(cluster, "outlier_detection"), undefined);
    assertEquals(at(cluster, "health_checks"), undefined);
  });
}

for (
  const { name, clusterOf, check } of [
    {
      name: "routerCluster()",
      clusterOf: routerCluster,
      check: { grpc_health_check: {} },
    },
    {
      name: "brokerCluster()",
      clusterOf: brokerCluster,
      check: { http_health_check: { path: "/readyz", host: "mcp_broker" } },
    },
  ]
) {
  Deno.test(`${name} asks each of several processes whether it is ready, also when nobody calls, and acts on it at once`, () => {
    const two = [1, 2].map((port) => ({
      kind: "tcp" as const,
      host: "127.0.0.1",
      port,
    }));
    const cluster = clusterOf(
      options({ routers: two, brokers: two, healthCheckSeconds: 0.5 }),
    );
    assertEquals(at(cluster, "health_checks"), [{
      interval: "0.5s",
      no_traffic_interval: "0.5s",
      timeout: "2s",
      unhealthy_threshold: 3,
      healthy_threshold: 1,
      ...check,
    }]);
    assertEquals(at(cluster, "common_lb_config"), {
      healthy_panic_threshold: { value: 1 },
      update_merge_window: "0s",
    });
  });
}

Deno.test("brokerCluster() has one endpoint per process, and lets what did not reach one be tried at another", () => {
  const cluster = brokerCluster(options({
    brokers: [
      { kind: "tcp", host: "127.0.0.1", port: 8080 },
      { kind: "tcp", host: "127.0.0.1", port: 8081 },
    ],
  }));
  assertEquals(
    at(cluster, "load_assignment.endpoints.0.lb_endpoints.1.endpoint.address"),
    { socket_address: { address: "127.0.0.1", port_value: 8081 } },
  );
  assert(at(cluster, "outlier_detection"), "a dead process is left out");
  const retries = at(cluster, "circuit_breakers.thresholds.0.max_retries");
  assertEquals(retries, 10_000);
});

Deno.test("routerCluster() looks in a file for routers that come and go, and lets those that go finish", () => {
  const source = { path_config_source: { path: "/x/eds.json" } };
  const cluster = routerCluster(options(), source);
  assertEquals(at(cluster, "type"), "EDS");
  assertEquals(at(cluster, "eds_cluster_config.eds_config"), source);
  assertEquals(at(cluster, "load_assignment"), undefined);
  assertEquals(at(cluster, "ignore_health_on_host_removal"), true);
  // There may be a second one at any time.
  assertEquals(at(cluster, "health_checks.0.grpc_health_check"), {});
});
