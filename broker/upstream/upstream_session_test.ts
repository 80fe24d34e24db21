import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { toolText } from "../_testing/tools.ts";
import { ScriptedServer } from "../_testing/scripted_server.ts";
import { until } from "../_testing/until.ts";
import { UpstreamError } from "../../shared/upstream/upstream_error.ts";
import {
  openUpstream,
  type UpstreamLimits,
  type UpstreamSession,
} from "./upstream_session.ts";

const LIMITS: UpstreamLimits = {
  initializeMs: 5_000,
  listMs: 5_000,
  pingMs: 5_000,
  listBytes: 100_000,
  items: 10,
  pages: 4,
};
const NEVER = new AbortController().signal;

function open(
  server: ScriptedServer,
  limits: Partial<UpstreamLimits> = {},
  heard: string[] = [],
): Promise<UpstreamSession> {
  return openUpstream({
    url: "http://server.test/mcp",
    fetch: server.fetch,
    headers: () => Promise.resolve([["authorization", "Bearer x"]]),
    version: "1",
    limits: { ...LIMITS, ...limits },
    onNotification: (method) => heard.push(method),
    now: () => performance.now(),
  }, NEVER);
}

function serverWith(pages: readonly (readonly string[])[]): ScriptedServer {
  const server = new ScriptedServer();
  server.pages = pages;
  return server;
}

const textOf = (items: readonly Uint8Array[]) =>
  items.map((item) => new TextDecoder().decode(item));

for (const streams of [false, true]) {
  const how = streams ? "event streams" : "JSON";
  Deno.test(`a session lists every page as it was written, from ${how}`, async () => {
    const odd =
      '{ "name":"\\u0061", "inputSchema":{"type":"object"}, "x":1e400 }';
    const server = serverWith([[toolText("1"), odd], [], [toolText("é")]]);
    server.streams = streams;
    const session = await open(server);
    const list = await session.list("tools", NEVER);
    assertEquals(textOf(list.items), [toolText("1"), odd, toolText("é")]);
    assertEquals(list.problems, []);
    await session.close();
    assertEquals(server.sessions.size, 0);
  });
}

const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);

for (const streams of [false, true]) {
  Deno.test(`doubtful tools stay in the list, to be judged one by one, ${streams ? "streamed" : "as JSON"}`, async () => {
    const doubtful = [
      '{"name":"a","inputSchema":{"type":"object","x":1,"x":2}}',
      `{"name":"b","x":${nested(70)}}`,
      '{"name":"\\ud800","name":"c"}',
      "null",
    ];
    const server = serverWith([[toolText("1"), ...doubtful, toolText("2")]]);
    server.streams = streams;
    const list = await (await open(server)).list("tools", NEVER);
    assertEquals(textOf(list.items), [
      toolText("1"),
      ...doubtful,
      toolText("2"),
    ]);
    assertEquals(list.problems, []);
  });
}

const INVALID_LISTS = [
  {
    name: "is nested beyond measure",
    result: `{"tools":[],"x":${nested(1000)}}`,
    says: "nested too deeply at byte",
  },
  { name: "is cut off", result: '{"tools":[', says: "a value is missing" },
  {
    name: "has a tab in a string",
    result: '{"tools":["\t"]}',
    says: "a control character",
  },
  {
    name: "is no object",
    result: "[]",
    says: "tools/list has no array of tools",
  },
  {
    name: "has no array",
    result: '{"tools":{}}',
    says: "tools/list has no array of tools",
  },
];
for (const { name, result, says } of INVALID_LISTS) {
  Deno.test(`an answer to tools/list that ${name} is invalid`, async () => {
    const server = serverWith([[]]);
    const session = await open(server);
    server.replies.set(
      "tools/list",
      json(`{"jsonrpc":"2.0","id":2,"result":${result}}`),
    );
    const error = await assertRejects(
      () => session.list("tools", NEVER),
      UpstreamError,
    );
    assertEquals(error.kind, "invalid answer");
    assertStringIncludes(error.message, says);
  });
}

