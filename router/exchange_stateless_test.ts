import { assert, assertEquals } from "@std/assert";
import { config, server } from "../shared/_testing.ts";
import { GatewayError } from "../shared/errors.ts";
import { RouteTable } from "../shared/routing/route_table.ts";
import { continued, header, post, replied, start, world } from "./_testing.ts";
import type { HeaderEntry } from "./answer.ts";
import type { ExchangePorts } from "./exchange_ports.ts";

const REVISION = "2026-07-28";
const ID = "9007199254740993";

const table = new RouteTable(
  config([
    server("new", {
      prefix: "new_",
      era: "stateless",
      url: "http://n.test/api/mcp?k=1",
    }),
    server("plain", { era: "stateless" }),
    server("old", { prefix: "old_", era: "session" }),
  ], [{ name: "team/travel", tools: ["new_now"], prompts: [] }]),
  {
    version: "1",
    config: "c",
    complete: true,
    urisComplete: true,
    servers: [],
    tools: { bare: { server: "plain", name: "bare" } },
    prompts: {},
    resources: {},
    templates: [],
  },
);

function forbidden(): never {
  throw new Error("the session store was asked");
}

/** Ports without sessions: whoever asks for one fails the test. */
function sessionless(changes: Partial<ExchangePorts> = {}): ExchangePorts {
  return world({
    table: () => table,
    verify: forbidden,
    open: forbidden,
    backendWith: forbidden,
    subscribe: forbidden,
    unsubscribe: forbidden,
    forget: forbidden,
    knows: forbidden,
    run: forbidden,
    calls: { begin: forbidden, cancel: forbidden },
    relays: { begin: forbidden },
    ...changes,
  }).ports;
}

function request(method: string, params = ""): string {
  const meta =
    `"_meta":{"io.modelcontextprotocol/protocolVersion":"${REVISION}",` +
    `"io.modelcontextprotocol/clientCapabilities":{}}`;
  return `{"jsonrpc":"2.0","id":${ID},"method":"${method}","params":{${params}${
    params === "" ? "" : ","
  }${meta}}}`;
}

function send(
  ports: ExchangePorts,
  body: string,
  headers: readonly HeaderEntry[],
  path?: string,
) {
  return post(
    ports,
    body,
    [["mcp-protocol-version", REVISION], ...headers],
    path,
  );
}

function call(
  ports: ExchangePorts,
  tool: string,
  rest = "",
  headers: readonly HeaderEntry[] = [],
) {
  return send(ports, request("tools/call", `"name":"${tool}"${rest}`), [
    ["mcp-method", "tools/call"],
    ["mcp-name", tool],
    ...headers,
  ]);
}

Deno.test("Exchange sends a call of the stateless era to its server, with the header that names it, and asks no session store", async () => {
  const { answer } = await call(
    sessionless(),
    "new_now",
    ', "arguments" : {"n":1e400}',
    [
      ["mcp-session-id", "live"],
      ["last-event-id", "7"],
      ["mcp-param-region", "eu"],
    ],
  );
  const { headers, body, reroute, metadata } = continued(await answer);
  const want = request("tools/call", '"name":"now", "arguments" : {"n":1e400}');
  assertEquals(new TextDecoder().decode(body), want);
  assertEquals(Object.fromEntries(headers?.set ?? []), {
    ":authority": "new.mcp.local",
    ":path": "/api/mcp?k=1",
    "x-destination-mcp": "new",
    "x-mcp-upstream": "new-1",
    "x-mcp-method": "tools/call",
    "x-mcp-tool": "now",
    accept: "application/json, text/event-stream",
    "mcp-name": "now",
    "content-length": String(want.length),
  });
  assertEquals(headers?.remove, ["mcp-session-id", "last-event-id"]);
  assertEquals(reroute, true);
  assertEquals(metadata, { server: "new", method: "tools/call", tool: "now" });
});

Deno.test("Exchange leaves a body and its headers alone where no prefix is to go", async () => {
  const { answer } = await call(sessionless(), "bare");
  const { headers, body } = continued(await answer);
  assertEquals(body, undefined);
  assertEquals(headers?.remove, []);
  const names = headers?.set.map(([name]) => name) ?? [];
  assert(!names.some((name) => name.startsWith("mcp-")), names.join());
});

