import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { GatewayError } from "../shared/errors.ts";
import type { ClientSession } from "../shared/sessions/sessions.ts";
import type { HeaderEntry } from "./answer.ts";
import { createCallsInFlight } from "./calls_in_flight.ts";
import type { Deadline, ExchangePorts } from "./exchange_ports.ts";
import { backendTag } from "../shared/relay/routed_id.ts";
import {
  continued,
  header,
  post,
  replied,
  session,
  start,
  world,
} from "./_testing.ts";
import { RouteTable } from "../shared/routing/route_table.ts";
import { config, server } from "../shared/_testing.ts";

const utf8 = new TextEncoder();

function call(name: string, rest = ""): string {
  return `{"jsonrpc":"2.0","id":9007199254740993,"method":"tools/call","params":{"name":"${name}"${rest}}}`;
}

Deno.test("Exchange removes forged headers from traffic that is not MCP", async () => {
  const { answer } = await start(world().ports, "GET", [
    ["x-destination-mcp", "weather"],
    ["x_mcp_tool", "t"],
  ], "/other");
  assertEquals(continued(answer), {
    kind: "continue",
    phases: { requestBody: false, responseHeaders: false },
    headers: { set: [], remove: ["x-destination-mcp", "x_mcp_tool"] },
    reroute: true,
  });
});

for (const method of ["GET", "DELETE"]) {
  Deno.test(`Exchange sends ${method} to the broker with a signed caller`, async () => {
    const { answer } = await start(world().ports, method, [
      ["x-destination-mcp", "weather"],
      ["x-mcp-caller", "forged"],
    ]);
    assertEquals(header(answer, "x-destination-mcp"), "broker");
    assertEquals(
      header(answer, "x-mcp-caller"),
      '{"identity":"ada","route":"/mcp"}',
    );
    assertEquals(continued(answer).headers?.remove, [
      "x-destination-mcp",
      "x-mcp-caller",
    ]);
  });
}

Deno.test("Exchange asks for the body of a POST before it routes it", async () => {
  const { answer } = await start(world().ports, "POST", [[
    "mcp-session-id",
    "live",
  ]]);
  assertEquals(continued(answer), {
    kind: "continue",
    phases: { requestBody: true, responseHeaders: true },
  });
});

Deno.test("Exchange routes a call to its server", async () => {
  const { ports } = world();
  const body = call("weather_now", ', "arguments" : {"n":1e400}');
  const answer = await (await post(ports, body)).answer;
  const { headers, body: sent, reroute, metadata } = continued(answer);
  const want = body.replace("weather_now", "now");
  assertEquals(new TextDecoder().decode(sent), want);
  assertEquals(Object.fromEntries(headers?.set ?? []), {
    ":authority": "weather.mcp.local",
    ":path": "/api/mcp?k=1",
    "x-destination-mcp": "weather",
    "x-mcp-upstream": "weather-1",
    "x-mcp-method": "tools/call",
    "x-mcp-tool": "now",
    "mcp-session-id": "weather-1",
    "mcp-protocol-version": "2025-06-18",
    accept: "application/json, text/event-stream",
    "content-length": String(want.length),
  });
  assertEquals(reroute, true);
  assertEquals(metadata, {
    server: "weather",
    method: "tools/call",
    tool: "now",
    session: "#5704de18",
  });
});

Deno.test("Exchange leaves :authority alone where routes match the header", async () => {
  const { ports } = world({
    settings: {
      path: "/mcp",
      maxBodyBytes: 1000,
      steering: "header",
      allowedOrigins: [],
      allowedHosts: [],
      identityHeader: undefined,
    },
  });
  const answer = await (await post(ports, call("weather_now"))).answer;
  assertEquals(header(answer, ":authority"), undefined);
  assertEquals(header(answer, "x-destination-mcp"), "weather");
});

Deno.test("Exchange removes the gateway's session id where a server has none", async () => {
  const { ports } = world({
    open: () => Promise.resolve({ revision: "2025-06-18" }),
  });
  const answer = await (await post(ports, call("weather_now"))).answer;
  assertEquals(continued(answer).headers?.remove, [
    "accept-encoding",
    "mcp-session-id",
  ]);
  assertEquals(header(answer, "mcp-session-id"), undefined);
});

