import { assert, assertEquals } from "@std/assert";
import type { ServerConfig } from "../config/model.ts";
import { at, config, options, server } from "./_testing.ts";
import type { EnvoyOptions } from "./options.ts";
import { joinRouted, routeConfiguration, routedServers } from "./route.ts";

interface Host {
  readonly name: string;
  readonly domains: readonly string[];
  readonly routes: readonly unknown[];
}

function hosts(
  servers: readonly ServerConfig[],
  given: Partial<EnvoyOptions> = {},
): readonly Host[] {
  const o = options(given);
  return routeConfiguration(routedServers(config(...servers), o), o)
    .virtual_hosts as unknown as readonly Host[];
}

Deno.test("routeConfiguration() sends /mcp and below to the broker", () => {
  const [gateway] = hosts([]);
  assertEquals(gateway?.domains, ["*"]);
  assertEquals(at(gateway, "routes.0.match"), {
    path_separated_prefix: "/mcp",
  });
  assertEquals(at(gateway, "routes.0.route.cluster"), "mcp_broker");
});

for (
  const { path, want } of [
    { path: "/gw/mcp", want: { path_separated_prefix: "/gw/mcp" } },
    { path: "/mcp/", want: { path_separated_prefix: "/mcp" } },
    { path: "/", want: { prefix: "/" } },
  ]
) {
  Deno.test(`routeConfiguration() serves at ${path}`, () => {
    assertEquals(at(hosts([], { path }), "0.routes.0.match"), want);
  });
}

Deno.test("routeConfiguration() reaches a server by its hostname and the router's header only", () => {
  const [host] = hosts([server("weather")]);
  assertEquals(host?.domains, ["weather.mcp.local", "weather.mcp.local:*"]);
  assertEquals(host?.routes.length, 1);
  assertEquals(at(host, "routes.0.match"), {
    prefix: "/",
    headers: [
      { name: "x-destination-mcp", string_match: { exact: "weather" } },
      { name: "x-mcp-upstream", string_match: { exact: "weather-1" } },
    ],
  });
});

Deno.test("routeConfiguration() steers by header alone where it is told to", () => {
  const gateway = hosts([server("weather")], { steering: "header" }).at(-1);
  assertEquals(at(gateway, "routes.0.match.headers.0.string_match"), {
    exact: "weather",
  });
  assertEquals(at(gateway, "routes.1.route.cluster"), "mcp_broker");
});

Deno.test("routeConfiguration() keeps servers of one hostname apart by name", () => {
  const all = hosts([
    server("a", { hostname: "h" }),
    server("b", { hostname: "h" }),
  ]);
  assertEquals(all.map(({ domains }) => domains), [["h", "h:*"], ["*"]]);
  assertEquals(all[0]?.routes.length, 2);
});

for (
  const { url, host } of [
    { url: "https://mcp.example.com/mcp", host: "mcp.example.com" },
    { url: "http://127.0.0.1:9001/mcp", host: "127.0.0.1:9001" },
    { url: "https://mcp.example.com:443/x", host: "mcp.example.com" },
    { url: "http://[::1]:9001/mcp", host: "[::1]:9001" },
  ]
) {
  Deno.test(`routeConfiguration() sends ${url} the Host ${host}`, () => {
    const [first] = hosts([server("s", { url })]);
    assertEquals(at(first, "routes.0.route.host_rewrite_literal"), host);
  });
}

const bearer = {
  name: "authorization",
  value: { kind: "file", name: "token" },
} as const;
for (
  const { name, given, removed } of [
    { name: "nothing of its own", given: {}, removed: true },
    { name: "passthrough", given: { passthrough: true }, removed: false },
    {
      name: "a credential for calls",
      given: { headers: [bearer], credentialFor: ["calls" as const] },
      removed: false,
    },
    {
      name: "a credential for discovery only",
      given: { headers: [bearer], credentialFor: ["discovery" as const] },
      removed: true,
    },
    {
      name: "another header for calls",
      given: {
        headers: [{ ...bearer, name: "x-api-key" }],
        credentialFor: ["calls" as const],
      },
      removed: true,
    },
  ]
) {
  Deno.test(
    `routeConfiguration() ${
      removed ? "removes" : "leaves"
    } authorization for a server with ${name}`,
    () => {
      const [host] = hosts([server("s", given)]);
      const gone = at(host, "routes.0.request_headers_to_remove") as string[];
      assertEquals(gone.includes("authorization"), removed);
      for (const header of ["cookie", "origin", "x-mcp-caller"]) {
        assert(gone.includes(header), header);
      }
      // Contracts between the router and the servers.
      for (const header of ["x-mcp-tool", "x-destination-mcp"]) {
        assert(!gone.includes(header), header);
      }
    },
  );
}

Deno.test("routeConfiguration() ends a stream by silence only, and retries nothing", () => {
  const idle = { streamIdleSeconds: 77, callIdleSeconds: 777 };
  for (const [i, host] of hosts([server("s")], idle).entries()) {
    const route = at(host, "routes.0.route");
    assertEquals(at(route, "timeout"), "0s");
    assertEquals(at(route, "idle_timeout"), i === 0 ? "777s" : "77s");
    assertEquals(at(route, "retry_policy"), undefined);
  }
});

Deno.test("routedServers() leaves disabled servers out", () => {
  const all = hosts([server("a", { state: "Disabled" }), server("b")]);
  assertEquals(all.map(({ name }) => name), ["host b.mcp.local", "gateway"]);
});

Deno.test("joinRouted() keeps what is gone and takes what is new where both have a name", () => {
  const before = [server("a"), server("b"), server("c", { hostname: "old" })];
  const now = [
    server("b", { caCert: { kind: "file", name: "ca.pem" } }),
    server("c", { hostname: "new" }),
  ];
  const joined = joinRouted(
    routedServers(config(...before), options()),
    routedServers(config(...now), options()),
  );
  assertEquals(
    joined.map(({ server }) => [
      server.name,
      server.hostname,
      server.caCert !== undefined,
    ]),
    [
      ["b", "b.mcp.local", true],
      ["c", "new", false],
      ["a", "a.mcp.local", false],
      ["c", "old", false],
    ],
  );
});

Deno.test("joinRouted() keeps both routes of a server that moves", () => {
  const moved = { url: "http://127.0.0.1:9002/mcp", fingerprint: "new" };
  const joined = joinRouted(
    routedServers(config(server("a", { fingerprint: "old" })), options()),
    routedServers(config(server("a", moved)), options()),
  );
  assertEquals(joined.map(({ server }) => server.fingerprint), ["new", "old"]);
});
