import { assertEquals } from "@std/assert";
import type { Catalog, CatalogEntry } from "../catalog.ts";
import type { ServerConfig } from "../config/model.ts";
import { RouteTable } from "./route_table.ts";
import { config, server } from "../_testing.ts";

const servers: readonly ServerConfig[] = [
  server("weather", { prefix: "weather_" }),
  server("radar", { prefix: "weather_radar_" }),
  server("plain"),
  server("off", { prefix: "off_", state: "Disabled" }),
];

function catalog(
  tools: Record<string, CatalogEntry>,
  complete = true,
): Catalog {
  return {
    version: "1",
    config: "c",
    complete,
    servers: [],
    urisComplete: complete,
    tools,
    prompts: { greet: { server: "plain", name: "greet" } },
    resources: {
      "memo://1": { server: "weather", name: "memo://1" },
      "gone://1": { server: "gone", name: "gone://1" },
    },
    templates: [
      { server: "gone", uriTemplate: "memo://{id}" },
      { server: "radar", uriTemplate: "memo://{id}" },
      { server: "plain", uriTemplate: "memo://{id}" },
    ],
  };
}

const plainEcho = catalog({ echo: { server: "plain", name: "echo" } });

const cases: readonly {
  name: string;
  catalog?: Catalog;
  tool: string;
  virtual?: string;
  want: string;
}[] = [
  {
    name: "a prefix decides, without a catalog",
    tool: "weather_now",
    want: "weather:now",
  },
  {
    name: "the longest prefix decides",
    tool: "weather_radar_now",
    want: "radar:now",
  },
  {
    name: "a prefix alone is no name",
    tool: "weather_",
    want: "unknown tool",
  },
  {
    name: "the catalog knows names without a prefix",
    catalog: plainEcho,
    tool: "echo",
    want: "plain:echo",
  },
  {
    name: "a name is unknown only if the catalog is complete",
    catalog: plainEcho,
    tool: "nope",
    want: "unknown tool",
  },
  {
    name: "an incomplete catalog knows nothing to be unknown",
    catalog: catalog({}, false),
    tool: "nope",
    want: "catalog unavailable",
  },
  {
    name: "without a catalog nothing is unknown",
    tool: "echo",
    want: "catalog unavailable",
  },
  {
    name: "an entry of a server that is gone is unknown",
    catalog: catalog({ echo: { server: "gone", name: "echo" } }),
    tool: "echo",
    want: "unknown tool",
  },
  {
    name: "a disabled server's prefix owns nothing",
    catalog: plainEcho,
    tool: "off_x",
    want: "unknown tool",
  },
  ...["__proto__", "constructor", "toString"].map((tool) => ({
    name: `${tool} is a name like any other`,
    catalog: plainEcho,
    tool,
    want: "unknown tool",
  })),
  {
    name: "a virtual server's own tool is found",
    tool: "weather_now",
    virtual: "team/travel",
    want: "weather:now",
  },
  {
    name: "what a virtual server does not select is unknown",
    tool: "weather_radar_now",
    virtual: "team/travel",
    want: "unknown tool",
  },
  {
    name: "a virtual server that does not exist is never the full list",
    tool: "weather_now",
    virtual: "team/other",
    want: "unknown virtual server",
  },
];

for (const { name, catalog, tool, virtual, want } of cases) {
  Deno.test(`RouteTable.resolve(): ${name}`, () => {
    const table = new RouteTable(
      config(servers, [
        { name: "team/travel", tools: ["weather_now"], prompts: [] },
      ]),
      catalog,
    );
    const found = table.resolve("tool", tool, virtual);
    assertEquals(
      found.kind === "server"
        ? `${found.server.name}:${found.name}`
        : found.refusal.kind,
      want,
    );
  });
}

const uris: readonly {
  name: string;
  catalog?: Catalog;
  uri: string;
  virtual?: string;
  want: string;
}[] = [
  {
    name: "the catalog knows",
    catalog: plainEcho,
    uri: "memo://1",
    want: "weather",
  },
  {
    name: "the first template that matches decides",
    catalog: plainEcho,
    uri: "memo://2",
    want: "radar",
  },
  {
    name: "a template is found by itself",
    catalog: plainEcho,
    uri: "memo://{id}",
    want: "radar",
  },
  {
    name: "a resource of a server that is gone is unknown",
    catalog: plainEcho,
    uri: "gone://1",
    want: "unknown resource",
  },
  {
    name: "a URI is unknown only if the catalog is complete",
    catalog: catalog({}, false),
    uri: "other://1",
    want: "catalog unavailable",
  },
  {
    name: "without a catalog nothing is unknown",
    uri: "memo://1",
    want: "catalog unavailable",
  },
  {
    name: "a virtual server has no resources",
    catalog: plainEcho,
    uri: "memo://1",
    virtual: "team/travel",
    want: "unknown resource",
  },
  {
    name: "a virtual server that does not exist has none either",
    catalog: plainEcho,
    uri: "memo://1",
    virtual: "team/other",
    want: "unknown virtual server",
  },
];

