import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { signCaller } from "../shared/sessions/caller.ts";
import { identityOf } from "../shared/sessions/identity.ts";
import type { MessageSource } from "../shared/relay/routed_id.ts";
import {
  call,
  CONFIG,
  Front,
  INITIALIZED,
  initializeText,
} from "./_testing/front.ts";

async function errorOf(response: Response) {
  const text = await response.text();
  const { id, error } = JSON.parse(text);
  return {
    status: response.status,
    id,
    code: error.code,
    message: error.message,
  };
}

async function namesOf(response: Response): Promise<string[]> {
  assertEquals(response.status, 200);
  const { result } = await response.json();
  return result.tools.map((tool: { name: string }) => tool.name);
}

const NEGOTIATIONS = [
  ["2025-11-25", "2025-11-25"],
  ["2025-06-18", "2025-06-18"],
  ["2025-03-26", "2025-03-26"],
  ["2026-07-28", "2025-11-25"],
  ["2024-11-05", "2025-11-25"],
] as const;
for (const [asked, answered] of NEGOTIATIONS) {
  Deno.test(`initialize asking for ${asked} gets ${answered} and a session`, async () => {
    using front = new Front();
    const response = await front.post(initializeText(asked, '"first"'));
    assertEquals(response.status, 200);
    assertEquals(response.headers.get("content-type"), "application/json");
    assertMatch(response.headers.get("mcp-session-id")!, /^[\x21-\x7e]+$/);
    assertEquals(await response.json(), {
      jsonrpc: "2.0",
      id: "first",
      result: {
        protocolVersion: answered,
        capabilities: {
          tools: { listChanged: true },
          prompts: { listChanged: true },
          resources: { listChanged: true, subscribe: true },
          completions: {},
          logging: {},
        },
        serverInfo: { name: "mcp-gateway", version: "1" },
      },
    });
  });
}

Deno.test("initialize is negotiated whatever revision its header names", async () => {
  using front = new Front();
  const header = { "mcp-protocol-version": "2026-07-28" };
  assert(await front.initialize("2026-07-28", header));
});

Deno.test("tools/list is every tool, prefixed, in the order of the file", async () => {
  using front = new Front();
  const session = await front.initialize();
  const response = await front.post(
    call("tools/list", undefined, "9007199254740993"),
    session,
  );
  const text = await response.text();
  // As the servers wrote it but for the name, ids as the client wrote them.
  assertEquals(
    text,
    '{"jsonrpc":"2.0","id":9007199254740993,"result":{"tools":[' +
      '{"name":"w_now","inputSchema":{"type":"object"},"x":1},' +
      '{"name":"w___proto__","inputSchema":{"type":"object"},"x":1},' +
      '{"name":"echo","inputSchema":{"type":"object"}}]}}',
  );
});