Deno.test("Exchange writes a name in Base64 again without its prefix", async () => {
  const { answer } = await send(
    sessionless(),
    request("tools/call", '"name":"new_é"'),
    [["mcp-method", "tools/call"], ["mcp-name", "=?base64?bmV3X8Op?="]],
  );
  const sent = await answer;
  assertEquals(header(sent, "mcp-name"), "=?base64?w6k=?=");
  assertEquals(header(sent, "x-mcp-tool"), "=?base64?w6k=?=");
});

Deno.test("Exchange lets no name go that mirrors nothing", async () => {
  const { answer } = await send(
    sessionless(),
    request(
      "completion/complete",
      '"ref":{"type":"ref/prompt","name":"new_p"}',
    ),
    [["mcp-method", "completion/complete"], ["mcp-name", "old_p"]],
  );
  const sent = continued(await answer);
  assertEquals(header(sent, "x-destination-mcp"), "new");
  assertEquals(header(sent, "mcp-name"), undefined);
  assertEquals(sent.headers?.remove, ["mcp-name"]);
});

Deno.test("Exchange sets a server's own credential on calls of the stateless era", async () => {
  const { answer } = await call(
    sessionless({
      callHeaders: () => Promise.resolve([["authorization", "Bearer own"]]),
    }),
    "new_now",
  );
  assertEquals(header(await answer, "authorization"), "Bearer own");
});

Deno.test("Exchange gives a credential that cannot be read the call's id", async () => {
  const { answer } = await call(
    sessionless({
      callHeaders: () =>
        Promise.reject(new GatewayError({ kind: "credential missing" })),
    }),
    "new_now",
  );
  const reply = replied(await answer);
  assertEquals(reply.status, 502);
  assert(String(reply.body).includes(`"id":${ID}`));
});

const bridged: readonly {
  name: string;
  body: string;
  headers: readonly HeaderEntry[];
  want: Readonly<Record<string, string>>;
}[] = [
  {
    name: "the stateless era at a server with sessions",
    body: request("tools/call", '"name":"old_x"'),
    headers: [
      ["mcp-protocol-version", REVISION],
      ["mcp-method", "tools/call"],
      ["mcp-name", "old_x"],
    ],
    want: { server: "old", method: "tools/call", tool: "x", bridged: "true" },
  },
  {
    name: "the session era at a server without",
    body:
      '{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"new_p"}}',
    headers: [["mcp-session-id", "live"]],
    want: {
      server: "new",
      method: "prompts/get",
      prompt: "p",
      bridged: "true",
    },
  },
];

for (const { name, body, headers, want } of bridged) {
  Deno.test(`Exchange lets the broker translate a call of ${name}, and tells filters what it is about`, async () => {
    const { answer } = await post(sessionless(), body, headers);
    const sent = continued(await answer);
    assertEquals(sent.body, undefined);
    assertEquals(sent.metadata, want);
    const target = want["tool"] === undefined ? "prompt" : "tool";
    assertEquals(Object.fromEntries(sent.headers?.set ?? []), {
      "x-destination-mcp": "broker",
      "x-mcp-caller": '{"identity":"ada","route":"/mcp"}',
      "x-mcp-method": want["method"] ?? "",
      [`x-mcp-${target}`]: want[target] ?? "",
    });
  });
}

Deno.test("Exchange enforces a virtual server in the stateless era too", async () => {
  const refused = await send(
    sessionless(),
    request("tools/call", '"name":"old_x"'),
    [["mcp-method", "tools/call"], ["mcp-name", "old_x"]],
    "/mcp/team/travel",
  );
  const { status, body } = replied(await refused.answer);
  assertEquals([status, JSON.parse(String(body)).error.code], [200, -32602]);
});

const refusals: readonly {
  name: string;
  body: string;
  headers: readonly HeaderEntry[];
  want: readonly [status: number, code: number, id: string];
}[] = [
  {
    name: "headers that contradict the body",
    body: request("tools/call", '"name":"new_b"'),
    headers: [["mcp-method", "tools/call"], ["mcp-name", "new_a"]],
    want: [400, -32020, ID],
  },
  {
    name: "an envelope that is incomplete",
    body: '{"jsonrpc":"2.0","id":"a","method":"tools/list"}',
    headers: [["mcp-method", "tools/list"]],
    want: [400, -32602, '"a"'],
  },
  {
    name: "a method that is too long",
    body: request("tools/call".padEnd(200, "x")),
    headers: [["mcp-method", "tools/call".padEnd(200, "x")]],
    want: [404, -32601, ID],
  },
  {
    name: "a tool that there is not",
    body: request("tools/call", '"name":"nope"'),
    headers: [["mcp-method", "tools/call"], ["mcp-name", "nope"]],
    want: [200, -32602, ID],
  },
  {
    name: "a resource that there is not",
    body: request("resources/read", '"uri":"nope://1"'),
    headers: [["mcp-method", "resources/read"], ["mcp-name", "nope://1"]],
    want: [200, -32602, ID],
  },
  {
    name: "a batch",
    body: `[${request("tools/list")}]`,
    headers: [["mcp-method", "tools/list"]],
    want: [400, -32600, "null"],
  },
];

