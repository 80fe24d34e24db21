import { assertEquals } from "@std/assert";
import {
  type BatchHead,
  gatewayInit,
  type GatewayMessage,
  gatewayTarget,
} from "./gateway_request.ts";

const GATEWAY = new URL("http://envoy.test:8888/ignored?too");
const POST: GatewayMessage = {
  kind: "post",
  bytes: new TextEncoder().encode('{"n":1e400}'),
};

function head(given: {
  readonly headers?: Readonly<Record<string, string>>;
  readonly url?: string;
  readonly route?: string;
  readonly virtualServer?: string;
}): BatchHead {
  const { headers, url, route = "/mcp", virtualServer } = given;
  return {
    headers: new Headers(headers),
    url: url ?? "http://gw.test/mcp",
    caller: {
      identity: "",
      route,
      ...virtualServer === undefined ? {} : { virtualServer },
    },
  };
}

function sent(
  headers: Readonly<Record<string, string>>,
  message = POST,
): Record<string, string> {
  const init = gatewayInit(head({ headers }), message);
  return Object.fromEntries(new Headers(init.headers));
}

const OWN = {
  accept: "application/json, text/event-stream",
  "accept-encoding": "identity",
  "content-type": "application/json",
};

const TARGETS = [
  { name: "the gateway's origin and the client's path", want: "/mcp" },
  { name: "a virtual server's path", route: "/mcp/a/b", want: "/mcp/a/b" },
  {
    name: "the client's query",
    url: "http://gw.test/mcp?key=1&x=%20",
    want: "/mcp?key=1&x=%20",
  },
  {
    name: "the path that the router signed, not the broker's",
    url: "http://gw.test/rewritten/",
    want: "/mcp",
  },
  { name: "no other host", route: "//evil.test/mcp", want: "//evil.test/mcp" },
] as const;

for (const { name, want, ...given } of TARGETS) {
  Deno.test(`a call in a batch goes to ${name}`, () => {
    assertEquals(
      gatewayTarget(GATEWAY, head(given)),
      `http://envoy.test:8888${want}`,
    );
  });
}

const KEPT = [
  ["host", "gw.example:8443"],
  ["mcp-session-id", "s"],
  ["mcp-protocol-version", "2025-03-26"],
  ["authorization", "Bearer t"],
  ["x-api-key", "k"],
  ["x-user", "identity header"],
  ["cookie", "a=b"],
  ["origin", "http://localhost:1"],
  ["user-agent", "client/1"],
  ["accept-language", "de"],
  ["traceparent", "00-1-2-01"],
  ["tracestate", "a=b"],
  ["baggage", "a=b"],
  ["x-forwarded-for", "192.0.2.1"],
] as const;
for (const [name, value] of KEPT) {
  Deno.test(`a call in a batch keeps the client's ${name}`, () => {
    assertEquals(sent({ [name]: value }), { ...OWN, [name]: value });
  });
}

const LEFT_OUT = [
  "x-mcp-caller",
  "x_mcp_caller",
  "x-mcp-virtualserver",
  "x-destination-mcp",
  "x-mcp-tool",
  "mcp_session_id",
  "x-envoy-original-path",
  "x-request-id",
  "content-length",
  "transfer-encoding",
  "connection",
  "keep-alive",
  "te",
  "expect",
  "last-event-id",
  "content-encoding",
] as const;
for (const name of LEFT_OUT) {
  Deno.test(`a call in a batch leaves out ${name}`, () => {
    assertEquals(sent({ [name]: "7" }), OWN);
  });
}

Deno.test("a call in a batch is a request of its own, with its own bytes", () => {
  const headers = {
    accept: "*/*",
    "accept-encoding": "br",
    "content-type": "application/json; charset=utf-8",
  };
  assertEquals(sent(headers), OWN);
  const { method, redirect, body } = gatewayInit(head({}), POST);
  assertEquals([method, redirect], ["POST", "manual"]);
  assertEquals(
    new TextDecoder().decode(body as Uint8Array<ArrayBuffer>),
    '{"n":1e400}',
  );
});

Deno.test("a call in a batch names the virtual server that the batch did", () => {
  const { headers } = gatewayInit(head({ virtualServer: "team/v" }), POST);
  assertEquals(new Headers(headers).get("x-mcp-virtualserver"), "team/v");
});

Deno.test("a stream of a call in a batch is taken up again by GET", () => {
  const message = { kind: "resume", after: "mcpgw:a:b:7" } as const;
  const init = gatewayInit(
    head({ headers: { "mcp-session-id": "s" } }),
    message,
  );
  assertEquals([init.method, init.body], ["GET", undefined]);
  assertEquals(Object.fromEntries(new Headers(init.headers)), {
    accept: "text/event-stream",
    "accept-encoding": "identity",
    "last-event-id": "mcpgw:a:b:7",
    "mcp-session-id": "s",
  });
});