const ANSWERS = [
  { body: call("ping"), status: 200, result: {} },
  { body: INITIALIZED, status: 202 },
  { body: '{"jsonrpc":"2.0","method":"notifications/other"}', status: 202 },
  { body: '{"jsonrpc":"2.0","id":1,"result":{}}', status: 202 },
  {
    body: call("prompts/list"),
    status: 200,
    result: { prompts: [{ name: "w_ask" }, { name: "greet" }] },
  },
  {
    body: call("resources/list"),
    status: 200,
    result: { resources: [{ uri: "notes://1", name: "one" }] },
  },
  {
    body: call("resources/templates/list"),
    status: 200,
    result: {
      resourceTemplates: [{ uriTemplate: "notes://{id}/text", name: "text" }],
    },
  },
  { body: call("prompts/list", '{"cursor":"x"}'), status: 200, code: -32602 },
  { body: call("prompts/get", '{"name":"ask"}'), status: 200, code: -32602 },
  { body: call("prompts/get", '{"name":"w_ask"}'), status: 502, code: -32603 },
  { body: call("resources/read", "{}"), status: 200, code: -32602 },
  {
    body: call("resources/read", '{"uri":"notes://2"}'),
    status: 200,
    code: -32002,
    data: { uri: "notes://2" },
  },
  {
    body: call("resources/subscribe", '{"uri":"notes://2"}'),
    status: 200,
    code: -32002,
    data: { uri: "notes://2" },
  },
  { body: call("resources/unsubscribe", "{}"), status: 200, code: -32602 },
  {
    body: call("resources/read", '{"uri":"notes://1"}'),
    status: 502,
    code: -32603,
  },
  {
    body: call("resources/read", '{"uri":"notes://2/text"}'),
    status: 502,
    code: -32603,
  },
  { body: call("completion/complete", "{}"), status: 200, code: -32602 },
  {
    body: call("completion/complete", '{"ref":{"type":"ref/tool"}}'),
    status: 200,
    code: -32602,
  },
  {
    body: call(
      "completion/complete",
      '{"ref":{"type":"ref/prompt","name":"nope"}}',
    ),
    status: 200,
    code: -32602,
  },
  {
    body: call(
      "completion/complete",
      '{"ref":{"type":"ref/prompt","name":"greet"}}',
    ),
    status: 502,
    code: -32603,
  },
  {
    body: call(
      "completion/complete",
      '{"ref":{"type":"ref/resource","uri":"notes://{id}/text"}}',
    ),
    status: 502,
    code: -32603,
  },
  {
    body: call(
      "completion/complete",
      '{"ref":{"type":"ref/resource","uri":"notes://{id}"}}',
    ),
    status: 200,
    code: -32002,
    data: { uri: "notes://{id}" },
  },
  { body: call("server/discover"), status: 200, code: -32601 },
  { body: call("tools/list", '{"cursor":""}'), status: 200, code: -32602 },
  { body: call("tools/call", '{"name":"nope"}'), status: 200, code: -32602 },
  {
    body: call("tools/call", '{"name":"toString"}'),
    status: 200,
    code: -32602,
  },
  { body: call("tools/call", "{}"), status: 200, code: -32602 },
  { body: call("tools/call", '{"name":"w_now"}'), status: 502, code: -32603 },
  { body: "{", status: 400, code: -32700 },
  { body: '{"jsonrpc":"2.0"}', status: 400, code: -32600 },
  {
    body: '{"jsonrpc":"2.0","id":1,"method":"ping","method":"x"}',
    status: 400,
    code: -32700,
  },
  { body: `"${"x".repeat(3_000)}"`, status: 413, code: -32600 },
  { body: `[${call("ping")}]`, status: 400, code: -32600 },
];
for (const { body, status, ...want } of ANSWERS) {
  Deno.test(`in a session ${body.slice(0, 70)} is answered ${status} ${want.code ?? ""}`, async () => {
    using front = new Front();
    const response = await front.post(body, await front.initialize());
    assertEquals(response.status, status);
    const text = await response.text();
    if (want.code !== undefined) {
      const { error } = JSON.parse(text);
      assertEquals(error.code, want.code);
      if (want.data !== undefined) assertEquals(error.data, want.data);
    } else if (want.result !== undefined) {
      assertEquals(JSON.parse(text).result, want.result);
    } else assertEquals(text, "");
  });
}

