import { assert, assertEquals, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import {
  config as gatewayConfig,
  server as serverConfig,
} from "../../shared/_testing.ts";
import { toolBytes } from "../_testing/tools.ts";
import { mergeCatalog, type ServerList } from "./merge.ts";
import { changedViews, makeViews, WHOLE_CATALOG } from "./views.ts";

const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function list(
  server: string,
  names: readonly string[],
  more: Partial<ServerList> = {},
): ServerList {
  const tools = names.map((name) => toolBytes(name));
  return { server, listed: true, pending: false, tools, ...more };
}

interface OwnersCase {
  readonly name: string;
  /** Prefixes, in the order of the configuration. */
  readonly servers: Readonly<Record<string, string>>;
  readonly lists: Readonly<Record<string, readonly string[]>>;
  /** Exposed names and their servers. */
  readonly owners: readonly (readonly [string, string])[];
  readonly hidden: readonly string[];
}

const OWNERS: readonly OwnersCase[] = [
  {
    name: "gives each server its names, with its prefix",
    servers: { a: "a_", b: "b_" },
    lists: { a: ["x"], b: ["x"] },
    owners: [["a_x", "a"], ["b_x", "b"]],
    hidden: [],
  },
  {
    name: "keeps a name for the first server without prefix that claims it",
    servers: { b: "", a: "" },
    lists: { a: ["x", "y"], b: ["x"] },
    owners: [["x", "b"], ["y", "a"]],
    hidden: ["a x kept by b"],
  },
  {
    name: "keeps every name with a prefix for the prefix's server",
    servers: { plain: "", weather: "weather_" },
    lists: { plain: ["weather_now", "other"], weather: ["forecast"] },
    owners: [["other", "plain"], ["weather_forecast", "weather"]],
    hidden: ["plain weather_now kept by weather"],
  },
  {
    name: "lets the longest prefix win",
    servers: { a: "a_", ab: "a_b_" },
    lists: { a: ["b_x", "c"], ab: ["x"] },
    owners: [["a_c", "a"], ["a_b_x", "ab"]],
    hidden: ["a a_b_x kept by ab"],
  },
  {
    name: "takes names of Object.prototype for names",
    servers: { a: "", b: "" },
    lists: { a: ["__proto__", "constructor"], b: ["__proto__", "toString"] },
    owners: [["__proto__", "a"], ["constructor", "a"], ["toString", "b"]],
    hidden: ["b __proto__ kept by a"],
  },
];
for (const { name, servers, lists, owners, hidden } of OWNERS) {
  Deno.test(`mergeCatalog() ${name}`, () => {
    const config = gatewayConfig(
      Object.entries(servers).map(([n, prefix]) => serverConfig(n, { prefix })),
    );
    const merged = mergeCatalog(
      config,
      Object.entries(lists).map(([server, names]) => list(server, names)),
    );
    const want = owners.map(([n, server]) => [n, server]).sort();
    assertEquals(
      Object.entries(merged.catalog.tools).map(([n, e]) => [n, e.server])
        .sort(),
      want,
    );
    assertEquals(
      merged.tools.map((tool) => [tool.exposed, tool.server]).sort(),
      want,
    );
    for (const tool of merged.tools) {
      assertEquals(JSON.parse(decode(tool.bytes)).name, tool.exposed);
      const { prefix } = config.servers.find((s) => s.name === tool.server)!;
      assertEquals(merged.catalog.tools[tool.exposed]?.name, tool.name);
      assertEquals(prefix + tool.name, tool.exposed);
    }
    assertEquals(
      merged.conflicts.map((c) => `${c.hidden} ${c.name} kept by ${c.kept}`),
      hidden,
    );
  });
}

Deno.test("mergeCatalog() survives JSON with a tool called __proto__", () => {
  const config = gatewayConfig([serverConfig("a")]);
  const { catalog } = mergeCatalog(config, [list("a", ["__proto__"])]);
  const copy = JSON.parse(JSON.stringify(catalog));
  assert(Object.hasOwn(copy.tools, "__proto__"));
});

Deno.test("mergeCatalog() is the same whatever order servers came in", () => {
  const names = ["a", "b", "c", "d"];
  const config = gatewayConfig(
    names.map((n) => serverConfig(n, { prefix: n === "d" ? "x" : "" })),
  );
  const anyList = fc.record({
    tools: fc.array(fc.stringMatching(/^[xyz]{1,3}$/), { maxLength: 6 }),
    listed: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.tuple(anyList, anyList, anyList, anyList),
      fc.shuffledSubarray(names, { minLength: 4 }),
      (content, order) => {
        const lists = names.map((server, i) =>
          list(server, content[i]!.tools, { listed: content[i]!.listed })
        );
        const shuffled = order.map((n) => lists.find((l) => l.server === n)!);
        assertEquals(
          mergeCatalog(config, shuffled),
          mergeCatalog(config, lists),
        );
      },
    ),
  );
});

Deno.test("mergeCatalog() leaves out a malformed tool and only that one", () => {
  const bad = new TextEncoder().encode('{"name":"bad"}');
  const good = list("a", ["x", "y"]);
  const merged = mergeCatalog(gatewayConfig([serverConfig("a")]), [
    { ...good, tools: [good.tools[0]!, bad, good.tools[1]!] },
  ]);
  assertEquals(merged.tools.map((tool) => tool.exposed), ["x", "y"]);
  assertEquals(merged.problems.get("a"), [
    'tool "bad": inputSchema is missing',
  ]);
});

Deno.test("mergeCatalog() leaves out a name that a server lists twice", () => {
  const merged = mergeCatalog(gatewayConfig([serverConfig("a")]), [
    list("a", ["x", "x"]),
  ]);
  assertEquals(merged.tools.length, 1);
  assertEquals(merged.conflicts, []);
  assertEquals(merged.problems.get("a"), ['tool "x": it is listed twice']);
});

Deno.test("mergeCatalog() keeps a name for its server while that one is down", () => {
  const config = gatewayConfig([serverConfig("a"), serverConfig("b")]);
  const merged = mergeCatalog(config, [
    list("a", ["x"], { listed: false }),
    list("b", ["x", "y"]),
  ]);
  assertEquals(merged.tools.map((tool) => tool.exposed), ["y"]);
  assertEquals(merged.catalog.tools["x"]?.server, "a");
  assertEquals(merged.catalog.servers[0], { name: "a", ready: false });
});

const COMPLETE = [
  { name: "all listed", a: { pending: false }, prefix: "", want: true },
  { name: "one pending", a: { pending: true }, prefix: "", want: false },
  {
    name: "a prefixed one pending",
    a: { pending: true },
    prefix: "p_",
    want: true,
  },
];
for (const { name, a, prefix, want } of COMPLETE) {
  Deno.test(`mergeCatalog() says complete: ${want} with ${name}`, () => {
    const config = gatewayConfig([serverConfig("a", { prefix })]);
    assertEquals(
      mergeCatalog(config, [list("a", [], a)]).catalog.complete,
      want,
    );
  });
}

Deno.test("mergeCatalog() leaves disabled servers and their prefixes out", () => {
  const config = gatewayConfig([
    serverConfig("off", { prefix: "w_", state: "Disabled" }),
    serverConfig("on"),
  ]);
  const merged = mergeCatalog(config, [list("on", ["w_x"])]);
  assertEquals(merged.tools.map((tool) => tool.server), ["on"]);
  assert(merged.catalog.complete);
});

Deno.test("a view is the list that its virtual server selects", () => {
  const { tools } = mergeCatalog(gatewayConfig([serverConfig("a")]), [
    list("a", ["x", "y", "z"]),
  ]);
  const views = makeViews(tools, [
    { name: "team/v", tools: ["z", "x", "absent"], prompts: [] },
  ]);
  assertEquals(
    JSON.parse(decode(views.get("team/v")!.listing)).tools.map((
      t: { name: string },
    ) => t.name),
    ["x", "z"],
  );
  assertEquals(
    JSON.parse(decode(views.get(WHOLE_CATALOG)!.listing)).tools.length,
    3,
  );
});

const CHANGES = [
  { name: "another order", after: ["y", "x"], want: [] },
  { name: "a tool of one view", after: ["x", "y", "new"], want: [""] },
  { name: "a tool of both", after: ["y"], want: ["", "v"] },
];
for (const { name, after, want } of CHANGES) {
  Deno.test(`changedViews() of ${name} is ${JSON.stringify(want)}`, () => {
    const config = gatewayConfig([serverConfig("a")]);
    const virtual = [{ name: "v", tools: ["x"], prompts: [] }];
    const viewsOf = (names: readonly string[]) =>
      makeViews(mergeCatalog(config, [list("a", names)]).tools, virtual);
    assertEquals(changedViews(viewsOf(["x", "y"]), viewsOf(after)), want);
  });
}

Deno.test("a view changes with any field of a tool", () => {
  const config = gatewayConfig([serverConfig("a")]);
  const viewOf = (more: Record<string, unknown>) =>
    makeViews(
      mergeCatalog(config, [
        { ...list("a", []), tools: [toolBytes("x", more)] },
      ]).tools,
      [],
    ).get(WHOLE_CATALOG)!;
  assertNotEquals(viewOf({}).hash, viewOf({ _meta: { v: 2 } }).hash);
});
