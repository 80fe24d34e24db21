import {
  assert,
  assertEquals,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import {
  AskingServer,
  type AskingTool,
  says,
} from "../../_testing/asking_server.ts";
import {
  ask,
  BridgeWorld,
  type BridgeWorldOptions,
  read,
  type Replica,
  retry,
  send,
  type StatelessRequest,
} from "../../_testing/bridge_world.ts";
import { until } from "../../_testing/until.ts";

/** A server with some tools, and a broker before it. */
class World implements AsyncDisposable {
  readonly server: AskingServer;
  readonly gateway: BridgeWorld;
  readonly broker: Replica;

  constructor(
    tools: Readonly<Record<string, AskingTool>>,
    options: Partial<BridgeWorldOptions> = {},
  ) {
    this.server = new AskingServer(tools);
    this.gateway = new BridgeWorld({
      url: this.server.url,
      tools: Object.keys(tools),
      ...options,
    });
    this.broker = this.gateway.start();
  }

  /** Calls a tool. */
  call(name: string, request: Partial<StatelessRequest> = {}) {
    return ask(this.broker, { params: { name: `a_${name}` }, ...request });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
  }
}

const plain: AskingTool = () => says("plain");

Deno.test("a call reaches its server in a session that says of the client what the client said", async () => {
  await using world = new World({ plain });
  const capabilities = {
    elicitation: { form: {} },
    roots: { listChanged: true },
    tasks: {},
  };
  const { answer, status } = await world.call("plain", {
    id: "seven",
    capabilities,
  });
  assertEquals(status, 200);
  assertEquals(answer, {
    jsonrpc: "2.0",
    id: "seven",
    result: {
      content: [{ type: "text", text: "plain" }],
      resultType: "complete",
      _meta: {
        "io.modelcontextprotocol/serverInfo": {
          name: "asking",
          version: "1.0",
        },
      },
    },
  });
  const [session] = world.server.sessions;
  assertEquals(session!.introduction["capabilities"], {
    elicitation: { form: {} },
    roots: {},
  });
  assertEquals(session!.introduction["clientInfo"], {
    name: "tester",
    version: "1",
  });
  const sent = world.server.texts.find((text) => text.includes("tools/call"));
  assertEquals(
    sent,
    '{"jsonrpc":"2.0","id":"call-1","method":"tools/call","params":{"name":"plain"}}',
  );
});

Deno.test("a resource's content has hints, a prompt has none", async () => {
  await using world = new World({});
  const resource = await ask(world.broker, {
    method: "resources/read",
    params: { uri: "notes://1" },
  });
  assertEquals(resource.answer.result.ttlMs, 0);
  assertEquals(resource.answer.result.cacheScope, "private");
  const prompt = await ask(world.broker, {
    method: "prompts/get",
    params: { name: "a_greet" },
  });
  assertEquals(prompt.answer.result.ttlMs, undefined);
  assertEquals(prompt.answer.result.resultType, "complete");
});

/** Reports with the token that it was given, and says which that was. */
const report: AskingTool = async ({ call, send, session }) => {
  const meta = call.params?.["_meta"] as { progressToken?: unknown };
  const progressToken = meta?.progressToken;
  for (const progress of [1, 2]) {
    send({
      method: "notifications/progress",
      params: { progressToken, progress, message: session.methods.join() },
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return says(String(progressToken));
};

Deno.test("progress comes under the client's own token, whatever its type", async () => {
  await using world = new World({ report });
  for (const progressToken of [7, "7", 0]) {
    const { before, streamed } = await world.call("report", {
      meta: { progressToken },
    });
    assert(streamed);
    assertEquals(
      // deno-lint-ignore no-explicit-any -- any message
      before.map(({ params }: any) => [params.progressToken, params.progress]),
      [[progressToken, 1], [progressToken, 2]],
    );
  }
});

Deno.test("two clients with one progress token get their own progress each", async () => {
  const report: AskingTool = async ({ call, send }) => {
    const params = call.params!;
    const meta = params["_meta"] as { progressToken?: unknown };
    const { n } = params["arguments"] as { n: number };
    for (let progress = 1; progress <= 5; progress++) {
      send({
        method: "notifications/progress",
        params: { ...meta, progress: progress * n },
      });
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return says(String(n));
  };
  await using world = new World({ report });
  const results = await Promise.all([1, 10].map((n) =>
    world.call("report", {
      params: { name: "a_report", arguments: { n } },
      token: "alice",
      meta: { progressToken: "same" },
    })
  ));
  for (const [index, n] of [1, 10].entries()) {
    assertEquals(
      // deno-lint-ignore no-explicit-any -- any message
      results[index]!.before.map(({ params }: any) => params.progress),
      [n, 2 * n, 3 * n, 4 * n, 5 * n],
    );
  }
  // In one session with the server.
  assertEquals(world.server.sessions.length, 1);
});

Deno.test("progress that a server reports outside of the call's stream finds its client", async () => {
  await using world = new World({
    report: async ({ call, session, send }) => {
      const meta = call.params?.["_meta"] as { progressToken?: unknown };
      await session.ask(session.get, "ping", {});
      session.tell("notifications/progress", { ...meta, progress: 1 });
      await session.ask(session.get, "ping", {});
      send({
        method: "notifications/progress",
        params: { ...meta, progress: 2 },
      });
      return says("reported");
    },
  });
  const { before } = await world.call("report", {
    token: "alice",
    meta: { progressToken: 7 },
  });
  assertEquals(
    // deno-lint-ignore no-explicit-any -- any message
    before.map(({ params }: any) => [params.progressToken, params.progress]),
    [[7, 1], [7, 2]],
  );
});

Deno.test("a question behind progress ends the stream of the answer", async () => {
  await using world = new World({
    both: async ({ ask, call, send }) => {
      const meta = call.params?.["_meta"] as { progressToken?: unknown };
      const progress = (progress: number) =>
        send({
          method: "notifications/progress",
          params: { ...meta, progress },
        });
      progress(1);
      await ask("roots/list");
      progress(2);
      return says("done");
    },
  });
  const call = {
    params: { name: "a_both" },
    token: "alice",
    capabilities: { roots: {} },
    meta: { progressToken: "first" },
  };
  const first = await ask(world.broker, call);
  assertEquals([first.streamed, first.before.length], [true, 1]);
  const [key] = Object.keys(first.answer.result.inputRequests);
  const second = await ask(world.broker, {
    ...retry(call, first, { [key!]: { roots: [] } }),
    meta: { progressToken: 2 },
  });
  assertEquals(
    second.before.map(({ params }) => params),
    [{ progressToken: 2, progress: 2 }],
  );
  assertEquals(second.answer.result.content[0].text, "done");
});

Deno.test("who wants no progress gets none, and its answer in JSON", async () => {
  await using world = new World({ report });
  const { before, streamed, answer } = await world.call("report");
  assertEquals([streamed, before], [false, []]);
  assertEquals(answer.result.content[0].text, "undefined");
});

const logs: AskingTool = ({ send }) => {
  for (const level of ["debug", "info", "error"]) {
    send({
      method: "notifications/message",
      params: { level, data: level },
    });
  }
  return says("logged");
};

const LEVELS: readonly {
  readonly wanted: string | undefined;
  readonly want: readonly string[];
}[] = [
  { wanted: undefined, want: [] },
  { wanted: "debug", want: ["debug", "info", "error"] },
  { wanted: "info", want: ["info", "error"] },
  { wanted: "emergency", want: [] },
];
for (const { wanted, want } of LEVELS) {
  Deno.test(`a request whose log level is ${wanted} gets ${want.length} of three messages`, async () => {
    await using world = new World({ logs });
    const { before } = await world.call("logs", {
      meta: wanted === undefined
        ? {}
        : { "io.modelcontextprotocol/logLevel": wanted },
    });
    // deno-lint-ignore no-explicit-any -- any message
    assertEquals(before.map(({ params }: any) => params.level), [...want]);
    const set = world.server.sessions[0]!.heard
      .filter(({ method }) => method === "logging/setLevel")
      .map(({ params }) => params?.["level"]);
    assertEquals(set, wanted === undefined ? [] : [wanted]);
  });
}

Deno.test("the level of a session is the lowest that one of its calls wants", async () => {
  const gate = Promise.withResolvers<void>();
  await using world = new World({
    plain,
    wait: async () => {
      await gate.promise;
      return says("waited");
    },
  });
  const { server } = world;
  const at = (name: string, level: string) =>
    world.call(name, {
      token: "alice",
      meta: { "io.modelcontextprotocol/logLevel": level },
    });
  const levels = () =>
    server.sessions[0]?.heard
      .filter(({ method }) => method === "logging/setLevel")
      .map(({ params }) => params?.["level"]);
  const waiting = at("wait", "info");
  await until(() => server.runs["wait"] === 1, "one call runs");
  await at("plain", "error");
  assertEquals(levels(), ["info"]);
  await at("plain", "debug");
  assertEquals(levels(), ["info", "debug"]);
  gate.resolve();
  await waiting;
  await at("plain", "error");
  assertEquals(levels(), ["info", "debug", "error"]);
});

Deno.test("a log level that there is none is refused, and nothing is run", async () => {
  await using world = new World({ plain });
  const { status, answer } = await world.call("plain", {
    meta: { "io.modelcontextprotocol/logLevel": "loud" },
  });
  assertEquals([status, answer.error.code], [200, -32602]);
  assertEquals(world.server.runs, {});
});

/** Runs until it is cancelled. */
const endless: AskingTool = ({ send, call }) => {
  const meta = call.params?.["_meta"] as { progressToken?: unknown };
  send({
    method: "notifications/progress",
    params: { ...meta, progress: 1 },
  });
  return new Promise(() => {});
};

for (const streamed of [false, true]) {
  Deno.test(`a client that leaves before its answer, ${streamed ? "a stream" : "nothing yet"}, cancels the call`, async () => {
    await using world = new World({ endless });
    const { server, broker } = world;
    const client = new AbortController();
    const sent = send(broker, {
      params: { name: "a_endless" },
      token: "alice",
      meta: streamed ? { progressToken: 1 } : {},
      signal: client.signal,
    });
    await until(() => server.runs["endless"] === 1, "the call runs");
    if (streamed) await (await sent).body!.cancel();
    else client.abort();
    await until(() => server.cancelled.length > 0, "the call was cancelled");
    assertEquals(server.cancelled, ["call-1"]);
    await until(() => broker.bridge.counts.running === 0, "nothing runs");
    if (!streamed) await (await sent).body?.cancel();
  });
}

Deno.test("a client that leaves behind its answer, or while it is asked, cancels nothing", async () => {
  await using world = new World({
    plain,
    ask: async ({ ask }) =>
      says(
        JSON.stringify((await ask("roots/list")).result),
      ),
  });
  const { server, broker } = world;
  const client = new AbortController();
  await world.call("plain", { token: "alice", signal: client.signal });
  const call = {
    params: { name: "a_ask" },
    token: "alice",
    capabilities: { roots: {} },
    signal: client.signal,
  };
  const first = await ask(broker, call);
  // Deno says so behind every answer.
  client.abort();
  const [key] = Object.keys(first.answer.result.inputRequests);
  const { signal: _, ...again } = retry(call, first, { [key!]: { roots: [] } });
  const second = await ask(broker, again);
  assertEquals(second.answer.result.content[0].text, '{"roots":[]}');
  await broker.bridge.close();
  assertEquals(server.cancelled, []);
});

const LOST: readonly {
  readonly name: string;
  readonly status: number;
}[] = [
  { name: "404", status: 404 },
  { name: "400, and the same to a ping", status: 400 },
];
for (const { name, status } of LOST) {
  Deno.test(`a session that its server lost, which says ${name}, is opened anew and the call run there, once`, async () => {
    await using world = new World({ plain });
    const { server } = world;
    server.unknownStatus = status;
    await world.call("plain", { token: "alice" });
    server.forget();
    const { answer } = await world.call("plain", { token: "alice" });
    assertEquals(answer.result.content[0].text, "plain");
    assertEquals(server.runs, { plain: 2 });
    assertEquals(server.sessions.length, 2);
    await world.call("plain", { token: "alice" });
    assertEquals(server.sessions.length, 2);
  });
}

Deno.test("a server that loses every session is not asked for ever", async () => {
  await using world = new World({ plain });
  const { server } = world;
  server.replies.set("tools/call", () => new Response(null, { status: 404 }));
  const { status, answer } = await world.call("plain", { token: "alice" });
  assertEquals(status, 502);
  assertEquals(answer.error.code, -32603);
  assertEquals(answer.error.data.retryable, true);
  assertEquals(server.sessions.length, 2);
});

Deno.test("a server without session ids serves calls all the same", async () => {
  await using world = new World({
    ask: async ({ ask }) => says(String((await ask("ping")).error)),
  });
  world.server.givesIds = false;
  const { answer } = await world.call("ask", { token: "alice" });
  assertEquals(answer.result.content[0].text, "undefined");
  const unknown = await world.call("ask", { token: "alice" });
  assertEquals(unknown.answer.result.resultType, "complete");
  assertEquals(world.server.sessions.length, 1);
});

const json = (body: object, status = 200) => () =>
  Response.json({ jsonrpc: "2.0", ...body }, { status });
const failing = (body: object, status = 200) =>
  json({ id: "call-1", ...body }, status);

const ANSWERS: readonly {
  readonly name: string;
  readonly reply: () => Response;
  readonly status: number;
  readonly code: number | undefined;
  readonly data?: unknown;
}[] = [
  {
    name: "a result in JSON",
    reply: failing({ result: {} }),
    status: 200,
    code: undefined,
  },
  {
    name: "an error",
    reply: failing({ error: { code: -32602, message: "no", data: 1 } }),
    status: 200,
    code: -32602,
    data: 1,
  },
  {
    name: "an error with a status of its own",
    reply: failing({ error: { code: -32602, message: "no" } }, 400),
    status: 200,
    code: -32602,
  },
  {
    name: "an error without an id",
    reply: json({ id: null, error: { code: -32000, message: "no" } }, 400),
    status: 200,
    code: -32000,
  },
  {
    name: "that it does not know the method",
    reply: failing({ error: { code: -32601, message: "no" } }),
    status: 404,
    code: -32601,
  },
  {
    name: "that it wants a credential",
    reply: () =>
      new Response("who?", {
        status: 401,
        headers: { "www-authenticate": "Bearer" },
      }),
    status: 502,
    code: -32603,
  },
  {
    name: "that it is down",
    reply: () => new Response("<html>", { status: 503 }),
    status: 502,
    code: -32603,
  },
  {
    name: "a page",
    reply: () =>
      new Response("<html>", { headers: { "content-type": "text/html" } }),
    status: 502,
    code: -32603,
  },
  {
    name: "nothing",
    reply: () => new Response(null, { status: 202 }),
    status: 502,
    code: -32603,
  },
  {
    name: "something else in JSON",
    reply: () => Response.json({ hello: "world" }),
    status: 502,
    code: -32603,
  },
  {
    name: "a result that is no object",
    reply: failing({ result: [] }),
    status: 502,
    code: -32603,
  },
  {
    name: "a stream that ends at once",
    reply: () =>
      new Response(": hello\n\n", {
        headers: { "content-type": "text/event-stream" },
      }),
    status: 502,
    code: -32603,
  },
];
for (const { name, reply, status, code, data } of ANSWERS) {
  Deno.test(`a server that answers a call with ${name} becomes ${status} and ${code ?? "a result"}`, async () => {
    await using world = new World({ plain });
    world.server.replies.set("tools/call", reply);
    const answered = await world.call("plain", { id: 5 });
    assertEquals(answered.status, status);
    assertEquals(answered.answer.id, 5);
    assertEquals(answered.answer.error?.code, code);
    if (data !== undefined) assertEquals(answered.answer.error.data, data);
    assertEquals(answered.answer.error?.data?.retryable, undefined);
  });
}

Deno.test("a resource that is not there is named, with the stateless era's code", async () => {
  await using world = new World({});
  world.server.replies.set(
    "resources/read",
    failing({ error: { code: -32002, message: "not there" } }),
  );
  const { status, answer } = await ask(world.broker, {
    method: "resources/read",
    params: { uri: "notes://1" },
  });
  assertEquals(status, 200);
  assertEquals(answer.error, {
    code: -32602,
    message: "not there",
    data: { uri: "notes://1" },
  });
});

Deno.test("a server that is away is 502, and the call may be sent again", async () => {
  await using server = new AskingServer({});
  const { url } = server;
  await server[Symbol.asyncDispose]();
  await using world = new World({ plain }, { url });
  const { status, answer } = await world.call("plain", { token: "alice" });
  assertEquals([status, answer.error.code], [502, -32603]);
  assertEquals(answer.error.data.retryable, true);
  // The next one tries again.
  assertEquals((await world.call("plain", { token: "alice" })).status, 502);
  assertEquals(world.broker.bridge.counts.sessions, { used: 0, idle: 0 });
});

Deno.test("a server that went away since the last call is 502, and the call may be sent again", async () => {
  await using world = new World({ plain });
  await world.call("plain", { token: "alice" });
  await world.server[Symbol.asyncDispose]();
  const { status, answer } = await world.call("plain", { token: "alice" });
  assertEquals([status, answer.error.data.retryable], [502, true]);
});

Deno.test("a server that breaks the connection off has perhaps run the call", async () => {
  await using world = new World({ plain });
  await using breaking = Deno.serve(
    {
      hostname: "127.0.0.1",
      port: 0,
      onListen: () => {},
      onError: () => new Response(),
    },
    async (request) => {
      const text = await request.text();
      if (!text.includes("tools/call")) {
        return await fetch(world.server.url, {
          method: request.method,
          headers: request.headers,
          ...(text === "" ? {} : { body: text }),
        });
      }
      let begun = false;
      const body = new ReadableStream({
        pull: (controller) => {
          if (begun) throw new Error("broken off, as it should be");
          begun = true;
          controller.enqueue(new TextEncoder().encode('{"jsonrpc"'));
        },
      });
      const headers = { "content-type": "application/json" };
      return new Response(body, { headers });
    },
  );
  await using gateway = new BridgeWorld({
    url: `http://127.0.0.1:${breaking.addr.port}/mcp`,
    tools: ["plain"],
  });
  const { status, answer } = await ask(gateway.start(), {
    params: { name: "a_plain" },
  });
  assertEquals([status, answer.error.code], [502, -32603]);
  assertStringIncludes(answer.error.message, "broke the connection");
  assertEquals(answer.error.data?.retryable, undefined);
});

Deno.test("a server that closes the connection instead of answering has perhaps run the call", async () => {
  await using world = new World({ plain });
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    for await (const connection of listener) {
      // Whatever is asked there is asked in a session: the call.
      await connection.read(new Uint8Array(64 * 1024));
      connection.close();
    }
  })();
  const elsewhere = `http://127.0.0.1:${listener.addr.port}/mcp`;
  const broker = world.gateway.start(0, {
    fetch: ({ url }, init) => {
      const isCall = String(init.body ?? "").includes("tools/call");
      return fetch(isCall ? elsewhere : url, init);
    },
  });
  const { status, answer } = await ask(broker, {
    params: { name: "a_plain" },
  });
  listener.close();
  await serving.catch(() => {});
  assertEquals([status, answer.error.code], [502, -32603]);
  assertEquals(answer.error.data?.retryable, undefined);
});

Deno.test("a stream that breaks off after it gave event ids is taken up again", async () => {
  await using world = new World({ plain });
  const { server } = world;
  const stream = (text: string) =>
    new Response(text, { headers: { "content-type": "text/event-stream" } });
  server.replies.set(
    "tools/call",
    () => stream("id: e1\nretry: 1\ndata:\n\n"),
  );
  let taken = 0;
  server.replies.set("GET", () => {
    taken++;
    return stream(
      'id: e2\ndata: {"jsonrpc":"2.0","id":"call-1","result":{"taken":true}}\n\n',
    );
  });
  const { answer } = await world.call("plain", { token: "alice" });
  assertEquals(answer.result.taken, true);
  assertEquals(taken, 1);
});

const NOT_ASKED: readonly {
  readonly name: string;
  readonly method: string;
  readonly params?: object;
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly code: number;
}[] = [
  {
    name: "elicits without the capability",
    method: "elicitation/create",
    capabilities: { roots: {} },
    code: -32601,
  },
  {
    name: "asks for what the stateless era does not have",
    method: "tasks/get",
    capabilities: { elicitation: {} },
    code: -32601,
  },
  {
    name: "asks to open a URL who only fills in forms",
    method: "elicitation/create",
    params: { mode: "url", url: "https://a.test", elicitationId: "1" },
    capabilities: { elicitation: {} },
    code: -32602,
  },
];
for (const { name, method, params, capabilities, code } of NOT_ASKED) {
  Deno.test(`a server that ${name} gets an error at once, and the call goes on`, async () => {
    await using world = new World({
      ask: async ({ ask }) =>
        says(String((await ask(method, params)).error?.code)),
    });
    const { answer } = await world.call("ask", { capabilities });
    assertEquals(answer.result.content[0].text, String(code));
  });
}

Deno.test("a server that asks on the session's own stream while no call is open gets an error", async () => {
  await using world = new World({ plain });
  const { server } = world;
  await world.call("plain", { token: "alice", capabilities: { roots: {} } });
  const [session] = server.sessions;
  assert(session!.get !== undefined);
  const { error } = await session!.ask(session!.get, "roots/list", {});
  assertEquals(error?.code, -32601);
  const { result } = await session!.ask(session!.get, "ping", {});
  assertEquals(result, {});
});

Deno.test("a server that asks on the session's own stream before it has the call gets an error", async () => {
  await using world = new World({ plain });
  const { server } = world;
  const asked = Promise.withResolvers<unknown>();
  // The call is sent when this is done; the stream may be open before.
  server.slow.set("logging/setLevel", async (session) => {
    await until(() => session.get !== undefined, "the stream is open");
    const { error } = await session.ask(session.get, "roots/list", {});
    asked.resolve(error?.code);
  });
  const { answer } = await world.call("plain", {
    token: "alice",
    capabilities: { roots: {} },
    meta: { "io.modelcontextprotocol/logLevel": "info" },
  });
  assertEquals(await asked.promise, -32601);
  assertEquals(answer.result.content[0].text, "plain");
});

Deno.test("a caller's calls share a session, other callers, clients and capabilities do not", async () => {
  await using world = new World({ plain });
  const { server, broker } = world;
  await world.call("plain", { token: "alice" });
  await world.call("plain", { token: "alice" });
  assertEquals(server.sessions.length, 1);
  await world.call("plain", { token: "bob" });
  assertEquals(server.sessions.length, 2);
  await world.call("plain", { token: "alice", capabilities: { roots: {} } });
  assertEquals(server.sessions.length, 3);
  await world.call("plain", {
    token: "alice",
    meta: {
      "io.modelcontextprotocol/clientInfo": { name: "other", version: "1" },
    },
  });
  assertEquals(server.sessions.length, 4);
  assertEquals(broker.bridge.counts.sessions, { used: 0, idle: 4 });
  assert(server.sessions.every(({ ended }) => !ended));
});

for (
  const [name, options, token] of [
    ["callers that nobody can tell apart", {}, undefined],
    [
      "all callers where sessions are held for calls",
      { mode: "call" },
      "alice",
    ],
  ] as const
) {
  Deno.test(`${name} get a session for each call, which is ended with it`, async () => {
    await using world = new World({ plain }, options);
    const { server } = world;
    const request = token === undefined ? {} : { token };
    await Promise.all([1, 2].map(() => world.call("plain", request)));
    assertEquals(server.sessions.length, 2);
    await until(
      () => server.sessions.every(({ ended }) => ended),
      "both were ended",
    );
    assertEquals(world.broker.bridge.counts.sessions, { used: 0, idle: 0 });
  });
}

Deno.test("callers' credentials reach the server where it gets to see them, and do not share a session", async () => {
  await using world = new World({ plain }, { server: { passthrough: true } });
  const { server } = world;
  const token = (sub: string, n: number) =>
    `${btoa("{}")}.${btoa(JSON.stringify({ iss: "i", sub, n }))}.x`
      .replaceAll("=", "").replaceAll("+", "-").replaceAll("/", "_");
  const [one, two] = [token("alice", 1), token("alice", 2)];
  await world.call("plain", { token: one });
  await world.call("plain", { token: two });
  assertEquals(
    server.sessions.map(({ credentials }) => [...new Set(credentials)]),
    [[`Bearer ${one}`], [`Bearer ${two}`]],
  );
});

Deno.test("a session that nobody uses is ended", async () => {
  await using world = new World({ plain }, {
    limits: { bridgeSessionIdleMs: 20 },
  });
  const { server, broker } = world;
  await world.call("plain", { token: "alice" });
  await until(() => server.sessions[0]!.ended, "it was ended");
  assertEquals(broker.bridge.counts.sessions, { used: 0, idle: 0 });
});

Deno.test("where there are too many sessions the idle one makes room, and one in use never", async () => {
  await using world = new World({ plain, endless }, {
    limits: { bridgeSessionsPerIdentity: 1 },
  });
  const { server, broker } = world;
  await world.call("plain", { token: "alice" });
  await world.call("plain", { token: "alice", capabilities: { roots: {} } });
  await until(() => server.sessions[0]!.ended, "the first made room");
  const client = new AbortController();
  const running = send(broker, {
    params: { name: "a_endless" },
    token: "alice",
    signal: client.signal,
  });
  await until(() => server.runs["endless"] === 1, "the call runs");
  const { status, answer } = await world.call("plain", {
    token: "alice",
    capabilities: { roots: {} },
  });
  assertEquals([status, answer.error.data.retryable], [429, true]);
  assertEquals((await world.call("plain", { token: "bob" })).status, 200);
  client.abort();
  await (await running).body?.cancel();
});

Deno.test("calls of one caller in flight are limited", async () => {
  await using world = new World({ endless }, {
    limits: { bridgedCallsPerIdentity: 1 },
  });
  const { server, broker } = world;
  const client = new AbortController();
  const running = send(broker, {
    params: { name: "a_endless" },
    token: "alice",
    signal: client.signal,
  });
  await until(() => server.runs["endless"] === 1, "the call runs");
  const { status } = await world.call("endless", { token: "alice" });
  assertEquals(status, 429);
  assertEquals(server.runs["endless"], 1);
  client.abort();
  await (await running).body?.cancel();
});

const URL_CLIENT: Partial<StatelessRequest> = {
  capabilities: { elicitation: { url: {} } },
  token: "alice",
};
const URLS = {
  code: -32042,
  message: "open it",
  data: {
    elicitations: [{
      mode: "url",
      elicitationId: "e1",
      url: "https://a.test",
      message: "Sign in",
    }],
  },
};

/** Wants a URL to be opened, the first time. */
function signIn(): AskingTool {
  let asked = false;
  return () => {
    if (asked) return says("signed in");
    asked = true;
    return { error: URLS };
  };
}

Deno.test("a URL that has to be opened first becomes input_required, and the retry calls again", async () => {
  await using world = new World({ sign_in: signIn() });
  const { server, broker } = world;
  const call = { params: { name: "a_sign_in" }, ...URL_CLIENT };
  const first = await ask(broker, call);
  assertEquals(Object.values(first.answer.result.inputRequests), [{
    method: "elicitation/create",
    params: { mode: "url", url: "https://a.test", message: "Sign in" },
  }]);
  const [key] = Object.keys(first.answer.result.inputRequests);
  const again = retry(call, first, { [key!]: { action: "accept" } });
  const second = await ask(broker, again);
  assertEquals(second.answer.result.content[0].text, "signed in");
  assertEquals(server.runs, { sign_in: 2 });
  const third = await ask(broker, again);
  assertEquals(third.answer.error.code, -32602);
  assertEquals(server.runs, { sign_in: 2 });
});

Deno.test("a URL is asked for also where the server's error is written doubtfully", async () => {
  await using world = new World({ plain });
  world.server.replies.set(
    "tools/call",
    () =>
      new Response(
        '{"jsonrpc":"2.0","id":"call-1","error":{"code":-32042,"message":"m","data":{"elicitations":[' +
          '{"mode":"url","mode":"url","url":"https://a.test","message":"m"}]}}}',
        { headers: { "content-type": "application/json" } },
      ),
  );
  const { answer } = await world.call("plain", URL_CLIENT);
  assertEquals(answer.result?.resultType, "input_required");
});

Deno.test("one server's answers cannot fill the memory, however many calls they answer", async () => {
  const large = "x".repeat(60_000);
  const started = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  await using world = new World({ plain }, {
    limits: { bridgedUnfinishedBytes: 100_000 },
  });
  const { server, broker } = world;
  const half = (id: string) =>
    new Response(
      new ReadableStream<Uint8Array>({
        async start(controller) {
          const text = (text: string) =>
            controller.enqueue(new TextEncoder().encode(text));
          text(`{"jsonrpc":"2.0","id":"${id}","result":{"x":"${large}`);
          started.resolve();
          await gate.promise;
          text('"}}');
          controller.close();
        },
      }),
      { headers: { "content-type": "application/json" } },
    );
  server.replies.set("tools/call", () => half("call-1"));
  const first = world.call("plain", { token: "alice" });
  await started.promise;
  await until(() => broker.bridge.counts.running === 1, "the first is read");
  const second = await world.call("plain", { token: "bob" });
  gate.resolve();
  // One of the two had to go, and the other one did not.
  const outcomes = [await first, second].map(({ status }) => status);
  assertEquals(outcomes.toSorted(), [200, 502]);
  server.replies.clear();
  assertEquals((await world.call("plain", { token: "bob" })).status, 200);
});

Deno.test("a client that cannot open URLs is told what it lacks", async () => {
  await using world = new World({ sign_in: signIn() });
  const { status, answer } = await world.call("sign_in", {
    capabilities: { elicitation: {} },
  });
  assertEquals([status, answer.error.code], [400, -32021]);
  assertEquals(answer.error.data.requiredCapabilities, {
    elicitation: { url: {} },
  });
});

Deno.test("a server that wants one URL after the other does not get its way for ever", async () => {
  await using world = new World({ never: () => ({ error: URLS }) }, {
    limits: { questionRounds: 2 },
  });
  const call = { params: { name: "a_never" }, ...URL_CLIENT };
  let answered = await ask(world.broker, call);
  for (let round = 1; round <= 2; round++) {
    assertEquals(answered.answer.result.resultType, "input_required");
    answered = await ask(world.broker, retry(call, answered, {}));
  }
  // Nothing of the stateless era has the server's own code.
  assertEquals(answered.answer.error.code, -32603);
});

Deno.test("a completion cannot be answered with a question", async () => {
  await using world = new World({});
  const { server, broker } = world;
  let heard: unknown;
  server.replies.set("completion/complete", () => {
    const [session] = server.sessions;
    void session!.ask(session!.get, "roots/list", {}).then(({ error }) => {
      heard = error?.code;
    });
    return new Response(null, { status: 202 });
  });
  const { status } = await ask(broker, {
    method: "completion/complete",
    params: {
      ref: { type: "ref/prompt", name: "a_greet" },
      argument: { name: "a", value: "b" },
    },
    capabilities: { roots: {} },
    token: "alice",
  });
  await until(() => heard !== undefined, "the server was answered");
  assertEquals([status, heard], [502, -32601]);
});

Deno.test("a question on the session's own stream is the one call's that may be asked about", async () => {
  const gate = Promise.withResolvers<void>();
  await using world = new World({
    apart: async ({ askApart }) =>
      says(JSON.stringify((await askApart("roots/list")).error?.code ?? null)),
  });
  const { server, broker } = world;
  server.slow.set("completion/complete", () => gate.promise);
  const client = { capabilities: { roots: {} }, token: "alice" };
  const completing = ask(broker, {
    method: "completion/complete",
    params: {
      ref: { type: "ref/prompt", name: "a_greet" },
      argument: { name: "a", value: "b" },
    },
    ...client,
  });
  await until(
    () => server.methods.includes("completion/complete"),
    "it is completing",
  );
  const { answer } = await world.call("apart", client);
  assertEquals(answer.result.resultType, "input_required");
  gate.resolve();
  assertEquals((await completing).status, 200);
  assertEquals(server.sessions.length, 1);
});

Deno.test("a call that takes long becomes a stream that shows life", async () => {
  const gate = Promise.withResolvers<void>();
  await using world = new World({
    wait: async () => {
      await gate.promise;
      return says("waited");
    },
  }, { limits: { keepAliveMs: 10 } });
  const response = await send(world.broker, { params: { name: "a_wait" } });
  assertEquals(response.headers.get("content-type"), "text/event-stream");
  assertEquals(response.headers.get("x-accel-buffering"), "no");
  gate.resolve();
  const { answer } = await read(response);
  assertEquals(answer.result.content[0].text, "waited");
});

Deno.test("the answer of a call that says nothing begins long before its stream would have to be kept alive: only then is a client seen to leave", async () => {
  await using world = new World({ endless }, {
    limits: { keepAliveMs: 3_600_000 },
  });
  const leaving = new AbortController();
  const response = await send(world.broker, {
    params: { name: "a_endless" },
    signal: leaving.signal,
  });
  assertEquals(response.headers.get("content-type"), "text/event-stream");
  await response.body?.cancel();
  await until(() => world.server.cancelled.length === 1, "it was cancelled");
});

Deno.test("a call that takes too long is cancelled, and both are told", async () => {
  // Long enough for the session that it opens, and not for a stream to begin.
  await using world = new World({ endless }, {
    limits: { bridgedCallMs: 1_500 },
  });
  const { status, answer } = await world.call("endless", { token: "alice" });
  assertEquals([status, answer.error.code], [504, -32603]);
  await until(() => world.server.cancelled.length === 1, "it was cancelled");
});

Deno.test("a broker that ends answers who still waits", async () => {
  await using world = new World({ endless });
  const { server, broker } = world;
  const sent = world.call("endless", { token: "alice" });
  await until(() => server.runs["endless"] === 1, "the call runs");
  await broker.bridge.close();
  assertEquals((await sent).status, 502);
  assertEquals(server.cancelled.length, 1);
});

Deno.test("nothing secret is logged", async () => {
  await using world = new World({
    ask: async ({ ask }) => says(JSON.stringify(await ask("roots/list"))),
  });
  const call = {
    params: { name: "a_ask", arguments: { password: "geheim" } },
    capabilities: { roots: {} },
    token: "very-secret",
  };
  const first = await ask(world.broker, call);
  const [key] = Object.keys(first.answer.result.inputRequests);
  await ask(
    world.broker,
    retry(call, first, { [key!]: { roots: ["geheim"] } }),
  );
  await world.call("ask", { token: "very-secret", capabilities: {} });
  const text = JSON.stringify(world.gateway.log.records);
  assertNotEquals(text, "[]");
  for (
    const secret of [
      "geheim",
      "very-secret",
      first.answer.result.requestState,
      "s-1",
    ]
  ) assert(!text.includes(secret), secret);
});