const BAD_HEADS = [
  {
    name: "another media type",
    headers: { "content-type": "text/plain" },
    status: 415,
  },
  { name: "no media type", drop: ["content-type"], status: 415 },
  {
    name: "a compressed body",
    headers: { "content-encoding": "gzip" },
    status: 415,
  },
  {
    name: "JSON only accepted",
    headers: { accept: "application/json" },
    status: 406,
  },
  {
    name: "a stream refused",
    headers: { accept: "application/json, text/event-stream;q=0" },
    status: 406,
  },
  {
    name: "an unknown revision",
    headers: { "mcp-protocol-version": "1999-01-01" },
    status: 400,
  },
  {
    name: "a foreign origin",
    headers: { origin: "http://evil.example" },
    status: 403,
  },
  { name: "a forged caller", headers: { "x-mcp-caller": "me" }, status: 403 },
];
for (const { name, headers, drop, status } of BAD_HEADS) {
  Deno.test(`a POST with ${name} is refused with ${status}`, async () => {
    using front = new Front();
    const session = await front.initialize();
    const response = await front.request("POST", {
      body: call("ping"),
      session,
      ...(headers === undefined
        ? {}
        : { headers: headers as Record<string, string> }),
      ...(drop === undefined ? {} : { drop }),
    });
    const { error } = await response.json();
    assertEquals(response.status, status);
    assertEquals(typeof error.code, "number");
  });
}

Deno.test("a client that says charset and accepts anything is welcome", async () => {
  using front = new Front();
  const response = await front.request("POST", {
    body: initializeText("2025-11-25"),
    headers: {
      "content-type": "application/json; charset=UTF-8",
      accept: "*/*",
    },
  });
  assertEquals(response.status, 200);
  await response.body?.cancel();
});

const NO_SESSION = [
  { name: "none", session: () => undefined, status: 400 },
  { name: "an invented one", session: () => "abc", status: 404 },
  {
    name: "an altered one",
    session: (real: string) => real.slice(0, -2) + "AA",
    status: 404,
  },
];
for (const { name, session, status } of NO_SESSION) {
  for (const method of ["POST", "GET", "DELETE"]) {
    Deno.test(`a ${method} with a session id, ${name}, is refused with ${status}`, async () => {
      using front = new Front();
      const real = await front.initialize();
      const response = await front.request(method, {
        session: session(real),
        ...(method === "POST" ? { body: call("ping", undefined, "77") } : {}),
      });
      const error = await errorOf(response);
      assertEquals(error.status, status);
      assertEquals(error.id, method === "POST" ? 77 : null);
    });
  }
}

Deno.test("a session belongs to one identity on one route", async () => {
  using front = new Front();
  const mine = { authorization: "Bearer mine" };
  const session = await front.initialize("2025-11-25", mine);
  const statusOf = async (headers: Record<string, string>, path?: string) => {
    const response = await front.post(call("ping"), session, headers, path);
    await response.body?.cancel();
    return response.status;
  };
  assertEquals(await statusOf(mine), 200);
  assertEquals(await statusOf({ authorization: "Bearer theirs" }), 404);
  assertEquals(await statusOf({}), 404);
  assertEquals(await statusOf(mine, "/mcp/team/v"), 404);
});

Deno.test("the router's statement of who calls counts, not the request's own", async () => {
  using front = new Front();
  const signed = (identity: string) => ({
    "x-mcp-caller": signCaller(
      front.keys,
      { identity, route: "/mcp", virtualServer: "team/v" },
      Date.now(),
    ),
  });
  const session = await front.initialize("2025-11-25", signed("a"));
  assertEquals(
    await namesOf(await front.post(call("tools/list"), session, signed("a"))),
    ["w_now"],
  );
  const other = await front.post(call("ping"), session, signed("b"));
  assertEquals((await errorOf(other)).status, 404);
});

Deno.test("a virtual server shows its tools and refuses the others", async () => {
  using front = new Front();
  const path = "/mcp/team/v";
  const session = await front.initialize("2025-11-25", {}, path);
  const post = (body: string) => front.post(body, session, {}, path);
  assertEquals(await namesOf(await post(call("tools/list"))), ["w_now"]);
  const refused = await post(call("tools/call", '{"name":"echo"}'));
  assertEquals((await errorOf(refused)).code, -32602);
});

