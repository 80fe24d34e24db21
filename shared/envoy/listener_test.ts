import { assertEquals } from "@std/assert";
import { at, options } from "./_testing.ts";
import { listener } from "./listener.ts";
import type { EnvoyOptions } from "./options.ts";

const PATHS = { rds: "/x/rds.json", sds: "/x/sds.json" };

function manager(given: Partial<EnvoyOptions> = {}): unknown {
  return at(
    listener(options(given), PATHS),
    "filter_chains.0.filters.0.typed_config",
  );
}

Deno.test("listener() takes a whole body in before the router, and routes last", () => {
  const names = (at(manager(), "http_filters") as { name: string }[])
    .map(({ name }) => name);
  assertEquals(names, [
    "envoy.filters.http.buffer",
    "envoy.filters.http.ext_proc",
    "envoy.filters.http.router",
  ]);
});

Deno.test("listener() refuses bodies a margin above the router's limit", () => {
  const limit = 1_000_000 + 64 * 1024;
  const given = { maxBodyBytes: 1_000_000 };
  assertEquals(
    at(manager(given), "http_filters.0.typed_config.max_request_bytes"),
    limit,
  );
  assertEquals(
    listener(options(given), PATHS).per_connection_buffer_limit_bytes,
    limit,
  );
});

Deno.test("listener() fails closed without the router, and lets it steer", () => {
  const filter = at(manager(), "http_filters.1.typed_config");
  for (
    const [path, want] of Object.entries({
      failure_mode_allow: false,
      allow_mode_override: true,
      message_timeout: "10s",
      route_cache_action: "CLEAR",
      "processing_mode.request_header_mode": "SEND",
      "processing_mode.request_body_mode": "NONE",
      "processing_mode.response_header_mode": "SKIP",
      "mutation_rules.allow_all_routing": true,
      "metadata_options.receiving_namespaces.untyped.0": "mcp",
      "metadata_options.forwarding_namespaces.untyped.0":
        "envoy.filters.http.jwt_authn",
    })
  ) {
    assertEquals(at(filter, path), want, path);
  }
});

Deno.test("listener() never shares its port with a second gateway", () => {
  assertEquals(listener(options(), PATHS).enable_reuse_port, false);
});

for (
  const { path, want } of [
    { path: "normalize_path", want: true },
    { path: "merge_slashes", want: true },
    { path: "use_remote_address", want: true },
    { path: "xff_num_trusted_hops", want: 0 },
    { path: "http2_protocol_options.max_concurrent_streams", want: 100 },
    { path: "stream_idle_timeout", want: "300s" },
    {
      path: "common_http_protocol_options.headers_with_underscores_action",
      want: "ALLOW",
    },
    { path: "rds.config_source.path_config_source.path", want: "/x/rds.json" },
  ]
) {
  Deno.test(`listener() sets ${path}`, () => {
    assertEquals(at(manager(), path), want);
  });
}

Deno.test("listener() logs requests where it is told to, without query strings", () => {
  assertEquals(at(manager(), "access_log"), undefined);
  const log = at(manager({ accessLog: "/x/log" }), "access_log.0.typed_config");
  assertEquals(at(log, "path"), "/x/log");
  assertEquals(at(log, "log_format.json_format.path"), "%PATH(NQ:PATH)%");
  assertEquals(
    at(log, "log_format.json_format.tool"),
    "%DYNAMIC_METADATA(mcp:tool)%",
  );
});

Deno.test("listener() writes to standard output by a logger that needs no file", () => {
  const log = at(manager({ accessLog: "stdout" }), "access_log.0");
  assertEquals(at(log, "name"), "envoy.access_loggers.stdout");
  assertEquals(at(log, "typed_config.path"), undefined);
  assertEquals(
    at(log, "typed_config.log_format.json_format.tool"),
    "%DYNAMIC_METADATA(mcp:tool)%",
  );
});

Deno.test("listener() takes its certificate from a file of its own", () => {
  const plain = listener(options(), PATHS);
  assertEquals(at(plain, "filter_chains.0.transport_socket"), undefined);
  const tls = { certificate: "/tls/a.pem", key: "/tls/a.key" };
  const context = at(
    listener(options({ tls }), PATHS),
    "filter_chains.0.transport_socket.typed_config.common_tls_context",
  );
  assertEquals(
    at(
      context,
      "tls_certificate_sds_secret_configs.0.sds_config.path_config_source.path",
    ),
    "/x/sds.json",
  );
  assertEquals(at(context, "alpn_protocols"), ["h2", "http/1.1"]);
  assertEquals(
    at(context, "tls_params.tls_minimum_protocol_version"),
    "TLSv1_2",
  );
});
