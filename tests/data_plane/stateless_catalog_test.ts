/**
 * Calls of the stateless era that are routed by what the broker found out:
 * which era a server speaks, who owns a name, which arguments headers mirror.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { startStatelessRawServer } from "../fixtures/stateless_raw_server.ts";
import { startGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import { StatelessClient } from "../support/stateless_client.ts";
import { eventually } from "../support/wait.ts";

const SQL = {
  name: "sql",
  inputSchema: {
    type: "object",
    properties: {
      region: { type: "string", "x-mcp-header": "Region" },
      options: {
        type: "object",
        properties: {
          limit: { type: "integer", "x-mcp-header": "Limit" },
          dry: { type: "boolean", "x-mcp-header": "Dry-Run" },
        },
      },
    },
  },
};

const setup = shared(async (stack) => {
  const bare = stack.use(startStatelessRawServer({
    name: "bare",
    tools: [SQL, { name: "plain" }],
    prompts: [{ name: "greet" }],
    resources: [{ uri: "memo://ü/1", name: "memo" }],
  }));
  const prefixed = stack.use(
    startStatelessRawServer({ name: "prefixed", tools: [SQL] }),
  );
  const gateway = stack.use(
    await startGateway({
      servers: [
        { name: "bare", url: bare.url },
        { name: "prefixed", url: prefixed.url, prefix: "pre_" },
      ],
    }),
  );
  await gateway.config.writeText(JSON.stringify({
    servers: [
      { name: "bare", url: bare.url },
      { name: "prefixed", url: prefixed.url, prefix: "pre_" },
    ],
    virtualServers: [{ name: "team/plain", tools: ["plain"] }],
  }));
  const client = new StatelessClient(gateway.url);
  const team = new StatelessClient(`${gateway.url}/team/plain`);
  await eventually(async () => {
    for (const one of [client, team]) {
      assertEquals((await one.call("plain")).status, 200);
    }
  });
  return { bare, prefixed, client, team };
});

proves(
  "a name without a prefix goes to its owner, with everything as it was",
  async () => {
    const { bare, client } = setup();
    bare.clear();
    // In Base64 though it needs none: nothing is to be written anew.
    const reply = await client.call("plain", { n: 1 }, {
      headers: { "mcp-name": "=?base64?cGxhaW4=?=" },
    });
    assertEquals(reply.status, 200, reply.text);
    const [request] = bare.calls;
    assertEquals(request?.headers.get("mcp-name"), "=?base64?cGxhaW4=?=");
  },
);

for (
  const { method, params, mirror } of [
    { method: "prompts/get", params: { name: "greet" }, mirror: "greet" },
    {
      method: "resources/read",
      params: { uri: "memo://ü/1" },
      mirror: "=?base64?bWVtbzovL8O8LzE=?=",
    },
  ]
) {
  proves(`${method} goes to its owner`, async () => {
    const { bare, client } = setup();
    bare.clear();
    const reply = await client.request(method, params);
    assertEquals(reply.status, 200, reply.text);
    assertEquals(bare.of(method).length, 1);
    assertEquals(bare.calls[0]?.headers.get("mcp-name"), mirror);
  });
}

const ARGS = { region: "Zürich", options: { limit: 42, dry: true } };
const HEADERS = {
  "mcp-param-region": "=?base64?WsO8cmljaA==?=",
  "Mcp-Param-LIMIT": "42.0",
  "mcp-param-dry-run": "true",
};

for (const tool of ["sql", "pre_sql"]) {
  proves(
    `headers that mirror arguments go with a call of ${tool}`,
    async () => {
      const { bare, prefixed, client } = setup();
      bare.clear();
      prefixed.clear();
      const reply = await client.call(tool, ARGS, {
        headers: { ...HEADERS, "mcp-param-unknown": "x" },
      });
      assertEquals(reply.status, 200, reply.text);
      const [request] = (tool === "sql" ? bare : prefixed).calls;
      for (const [name, value] of Object.entries(HEADERS)) {
        assertEquals(request?.headers.get(name), value);
      }
      assertEquals(request?.headers.get("mcp-param-unknown"), "x");
    },
  );

  for (
    const { what, changed } of [
      { what: "another string", changed: { "mcp-param-region": "Zuerich" } },
      { what: "another integer", changed: { "Mcp-Param-LIMIT": "43" } },
      {
        what: "a boolean in capitals",
        changed: { "mcp-param-dry-run": "True" },
      },
      { what: "no header", changed: { "mcp-param-region": null } },
      {
        what: "Base64 that is none",
        changed: { "mcp-param-region": "=?base64?WsO8cmljaA?=" },
      },
    ]
  ) {
    proves(
      `${what} where ${tool} mirrors an argument is -32020, and no server gets it`,
      async () => {
        const { bare, prefixed, client } = setup();
        bare.clear();
        prefixed.clear();
        const reply = await client.call(tool, ARGS, {
          headers: { ...HEADERS, ...changed },
        });
        assertEquals(
          [reply.status, reply.message?.error?.code],
          [400, -32020],
          reply.text,
        );
        assert(typeof reply.message?.id === "number");
        assertEquals([...bare.calls, ...prefixed.calls], []);
      },
    );
  }
}

proves("a virtual server's tools are those that can be called", async () => {
  const { bare, prefixed, team } = setup();
  bare.clear();
  prefixed.clear();
  for (const tool of ["sql", "pre_sql"]) {
    const reply = await team.call(tool);
    assertEquals([reply.status, reply.message?.error?.code], [200, -32602]);
  }
  assertEquals([...bare.calls, ...prefixed.calls], []);
  assertEquals((await team.call("plain")).status, 200);
});