Deno.test("Exchange sets a server's own credential on calls", async () => {
  const { ports } = world({
    callHeaders: () => Promise.resolve([["authorization", "Bearer own"]]),
  });
  const answer = await (await post(ports, call("weather_now"))).answer;
  assertEquals(header(answer, "authorization"), "Bearer own");
});

const brokers = ["initialize", "tools/list", "ping", "resources/list"];
for (const method of brokers) {
  Deno.test(`Exchange sends ${method} to the broker`, async () => {
    const answer = await (await post(
      world().ports,
      `{"jsonrpc":"2.0","id":1,"method":"${method}"}`,
    )).answer;
    assertEquals(header(answer, "x-destination-mcp"), "broker");
    assertEquals(header(answer, "x-mcp-method"), method);
    assertEquals(continued(answer).body, undefined);
  });
}

const refusals: readonly {
  name: string;
  body: string;
  headers?: readonly HeaderEntry[];
  path?: string;
  want: [status: number, code: number, id: string];
}[] = [
  {
    name: "a body that is not JSON",
    body: "{",
    want: [400, -32700, "null"],
  },
  {
    name: "two names in one call",
    body: call("weather_now", ',"n\\u0061me":"other"'),
    want: [400, -32700, "9007199254740993"],
  },
  {
    name: "a call without a session",
    body: call("weather_now"),
    headers: [],
    want: [400, -32600, "9007199254740993"],
  },
  {
    name: "a call in a session that is not live",
    body: call("weather_now"),
    headers: [["mcp-session-id", "dead"]],
    want: [404, -32600, "9007199254740993"],
  },
  {
    name: "an unknown name in a session that is not live, by its session",
    body: call("nope"),
    headers: [["mcp-session-id", "dead"]],
    want: [404, -32600, "9007199254740993"],
  },
  {
    name: "an unprefixed name while there is no catalog",
    body: call("nope"),
    want: [503, -32603, "9007199254740993"],
  },
  {
    name: "a tool that the virtual server does not have",
    body: call("open_x"),
    path: "/mcp/team/travel",
    want: [200, -32602, "9007199254740993"],
  },
  {
    name: "a call without a name",
    body: '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}',
    want: [200, -32602, "1"],
  },
  {
    name: "a body above the limit",
    body: call("weather_now", `,"x":"${"a".repeat(1000)}"`),
    want: [413, -32600, "null"],
  },
];

