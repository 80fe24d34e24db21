/**
 * What the README shows of Envoy is a configuration that Envoy takes.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { parse } from "@std/yaml";
import { defaultCacheDir, findEnvoy } from "../../shared/local/envoy_binary.ts";
import { PROJECT_DIR } from "../support/paths.ts";
import { proves } from "../support/proves.ts";

const HTTP2_OPTIONS = {
  "@type":
    "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
  explicit_http_config: { http2_protocol_options: {} },
};

function cluster(name: string, port: number): object {
  const address = {
    socket_address: { address: "127.0.0.1", port_value: port },
  };
  return {
    name,
    type: "STATIC",
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
    },
    ...(name === "mcp_router"
      ? {
        typed_extension_protocol_options: {
          "envoy.extensions.upstreams.http.v3.HttpProtocolOptions":
            HTTP2_OPTIONS,
        },
      }
      : {}),
  };
}

proves("Envoy takes the configuration that the README shows", async () => {
  const readme = await Deno.readTextFile(`${PROJECT_DIR}/README.md`);
  const yaml = /```yaml\n(\s*http_filters:[\s\S]*?)```/.exec(readme)?.[1];
  assert(yaml !== undefined, "the README shows no http_filters");
  const shown = parse(yaml) as {
    http_filters: unknown;
    virtual_hosts: unknown;
  };
  const manager = {
    "@type":
      "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    stat_prefix: "mcp",
    http_filters: shown.http_filters,
    route_config: { virtual_hosts: shown.virtual_hosts },
  };
  const bootstrap = {
    static_resources: {
      listeners: [{
        name: "mcp",
        address: {
          socket_address: { address: "127.0.0.1", port_value: 8888 },
        },
        filter_chains: [{ filters: [{ name: "hcm", typed_config: manager }] }],
      }],
      clusters: [
        cluster("mcp_router", 50051),
        cluster("mcp_broker", 8080),
        cluster("docs", 9001),
      ],
    },
  };
  const file = await Deno.makeTempFile({ suffix: ".json" });
  try {
    await Deno.writeTextFile(file, JSON.stringify(bootstrap));
    const env = (name: string) => Deno.env.get(name);
    const envoy = await findEnvoy({
      cacheDir: defaultCacheDir(env),
      env,
      progress: (line) => console.error(line),
    });
    const { code, stderr } = await new Deno.Command(envoy, {
      args: ["--mode", "validate", "-c", file, "-l", "error"],
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
  } finally {
    await Deno.remove(file);
  }
});
