import { assert, assertEquals, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import {
  config as gatewayConfig,
  server as serverConfig,
} from "../../shared/_testing.ts";
import { itemsOf, toolBytes } from "../_testing/tools.ts";
import { byKind, type ListKind, NO_ITEMS } from "./kinds.ts";
import { mergeCatalog, mergeForCaller, type ServerList } from "./merge.ts";
import { changedViews, makeViews, type View, WHOLE_CATALOG } from "./views.ts";

const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** A list's first page as it would be sent, parsed. */
const shownIn = (view: View, kind: ListKind) =>
  JSON.parse(
    view.listing(kind).page(undefined).parts.map(decode).join("") + "}",
  );

function list(
  server: string,
  names: readonly string[],
  more: Partial<ServerList> = {},
): ServerList {
  const tools = names.map((name) => toolBytes(name));
  const items = { ...NO_ITEMS, tools };
  return { server, listed: true, pending: false, items, ...more };
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
      merged.items.tools.map((tool) => [tool.exposed, tool.server]).sort(),
      want,
    );
    for (const tool of merged.items.tools) {
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
  const [x, y] = good.items.tools;
  const merged = mergeCatalog(gatewayConfig([serverConfig("a")]), [
    { ...good, items: { ...NO_ITEMS, tools: [x!, bad, y!] } },
  ]);
  assertEquals(merged.items.tools.map((tool) => tool.exposed), ["x", "y"]);
  assertEquals(merged.problems.get("a"), [
    'tool "bad": inputSchema is missing',
  ]);
});

Deno.test("mergeCatalog() lists what is doubtful, and says why", () => {
  const { items, problems } = mergeCatalog(gatewayConfig([serverConfig("a")]), [
    list("a", ["x\u200b"]),
  ]);
  assertEquals(items.tools.length, 1);
  assertEquals(problems.get("a"), [
    'tool "x\\u{200b}": its name has an invisible character, U+200B',
  ]);
});

Deno.test("mergeCatalog() gives no more reasons than somebody reads", () => {
  const bad = new TextEncoder().encode("{}");
  const tools = Array.from({ length: 1_000 }, () => bad);
  const { problems } = mergeCatalog(gatewayConfig([serverConfig("a")]), [
    list("a", [], { items: { ...NO_ITEMS, tools } }),
  ]);
  assertEquals(problems.get("a")?.length, 51);
  assertEquals(problems.get("a")?.at(-1), "and 950 more like these");
});

Deno.test("mergeCatalog() leaves out a name that a server lists twice", () => {
  const merged = mergeCatalog(gatewayConfig([serverConfig("a")]), [
    list("a", ["x", "x"]),
  ]);
  assertEquals(merged.items.tools.length, 1);
  assertEquals(merged.conflicts, []);
  assertEquals(merged.problems.get("a"), ['tool "x": it is listed twice']);
});

Deno.test("mergeCatalog() keeps a name for its server while that one is down", () => {
  const config = gatewayConfig([serverConfig("a"), serverConfig("b")]);
  const merged = mergeCatalog(config, [
    list("a", ["x"], { listed: false }),
    list("b", ["x", "y"]),
  ]);
  assertEquals(merged.items.tools.map((tool) => tool.exposed), ["y"]);
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
  assertEquals(merged.items.tools.map((tool) => tool.server), ["on"]);
  assert(merged.catalog.complete);
});

Deno.test("a view is the list that its virtual server selects", () => {
  const { items } = mergeCatalog(gatewayConfig([serverConfig("a")]), [
    list("a", ["x", "y", "z"]),
  ]);
  const views = makeViews(items, [
    { name: "team/v", tools: ["z", "x", "absent"], prompts: [] },
  ]);
  assertEquals(
    shownIn(views.get("team/v")!, "tools").tools.map((t: { name: string }) =>
      t.name
    ),
    ["x", "z"],
  );
  assertEquals(
    shownIn(views.get(WHOLE_CATALOG)!, "tools").tools.length,
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
      makeViews(mergeCatalog(config, [list("a", names)]).items, virtual);
    assertEquals(changedViews(viewsOf(["x", "y"]), viewsOf(after)), {
      tools: want,
      prompts: [],
      resources: [],
    });
  });
}

Deno.test("a view changes with any field of a tool", () => {
  const config = gatewayConfig([serverConfig("a")]);
  const viewOf = (more: Record<string, unknown>) =>
    makeViews(
      mergeCatalog(config, [
        list("a", [], {
          items: { ...NO_ITEMS, tools: [toolBytes("x", more)] },
        }),
      ]).items,
      [],
    ).get(WHOLE_CATALOG)!;
  assertNotEquals(
    viewOf({}).hash("tools"),
    viewOf({ _meta: { v: 2 } }).hash("tools"),
  );
});