for (const path of ["/mcp/team/none", "/mcp/__proto__"]) {
  Deno.test(`an unknown virtual server, ${path}, is an error and no full list`, async () => {
    using front = new Front();
    const response = await front.post(
      initializeText("2025-11-25"),
      undefined,
      {},
      path,
    );
    assertEquals(response.headers.get("mcp-session-id"), null);
    const error = await errorOf(response);
    assertEquals([error.status, error.code], [404, -32602]);
  });
}

const ROUTED_REPLY =
  '{"jsonrpc":"2.0","id":"mcpgw:aBcDeF12:weather:7","result":{}}';
const CANCELLED =
  '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId": 12345678901234567890}}';

const PASSED_ON: readonly {
  readonly name: string;
  readonly body: string;
  readonly capabilities?: string;
  readonly to: "all" | MessageSource | "nobody";
  readonly text?: string;
}[] = [
  { name: "initialized", body: INITIALIZED, to: "nobody" },
  { name: "a cancellation", body: CANCELLED, to: "all" },
  {
    name: "a change of roots",
    body: '{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}',
    to: "all",
  },
  {
    name: "an unknown notification",
    body: '{"jsonrpc":"2.0","method":"x/y", "params":{"a":1.0}}',
    to: "all",
  },
  {
    name: "a response with a routed id",
    body: ROUTED_REPLY,
    to: { server: "weather", tag: "aBcDeF12" },
    text: '{"jsonrpc":"2.0","id":7,"result":{}}',
  },
  {
    name: "an answer to a ping",
    body: '{"jsonrpc":"2.0","id":1,"result":{}}',
    to: "all",
  },
  {
    name: "a response of a client that may have been asked by any server",
    body: '{"jsonrpc":"2.0","id":1,"result":{}}',
    capabilities: '{"roots":{}}',
    to: "nobody",
  },
];
for (const { name, body, capabilities, to, text } of PASSED_ON) {
  const where = typeof to === "string" ? to : `its server`;
  Deno.test(`${name} is accepted and passed on to ${where}`, async () => {
    using front = new Front();
    const mine = { authorization: "Bearer mine" };
    const initialize = initializeText("2025-11-25")
      .replace('"capabilities":{}', `"capabilities":${capabilities ?? "{}"}`);
    const opened = await front.post(initialize, undefined, mine);
    await opened.body?.cancel();
    const session = opened.headers.get("mcp-session-id")!;
    const response = await front.post(body, session, mine);
    assertEquals([response.status, await response.text()], [202, ""]);
    assertEquals(
      front.relayed,
      to === "nobody" ? [] : [{
        to,
        authorization: "Bearer mine",
        text: text ?? body,
        servers: "weather,plain",
      }],
    );
  });
}

Deno.test("a level of log messages goes to servers that have some, and is remembered", async () => {
  using front = new Front();
  const session = await front.initialize();
  const body = call("logging/setLevel", '{"level":"warning"}', "7");
  const response = await front.post(body, session);
  assertEquals(await response.json(), { jsonrpc: "2.0", id: 7, result: {} });
  assertEquals(front.relayed, [
    { to: "all", authorization: undefined, text: body, servers: "weather" },
  ]);
  const verified = await front.sessions.verify(session, {
    identity: "",
    route: "/mcp",
  });
  assert(verified.kind === "live");
  const standing = await front.sessions.standing(verified.session);
  assertEquals(standing.logLevel, "warning");
});

for (
  const params of [undefined, "{}", '{"level":"loud"}', '{"level":3}']
) {
  Deno.test(`logging/setLevel with ${params} is refused`, async () => {
    using front = new Front();
    const session = await front.initialize();
    const body = call("logging/setLevel", params, "7");
    const { status, code } = await errorOf(await front.post(body, session));
    assertEquals([status, code, front.relayed], [200, -32602, []]);
  });
}

