import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { GatewayError } from "../shared/errors.ts";
import type { ClientSession } from "../shared/sessions/sessions.ts";
import type { Answer, Continue, HeaderEntry, Reply } from "./answer.ts";
import { createCallSlots } from "./call_slots.ts";
import { type Deadline, Exchange, type ExchangePorts } from "./exchange.ts";
import { RouteTable } from "./route_table.ts";
import { config, server, SILENT } from "../shared/_testing.ts";

const utf8 = new TextEncoder();
const session: ClientSession = {
  id: "client-1",
  identity: "ada",
  route: "/mcp",
  revision: "2025-11-25",
  capabilities: {},
  issuedAt: 0,
  expiresAt: 1,
};

/** Ports in memory: one live session, servers that number their sessions. */
function world(changes: Partial<ExchangePorts> = {}) {
  const opened: string[] = [];
  const forgotten: (string | undefined)[] = [];
  const ran: { body: string; session: string | undefined }[] = [];
  const table = new RouteTable(
    config([
      server("weather", {
        prefix: "weather_",
        url: "http://w.test/api/mcp?k=1",
      }),
      server("open", { prefix: "open_", passthrough: true }),
    ], [{ name: "team/travel", tools: ["weather_now"], prompts: [] }]),
    undefined,
  );
  const ports: ExchangePorts = {
    table: () => table,
    settings: {
      path: "/mcp",
      maxBodyBytes: 1000,
      steering: "hostname",
      allowedOrigins: [],
      allowedHosts: [],
      identityHeader: undefined,
    },
    identify: () => "ada",
    signCaller: (caller) => JSON.stringify(caller),
    verify: (token) =>
      token === "live" ? Promise.resolve(session) : Promise.reject(
        new GatewayError({
          kind: token === undefined ? "session missing" : "session unknown",
        }),
      ),
    deadline: () => ({ left: () => 1000 }),
    open: (_session, server) => {
      opened.push(server.name);
      return Promise.resolve({
        id: `${server.name}-${opened.length}`,
        revision: "2025-06-18",
      });
    },
    forget: (_session, _server, backend) => {
      forgotten.push(backend.id);
      return Promise.resolve();
    },
    knows: () => Promise.resolve(true),
    callHeaders: () => Promise.resolve([]),
    run: (call, backend) => {
      ran.push({
        body: new TextDecoder().decode(call.body),
        session: backend.id,
      });
      return Promise.resolve({
        status: 200,
        headers: [["content-type", "application/json"]],
        body: utf8.encode("answer"),
      });
    },
    slots: createCallSlots(1),
    log: SILENT,
    ...changes,
  };
  return { ports, opened, forgotten, ran };
}

function start(
  ports: ExchangePorts,
  method: string,
  headers: readonly HeaderEntry[] = [],
  path = "/mcp",
): { exchange: Exchange; answer: Answer } {
  const exchange = new Exchange(ports);
  const answer = exchange.requestHeaders({
    headers: [
      [":method", method],
      [":path", path],
      [":authority", "gateway.example"],
      ...(method === "POST"
        ? [["content-type", "application/json"] as const]
        : []),
      ...headers,
    ],
    endOfStream: method !== "POST",
  });
  return { exchange, answer };
}

/** Sends a message in the live session. */
function post(
  ports: ExchangePorts,
  body: string,
  headers: readonly HeaderEntry[] = [["mcp-session-id", "live"]],
  path?: string,
) {
  const { exchange } = start(ports, "POST", headers, path);
  return { exchange, answer: exchange.requestBody(utf8.encode(body)) };
}

function call(name: string, rest = ""): string {
  return `{"jsonrpc":"2.0","id":9007199254740993,"method":"tools/call","params":{"name":"${name}"${rest}}}`;
}

function continued(answer: Answer): Continue {
  assert(answer.kind === "continue", JSON.stringify(answer));
  return answer;
}

function replied(answer: Answer): Reply {
  assert(answer.kind === "reply", JSON.stringify(answer));
  return answer;
}

function header(answer: Answer, name: string): string | undefined {
  return continued(answer).headers?.set.find(([n]) => n === name)?.[1];
}

