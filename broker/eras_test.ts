import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  config as gatewayConfig,
  server as serverConfig,
} from "../shared/_testing.ts";
import { call, enveloped, Front, initializeText } from "./_testing/front.ts";
import type { SessionCall, StatelessCall } from "./era_bridge/bridged_call.ts";

/** `w_` is a server with sessions, the other one is of the stateless era. */
const MIXED = gatewayConfig([
  serverConfig("weather", { prefix: "w_", era: "session" }),
  serverConfig("plain", { era: "stateless" }),
]);
const UNKNOWN_ERA = gatewayConfig([
  serverConfig("weather", { prefix: "w_" }),
  serverConfig("plain"),
]);

const M = { "mcp-protocol-version": "2026-07-28" };

interface Case {
  readonly name: string;
  readonly method?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly status: number;
  readonly code: number;
  readonly id?: unknown;
  readonly allow?: string;
}

const CASES: readonly Case[] = [
  {
    name: "a GET of the stateless era",
    method: "GET",
    headers: M,
    status: 405,
    code: -32600,
    allow: "POST",
  },
  {
    name: "a DELETE of the stateless era",
    method: "DELETE",
    headers: { ...M, "mcp-session-id": "x" },
    status: 405,
    code: -32600,
    allow: "POST",
  },
  {
    name: "a PUT of the session era",
    method: "PUT",
    body: "{}",
    status: 405,
    code: -32600,
    allow: "GET, POST, DELETE",
  },
  {
    name: "a batch of the stateless era",
    body: `[${call("ping")}]`,
    headers: M,
    status: 400,
    code: -32600,
  },
  {
    name: "a response of the stateless era",
    body: '{"jsonrpc":"2.0","id":1,"result":{}}',
    headers: M,
    status: 400,
    code: -32600,
  },
  {
    name: "a request of the stateless era without an envelope",
    body: call("tools/list", undefined, '"x"'),
    headers: { ...M, "mcp-method": "tools/list" },
    status: 400,
    code: -32602,
    id: "x",
  },
  {
    name: "an envelope without the header",
    body: enveloped("tools/list").body,
    headers: { "mcp-method": "tools/list" },
    status: 400,
    code: -32020,
    id: "m1",
  },
  {
    name: "an envelope of a revision to come",
    ...enveloped("tools/list", {}, "2099-01-01"),
    status: 400,
    code: -32022,
    id: "m1",
  },
  {
    name: "an initialize with an envelope",
    ...enveloped("initialize"),
    status: 404,
    code: -32601,
    id: "m1",
  },
  {
    name: "a ping with an envelope, even in a session's name",
    ...enveloped("ping"),
    status: 404,
    code: -32601,
    id: "m1",
  },
  {
    name: "a call whose header names another tool",
    body: enveloped("tools/call", { name: "w_now" }).body,
    headers: { ...enveloped("tools/call").headers, "mcp-name": "w_other" },
    status: 400,
    code: -32020,
    id: "m1",
  },
  {
    name: "a message of the stateless era that is no JSON",
    body: "{",
    headers: M,
    status: 400,
    code: -32700,
  },
  {
    name: "an unknown tool",
    ...enveloped("tools/call", { name: "nope" }),
    status: 200,
    code: -32602,
    id: "m1",
  },
  {
    name: "an unknown resource, in the code of the era",
    ...enveloped("resources/read", { uri: "nope:" }),
    status: 200,
    code: -32602,
    id: "m1",
  },
  {
    name: "a call that went past its server",
    ...enveloped("tools/call", { name: "echo" }),
    status: 502,
    code: -32603,
    id: "m1",
  },
  {
    name: "a call between the eras, without a bridge",
    ...enveloped("tools/call", { name: "w_now" }),
    status: 500,
    code: -32603,
    id: "m1",
  },
];

for (const { name, method = "POST", allow = null, ...one } of CASES) {
  Deno.test(`${name} is refused in its own form`, async () => {
    using front = new Front(MIXED);
    const response = await front.request(method, one);
    const { id, error } = await response.json();
    assertEquals(
      [response.status, error.code, id, response.headers.get("allow")],
      [one.status, one.code, one.id ?? null, allow],
    );
  });
}

Deno.test("a notification of the stateless era is accepted, and nobody's business", async () => {
  using front = new Front(MIXED);
  const body = '{"jsonrpc":"2.0","method":"notifications/cancelled"}';
  const response = await front.post(body, undefined, M);
  assertEquals([response.status, await response.text()], [202, ""]);
  assertEquals(front.relayed, []);
});

Deno.test("an initialize is one of the session era, whatever its header says", async () => {
  using front = new Front(MIXED);
  const response = await front.post(
    initializeText("2026-07-28"),
    undefined,
    M,
  );
  const { result } = await response.json();
  assertEquals(result.protocolVersion, "2025-11-25");
  assert(response.headers.has("mcp-session-id"));
});

Deno.test("a call of a server that nobody knows the era of has to wait", async () => {
  using front = new Front(UNKNOWN_ERA);
  const { body, headers } = enveloped("tools/call", { name: "w_now" });
  const response = await front.post(body, undefined, headers);
  const { error } = await response.json();
  assertEquals([response.status, error.data], [503, { retryable: true }]);
});

Deno.test("a call of the stateless era is carried to a server with sessions", async () => {
  using front = new Front(MIXED);
  const calls: StatelessCall[] = [];
  front.bridge({
    toSession: (call) => {
      calls.push(call);
      return Promise.resolve(Response.json({ carried: true }));
    },
  });
  const { body, headers } = enveloped("tools/call", { name: "w_now" });
  const response = await front.post(body, undefined, {
    ...headers,
    authorization: "Bearer t",
  });
  assertEquals(await response.json(), { carried: true });
  const [carried] = calls;
  assert(carried !== undefined);
  const { named } = carried;
  assertEquals(
    [
      carried.server.name,
      carried.target,
      carried.name,
      body.slice(named.start, named.end),
      carried.authorization,
      carried.item?.exposed,
      carried.envelope.revision,
      carried.signal.aborted,
    ],
    [
      "weather",
      "tool",
      "now",
      '"w_now"',
      "Bearer t",
      "w_now",
      "2026-07-28",
      false,
    ],
  );
});

Deno.test("a call in a session is carried to a server of the stateless era", async () => {
  using front = new Front(MIXED);
  const calls: SessionCall[] = [];
  front.bridge({
    toStateless: (call) => {
      calls.push(call);
      return Promise.resolve(Response.json({ carried: true }));
    },
  });
  const session = await front.initialize();
  const body = call("resources/read", '{"uri":"notes://7/text"}');
  const response = await front.post(body, session);
  assertEquals(await response.json(), { carried: true });
  const [carried] = calls;
  assert(carried !== undefined);
  assertEquals(
    [carried.server.name, carried.target, carried.name, carried.item],
    ["plain", "resource", "notes://7/text", undefined],
  );
  assertEquals(carried.session.revision, "2025-11-25");
  // Its own era's calls are none of the bridge's business.
  const own = await front.post(call("tools/call", '{"name":"w_now"}'), session);
  assertStringIncludes((await own.json()).error.message, "reached the broker");
  assertEquals(calls.length, 1);
});

Deno.test("without a bridge a call in a session says which era is missing", async () => {
  using front = new Front(MIXED);
  const session = await front.initialize();
  const body = call("tools/call", '{"name":"echo"}');
  const { error } = await (await front.post(body, session)).json();
  assertStringIncludes(error.message, "stateless era");
});