const prompt = (name: string) => ({ name });
const resource = (uri: string) => ({ uri, name: `${uri} by name` });
const template = (uriTemplate: string) => ({ uriTemplate, name: "t" });

Deno.test("mergeCatalog() decides clashes of every kind alike, and each costs only itself", () => {
  const config = gatewayConfig([
    serverConfig("b"),
    serverConfig("p", { prefix: "p_" }),
    serverConfig("a"),
  ]);
  const of = (server: string, ...texts: string[]) => ({
    ...list(server, []),
    items: itemsOf({
      prompts: texts.map(prompt),
      resources: texts.map((text) => resource(`x:${text}`)),
      templates: texts.map((text) => template(`x:${text}/{id}`)),
    }),
  });
  const { catalog, conflicts, problems } = mergeCatalog(config, [
    of("a", "one", "mine", "p_one"),
    of("b", "one", "two", "two"),
    of("p", "one"),
  ]);
  assertEquals({ ...catalog.prompts }, {
    one: { server: "b", name: "one" },
    two: { server: "b", name: "two" },
    p_one: { server: "p", name: "one" },
    mine: { server: "a", name: "mine" },
  });
  assertEquals({ ...catalog.resources }, {
    "x:one": { server: "b", name: "x:one" },
    "x:two": { server: "b", name: "x:two" },
    "x:mine": { server: "a", name: "x:mine" },
    "x:p_one": { server: "a", name: "x:p_one" },
  });
  assertEquals(catalog.templates, [
    { server: "b", uriTemplate: "x:one/{id}" },
    { server: "b", uriTemplate: "x:two/{id}" },
    { server: "a", uriTemplate: "x:mine/{id}" },
    { server: "a", uriTemplate: "x:p_one/{id}" },
  ]);
  assertEquals(
    conflicts.map((c) => `${c.kind} ${c.name}: ${c.kept}, not ${c.hidden}`),
    [
      "prompt one: b, not a",
      "prompt p_one: p, not a",
      "resource x:one: b, not p",
      "resource x:one: b, not a",
      "template x:one/{id}: b, not p",
      "template x:one/{id}: b, not a",
    ],
  );
  assertEquals(problems.get("b"), [
    'prompt "two": it is listed twice',
    'resource "x:two": it is listed twice',
    'template "x:two/{id}": it is listed twice',
  ]);
});

Deno.test("mergeCatalog() leaves a URI that starts with another's prefix to who lists it", () => {
  const config = gatewayConfig([
    serverConfig("p", { prefix: "p" }),
    serverConfig("a"),
  ]);
  const { catalog, conflicts } = mergeCatalog(config, [
    list("p", []),
    { ...list("a", []), items: itemsOf({ resources: [resource("p:1")] }) },
  ]);
  assertEquals(catalog.resources["p:1"]?.server, "a");
  assertEquals(conflicts, []);
});

Deno.test("mergeCatalog() keeps URIs for their server while that one is down", () => {
  const config = gatewayConfig([serverConfig("a"), serverConfig("b")]);
  const items = itemsOf({
    resources: [resource("x:1")],
    templates: [template("x:{id}")],
  });
  const { catalog, items: shown } = mergeCatalog(config, [
    { ...list("a", []), items, listed: false },
    { ...list("b", []), items },
  ]);
  assertEquals(shown, byKind(() => []));
  assertEquals(catalog.resources["x:1"]?.server, "a");
  assertEquals(catalog.templates, [{ server: "a", uriTemplate: "x:{id}" }]);
});

const EVERYTHING = {
  tools: [{ name: "t", inputSchema: { type: "object" } }],
  prompts: [prompt("y"), prompt("x")],
  resources: [resource("r:1")],
  templates: [template("r:{id}")],
};

Deno.test("a virtual server shows the tools and prompts it selects, no resources", () => {
  const { items } = mergeCatalog(
    gatewayConfig([serverConfig("a", { prefix: "p_" })]),
    [{ ...list("a", []), items: itemsOf(EVERYTHING) }],
  );
  const views = makeViews(items, [
    { name: "v", tools: [], prompts: ["p_x", "absent"] },
    { name: "every prompt", tools: [] },
  ]);
  const shown = (key: string) =>
    byKind((kind) => shownIn(views.get(key)!, kind));
  assertEquals(shown("v"), {
    tools: { tools: [] },
    prompts: { prompts: [prompt("p_x")] },
    resources: { resources: [] },
    templates: { resourceTemplates: [] },
  });
  assertEquals(shown("every prompt"), {
    ...shown("v"),
    prompts: { prompts: [prompt("p_y"), prompt("p_x")] },
  });
  assertEquals(shown(WHOLE_CATALOG), {
    tools: { tools: [{ name: "p_t", inputSchema: { type: "object" } }] },
    prompts: { prompts: [prompt("p_y"), prompt("p_x")] },
    resources: { resources: EVERYTHING.resources },
    templates: { resourceTemplates: EVERYTHING.templates },
  });
});

