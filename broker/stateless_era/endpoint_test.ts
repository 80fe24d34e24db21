import { assert, assertEquals } from "@std/assert";
import {
  config as gatewayConfig,
  server as serverConfig,
} from "../../shared/_testing.ts";
import { enveloped, Front } from "../_testing/front.ts";
import { toolBytes } from "../_testing/tools.ts";
import { until } from "../_testing/until.ts";
import { NO_ITEMS } from "../catalog/kinds.ts";
import { mergeCatalog, mergeForCaller } from "../catalog/merge.ts";
import { Listener } from "../listens/_testing.ts";

const VIRTUAL = [{ name: "team/v", tools: ["w_now"], prompts: [] }];
const SHARED = gatewayConfig([
  serverConfig("weather", { prefix: "w_" }),
  serverConfig("plain"),
], VIRTUAL);
const OWN = gatewayConfig([
  serverConfig("weather", { prefix: "w_" }),
  serverConfig("plain"),
  serverConfig("mine", { prefix: "mine_", userSpecificList: true }),
], VIRTUAL);

async function ask(
  front: Front,
  method: string,
  params: Readonly<Record<string, unknown>> = {},
  more: { path?: string; headers?: Record<string, string> } = {},
) {
  const { body, headers } = enveloped(method, params);
  const response = await front.request("POST", {
    body,
    headers: { ...headers, ...more.headers },
    ...(more.path === undefined ? {} : { path: more.path }),
  });
  return { status: response.status, ...await response.json() };
}

const bearer = (token: string) => ({
  headers: { authorization: `Bearer ${token}` },
});

const META = {
  "io.modelcontextprotocol/serverInfo": { name: "mcp-gateway", version: "1" },
};

Deno.test("server/discover tells what there is, without a session", async () => {
  using front = new Front(SHARED);
  const { body, headers } = enveloped("server/discover");
  const response = await front.post(body, "not a session", {
    ...headers,
    "last-event-id": "x",
  });
  assertEquals(response.headers.has("mcp-session-id"), false);
  const { id, result } = await response.json();
  assertEquals(id, "m1");
  assertEquals(result.supportedVersions, ["2026-07-28"]);
  assertEquals(
    [result.resultType, result.ttlMs, result.cacheScope, result._meta],
    ["complete", 5_000, "public", META],
  );
});

const LISTS = [
  {
    method: "tools/list",
    want: {
      tools: [
        { name: "w_now", inputSchema: { type: "object" }, x: 1 },
        { name: "w___proto__", inputSchema: { type: "object" }, x: 1 },
        { name: "echo", inputSchema: { type: "object" } },
      ],
    },
  },
  {
    method: "prompts/list",
    want: { prompts: [{ name: "w_ask" }, { name: "greet" }] },
  },
  {
    method: "resources/list",
    want: { resources: [{ uri: "notes://1", name: "one" }] },
  },
  {
    method: "resources/templates/list",
    want: {
      resourceTemplates: [{ uriTemplate: "notes://{id}/text", name: "text" }],
    },
  },
];
for (const { method, want } of LISTS) {
  Deno.test(`${method} is one list of all servers, with hints for caches`, async () => {
    using front = new Front(SHARED);
    const { status, result } = await ask(front, method);
    assertEquals(status, 200);
    assertEquals(result, {
      ...want,
      resultType: "complete",
      ttlMs: 5_000,
      cacheScope: "public",
      _meta: META,
    });
  });
}

Deno.test("a virtual server shows its part, and a header's choice is kept from shared caches", async () => {
  using front = new Front(SHARED);
  const byPath = await ask(front, "tools/list", {}, { path: "/mcp/team/v" });
  const byHeader = await ask(front, "tools/list", {}, {
    headers: { "x-mcp-virtualserver": "team/v" },
  });
  assertEquals(byPath.result.tools.length, 1);
  assertEquals(byHeader.result.tools, byPath.result.tools);
  assertEquals(
    [byPath.result.cacheScope, byHeader.result.cacheScope],
    ["public", "private"],
  );
  const none = await ask(front, "tools/list", {}, { path: "/mcp/team/none" });
  assertEquals([none.status, none.error.code], [404, -32602]);
});

Deno.test("pages of a public list may be read by anybody who has its cursor", async () => {
  using front = new Front(SHARED, { items: 1, bytes: 1e6 });
  const first = await ask(front, "tools/list", {}, bearer("a"));
  const cursor = first.result.nextCursor;
  const second = await ask(front, "tools/list", { cursor }, bearer("b"));
  assertEquals(
    [first, second].map(({ result }) => [
      result.tools.length,
      result.cacheScope,
      result.ttlMs,
    ]),
    [[1, "public", 5_000], [1, "public", 5_000]],
  );
});