for (const { name, body, headers, path, want } of refusals) {
  Deno.test(`Exchange refuses ${name}`, async () => {
    const { ports, opened } = world();
    const reply = replied(
      await (await post(ports, body, headers, path)).answer,
    );
    const text = String(reply.body);
    const id = /^\{"jsonrpc":"2.0","id":([^,]*),/.exec(text)?.[1];
    assertEquals([reply.status, JSON.parse(text).error.code, id], want);
    assertEquals(opened, []);
  });
}

Deno.test("Exchange refuses a virtual server that does not exist", async () => {
  const { answer } = await start(world().ports, "GET", [], "/mcp/team/nope");
  assertEquals(replied(answer).status, 404);
});

Deno.test("Exchange refuses everything for us while there is no configuration", async () => {
  const ports = { ...world().ports, table: () => undefined };
  assertEquals(replied((await start(ports, "GET")).answer).status, 503);
  const other = (await start(ports, "GET", [], "/other")).answer;
  assertEquals(other.kind, "continue");
});

Deno.test("Exchange limits the calls in flight, and frees a place at its end", async () => {
  const { ports } = world();
  const first = await post(ports, call("weather_now"));
  continued(await first.answer);
  const second = await (await post(ports, call("weather_now"))).answer;
  assertEquals(replied(second).status, 429);
  first.exchange.close();
  first.exchange.close();
  continued(await (await post(ports, call("weather_now"))).answer);
});

Deno.test("Exchange takes no place for a client that left while it looked", async () => {
  const verified = Promise.withResolvers<ClientSession>();
  const { ports } = world({ verify: () => verified.promise });
  const { exchange, answer } = await post(ports, call("weather_now"));
  exchange.close();
  verified.resolve(session);
  assertEquals((await answer).kind, "reply");
  const weather = server("weather");
  assert(ports.calls.begin(session, { id: "1", server: weather }));
});

Deno.test("Exchange finds out, opens and runs again within one deadline", async () => {
  let now = 0;
  const left: number[] = [];
  const { ports } = world({
    deadline: () => {
      const end = now + 1000;
      return { left: () => end - now };
    },
    knows: () => {
      now += 400;
      return Promise.resolve(false);
    },
    open: (_session, _server, _authorization, deadline) => {
      left.push(deadline.left());
      return Promise.resolve({ id: "b", revision: "2025-06-18" });
    },
  });
  const { exchange, answer } = await post(ports, call("weather_now"));
  await answer;
  await exchange.responseHeaders({
    headers: [[":status", "400"]],
    codeDetails: "via_upstream",
  });
  assertEquals(left, [1000, 600]);
});

Deno.test("Exchange opens and runs again within one deadline", async () => {
  const opened: Deadline[] = [];
  const ran: Deadline[] = [];
  const { ports } = world({
    deadline: () => ({ left: () => 1000 }),
    open: (_session, _server, _authorization, deadline) => {
      opened.push(deadline);
      return Promise.resolve({ id: "b", revision: "2025-06-18" });
    },
    run: (_call, _session, _backend, _headers, deadline) => {
      ran.push(deadline);
      return Promise.resolve({
        status: 200,
        headers: [["content-type", "application/json"]],
        body: new Uint8Array(),
      });
    },
  });
  const { exchange, answer } = await post(ports, call("weather_now"));
  await answer;
  await exchange.responseHeaders({ headers: [[":status", "404"]] });
  assertEquals([opened.length, ran.length], [2, 1]);
  assertStrictEquals(ran[0], opened[1]);
});

Deno.test("Exchange recovers a call whose server lost the session", async () => {
  const { ports, opened, forgotten, ran } = world();
  const { exchange, answer } = await post(ports, call("weather_now"));
  await answer;
  const recovered = replied(
    await exchange.responseHeaders({
      headers: [[":status", "404"]],
      codeDetails: "via_upstream",
    }),
  );
  assertEquals(recovered.status, 200);
  assertEquals(
    new TextDecoder().decode(recovered.body as Uint8Array),
    "answer",
  );
  assertEquals(forgotten, ["weather-1"]);
  assertEquals(opened, ["weather", "weather"]);
  assertEquals(ran, [{ body: call("now"), session: "weather-2" }]);
});

for (const known of [true, false]) {
  Deno.test(`Exchange asks after a 400 for the session, which is ${known ? "known" : "lost"}`, async () => {
    const { ports, ran } = world({ knows: () => Promise.resolve(known) });
    const { exchange, answer } = await post(ports, call("weather_now"));
    await answer;
    const after = await exchange.responseHeaders({
      headers: [[":status", "400"], ["content-type", "application/json"]],
      codeDetails: "via_upstream",
    });
    assertEquals(after.kind, known ? "continue" : "reply");
    assertEquals(ran.length, known ? 0 : 1);
  });
}

Deno.test("Exchange says so where Envoy sends a call to the broker", async () => {
  const { ports, ran } = world();
  const { exchange, answer } = await post(ports, call("weather_now"));
  await answer;
  const reply = replied(
    await exchange.responseHeaders({
      headers: [[":status", "404"], ["x-mcp-answered-by", "broker"]],
    }),
  );
  // Nothing ran, and where Envoy learns of a server later it will route soon.
  const { error } = JSON.parse(String(reply.body));
  assertEquals([reply.status, error.data], [502, { retryable: true }]);
  assertEquals(ran, []);
});

Deno.test("Exchange never shows a second 404 either", async () => {
  const { ports } = world({
    run: () =>
      Promise.resolve({ status: 404, headers: [], body: new Uint8Array() }),
  });
  const { exchange, answer } = await post(ports, call("weather_now"));
  await answer;
  const reply = replied(
    await exchange.responseHeaders({ headers: [[":status", "404"]] }),
  );
  const body = JSON.parse(String(reply.body));
  assertEquals([reply.status, body.error.code, body.error.data], [
    502,
    -32603,
    { retryable: true },
  ]);
});

Deno.test("Exchange gives Envoy's own errors the request's id", async () => {
  const { exchange, answer } = await post(
    world().ports,
    '{"jsonrpc":"2.0","id":"q","method":"tools/list"}',
  );
  await answer;
  const reply = replied(
    await exchange.responseHeaders({
      headers: [[":status", "503"], ["content-type", "text/plain"]],
    }),
  );
  assertEquals(JSON.parse(String(reply.body)).id, "q");
});

Deno.test("Exchange hands the client's token to a server only on demand", async () => {
  const seen: (string | undefined)[] = [];
  const { ports } = world({
    open: (_session, _server, authorization) => {
      seen.push(authorization);
      return Promise.resolve({ id: "b", revision: "2025-06-18" });
    },
    calls: createCallsInFlight(2),
  });
  const headers: HeaderEntry[] = [
    ["mcp-session-id", "live"],
    ["authorization", "Bearer client"],
  ];
  await (await post(ports, call("weather_now"), headers)).answer;
  await (await post(ports, call("open_x"), headers)).answer;
  assertEquals(seen, [undefined, "Bearer client"]);
});

const TAG = backendTag("weather-1", "weather-1");

/** A call's answer as an event stream, for a client that declared something. */
async function streamed(
  capabilities: ClientSession["capabilities"],
  changes: Partial<ExchangePorts> = {},
) {
  const { ports } = world({
    verify: () => Promise.resolve({ ...session, capabilities }),
    ...changes,
  });
  const { exchange, answer } = await post(ports, call("weather_now"));
  await answer;
  const head = continued(
    await exchange.responseHeaders({
      headers: [
        [":status", "200"],
        ["content-type", "text/event-stream"],
        ["content-length", "9"],
      ],
      codeDetails: "via_upstream",
    }),
  );
  return {
    head,
    push: (text: string, end = false) => {
      const { body, letGo } = exchange.responseBody(utf8.encode(text), end);
      return [
        body === undefined ? "as it is" : new TextDecoder().decode(body),
        letGo ?? false,
      ];
    },
  };
}

Deno.test("Exchange rewrites an event stream, chunk by chunk", async () => {
  const { head, push } = await streamed({ elicitation: {} });
  assertEquals(head.streamBody, true);
  assertEquals(head.headers?.remove, ["content-length"]);
  const asks = '{"jsonrpc":"2.0","id":1,"method":"elicitation/create"}';
  const told = '{"jsonrpc":"2.0","method":"notifications/message"}';
  assertEquals(push(`data: ${told}\n\n`), ["as it is", false]);
  assertEquals(push(`id: 7\ndata: ${asks}`), ["", false]);
  assertEquals(push("\n\n"), [
    `id: mcpgw:${TAG}:weather:7\ndata: ${
      asks.replace("1,", `"mcpgw:${TAG}:weather:1",`)
    }\n\n`,
    false,
  ]);
  assertEquals(push("data: cut", false), ["", false]);
  assertEquals(push("", true), ["data: cut", false]);
});

for (const rest of ["", "data: {"]) {
  Deno.test(`Exchange lets a stream go when nothing in it concerns it, held back "${rest}"`, async () => {
    const { push } = await streamed({});
    const chunk = `data: {}\n\n${rest}`;
    assertEquals(push(chunk), [rest === "" ? "as it is" : chunk, true]);
  });
}

Deno.test("Exchange keeps a stream while too many were let go", async () => {
  const { push } = await streamed({}, { mayLetGo: () => false });
  assertEquals(push("data: {}\n\n"), ["as it is", false]);
});

for (const revision of ["2025-03-26", "2025-11-25"] as const) {
  Deno.test(`Exchange gives a client of ${revision} a batch as it knows it`, async () => {
    const { push } = await streamed({ roots: {} }, {
      verify: () => Promise.resolve({ ...session, revision }),
    });
    const told = '{"jsonrpc":"2.0","method":"notifications/message"}';
    assertEquals(
      push(`data: [${told},${told}]\n\n`)[0],
      revision === "2025-03-26"
        ? "as it is"
        : `data: ${told}\n\ndata: ${told}\n\n`,
    );
  });
}

Deno.test("Exchange leaves an answer in JSON to Envoy", async () => {
  const { exchange, answer } = await post(world().ports, call("weather_now"));
  await answer;
  const head = continued(
    await exchange.responseHeaders({
      headers: [[":status", "200"], ["content-type", "application/json"]],
      codeDetails: "via_upstream",
    }),
  );
  assertEquals(head.streamBody, undefined);
});

const TO_WEATHER = backendTag("weather-1", "weather-0");
const ANSWER =
  `{"jsonrpc":"2.0","id":"mcpgw:${TO_WEATHER}:weather:7","result":{}}`;
const PROGRESS =
  `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"mcpgw:${TO_WEATHER}:weather:7"}}`;

for (const [name, message] of [["response", ANSWER], ["progress", PROGRESS]]) {
  Deno.test(`Exchange sends a client's ${name} to the server it is for`, async () => {
    const { ports, opened } = world({
      callHeaders: () => Promise.resolve([["authorization", "Bearer own"]]),
    });
    const { exchange, answer } = await post(ports, message!);
    const sent = continued(await answer);
    const want = message!.replace(/"mcpgw:.*:7"/, "7");
    assertEquals(new TextDecoder().decode(sent.body), want);
    assertEquals(Object.fromEntries(sent.headers?.set ?? []), {
      ":authority": "weather.mcp.local",
      ":path": "/api/mcp?k=1",
      "x-destination-mcp": "weather",
      "x-mcp-upstream": "weather-1",
      "mcp-session-id": "weather-0",
      "mcp-protocol-version": "2025-06-18",
      accept: "application/json, text/event-stream",
      "authorization": "Bearer own",
      "content-length": String(want.length),
    });
    assertEquals(sent.reroute, true);
    assertEquals(opened, []);
    const accepted = replied(
      await exchange.responseHeaders({
        headers: [[":status", "200"], ["content-type", "text/html"]],
        codeDetails: "via_upstream",
      }),
    );
    assertEquals([accepted.status, accepted.body], [202, ""]);
  });
}

const undeliverable: readonly {
  name: string;
  message: string;
  headers?: readonly HeaderEntry[];
  status?: number;
  want: readonly [status: number, kind: string];
}[] = [
  {
    name: "a response to a session that its server lost",
    message: ANSWER,
    status: 404,
    want: [400, "mcp_request_gone"],
  },
  {
    name: "a response to another session with that server",
    message: ANSWER.replace(TO_WEATHER, "AAAAAAAA"),
    want: [400, "mcp_request_gone"],
  },
  {
    name: "a response to a server that has no session",
    message: ANSWER.replace(":weather:", ":open:"),
    want: [400, "mcp_request_gone"],
  },
  {
    name: "a response to a server that is not configured",
    message: ANSWER.replace(":weather:", ":gone:"),
    want: [400, "mcp_request_gone"],
  },
  {
    name: "a response in a session that is not live",
    message: ANSWER,
    headers: [["mcp-session-id", "dead"]],
    want: [404, "mcp_session_unknown"],
  },
  {
    name: "a response to a server that is down",
    message: ANSWER,
    status: 503,
    want: [502, "mcp_connection_lost"],
  },
  {
    name: "progress to a session that its server lost",
    message: PROGRESS,
    status: 404,
    want: [202, "mcp_accepted"],
  },
  {
    name: "progress to another session with that server",
    message: PROGRESS.replace(TO_WEATHER, "AAAAAAAA"),
    want: [202, "mcp_accepted"],
  },
];

for (const { name, message, headers, status, want } of undeliverable) {
  Deno.test(`Exchange tells the truth about ${name}`, async () => {
    const { exchange, answer } = await post(world().ports, message, headers);
    let reply = await answer;
    if (status !== undefined) {
      reply = await exchange.responseHeaders({
        headers: [[":status", String(status)]],
        codeDetails: status === 503 ? "upstream_reset" : "via_upstream",
      });
    }
    assertEquals([replied(reply).status, replied(reply).details], want);
  });
}

for (const message of [ANSWER, PROGRESS]) {
  Deno.test(`Exchange lets a session say so much to servers at once: ${message}`, async () => {
    const { ports } = world();
    const running = await post(ports, call("weather_now"));
    continued(await running.answer);
    const first = await post(ports, message);
    continued(await first.answer);
    const second = await (await post(ports, message)).answer;
    assertEquals(replied(second).status, 429);
    first.exchange.close();
    continued(await (await post(ports, message)).answer);
  });
}

const CANCEL =
  '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9007199254740993}}';

Deno.test("Exchange sends a cancellation to the server that has the call", async () => {
  const { ports } = world();
  const running = await post(ports, call("weather_now"));
  await running.answer;
  const sent = continued(await (await post(ports, CANCEL)).answer);
  assertEquals(new TextDecoder().decode(sent.body), CANCEL);
  assertEquals(header(sent, "x-destination-mcp"), "weather");
  assertEquals(header(sent, "mcp-session-id"), "weather-0");
  running.exchange.close();
  const late = await (await post(ports, CANCEL)).answer;
  assertEquals(header(late, "x-destination-mcp"), "broker");
  assertEquals(header(late, "x-mcp-method"), "notifications/cancelled");
});

Deno.test("Exchange ends a cancelled call that no server has yet", async () => {
  const opened = Promise.withResolvers<{ id: string; revision: string }>();
  const { ports } = world({
    open: () => opened.promise,
    backendWith: () => Promise.resolve(undefined),
  });
  const running = await post(ports, call("weather_now"));
  await Promise.resolve();
  assertEquals(replied(await (await post(ports, CANCEL)).answer).status, 202);
  opened.resolve({ id: "b", revision: "2025-06-18" });
  const { status, body } = replied(await running.answer);
  const { id, error } = JSON.parse(String(body));
  assertEquals([status, error.code, error.data], [200, -32603, undefined]);
  assert(id !== null);
});

Deno.test("Exchange does not run a call again that was cancelled meanwhile", async () => {
  const reopened = Promise.withResolvers<{ id: string; revision: string }>();
  let opened = 0;
  const { ports, ran } = world({
    open: () =>
      opened++ === 0
        ? Promise.resolve({ id: "a", revision: "2025-06-18" })
        : reopened.promise,
  });
  const running = await post(ports, call("weather_now"));
  continued(await running.answer);
  const answer = running.exchange.responseHeaders({
    headers: [[":status", "404"]],
    codeDetails: "via_upstream",
  });
  await (await post(ports, CANCEL)).answer;
  reopened.resolve({ id: "b", revision: "2025-06-18" });
  assertEquals(replied(await answer).details, "mcp_call_cancelled");
  assertEquals(ran, []);
});

for (const way of ["subscribe", "unsubscribe"]) {
  Deno.test(`Exchange remembers resources/${way}`, async () => {
    const { ports, subscribed } = world({ table: () => withResource });
    const answer = await (await post(
      ports,
      `{"jsonrpc":"2.0","id":1,"method":"resources/${way}","params":{"uri":"memo://1"}}`,
    )).answer;
    assertEquals(header(answer, "x-destination-mcp"), "weather");
    assertEquals(subscribed, [
      `${way === "subscribe" ? "+" : "-"}weather memo://1`,
    ]);
  });
}

Deno.test("Exchange refuses a subscription that cannot be remembered", async () => {
  const { ports } = world({
    table: () => withResource,
    subscribe: () =>
      Promise.reject(new GatewayError({ kind: "too many subscriptions" })),
  });
  const answer = await (await post(
    ports,
    '{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"memo://1"}}',
  )).answer;
  assertEquals(replied(answer).details, "mcp_too_many_subscriptions");
});

const withResource = new RouteTable(config([server("weather")]), {
  version: "1",
  config: "c",
  complete: true,
  urisComplete: true,
  servers: [],
  tools: {},
  prompts: {},
  resources: { "memo://1": { server: "weather", name: "memo://1" } },
  templates: [],
});

function resume(ports: ExchangePorts, id: string, token = "live") {
  return start(ports, "GET", [
    ["mcp-session-id", token],
    ["last-event-id", id],
    ["x-mcp-tool", "forged"],
  ]);
}

Deno.test("Exchange takes a stream up again at the server that has it", async () => {
  const { ports } = world();
  const { exchange, answer } = await resume(
    ports,
    `mcpgw:${TO_WEATHER}:weather:a%20b`,
  );
  const { headers, phases, reroute } = continued(answer);
  assertEquals(Object.fromEntries(headers?.set ?? []), {
    ":authority": "weather.mcp.local",
    ":path": "/api/mcp?k=1",
    "x-destination-mcp": "weather",
    "x-mcp-upstream": "weather-1",
    "mcp-session-id": "weather-0",
    "mcp-protocol-version": "2025-06-18",
    accept: "text/event-stream",
    "last-event-id": "a b",
  });
  assertEquals(headers?.remove, ["x-mcp-tool", "accept-encoding"]);
  assertEquals(phases, { requestBody: false, responseHeaders: true });
  assertEquals(reroute, true);
  const head = continued(
    await exchange.responseHeaders({
      headers: [[":status", "200"], ["content-type", "text/event-stream"]],
      codeDetails: "via_upstream",
    }),
  );
  assertEquals(head.streamBody, true);
  const { body } = exchange.responseBody(utf8.encode("id: 8\n\n"), false);
  assertEquals(
    new TextDecoder().decode(body),
    `id: mcpgw:${TO_WEATHER}:weather:8\n\n`,
  );
});

const goneStreams: readonly {
  name: string;
  id: string;
  token?: string;
  status?: number;
  want: number;
}[] = [
  { name: "a session that is not live", id: "7", token: "dead", want: 404 },
  {
    name: "another session with its server",
    id: "mcpgw:AAAAAAAA:weather:7",
    want: 400,
  },
  { name: "a server without one", id: "mcpgw:AAAAAAAA:open:7", want: 400 },
  { name: "an unknown server", id: "mcpgw:AAAAAAAA:gone:7", want: 400 },
  {
    name: "an id that is no header",
    id: `mcpgw:${TO_WEATHER}:weather:a%0d%0ab`,
    want: 400,
  },
  { name: "no id at all", id: `mcpgw:${TO_WEATHER}:weather:`, want: 400 },
  ...[400, 404, 405].map((status) => ({
    name: `a server that says ${status}`,
    id: `mcpgw:${TO_WEATHER}:weather:7`,
    status,
    want: 400,
  })),
];

for (const { name, id, token, status, want } of goneStreams) {
  Deno.test(`Exchange takes no stream up of ${name}`, async () => {
    const { exchange, answer } = await resume(
      world().ports,
      id === "7" ? `mcpgw:${TO_WEATHER}:weather:7` : id,
      token,
    );
    const reply = status === undefined ? answer : await exchange
      .responseHeaders({
        headers: [[":status", String(status)]],
        codeDetails: "via_upstream",
      });
    assertEquals(replied(reply).status, want);
    if (want === 400) assertEquals(replied(reply).details, "mcp_request_gone");
  });
}

Deno.test("Exchange counts a stream taken up again among the calls", async () => {
  const { ports } = world();
  const id = `mcpgw:${TO_WEATHER}:weather:7`;
  continued((await resume(ports, id)).answer);
  assertEquals(replied((await resume(ports, id)).answer).status, 429);
});