const CHANGES_BY_KIND = [
  {
    name: "a prompt of one view",
    after: { prompts: [prompt("x")] },
    want: { tools: [], prompts: [""], resources: [] },
  },
  {
    name: "prompts in another order",
    after: { prompts: [prompt("x"), prompt("y")] },
    want: { tools: [], prompts: [], resources: [] },
  },
  {
    name: "a prompt of both views",
    after: { prompts: [prompt("y"), { name: "x", title: "X" }] },
    want: { tools: [], prompts: ["", "v"], resources: [] },
  },
  {
    name: "a resource",
    after: { resources: [] },
    want: { tools: [], prompts: [], resources: [""] },
  },
  {
    name: "a template",
    after: { templates: [template("r:{other}")] },
    want: { tools: [], prompts: [], resources: [""] },
  },
];
for (const { name, after, want } of CHANGES_BY_KIND) {
  Deno.test(`changedViews() of ${name} is ${JSON.stringify(want)}`, () => {
    const config = gatewayConfig([serverConfig("a")]);
    const virtual = [{ name: "v", tools: ["t"], prompts: ["x"] }];
    const viewsOf = (items: Partial<typeof EVERYTHING>) =>
      makeViews(
        mergeCatalog(config, [
          {
            ...list("a", []),
            items: itemsOf({ ...EVERYTHING, ...items }),
          },
        ]).items,
        virtual,
      );
    assertEquals(changedViews(viewsOf({}), viewsOf(after)), want);
  });
}

const BY_CALLER = gatewayConfig([
  serverConfig("plain"),
  serverConfig("long", { prefix: "p_x_" }),
  serverConfig("own", { prefix: "p_", userSpecificList: true }),
]);

Deno.test("mergeCatalog() shows nobody what differs by caller, and waits for no URI of it", () => {
  const merged = mergeCatalog(BY_CALLER, [
    list("plain", ["now", "p_stolen"]),
    list("long", ["y"]),
    {
      ...list("own", ["secret"], { pending: true, instructions: "Ask." }),
      items: itemsOf(EVERYTHING),
    },
  ]);
  assertEquals(merged.items.tools.map(({ exposed }) => exposed), [
    "now",
    "p_x_y",
  ]);
  assertEquals(merged.items.resources, []);
  assertEquals(Object.keys(merged.catalog.tools), ["now", "p_x_y"]);
  assertEquals(merged.catalog.resources, Object.create(null));
  // It keeps its names all the same.
  assertEquals(merged.conflicts, [
    { kind: "tool", name: "p_stolen", kept: "own", hidden: "plain" },
  ]);
  assertEquals([merged.catalog.complete, merged.catalog.urisComplete], [
    true,
    true,
  ]);
  assertEquals(merged.servers, [
    { server: "plain" },
    { server: "long" },
    { server: "own", instructions: "Ask.", callerNames: [] },
  ]);
});

Deno.test("mergeForCaller() names, checks and sorts out as the shared catalog does", () => {
  const bad = new TextEncoder().encode('{"name":"bad"}');
  const mine = list("own", ["mine", "mine", "x_y", "x_z"]);
  const own = mergeForCaller(BY_CALLER, [{
    ...mine,
    items: {
      ...itemsOf(EVERYTHING),
      tools: [...mine.items.tools, bad],
    },
  }]);
  // x_y and x_z would be names of the server with the longer prefix.
  assertEquals(own.tools.map(({ exposed }) => exposed), ["p_mine"]);
  assertEquals(own.prompts.map(({ exposed }) => exposed), ["p_y", "p_x"]);
  assertEquals([own.resources, own.templates], [[], []]);
});

Deno.test("a view tells of the instructions of the servers that are seen in it", () => {
  const virtualServers = [
    { name: "one", tools: ["now"], prompts: [] },
    { name: "prompts", tools: [], prompts: ["ask"] },
    { name: "own", tools: ["p_any"], prompts: [] },
    { name: "none", tools: ["p_x_y"], prompts: [] },
    { name: "every prompt", tools: [] },
  ];
  const merged = mergeCatalog({ ...BY_CALLER, virtualServers }, [
    {
      ...list("plain", [], { instructions: "Plainly." }),
      items: itemsOf({
        tools: [{ name: "now", inputSchema: { type: "object" } }],
        prompts: [prompt("ask")],
      }),
    },
    list("long", ["y"], { listed: false, instructions: "Longer." }),
    list("own", [], { instructions: "Ask." }),
  ]);
  const views = makeViews(merged.items, virtualServers, merged.servers);
  assertEquals(
    [...views].map(([key, { instructions }]) => [key, instructions]),
    [
      ["", "# plain\n\nPlainly.\n\n# own\n\nAsk."],
      ["one", "Plainly."],
      ["prompts", "Plainly."],
      ["own", "Ask."],
      ["none", undefined],
      ["every prompt", "# plain\n\nPlainly.\n\n# own\n\nAsk."],
    ],
  );
});