for (const { name, body, headers, want } of refusals) {
  Deno.test(`Exchange refuses in the stateless era ${name}`, async () => {
    const { answer } = await send(sessionless(), body, headers);
    const reply = replied(await answer);
    const text = String(reply.body);
    const id = /^\{"jsonrpc":"2.0","id":([^,]*),/.exec(text)?.[1];
    assertEquals([reply.status, JSON.parse(text).error.code, id ?? ""], want);
  });
}

Deno.test("Exchange names what is spoken to a revision of no era, with the id", async () => {
  const { answer } = await post(
    sessionless(),
    request("tools/list").replace(REVISION, "2099-01-01"),
    [["mcp-protocol-version", "2099-01-01"]],
  );
  const { status, body } = replied(await answer);
  assertEquals(status, 400);
  assert(String(body).includes(`"id":${ID}`));
  const { code, data } = JSON.parse(String(body)).error;
  assertEquals(code, -32022);
  assertEquals(data, { supported: [REVISION], requested: "2099-01-01" });
});

Deno.test("Exchange accepts a notification of the stateless era and sends it nowhere", async () => {
  const { answer } = await send(
    sessionless(),
    '{"jsonrpc":"2.0","method":"notifications/cancelled"}',
    [],
  );
  const { status, body } = replied(await answer);
  assertEquals([status, body], [202, ""]);
});

for (const method of ["GET", "DELETE"]) {
  Deno.test(`Exchange answers ${method} of the stateless era with 405 and what is allowed`, async () => {
    const { answer } = await start(sessionless(), method, [
      ["mcp-protocol-version", REVISION],
      ["mcp-session-id", "live"],
    ]);
    const { status, headers } = replied(answer);
    assertEquals(status, 405);
    assertEquals(headers.find(([name]) => name === "allow"), ["allow", "POST"]);
  });
}

const answers: readonly {
  name: string;
  status: number;
  headers: readonly HeaderEntry[];
  details: string;
  want: readonly string[] | readonly [status: number, code: number];
}[] = [
  {
    name: "a method that its server does not know",
    status: 404,
    headers: [["content-type", "application/json"], ["mcp-session-id", "s"]],
    details: "via_upstream",
    want: ["mcp-session-id"],
  },
  {
    name: "an event stream",
    status: 200,
    headers: [["content-type", "text/event-stream"], ["set-cookie", "a=b"]],
    details: "via_upstream",
    want: ["set-cookie"],
  },
  {
    name: "a server's challenge",
    status: 401,
    headers: [["www-authenticate", "Bearer"]],
    details: "via_upstream",
    want: [502, -32603],
  },
  {
    name: "a server that is not there",
    status: 503,
    headers: [],
    details:
      "upstream_reset_before_response_started{remote_connection_failure}",
    want: [502, -32603],
  },
];

for (const { name, status, headers, details, want } of answers) {
  Deno.test(`Exchange answers in the stateless era for ${name}`, async () => {
    const { exchange, answer } = await call(sessionless(), "new_now");
    continued(await answer);
    const answered = await exchange.responseHeaders({
      headers: [[":status", String(status)], ...headers],
      codeDetails: details,
    });
    if (answered.kind === "continue") {
      assertEquals(answered.headers?.remove, want);
      assertEquals(answered.streamBody, undefined);
      return;
    }
    const text = String(answered.body);
    assertEquals([answered.status, JSON.parse(text).error.code], want);
    assert(text.includes(`"id":${ID}`));
    assert(!answered.headers.some(([name]) => name === "www-authenticate"));
  });
}

Deno.test("Exchange gives a broker that is not there the id of the stateless era's request", async () => {
  const { exchange, answer } = await send(
    sessionless(),
    request("tools/list"),
    [
      ["mcp-method", "tools/list"],
    ],
  );
  continued(await answer);
  const answered = replied(
    await exchange.responseHeaders({
      headers: [[":status", "503"]],
      codeDetails: "no_healthy_upstream",
    }),
  );
  assert(String(answered.body).includes(`"id":${ID}`));
});