Deno.test("in a batch, calls are refused with what to do, and all else is served", async () => {
  using front = new Front();
  const session = await front.initialize("2025-03-26");
  const routed = [
    "tools/call",
    "prompts/get",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "completion/complete",
  ];
  const batch = [
    ...routed.map((method, id) => call(method, '{"name":"w_now"}', `${id}`)),
    CANCELLED,
    call("ping", undefined, '"p"'),
    ROUTED_REPLY,
    call("logging/setLevel", '{"level":"debug"}', '"l"'),
  ];
  const response = await front.post(`[${batch.join(" , ")}]`, session);
  const answers = await response.json();
  assertEquals(response.status, 200);
  for (const [id, method] of routed.entries()) {
    const { error } = answers[id];
    assertEquals([answers[id].id, error.code], [id, -32600]);
    assertStringIncludes(error.message, `takes ${method} in no batch`);
    assertStringIncludes(error.message, "send it as a single message");
    assertStringIncludes(error.message, "--gateway-url");
  }
  assertEquals(answers.slice(routed.length), [
    { jsonrpc: "2.0", id: "p", result: {} },
    { jsonrpc: "2.0", id: "l", result: {} },
  ]);
  assertEquals(front.relayed.map(({ text }) => text), [
    CANCELLED,
    '{"jsonrpc":"2.0","id":7,"result":{}}',
    call("logging/setLevel", '{"level":"debug"}', '"l"'),
  ]);
});

/** The messages of an answer, which is an event stream. */
async function eventsOf(response: Response): Promise<Answered[]> {
  assertEquals(response.headers.get("content-type"), "text/event-stream");
  const text = await response.text();
  return text.split("\n\n").slice(0, -1)
    .map((event) => JSON.parse(event.slice("data: ".length)));
}

interface Answered {
  readonly id: unknown;
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string };
}

Deno.test("calls in a batch go through the gateway one by one, in the client's name", async () => {
  using front = new Front();
  const mine = { authorization: "Bearer mine", host: "gw.test" };
  const path = "/mcp/team/v";
  const session = await front.initialize("2025-03-26", mine, path);
  const sent: { url: string; headers: Headers; body: unknown }[] = [];
  front.sendCalls((url, { method, headers, body }) => {
    const bytes = body as Uint8Array<ArrayBuffer>;
    const text = new TextDecoder().decode(bytes);
    sent.push({ url, headers: new Headers(headers), body: text });
    assertEquals(method, "POST");
    const { id } = JSON.parse(text);
    return Promise.resolve(Response.json({ jsonrpc: "2.0", id, result: 1 }));
  });
  const calls = [
    call("tools/call", '{"name":"w_now", "n":1e400}', '"a"'),
    call("resources/read", '{"uri":"notes://1"}', "2"),
    call("prompts/get", '{"name":"w_ask"}', "3"),
  ];
  const batch = `[ ${calls[0]},${call("ping", undefined, "4")},${CANCELLED}, ${
    calls[1]
  } ,${calls[2]}]`;
  const response = await front.post(batch, session, mine, path);
  assertEquals(response.status, 200);
  const answers = await eventsOf(response);
  assertEquals(answers.map(({ id }) => id).toSorted(), [2, 3, 4, "a"]);
  assertEquals(answers.every(({ result }) => result !== undefined), true);
  assertEquals(sent.map(({ body }) => body).toSorted(), calls.toSorted());
  for (const { url, headers } of sent) {
    assertEquals(url, `http://envoy.test:1${path}`);
    assertEquals(headers.get("host"), "gw.test");
    assertEquals(headers.get("mcp-session-id"), session);
    assertEquals(headers.get("authorization"), "Bearer mine");
    assertEquals(headers.get("x-mcp-virtualserver"), "team/v");
  }
  assertEquals(front.relayed.map(({ text }) => text), [CANCELLED]);
});