Deno.test("a private list is never served to another credential, nor is its cursor", async () => {
  using front = new Front(OWN, { items: 2, bytes: 1e6 });
  for (const token of ["a", "b"]) {
    const tools = mergeForCaller(OWN, [{
      server: "mine",
      listed: true,
      pending: false,
      items: {
        tools: [toolBytes(`of_${token}`)],
        prompts: [],
        resources: [],
        templates: [],
      },
    }]).tools;
    front.ownTools.set(`Bearer ${token}`, tools);
  }
  const read = async (token: string) => {
    const names: string[] = [];
    const scopes = new Set<string>();
    const cursors: string[] = [];
    let params = {};
    for (let more = true; more;) {
      const { result } = await ask(front, "tools/list", params, bearer(token));
      for (const { name } of result.tools) names.push(name);
      scopes.add(result.cacheScope);
      more = result.nextCursor !== undefined;
      if (more) cursors.push(result.nextCursor);
      params = { cursor: result.nextCursor };
    }
    return { own: names.at(-1), scopes: [...scopes], cursors };
  };
  const a = await read("a");
  const b = await read("b");
  assertEquals([a.own, b.own], ["mine_of_a", "mine_of_b"]);
  assertEquals([a.scopes, b.scopes], [["private"], ["private"]]);
  assert(a.cursors.length > 0);
  for (const cursor of a.cursors) {
    const { status, error } = await ask(
      front,
      "tools/list",
      { cursor },
      bearer("b"),
    );
    assertEquals([status, error.code], [200, -32602]);
  }
});

Deno.test("a cursor of a session is none here, nor the other way round", async () => {
  using front = new Front(SHARED, { items: 1, bytes: 1e6 });
  const session = await front.initialize();
  const list = (params: string, id?: string) =>
    front.post(
      `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":${params}}`,
      id,
    );
  const page = await (await list("{}", session)).json();
  const cursor = page.result.nextCursor;
  assertEquals((await ask(front, "tools/list", { cursor })).error.code, -32602);
  const own = (await ask(front, "tools/list")).result.nextCursor;
  const mixed = await (await list(JSON.stringify({ cursor: own }), session))
    .json();
  assertEquals(mixed.error.code, -32602);
});

Deno.test("a level of log messages that there is not is refused in band", async () => {
  using front = new Front(SHARED);
  const { body, headers } = enveloped("tools/list");
  const loud = (level: string) =>
    front.post(
      body.replace(
        '"_meta":{',
        `"_meta":{"io.modelcontextprotocol/logLevel":${level},`,
      ),
      undefined,
      headers,
    );
  const statuses = [];
  for (const level of ['"loud"', "3", '"warning"']) {
    const response = await loud(level);
    const { error } = await response.json();
    statuses.push([response.status, error?.code]);
  }
  assertEquals(statuses, [[200, -32602], [200, -32602], [200, undefined]]);
});

for (
  const method of [
    "initialize",
    "ping",
    "logging/setLevel",
    "resources/subscribe",
    "resources/unsubscribe",
    "roots/list",
    "no/such",
  ]
) {
  Deno.test(`${method} is unknown to this era`, async () => {
    using front = new Front(SHARED);
    const { status, id, error } = await ask(front, method, {
      uri: "notes://1",
    });
    assertEquals([status, id, error.code], [404, "m1", -32601]);
  });
}

Deno.test("without a configuration every request says when to come back", async () => {
  using front = new Front(null);
  const { status, error } = await ask(front, "tools/list");
  assertEquals([status, error.data], [503, { retryable: true }]);
});

async function listen(
  front: Front,
  notifications: Readonly<Record<string, unknown>>,
  more: { path?: string; headers?: Record<string, string> } = {},
): Promise<Response> {
  const { body, headers } = enveloped("subscriptions/listen", {
    notifications,
  });
  return await front.request("POST", {
    body,
    headers: { ...headers, ...more.headers },
    ...(more.path === undefined ? {} : { path: more.path }),
  });
}

Deno.test("a client that listens is told of changes in its view, of what it asked for", async () => {
  using front = new Front(SHARED);
  const wanted = { toolsListChanged: true, promptsListChanged: false };
  const whole = await listen(front, wanted);
  assertEquals(
    ["content-type", "x-accel-buffering", "mcp-session-id"].map((name) =>
      whole.headers.get(name)
    ),
    ["text/event-stream", "no", null],
  );
  const part = await listen(front, wanted, { path: "/mcp/team/v" });
  const listeners = [whole, part].map(({ body }) => new Listener(body!));
  for (const listener of listeners) await listener.come(1);
  assertEquals(listeners[0]!.messages[0], {
    jsonrpc: "2.0",
    method: "notifications/subscriptions/acknowledged",
    params: {
      _meta: { "io.modelcontextprotocol/subscriptionId": "m1" },
      notifications: { toolsListChanged: true },
    },
  });
  const { tools } = front.list(SHARED, ["now", "more"]);
  front.listens.announce(tools, "tools");
  front.listens.announce(["", "team/v"], "prompts");
  await listeners[0]!.come(2);
  front.listens.endAll();
  for (const listener of listeners) await listener.over;
  assertEquals(listeners.map(({ methods }) => methods.join(" ")), [
    "subscriptions/acknowledged tools/list_changed response",
    "subscriptions/acknowledged response",
  ]);
});