Deno.test("Exchange removes forged headers from traffic that is not MCP", () => {
  const { answer } = start(world().ports, "GET", [
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
  Deno.test(`Exchange sends ${method} to the broker with a signed caller`, () => {
    const { answer } = start(world().ports, method, [
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

Deno.test("Exchange asks for the body of a POST before it routes it", () => {
  const { answer } = start(world().ports, "POST", [["mcp-session-id", "live"]]);
  assertEquals(continued(answer), {
    kind: "continue",
    phases: { requestBody: true, responseHeaders: true },
  });
});

Deno.test("Exchange routes a call to its server", async () => {
  const { ports } = world();
  const body = call("weather_now", ', "arguments" : {"n":1e400}');
  const answer = await post(ports, body).answer;
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
    "content-length": String(want.length),
  });
  assertEquals(reroute, true);
  assertEquals(metadata, {
    server: "weather",
    method: "tools/call",
    tool: "now",
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
  const answer = await post(ports, call("weather_now")).answer;
  assertEquals(header(answer, ":authority"), undefined);
  assertEquals(header(answer, "x-destination-mcp"), "weather");
});

Deno.test("Exchange removes the gateway's session id where a server has none", async () => {
  const { ports } = world({
    open: () => Promise.resolve({ revision: "2025-06-18" }),
  });
  const answer = await post(ports, call("weather_now")).answer;
  assertEquals(continued(answer).headers?.remove, ["mcp-session-id"]);
  assertEquals(header(answer, "mcp-session-id"), undefined);
});

Deno.test("Exchange sets a server's own credential on calls", async () => {
  const { ports } = world({
    callHeaders: () => Promise.resolve([["authorization", "Bearer own"]]),
  });
  const answer = await post(ports, call("weather_now")).answer;
  assertEquals(header(answer, "authorization"), "Bearer own");
});

const brokers = ["initialize", "tools/list", "ping", "resources/list"];
for (const method of brokers) {
  Deno.test(`Exchange sends ${method} to the broker`, async () => {
    const answer = await post(
      world().ports,
      `{"jsonrpc":"2.0","id":1,"method":"${method}"}`,
    ).answer;
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
    const reply = replied(await post(ports, body, headers, path).answer);
    const text = String(reply.body);
    const id = /^\{"jsonrpc":"2.0","id":([^,]*),/.exec(text)?.[1];
    assertEquals([reply.status, JSON.parse(text).error.code, id], want);
    assertEquals(opened, []);
  });
}

Deno.test("Exchange refuses a virtual server that does not exist", () => {
  const { answer } = start(world().ports, "GET", [], "/mcp/team/nope");
  assertEquals(replied(answer).status, 404);
});

Deno.test("Exchange refuses everything for us while there is no configuration", () => {
  const ports = { ...world().ports, table: () => undefined };
  assertEquals(replied(start(ports, "GET").answer).status, 503);
  const other = start(ports, "GET", [], "/other").answer;
  assertEquals(other.kind, "continue");
});

Deno.test("Exchange limits the calls in flight, and frees a place at its end", async () => {
  const { ports } = world();
  const first = post(ports, call("weather_now"));
  continued(await first.answer);
  const second = await post(ports, call("weather_now")).answer;
  assertEquals(replied(second).status, 429);
  first.exchange.close();
  first.exchange.close();
  continued(await post(ports, call("weather_now")).answer);
});

Deno.test("Exchange takes no place for a client that left while it looked", async () => {
  const verified = Promise.withResolvers<ClientSession>();
  const { ports } = world({ verify: () => verified.promise });
  const { exchange, answer } = post(ports, call("weather_now"));
  exchange.close();
  verified.resolve(session);
  assertEquals((await answer).kind, "reply");
  assertEquals(ports.slots.take(session.id), true);
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
    run: (_call, _backend, _headers, deadline) => {
      ran.push(deadline);
      return Promise.resolve({
        status: 200,
        headers: [["content-type", "application/json"]],
        body: new Uint8Array(),
      });
    },
  });
  const { exchange, answer } = post(ports, call("weather_now"));
  await answer;
  await exchange.responseHeaders({ headers: [[":status", "404"]] });
  assertEquals([opened.length, ran.length], [2, 1]);
  assertStrictEquals(ran[0], opened[1]);
});

Deno.test("Exchange recovers a call whose server lost the session", async () => {
  const { ports, opened, forgotten, ran } = world();
  const { exchange, answer } = post(ports, call("weather_now"));
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
    const { exchange, answer } = post(ports, call("weather_now"));
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
  const { exchange, answer } = post(ports, call("weather_now"));
  await answer;
  const reply = replied(
    await exchange.responseHeaders({
      headers: [[":status", "404"], ["x-mcp-answered-by", "broker"]],
    }),
  );
  assertEquals(reply.status, 500);
  assertEquals(ran, []);
});

Deno.test("Exchange never shows a second 404 either", async () => {
  const { ports } = world({
    run: () =>
      Promise.resolve({ status: 404, headers: [], body: new Uint8Array() }),
  });
  const { exchange, answer } = post(ports, call("weather_now"));
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
  const { exchange, answer } = post(
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
    slots: createCallSlots(2),
  });
  const headers: HeaderEntry[] = [
    ["mcp-session-id", "live"],
    ["authorization", "Bearer client"],
  ];
  await post(ports, call("weather_now"), headers).answer;
  await post(ports, call("open_x"), headers).answer;
  assertEquals(seen, [undefined, "Bearer client"]);
});
