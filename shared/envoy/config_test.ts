import { assertEquals } from "@std/assert";
import { at, config, options, server } from "./_testing.ts";
import {
  clusterDiscovery,
  clusters,
  endpointDiscovery,
  routeDiscovery,
} from "./config.ts";

Deno.test("clusters() are the broker's and one per enabled server", () => {
  const names = clusters(
    config(server("a"), server("b", { state: "Disabled" })),
    options(),
  ).map(({ name }) => String(name).replace(/_[0-9a-f]{12}$/, ""));
  assertEquals(names, ["mcp_broker", "mcp_a"]);
});

Deno.test("clusterDiscovery() writes a cluster once that two configurations have", () => {
  const same = clusters(config(server("a")), options());
  const moved = clusters(
    config(server("a", { url: "http://127.0.0.1:9002/mcp" })),
    options(),
  );
  const file = clusterDiscovery([...same, ...same, ...moved], "7");
  const names = (file.resources as { name: string }[]).map(({ name }) => name);
  assertEquals(names, [
    "mcp_broker",
    same[1]?.name,
    moved[1]?.name,
  ]);
  assertEquals(file.version_info, "7");
});

Deno.test("routeDiscovery() names the type of its resource", () => {
  const file = routeDiscovery({ name: "mcp", virtual_hosts: [] }, "8");
  assertEquals(file.version_info, "8");
  assertEquals(
    at(file, "resources.0.@type"),
    "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
  );
});

Deno.test("endpointDiscovery() says where the routers are", () => {
  const routers = [
    { kind: "unix", path: "/run/1.sock" },
    { kind: "tcp", host: "127.0.0.1", port: 50051 },
  ] as const;
  const file = endpointDiscovery(options({ routers }), "9");
  assertEquals(file.version_info, "9");
  const found = at(file, "resources.0");
  assertEquals(at(found, "cluster_name"), "mcp_router");
  assertEquals(
    at(found, "endpoints.0.lb_endpoints.0.endpoint.address.pipe.path"),
    "/run/1.sock",
  );
  assertEquals(
    at(
      found,
      "endpoints.0.lb_endpoints.1.endpoint.address.socket_address.port_value",
    ),
    50051,
  );
});