Deno.test("a session carries its id, its revision and credentials", async () => {
  const server = serverWith([[]]);
  server.revision = "2025-06-18";
  const session = await open(server);
  await session.list("tools", NEVER);
  const [initialize, initialized, list] = server.seen;
  assertEquals(initialize?.headers.get("mcp-session-id"), null);
  assertStringIncludes(initialize!.body, '"protocolVersion":"2025-11-25"');
  assertEquals(JSON.parse(initialized!.body), {
    jsonrpc: "2.0",
    method: "notifications/initialized",
  });
  assertEquals(list?.headers.get("mcp-session-id"), "session-1");
  assertEquals(list?.headers.get("mcp-protocol-version"), "2025-06-18");
  assertEquals(list?.headers.get("authorization"), "Bearer x");
  assertEquals(
    list?.headers.get("accept"),
    "application/json, text/event-stream",
  );
});

Deno.test("a session answers pings and refuses what else a server asks", async () => {
  const server = serverWith([[toolText("a")]]);
  server.streams = true;
  server.interjections = [
    '{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}',
    '{"jsonrpc":"2.0","id":"x","method":"sampling/createMessage","params":{}}',
    '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}',
    '{"jsonrpc":"2.0","id":999,"result":{}}',
    "not JSON",
  ];
  const heard: string[] = [];
  const session = await open(server, {}, heard);
  const { items } = await session.list("tools", NEVER);
  assertEquals(items.length, 1);
  assert(heard.includes("notifications/tools/list_changed"));
  const replies = () => server.seen.map(({ body }) => body);
  const want = [
    '{"jsonrpc":"2.0","id":9007199254740993,"result":{}}',
    '{"jsonrpc":"2.0","id":"x","error":{"code":-32601,"message":"Method not found"}}',
  ];
  for (const reply of want) {
    await until(() => replies().includes(reply), `the server gets ${reply}`);
  }
});

const CUT = [
  {
    name: "pages",
    pages: [["1"], ["2"], ["3"], ["4"], ["5"]],
    limits: {},
    items: 4,
    problem: "tools/list: the list is cut: it has more than 4 pages",
  },
  {
    name: "tools",
    pages: [["1", "2"], ["3", "4"]],
    limits: { items: 3 },
    items: 3,
    problem: "tools/list: the list is cut: it has more than 3 items",
  },
  {
    name: "bytes",
    pages: [["1"], ["2".repeat(100)], ["3".repeat(300)]],
    limits: { listBytes: 400 },
    items: 2,
    problem: "tools/list: the list is cut: it is larger than 400 bytes",
  },
];
for (const { name, pages, limits, items, problem } of CUT) {
  Deno.test(`a session cuts a list of too many ${name} and says so`, async () => {
    const server = serverWith(pages.map((page) => page.map((n) => `"${n}"`)));
    const session = await open(server, limits);
    const list = await session.list("tools", NEVER);
    assertEquals(list.items.length, items);
    assertEquals(list.problems, [problem]);
  });
}

Deno.test("a session ends with a list whose cursors go in a circle", async () => {
  const server = serverWith([[]]);
  let pages = 0;
  server.replies.set("tools/list", () => {
    const id = pages++ + 2;
    return Response.json({
      jsonrpc: "2.0",
      id,
      result: { tools: [], nextCursor: id % 2 === 0 ? "a" : "b" },
    });
  });
  const list = await (await open(server, { pages: 50 })).list("tools", NEVER);
  assertEquals(list.problems, [
    "tools/list: the list is cut: its cursors go in a circle",
  ]);
  assertEquals(pages, 3);
});

const json = (body: string, status = 200) => () =>
  new Response(body, {
    status,
    headers: { "content-type": "application/json" },
  });
const rpcError = (code: number, status: number) =>
  json(
    `{"jsonrpc":"2.0","id":1,"error":{"code":${code},"message":"no"}}`,
    status,
  );
const result = (value: string) =>
  json(`{"jsonrpc":"2.0","id":1,"result":${value}}`);

