import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { UpstreamError } from "../../shared/upstream/upstream_error.ts";
import { failure, StatelessServer } from "../_testing/stateless_server.ts";
import { toolText } from "../_testing/tools.ts";
import { until } from "../_testing/until.ts";
import { openStateless } from "./stateless_upstream.ts";
import type { UpstreamSession } from "./upstream_session.ts";

const NEVER = new AbortController().signal;

function open(
  server: StatelessServer,
  heard: string[] = [],
): Promise<UpstreamSession> {
  return openStateless({
    url: "http://server.test/mcp",
    fetch: server.fetch,
    headers: () => Promise.resolve([]),
    version: "1",
    limits: {
      initializeMs: 5_000,
      listMs: 5_000,
      pingMs: 5_000,
      listBytes: 100_000,
      items: 10,
      pages: 4,
    },
    onNotification: (method) => heard.push(method),
    now: () => performance.now(),
  }, NEVER);
}

const textOf = (items: readonly Uint8Array[]) =>
  items.map((item) => new TextDecoder().decode(item));

for (const streams of [false, true]) {
  Deno.test(`every page of a stateless server is listed as it was written, ${streams ? "streamed" : "as JSON"}`, async () => {
    const odd =
      '{ "name":"\\u0061", "inputSchema":{"type":"object"}, "x":1e400 }';
    const server = new StatelessServer();
    server.pages = { tools: [[toolText("1"), odd], [], [toolText("é")]] };
    server.streams = streams;
    const session = await open(server);
    const list = await session.list("tools", NEVER);
    assertEquals(textOf(list.items), [toolText("1"), odd, toolText("é")]);
    assertEquals(list.problems, []);
    assertEquals(server.count("tools/list"), 3);
  });
}

Deno.test("a list that is not declared costs no request", async () => {
  const server = new StatelessServer();
  const session = await open(server);
  assertEquals(session.kinds, ["tools"]);
  assertEquals((await session.list("prompts", NEVER)).items, []);
  assertEquals(server.count("prompts/list"), 0);
});

Deno.test("a result without resultType is complete", async () => {
  const server = new StatelessServer();
  server.resultType = undefined;
  server.pages = { tools: [[toolText("a")]] };
  const session = await open(server);
  assertEquals((await session.list("tools", NEVER)).items.length, 1);
});

for (const type of ["input_required", "task", ""]) {
  Deno.test(`a list whose resultType is ${JSON.stringify(type)} is no list`, async () => {
    const server = new StatelessServer();
    const session = await open(server);
    server.resultType = type;
    const error = await assertRejects(
      () => session.list("tools", NEVER),
      UpstreamError,
    );
    assertEquals(error.kind, "invalid answer");
    assertStringIncludes(error.message, "resultType");
  });
}

for (const code of [-32020, -32022]) {
  Deno.test(`a list that is answered ${code} is asked for once more, after another look`, async () => {
    const server = new StatelessServer();
    server.pages = { tools: [[toolText("a")]] };
    const session = await open(server);
    server.replies.set("tools/list", [() => failure(2, code, "no", 400)]);
    assertEquals((await session.list("tools", NEVER)).items.length, 1);
    assertEquals(server.count("server/discover"), 2);
    assertEquals(server.count("tools/list"), 2);
    const twice = () => failure(null, code, "no", 400);
    server.replies.set("tools/list", [twice, twice]);
    const error = await assertRejects(
      () => session.list("tools", NEVER),
      UpstreamError,
    );
    assertEquals(error.code, code);
    assertEquals(server.count("tools/list"), 4);
  });
}

Deno.test("a sign of life is discovery, and an old server in its place is noticed", async () => {
  const server = new StatelessServer();
  const session = await open(server);
  await session.ping(NEVER);
  assertEquals(server.count("server/discover"), 2);
  server.replies.set("server/discover", [
    () => failure(null, -32601, "Method not found"),
    () => new Response("busy", { status: 503 }),
  ]);
  const other = await assertRejects(() => session.ping(NEVER), UpstreamError);
  assertEquals(other.kind, "other era");
  const busy = await assertRejects(() => session.ping(NEVER), UpstreamError);
  assertEquals(busy.kind, "refused");
});

Deno.test("what changes is heard from when the server has agreed to tell, until it ends", async () => {
  const server = new StatelessServer();
  server.capabilities = '{"tools":{},"prompts":{},"resources":{}}';
  const heard: string[] = [];
  const session = await open(server, heard);
  let opened = 0;
  let missing: readonly string[] = [];
  server.agrees = ["toolsListChanged"];
  const ended = session.listen(NEVER, {
    onOpen: () => opened++,
    onNotGranted: (names) => missing = names,
  });
  await until(() => opened === 1, "the acknowledgement");
  assertEquals(missing, ["prompts", "resources"]);
  assertEquals(JSON.parse(server.seen.at(-1)!.body).params.notifications, {
    toolsListChanged: true,
    promptsListChanged: true,
    resourcesListChanged: true,
  });
  server.notify("notifications/tools/list_changed");
  await until(() => heard.length === 1, "the notification");
  assertEquals(heard, ["notifications/tools/list_changed"]);
  server.endListens();
  assertEquals(await ended, { kind: "ended" });
});

Deno.test("a server that agrees to nothing, or has no subscriptions, is polled", async () => {
  const server = new StatelessServer();
  const session = await open(server);
  const hooks = { onOpen: () => {} };
  server.agrees = [];
  assertEquals(await session.listen(NEVER, hooks), { kind: "unsupported" });
  server.replies.set("subscriptions/listen", [
    () => failure(3, -32601, "Method not found", 404),
    () => failure(4, -32603, "Subscription limit reached"),
  ]);
  assertEquals(await session.listen(NEVER, hooks), { kind: "unsupported" });
  const full = await assertRejects(
    () => session.listen(NEVER, hooks),
    UpstreamError,
  );
  assertEquals(full.code, -32603);
});

Deno.test("a subscription that begins without an acknowledgement is none", async () => {
  const server = new StatelessServer();
  const session = await open(server);
  server.replies.set("subscriptions/listen", [() =>
    new Response(
      'data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n\n',
      { headers: { "content-type": "text/event-stream" } },
    )]);
  const error = await assertRejects(
    () => session.listen(NEVER, { onOpen: () => {} }),
    UpstreamError,
  );
  assertStringIncludes(error.message, "without an acknowledgement");
});

Deno.test("of what pages say of keeping them, the strictest holds for the list", async () => {
  const server = new StatelessServer();
  server.pages = { tools: [[toolText("a")], [toolText("b")]] };
  const session = await open(server);
  const hints = async () => (await session.list("tools", NEVER)).hints;
  assertEquals(await hints(), { ttlMs: 0, cacheScope: "private" });
  server.hints = [
    { ttlMs: 3, cacheScope: "public" },
    { ttlMs: 2, cacheScope: "public" },
  ];
  assertEquals(await hints(), { ttlMs: 2, cacheScope: "public" });
  server.hints = [{ ttlMs: 3, cacheScope: "public" }, { ttlMs: 5 }];
  assertEquals(await hints(), { ttlMs: 3, cacheScope: "private" });
});
