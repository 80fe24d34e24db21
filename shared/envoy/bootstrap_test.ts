import { assertEquals } from "@std/assert";
import { at, options } from "./_testing.ts";
import { bootstrap } from "./bootstrap.ts";

const generated = bootstrap(
  options({ maxHeapBytes: 5, maxConnections: 6 }),
  { cds: "/x/cds.json", lds: "/x/lds.json" },
  { kind: "tcp", host: "127.0.0.1", port: 9901 },
);

Deno.test("bootstrap() ends gRPC streams gracefully, else 1 % of calls are lost", () => {
  const layer = at(generated, "layered_runtime.layers.0.static_layer");
  assertEquals(layer, {
    "envoy.reloadable_features.ext_proc_graceful_grpc_close": true,
  });
});

for (
  const { path, want } of [
    {
      path: "dynamic_resources.cds_config.path_config_source.path",
      want: "/x/cds.json",
    },
    {
      path: "dynamic_resources.lds_config.path_config_source.path",
      want: "/x/lds.json",
    },
    { path: "static_resources.clusters.0.name", want: "mcp_router" },
    { path: "admin.address.socket_address.port_value", want: 9901 },
    {
      path:
        "overload_manager.resource_monitors.0.typed_config.max_heap_size_bytes",
      want: 5,
    },
    {
      path:
        "overload_manager.resource_monitors.1.typed_config.max_active_downstream_connections",
      want: 6,
    },
  ]
) {
  Deno.test(`bootstrap() sets ${path}`, () => {
    assertEquals(at(generated, path), want);
  });
}

Deno.test("bootstrap() has no admin interface, all of it, or the paths that are named", () => {
  const paths = { cds: "/x/cds.json", lds: "/x/lds.json" };
  assertEquals(at(bootstrap(options(), paths), "admin"), undefined);
  assertEquals(at(generated, "admin.allow_paths"), undefined);
  assertEquals(
    at(
      bootstrap(options({ adminPaths: ["/stats", "/ready"] }), paths, {
        kind: "tcp",
        host: "127.0.0.1",
        port: 9901,
      }),
      "admin.allow_paths",
    ),
    [{ prefix: "/stats" }, { prefix: "/ready" }],
  );
});

Deno.test("bootstrap() names the file with the routers only where they may change", () => {
  const paths = { cds: "/x/cds.json", lds: "/x/lds.json", eds: "/x/eds.json" };
  const typeOf = (routersChange: boolean) =>
    at(
      bootstrap(options({ routersChange }), paths),
      "static_resources.clusters.0.type",
    );
  assertEquals(typeOf(true), "EDS");
  assertEquals(typeOf(false), "STATIC");
});