const REFUSED = [
  {
    name: "an unknown revision",
    reply: result(
      '{"protocolVersion":"1999-01-01","capabilities":{"tools":{}}}',
    ),
    kind: "below minimum",
    says: "1999-01-01",
  },
  {
    name: "no revision",
    reply: result('{"capabilities":{"tools":{}}}'),
    kind: "below minimum",
    says: "undefined",
  },
  {
    name: "nothing that is of use",
    reply: result(
      '{"protocolVersion":"2025-06-18","capabilities":{"logging":{}}}',
    ),
    kind: "below minimum",
    says: "none of tools, prompts, resources",
  },
  {
    name: "the stateless era only, by method",
    reply: rpcError(-32601, 404),
    kind: "refused",
    says: "HTTP 404: no (-32601)",
  },
  {
    name: "the stateless era only, by revision",
    reply: rpcError(-32022, 400),
    kind: "refused",
    says: "HTTP 400: no (-32022)",
  },
  {
    name: "a JSON-RPC error",
    reply: rpcError(-32603, 200),
    kind: "rpc error",
    says: "initialize failed: no (-32603)",
  },
  {
    name: "401",
    reply: json("{}", 401),
    kind: "refused",
    says: "HTTP 401: it wants a credential",
  },
  {
    name: "a redirect",
    reply: () =>
      new Response(null, { status: 307, headers: { location: "/" } }),
    kind: "refused",
    says: "redirects are not followed",
  },
  {
    name: "HTML",
    reply: () =>
      new Response("<p>", { headers: { "content-type": "text/html" } }),
    kind: "invalid answer",
    says: "its content type is text/html",
  },
  {
    name: "a stream without an answer",
    reply: () =>
      new Response("data: {}\n\n", {
        headers: { "content-type": "text/event-stream" },
      }),
    kind: "invalid answer",
    says: "the stream ended without an answer",
  },
  {
    name: "garbage",
    reply: json("{"),
    kind: "invalid answer",
    says: "the body is no answer",
  },
  {
    name: "more than the limit",
    reply: json(" ".repeat(200_000)),
    kind: "too large",
    says: "larger than 100000 bytes",
  },
  {
    name: "a session id with a line break in it",
    reply: () =>
      new Response("{}", {
        headers: {
          "content-type": "application/json",
          "mcp-session-id": "a b",
        },
      }),
    kind: "invalid answer",
    says: "visible ASCII",
  },
];
for (const { name, reply, kind, says } of REFUSED) {
  Deno.test(`a session is not opened with a server that answers ${name}`, async () => {
    const server = new ScriptedServer();
    server.replies.set("initialize", reply);
    const error = await assertRejects(() => open(server), UpstreamError);
    assertEquals(error.kind, kind);
    assertStringIncludes(error.message, says);
  });
}

Deno.test("a server that is below the minimum gets its session back", async () => {
  const server = new ScriptedServer();
  server.capabilities = "{}";
  await assertRejects(() => open(server), UpstreamError);
  assertEquals(server.sessions.size, 0);
});

Deno.test("a server with prompts and no tools has an empty list", async () => {
  const server = new ScriptedServer();
  server.capabilities = '{"prompts":{}}';
  const list = await (await open(server)).list("tools", NEVER);
  assertEquals(list.items, []);
  assertEquals(server.count("tools/list"), 0);
});

Deno.test("a session that is gone is told from a server that is gone", async () => {
  const server = serverWith([[]]);
  const session = await open(server);
  server.sessions.clear();
  for (
    const use of [
      () => session.list("tools", NEVER),
      () => session.ping(NEVER),
      () => session.listen(NEVER, { onOpen: () => {} }),
    ]
  ) {
    assertEquals(
      (await assertRejects(use, UpstreamError)).kind,
      "session gone",
    );
  }
  server.down = true;
  const error = await assertRejects(() => session.ping(NEVER), UpstreamError);
  assertEquals(error.kind, "unreachable");
  assertStringIncludes(error.message, "connection refused");
});

Deno.test("a request that is never answered times out", async () => {
  const server = serverWith([[]]);
  const session = await open(server, { listMs: 20 });
  server.hangsOn = ["tools/list"];
  const error = await assertRejects(
    () => session.list("tools", NEVER),
    UpstreamError,
  );
  assertEquals(error.kind, "timed out");
});

for (const status of [405, 404, 400]) {
  Deno.test(`a GET that is answered ${status} means that there is no stream`, async () => {
    const server = serverWith([[]]);
    server.givesSessions = false;
    server.replies.set("GET", () => new Response(null, { status }));
    const session = await open(server);
    assertEquals(await session.listen(NEVER, { onOpen: () => {} }), {
      kind: "unsupported",
    });
  });
}

Deno.test("ping takes 'method not found' for a sign of life", async () => {
  const server = serverWith([[]]);
  const session = await open(server);
  server.replies.set("ping", rpcErrorOf(2, -32601));
  await session.ping(NEVER);
});

function rpcErrorOf(id: number, code: number): () => Response {
  return json(
    `{"jsonrpc":"2.0","id":${id},"error":{"code":${code},"message":"no"}}`,
  );
}