for (const { name, catalog, uri, virtual, want } of uris) {
  Deno.test(`RouteTable.resolve() of URIs: ${name}`, () => {
    const table = new RouteTable(
      config(servers, [
        { name: "team/travel", tools: ["weather_now"], prompts: [] },
      ]),
      catalog,
    );
    const found = table.resolve("resource", uri, virtual);
    assertEquals(
      found.kind === "server" ? found.server.name : found.refusal.kind,
      want,
    );
  });
}

Deno.test("RouteTable.resolve() lets a virtual server that says nothing of prompts have every one", () => {
  const table = new RouteTable(
    config(servers, [
      { name: "all", tools: ["weather_now"] },
      { name: "none", tools: ["weather_now"], prompts: [] },
    ]),
    plainEcho,
  );
  const resolve = (kind: "tool" | "prompt", virtual: string) =>
    ["greet", "weather_ask"].map((name) =>
      table.resolve(kind, name, virtual).kind
    );
  assertEquals(resolve("prompt", "all"), ["server", "server"]);
  assertEquals(resolve("prompt", "none"), ["refused", "refused"]);
  assertEquals(resolve("tool", "all"), ["refused", "refused"]);
});

Deno.test("RouteTable.resolve() keeps tools and prompts apart", () => {
  const table = new RouteTable(config(servers), plainEcho);
  const kinds = (["tool", "prompt"] as const).flatMap((kind) =>
    ["echo", "greet"].map((name) => table.resolve(kind, name).kind)
  );
  assertEquals(kinds, ["server", "refused", "refused", "server"]);
});

Deno.test("RouteTable.isServerHost() knows disabled servers' hosts too", () => {
  const table = new RouteTable(config(servers), undefined);
  assertEquals(
    ["weather.mcp.local", "off.mcp.local", "example.com"].map((host) =>
      table.isServerHost(host)
    ),
    [true, true, false],
  );
});

Deno.test("RouteTable.serverNamed() knows enabled servers only", () => {
  const off = server("off", { state: "Disabled" });
  const on = server("on");
  const table = new RouteTable(config([on, off]), undefined);
  assertEquals(
    ["on", "off", "none"].map((name) => table.serverNamed(name)),
    [on, undefined, undefined],
  );
});

Deno.test("RouteTable.resolve() hands out what the catalog says of a name", () => {
  const paramHeaders = [
    { header: "city", path: ["city"], type: "string" },
  ] as const;
  const table = new RouteTable(
    config(servers),
    catalog({
      echo: { server: "plain", name: "echo", paramHeaders },
      weather_now: { server: "weather", name: "now", paramHeaders },
      // Of a catalog that is older than the prefix.
      weather_radar_now: { server: "weather", name: "radar_now", paramHeaders },
    }),
  );
  const found = ["echo", "weather_now", "weather_radar_now", "weather_x"]
    .map((name) => table.resolve("tool", name))
    .map((one) => one.kind === "server" && one.entry?.name);
  assertEquals(found, ["echo", "now", undefined, undefined]);
});

Deno.test("RouteTable.eraFor() believes the configuration, then the catalog", () => {
  const fixed = server("fixed", { era: "session" });
  const found = server("found");
  const both = server("both");
  const pinned = server("pinned", { era: "stateless" });
  const unknown = server("unknown");
  const servers = [fixed, found, both, pinned, unknown];
  const table = new RouteTable(config(servers), {
    ...plainEcho,
    servers: [
      { name: "fixed", ready: true, era: "stateless", sessions: true },
      { name: "found", ready: false, era: "stateless" },
      { name: "both", ready: true, era: "stateless", sessions: true },
      { name: "pinned", ready: true, era: "stateless", sessions: true },
      { name: "unknown", ready: false },
    ],
  });
  assertEquals(
    servers.map((one) => [
      table.eraFor(one, "session"),
      table.eraFor(one, "stateless"),
    ]),
    [
      ["session", "session"],
      ["stateless", "stateless"],
      ["session", "stateless"],
      ["stateless", "stateless"],
      [undefined, undefined],
    ],
  );
});
