/**
 * Headers of the stateless era are held against the body before a server gets
 * anything; what the era has not is refused in its own words.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { startStatelessRawServer } from "../fixtures/stateless_raw_server.ts";
import { startGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import { sendRaw } from "../support/raw_http.ts";
import { mirrors, StatelessClient } from "../support/stateless_client.ts";

const REVISION = "2026-07-28";

const setup = shared(async (stack) => {
  const own = stack.use(startStatelessRawServer({ name: "own" }));
  const other = stack.use(startStatelessRawServer({ name: "other" }));
  const gateway = stack.use(
    await startGateway({
      servers: [
        { name: "own", url: own.url, prefix: "own_", era: "stateless" },
        { name: "other", url: other.url, prefix: "other_", era: "stateless" },
      ],
    }),
  );
  const clear = () => {
    own.clear();
    other.clear();
  };
  return {
    own,
    other,
    clear,
    gateway,
    client: new StatelessClient(gateway.url),
  };
});

const CALL = { name: "own_echo", arguments: {} };

const contradictions: readonly {
  what: string;
  method?: string;
  params?: Readonly<Record<string, unknown>>;
  headers: Readonly<Record<string, string | null>>;
  want: readonly [status: number, code: number];
}[] = [
  {
    what: "a header of one tool and a body of another",
    headers: { "mcp-name": "other_echo" },
    want: [400, -32020],
  },
  {
    what: "a name without the prefix in the header",
    headers: { "mcp-name": "echo" },
    want: [400, -32020],
  },
  {
    what: "a name in other case",
    headers: { "mcp-name": "OWN_ECHO" },
    want: [400, -32020],
  },
  {
    what: "two names in one header",
    headers: { "mcp-name": "own_echo, other_echo" },
    want: [400, -32020],
  },
  {
    what: "no name in the headers",
    headers: { "mcp-name": null },
    want: [400, -32020],
  },
  {
    what: "Base64 that is none",
    headers: { "mcp-name": "=?base64?b3duX2VjaG8?=" },
    want: [400, -32020],
  },
  {
    what: "a header of another method",
    headers: { "mcp-method": "tools/list" },
    want: [400, -32020],
  },
  {
    what: "a method in other case",
    headers: { "mcp-method": "Tools/Call" },
    want: [400, -32020],
  },
  {
    what: "no method in the headers",
    headers: { "mcp-method": null },
    want: [400, -32020],
  },
  {
    what: "no revision in the headers",
    headers: { "mcp-protocol-version": null },
    want: [400, -32020],
  },
  {
    what: "another revision in the headers",
    headers: { "mcp-protocol-version": "2025-11-25" },
    want: [400, -32020],
  },
  {
    what: "a revision of no era in the headers",
    headers: { "mcp-protocol-version": "2099-01-01" },
    want: [400, -32020],
  },
  {
    what: "an envelope of another revision",
    params: {
      ...CALL,
      _meta: {
        "io.modelcontextprotocol/protocolVersion": "2099-01-01",
        "io.modelcontextprotocol/clientCapabilities": {},
      },
    },
    headers: { "mcp-protocol-version": "2099-01-01" },
    want: [400, -32022],
  },
  {
    what: "an envelope without capabilities",
    params: {
      ...CALL,
      _meta: { "io.modelcontextprotocol/protocolVersion": REVISION },
    },
    headers: {},
    want: [400, -32602],
  },
  {
    what: "no envelope",
    params: { ...CALL, _meta: {} },
    headers: {},
    want: [400, -32602],
  },
  {
    what: "a tool that nobody has",
    params: { name: 7 },
    headers: { "mcp-name": "7" },
    want: [200, -32602],
  },
];

for (const { what, params = CALL, headers, want } of contradictions) {
  proves(
    `${what}: ${want.join(" ")} with the request's id, and no server gets it`,
    async () => {
      const { own, other, clear, client } = setup();
      clear();
      const meta = "_meta" in params
        ? {}
        : { _meta: JSON.parse(`{${client.meta}}`) };
      const body = `{"jsonrpc":"2.0","id":9007199254740993,` +
        `"method":"tools/call","params":${
          JSON.stringify({ ...params, ...meta })
        }}`;
      const reply = await client.send(body, {
        headers: { ...mirrors("tools/call", params), ...headers },
      });
      assertEquals([reply.status, reply.message?.error?.code ?? 0], want);
      assert(reply.text.includes('"id":9007199254740993,'), reply.text);
      assertEquals([...own.calls, ...other.calls], []);
    },
  );
}

proves(
  "a revision of no era is answered with those that are spoken",
  async () => {
    const { client } = setup();
    const reply = await client.send(
      '{"jsonrpc":"2.0","id":"a","method":"tools/list"}',
      { headers: { "mcp-protocol-version": "2099-01-01" } },
    );
    assertEquals(reply.status, 400);
    assertEquals(reply.message?.id, "a");
    assertEquals(reply.message?.error?.data, {
      supported: [REVISION],
      requested: "2099-01-01",
    });
  },
);

proves("a header that stands twice is refused", async () => {
  const { own, other, clear, gateway, client } = setup();
  clear();
  for (
    const [name, value] of [["Mcp-Name", "own_echo"], [
      "Mcp-Method",
      "tools/call",
    ]]
  ) {
    const reply = await sendRaw(gateway.url, {
      method: "POST",
      headers: [
        ["Host", new URL(gateway.url).host],
        ["Content-Type", "application/json"],
        ["Accept", "application/json, text/event-stream"],
        ["MCP-Protocol-Version", REVISION],
        ["Mcp-Method", "tools/call"],
        ["Mcp-Name", "own_echo"],
        [name!, value!],
      ],
      body:
        `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"own_echo","_meta":{${client.meta}}}}`,
    });
    assertEquals(reply.status, 400, reply.body);
    assert(reply.body.includes("-32020"), reply.body);
  }
  assertEquals([...own.calls, ...other.calls], []);
});

for (
  const [name, value] of [
    ["x-destination-mcp", "other"],
    ["x_destination_mcp", "other"],
    ["x-mcp-tool", "other_echo"],
    ["x-mcp-upstream", "other"],
    ["x-mcp-anything-new", "forged"],
    ["mcp_name", "other_echo"],
  ] as const
) {
  proves(
    `a forged ${name} neither steers a call nor reaches its server`,
    async () => {
      const { own, other, clear, client } = setup();
      clear();
      const reply = await client.call("own_echo", {}, {
        headers: { [name]: value },
      });
      assertEquals(reply.status, 200, reply.text);
      assertEquals(other.calls, []);
      const [request] = own.calls;
      assert(request?.headers.get(name) !== value, `${name} got through`);
    },
  );
}

for (const method of ["GET", "DELETE"]) {
  proves(`${method} of this era is 405 and says what is allowed`, async () => {
    const { own, other, clear, gateway } = setup();
    clear();
    const response = await fetch(gateway.url, {
      method,
      headers: {
        "mcp-protocol-version": REVISION,
        "mcp-session-id": "any",
        "last-event-id": "mcpgw:aBcDeF12:own:7",
        accept: "text/event-stream",
      },
    });
    await response.body?.cancel();
    assertEquals(response.status, 405);
    assertEquals(response.headers.get("allow"), "POST");
    assertEquals([...own.calls, ...other.calls], []);
  });
}

proves("a notification is 202 without a body, and no server's", async () => {
  const { own, other, clear, client } = setup();
  clear();
  const reply = await client.send(
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}',
  );
  assertEquals([reply.status, reply.text], [202, ""]);
  assertEquals([...own.calls, ...other.calls], []);
});

for (
  const [what, body] of [
    ["response", '{"jsonrpc":"2.0","id":"mcpgw:aBcDeF12:own:7","result":{}}'],
    ["batch", '[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]'],
  ] as const
) {
  proves(`a ${what} is 400, and no server's`, async () => {
    const { own, other, clear, client } = setup();
    clear();
    const reply = await client.send(body);
    assertEquals([reply.status, reply.message?.error?.code], [400, -32600]);
    assertEquals([...own.calls, ...other.calls], []);
  });
}