Deno.test("a batch without calls is answered as ever where calls go through the gateway", async () => {
  using front = new Front();
  const session = await front.initialize("2025-03-26");
  front.sendCalls(() => Promise.reject(new Error("nothing is to be sent")));
  const ping = call("ping", undefined, "1");
  const response = await front.post(`[${ping},${CANCELLED}]`, session);
  assertEquals(await response.json(), [{ jsonrpc: "2.0", id: 1, result: {} }]);
  assertEquals((await front.post(`[${CANCELLED}]`, session)).status, 202);
});

Deno.test("a gateway's URL that leads back to the broker makes no circle", async () => {
  using front = new Front();
  const session = await front.initialize("2025-03-26");
  let sent = 0;
  front.sendCalls((url, init) => {
    sent++;
    return front.handler(new Request(url, init));
  });
  const batch = `[${call("tools/call", '{"name":"w_now"}', "1")},${
    call("tools/call", '{"name":"nope"}', "2")
  }]`;
  const answers = await eventsOf(await front.post(batch, session));
  assertEquals(sent, 2);
  assertEquals(answers.map(({ id, error }) => [id, error?.code]), [
    [1, -32603],
    [2, -32602],
  ]);
  assertStringIncludes(
    answers[0]!.error!.message,
    "reached the broker: send it through Envoy",
  );
});

Deno.test("a batch has no more messages than can be answered", async () => {
  using front = new Front();
  const session = await front.initialize("2025-03-26");
  const batch = (count: number) =>
    `[${Array(count).fill('{"jsonrpc":"2.0","method":"n"}').join()}]`;
  const most = await front.post(batch(64), session);
  assertEquals(most.status, 202);
  const { status, code } = await errorOf(await front.post(batch(65), session));
  assertEquals([status, code], [400, -32600]);
});

Deno.test("batches are for 2025-03-26 only, and initialize never in one", async () => {
  using front = new Front();
  const session = await front.initialize("2025-03-26");
  const batch = `[${call("ping", undefined, '"a"')},${INITIALIZED},${
    call("tools/call", '{"name":"nope"}', "2")
  }]`;
  const answers = await (await front.post(batch, session)).json();
  assertEquals(answers.length, 2);
  assertEquals([answers[0].id, answers[0].result], ["a", {}]);
  assertEquals([answers[1].id, answers[1].error.code], [2, -32600]);
  assertEquals((await front.post(`[${INITIALIZED}]`, session)).status, 202);
  const wrong = await front.post(`[${initializeText("2025-03-26")}]`, session);
  assertEquals((await errorOf(wrong)).code, -32600);
  const alone = await front.post(`[${initializeText("2025-03-26")}]`);
  assertEquals((await errorOf(alone)).status, 400);
  const young = await front.initialize("2025-06-18");
  assertEquals((await errorOf(await front.post(batch, young))).code, -32600);
});

async function firstData(response: Response): Promise<string> {
  let text = "";
  const chunks = response.body!.pipeThrough(new TextDecoderStream());
  for await (const chunk of chunks) {
    text += chunk;
    const data = /^data: (.+)$/m.exec(text)?.[1];
    if (data !== undefined) return data;
  }
  throw new Error(`no data in ${JSON.stringify(text)}`);
}

Deno.test("a GET is a stream of what changes in the client's view", async () => {
  using front = new Front();
  const whole = await front.initialize();
  const path = "/mcp/team/v";
  const part = await front.initialize("2025-11-25", {}, path);
  const get = (session: string, path: string) =>
    front.request("GET", {
      session,
      path,
      headers: { accept: "text/event-stream" },
    });
  const wholeStream = await get(whole, "/mcp");
  const partStream = await get(part, path);
  assertEquals(wholeStream.status, 200);
  assertEquals(wholeStream.headers.get("content-type"), "text/event-stream");
  assertEquals(wholeStream.headers.get("x-accel-buffering"), "no");
  assertEquals(front.list(CONFIG, ["now", "more"]).tools, [""]);
  assertEquals(front.hub.announce([""], '{"whole":1}'), 1);
  assertEquals(await firstData(wholeStream), '{"whole":1}');
  assertEquals(front.list(CONFIG, ["more"]).tools, ["", "team/v"]);
  assertEquals(front.hub.announce(["team/v"], '{"part":1}'), 1);
  assertEquals(await firstData(partStream), '{"part":1}');
});