Deno.test("a stream is acknowledged before what happens while its servers are asked", async () => {
  using front = new Front(
    gatewayConfig([serverConfig("plain", { era: "stateless" })]),
  );
  const agreed = Promise.withResolvers<readonly string[]>();
  front.bridge({ watches: { stateless: () => agreed.promise } });
  const response = await listen(front, {
    toolsListChanged: true,
    resourceSubscriptions: ["notes://1", "notes://none"],
  });
  const listener = new Listener(response.body!);
  front.listens.announce([""], "tools");
  agreed.resolve(["notes://1"]);
  await listener.come(2);
  assertEquals(listener.methods, [
    "subscriptions/acknowledged",
    "tools/list_changed",
  ]);
  assertEquals(listener.messages[0].params.notifications, {
    toolsListChanged: true,
    resourceSubscriptions: ["notes://1"],
  });
  listener.leave();
});

Deno.test("a client that leaves its stream ends what servers tell it", async () => {
  using front = new Front(
    gatewayConfig([serverConfig("plain", { era: "stateless" })]),
  );
  const signals: AbortSignal[] = [];
  front.bridge({
    watches: {
      stateless: ({ uris, signal }) => {
        signals.push(signal);
        return Promise.resolve(uris);
      },
    },
  });
  const response = await listen(front, {
    resourceSubscriptions: ["notes://1"],
  });
  const listener = new Listener(response.body!);
  await listener.come(1);
  assertEquals([front.listens.count, signals[0]!.aborted], [1, false]);
  listener.leave();
  await until(() => front.listens.count === 0, "the stream is forgotten");
  assertEquals(signals[0]!.aborted, true);
});

Deno.test("an identity that listens too often is told so", async () => {
  using front = new Front(SHARED);
  const listeners = [];
  for (let i = 0; i < 2; i++) {
    const { body } = await listen(front, {}, bearer("a"));
    listeners.push(new Listener(body!));
  }
  const refused = await listen(front, {}, bearer("a"));
  const { id, error } = await refused.json();
  assertEquals([refused.status, id, error.code], [429, "m1", -32600]);
  assertEquals(refused.headers.get("retry-after"), "1");
  for (const listener of listeners) listener.leave();
});

Deno.test("a stream of nothing in particular is refused", async () => {
  using front = new Front(SHARED);
  const { status, error } = await ask(front, "subscriptions/listen");
  assertEquals([status, error.code], [200, -32602]);
});

/** A front whose one server, with sessions, has a tool that is mirrored. */
function mirroringFront(): Front {
  const front = new Front(null);
  const config = gatewayConfig([serverConfig("weather", { prefix: "w_" })]);
  const tool = {
    name: "now",
    inputSchema: {
      type: "object",
      properties: { city: { type: "string", "x-mcp-header": "City" } },
    },
  };
  const task = {
    name: "later",
    inputSchema: { type: "object" },
    execution: { taskSupport: "required" },
  };
  const tools = [tool, task].map((one) =>
    new TextEncoder().encode(JSON.stringify(one))
  );
  const items = { ...NO_ITEMS, tools };
  front.catalog.replace(
    config,
    mergeCatalog(config, [
      {
        server: "weather",
        listed: true,
        pending: false,
        era: "session",
        items,
      },
    ]),
  );
  front.bridge({ toSession: () => Promise.resolve(Response.json({})) });
  return front;
}

const MIRRORED = [
  { name: "the argument", header: "Bern", status: 200 },
  {
    name: "the argument in Base64",
    header: "=?base64?QmVybg==?=",
    status: 200,
  },
  { name: "another value", header: "Basel", status: 400 },
  { name: "nothing", header: undefined, status: 400 },
];
for (const { name, header, status } of MIRRORED) {
  Deno.test(`a call whose mirrored header says ${name} is answered ${status}`, async () => {
    using front = mirroringFront();
    const { body, headers } = enveloped("tools/call", {
      name: "w_now",
      arguments: { city: "Bern" },
    });
    const response = await front.request("POST", {
      body,
      headers: {
        ...headers,
        ...(header === undefined ? {} : { "mcp-param-city": header }),
      },
    });
    assertEquals(response.status, status);
    const { error } = await response.json();
    assertEquals(error?.code, status === 400 ? -32020 : undefined);
  });
}

Deno.test("a tool that can be called as a task only is not listed without sessions", async () => {
  using front = mirroringFront();
  const { result } = await ask(front, "tools/list");
  assertEquals(
    result.tools.map(({ name }: { name: string }) => name),
    ["w_now"],
  );
});