Deno.test("mergeCatalog() tells the router eras and what tools mirror, kept while a server is away", () => {
  const tool = (header: string) =>
    new TextEncoder().encode(JSON.stringify({
      name: "t",
      inputSchema: {
        type: "object",
        properties: { r: { type: "string", "x-mcp-header": header } },
      },
    }));
  const config = gatewayConfig([
    serverConfig("a", { prefix: "a_" }),
    serverConfig("b", { prefix: "b_" }),
    serverConfig("c", { prefix: "c_" }),
  ]);
  const of = (server: string, header: string, more: Partial<ServerList>) =>
    list(server, [], {
      items: { ...NO_ITEMS, tools: [tool(header)] },
      ...more,
    });
  const lists = [
    of("a", "Region", { era: "stateless", revision: "2026-07-28" }),
    of("b", "not valid", { era: "session", listed: false }),
    of("c", "not valid", { era: "stateless" }),
  ];
  const { catalog, items, problems } = mergeCatalog(config, lists);
  assertEquals(catalog.servers, [
    { name: "a", ready: true, era: "stateless", revision: "2026-07-28" },
    { name: "b", ready: false, era: "session" },
    { name: "c", ready: true, era: "stateless" },
  ]);
  assertEquals({ ...catalog.tools }, {
    a_t: {
      server: "a",
      name: "t",
      paramHeaders: [{ header: "region", path: ["r"], type: "string" }],
    },
    b_t: { server: "b", name: "t" },
  });
  assertEquals(items.tools.map(({ exposed }) => exposed), ["a_t"]);
  assertEquals(problems.get("c"), [
    'tool "t": x-mcp-header is not the name of a header (RFC 9110 token)',
  ]);
  const moved = mergeCatalog(config, [
    { ...lists[0]!, era: "session" },
    ...lists.slice(1),
  ]);
  assertNotEquals(moved.catalog.version, catalog.version);
});

Deno.test("a view lists for clients of either era what they can use", () => {
  const task = new TextEncoder().encode(
    '{"name":"task","inputSchema":{"type":"object"},"execution":{"taskSupport":"required"}}',
  );
  const wrong = new TextEncoder().encode(
    '{"name":"wrong","inputSchema":{"type":"object","properties":{"n":{"type":"number","x-mcp-header":"N"}}}}',
  );
  const { items } = mergeCatalog(gatewayConfig([serverConfig("a")]), [
    list("a", [], { items: { ...NO_ITEMS, tools: [task, wrong] } }),
  ]);
  const view = makeViews(items, []).get(WHOLE_CATALOG)!;
  const shown = (era: "session" | "stateless") =>
    view.listing("tools", era).page(undefined, items.tools.slice(0, 1)).parts
      .map(decode).join("");
  assertEquals(
    shown("session"),
    `{"tools":[${decode(task)},${decode(wrong)},${decode(task)}]`,
  );
  assertEquals(
    shown("stateless"),
    '{"tools":[{"name":"wrong","inputSchema":{"type":"object","properties":{"n":{"type":"number"}}}}]',
  );
});

Deno.test("a view may be kept as long, and for whom, the servers that it shows allow", () => {
  const servers = [
    { server: "a", hints: { tools: { ttlMs: 9, cacheScope: "public" } } },
    {
      server: "b",
      hints: {
        tools: { ttlMs: 7, cacheScope: "private" },
        prompts: { ttlMs: 8, cacheScope: "public" },
      },
    },
    { server: "old" },
  ] as const;
  const config = gatewayConfig(
    servers.map(({ server }) => serverConfig(server)),
    [{ name: "v", tools: ["a_x"], prompts: [] }],
  );
  const merged = mergeCatalog(
    config,
    servers.map(({ server, ...hints }) => ({
      ...list(server, [`${server}_x`]),
      ...hints,
    })),
  );
  const views = makeViews(merged.items, config.virtualServers, merged.servers);
  assertEquals(views.get(WHOLE_CATALOG)?.hints, {
    tools: { ttlMs: 7, cacheScope: "private" },
    prompts: { ttlMs: 8, cacheScope: "public" },
    resources: undefined,
    templates: undefined,
  });
  assertEquals(views.get("v")?.hints.tools, { ttlMs: 9, cacheScope: "public" });
});