Deno.test("a GET has the streams of the session's servers held", async () => {
  using front = new Front();
  const mine = { authorization: "Bearer mine" };
  const session = await front.initialize("2025-11-25", mine);
  const stream = await front.request("GET", { session, headers: mine });
  assertEquals(stream.status, 200);
  assertEquals(front.held.map((one) => one.authorization), ["Bearer mine"]);
  assert(front.hub.has(front.held[0]!.session));
});

for (
  const [revision, begin] of [
    ["2025-11-25", /^id: ab-1-0-[\w-]{10}\ndata: \n\n$/],
    ["2025-06-18", /^: open\n\n$/],
  ] as const
) {
  Deno.test(`a stream to a client of ${revision} can be taken up again`, async () => {
    using front = new Front();
    const session = await front.initialize(revision);
    const first = await front.request("GET", { session });
    const reader = first.body!.getReader();
    assertMatch(new TextDecoder().decode((await reader.read()).value), begin);
    await reader.cancel();
    front.hub.announce([""], "{}");
    const headers = { "last-event-id": "ab-1-0" };
    const again = await front.request("GET", { session, headers });
    assertEquals(again.headers.get("content-type"), "text/event-stream");
    assertEquals(await firstData(again), "{}");
    const theirs = await front.initialize(revision);
    const other = await front.request("GET", { session: theirs, headers });
    front.hub.announce([""], "[]");
    front.hub.endAll();
    const text = await other.text();
    assertStringIncludes(text, "[]");
    assert(!text.includes("{}"), "another session's event");
  });
}

for (
  const { name, change, told } of [
    { name: "hears of lists that changed meanwhile", change: true, told: 3 },
    { name: "hears nothing of lists that did not", change: false, told: 0 },
  ]
) {
  Deno.test(`a client whose stream another broker had ${name}, and what it may have missed of servers`, async () => {
    using front = new Front();
    using other = new Front();
    const session = await front.initialize();
    const theirs = await other.initialize();
    const before = await other.request("GET", { session: theirs });
    const reader = before.body!.getReader();
    const text = new TextDecoder().decode((await reader.read()).value);
    await reader.cancel();
    const id = /^id: ab-1(.+)$/m.exec(text)![1]!;
    if (change) front.list(CONFIG, ["now", "another"]);
    // The number of a stream that this broker does not have.
    const headers = { "last-event-id": `ab-9${id}` };
    const stream = await front.request("GET", { session, headers });
    front.hub.endAll();
    const methods = [...(await stream.text()).matchAll(/"method":"(.+?)"/g)];
    assertEquals(
      methods.map(([, method]) => method).sort(),
      ["prompts", "resources", "tools"].slice(0, told)
        .map((what) => `notifications/${what}/list_changed`),
    );
    assertEquals(front.retold.length, 1);
  });
}

Deno.test("a client that opens a first stream, or takes one up, hears nothing again", async () => {
  using front = new Front();
  const session = await front.initialize();
  const first = await front.request("GET", { session });
  const reader = first.body!.getReader();
  const text = new TextDecoder().decode((await reader.read()).value);
  await reader.cancel();
  const headers = { "last-event-id": /^id: (.+)$/m.exec(text)![1]! };
  front.list(CONFIG, ["now", "another"]);
  const again = await front.request("GET", { session, headers });
  front.hub.endAll();
  assert(!(await again.text()).includes("list_changed"));
  assertEquals(front.retold, []);
});

Deno.test("a session has so many streams and no more", async () => {
  using front = new Front();
  const session = await front.initialize();
  const get = () => front.request("GET", { session });
  const open = [await get(), await get()];
  const error = await errorOf(await get());
  assertEquals([error.status, error.code], [429, -32600]);
  await open[0]!.body!.cancel();
  const again = await get();
  assertEquals(again.status, 200);
});

Deno.test("a stream lives as long as its session does", async () => {
  using front = new Front();
  const mine = { authorization: "Bearer mine" };
  const session = await front.initialize("2025-11-25", mine);
  const stream = await front.request("GET", { session, headers: mine });
  await front.hub.sweep();
  assertEquals(front.hub.announce([""], "{}"), 1);
  const verified = await front.sessions.verify(session, {
    identity: identityOf(mine, {}),
    route: "/mcp",
  });
  assert(verified.kind === "live");
  // As another replica would end it.
  await front.store.end(verified.session.id, Date.now() * 2);
  await front.hub.sweep();
  assertStringIncludes(await stream.text(), "retry:");
});

Deno.test("a GET that accepts no event stream is refused with 406", async () => {
  using front = new Front();
  const response = await front.request("GET", {
    session: await front.initialize(),
    headers: { accept: "application/json" },
  });
  assertEquals((await errorOf(response)).status, 406);
});

Deno.test("DELETE ends the session, its streams and its servers' sessions", async () => {
  using front = new Front();
  const session = await front.initialize();
  const stream = await front.request("GET", { session });
  const verified = await front.sessions.verify(session, {
    identity: "",
    route: "/mcp",
  });
  assert(verified.kind === "live");
  const server = { name: "weather", fingerprint: "weather-1" };
  await front.sessions.backend(
    verified.session,
    server,
    () => Promise.resolve({ id: "theirs", revision: "2025-11-25" }),
    { deadlineMs: 5_000 },
  );
  const response = await front.request("DELETE", { session });
  assertEquals(response.status, 204);
  assertStringIncludes(await stream.text(), "retry:");
  assertEquals(front.ended, [
    { server, backend: { id: "theirs", revision: "2025-11-25" } },
  ]);
  assertEquals(front.gone, [verified.session.id]);
  for (const method of ["GET", "DELETE"]) {
    const late = await front.request(method, { session });
    assertEquals((await errorOf(late)).status, 404, method);
  }
  const late = await front.post(call("ping"), session);
  assertEquals((await errorOf(late)).status, 404);
});

Deno.test("other methods and other paths are refused", async () => {
  using front = new Front();
  const put = await front.request("PUT", { body: "{}" });
  assertEquals((await errorOf(put)).status, 405);
  const elsewhere = await front.request("GET", { path: "/other" });
  assertEquals(elsewhere.status, 404);
  await elsewhere.body?.cancel();
});

Deno.test("without a configuration the gateway says so, and when to come back", async () => {
  using front = new Front(null);
  const response = await front.post(initializeText("2025-11-25"));
  assertEquals(response.headers.get("retry-after"), "1");
  assertEquals((await errorOf(response)).status, 503);
});

Deno.test("a store that is away is 503, with the request's own id", async () => {
  using front = new Front();
  front.store.create = () => Promise.reject(new Error("away"));
  const response = await front.post(initializeText("2025-11-25", "9"));
  assertEquals(response.headers.get("retry-after"), "1");
  const error = await errorOf(response);
  assertEquals([error.status, error.id], [503, 9]);
});

Deno.test("the log has no session ids, tokens or bodies in it", async () => {
  using front = new Front();
  const secret = "canary-1f3a";
  const session = await front.initialize("2025-11-25", {
    authorization: `Bearer ${secret}`,
  });
  await (await front.post(call("ping", `{"x":"${secret}"}`), session, {
    authorization: `Bearer ${secret}`,
  })).body?.cancel();
  const said = JSON.stringify(front.log.records);
  assert(!said.includes(session));
  assert(!said.includes(secret));
});
