/**
 * Headers of the gateway's own: a client's never reach a server and never
 * steer; and no client names a server by its host.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { type RawServer, startRawServer } from "../fixtures/raw_server.ts";
import { startGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import { sendRaw } from "../support/raw_http.ts";

/** Value that is looked for in everything a server got. */
const FORGED = "forged-4711";

/** The name of the server that forgeries try to reach. */
const forgeries: readonly (readonly [string, string])[] = [
  ["x-destination-mcp", "other"],
  ["X-Destination-MCP", "other"],
  ["x_destination_mcp", "other"],
  ["X_Destination_MCP", "other"],
  ["x-destination_mcp", "other"],
  ["x-mcp-tool", FORGED],
  ["x_mcp_tool", FORGED],
  ["X-Mcp_Tool", FORGED],
  ["x-mcp-method", FORGED],
  ["x-mcp-caller", FORGED],
  ["x_mcp_caller", FORGED],
  ["x-mcp-authorized", FORGED],
  ["x-mcp-anything-new", FORGED],
  ["x_mcp_", FORGED],
];

const setup = shared(async (stack) => {
  const own = stack.use(startRawServer({ name: "own" }));
  const other = stack.use(startRawServer({ name: "other" }));
  const gateway = stack.use(
    await startGateway({
      servers: [
        { name: "own", url: own.url, prefix: "own_" },
        { name: "other", url: other.url, prefix: "other_" },
      ],
    }),
  );
  const client = await gateway.connect();
  await client.call("own_echo");
  await client.call("other_echo");
  return { own, other, gateway, client };
});

/** What stands out in what a server got: the forged value, odd spellings. */
function traces(server: RawServer): string[] {
  return server.requests.flatMap(({ headers }) =>
    headers.filter(([name, value]) =>
      value.includes(FORGED) || /^x[-_](mcp|destination)/.test(name) &&
        name.includes("_")
    ).map(([name, value]) => `${name}: ${value}`)
  );
}

for (const [name, value] of forgeries) {
  proves(
    `${name} on POST neither steers a call nor reaches its server`,
    async () => {
      const { own, other, client } = setup();
      own.clear();
      other.clear();
      const reply = await client.call("own_echo", {}, {
        headers: { [name]: value },
      });
      assertEquals(reply.status, 200, reply.text);
      const answer = JSON.parse(
        reply.message?.result?.content?.[0]?.text ?? "",
      );
      assertEquals([answer.server, answer.tool], ["own", "echo"]);
      assertEquals(own.of("tools/call").length, 1);
      assertEquals(other.requests, []);
      assertEquals(traces(own), []);
    },
  );

  proves(
    `${name} on a POST that the broker answers does not steer it`,
    async () => {
      const { own, other, client } = setup();
      own.clear();
      other.clear();
      const reply = await client.request("tools/list", {}, {
        headers: { [name]: value },
      });
      assertEquals(reply.status, 200, reply.text);
      assertEquals(
        reply.message?.result?.tools?.map((tool) => tool.name).sort(),
        ["other_echo", "own_echo"],
      );
      assertEquals([...own.requests, ...other.requests], []);
    },
  );

  proves(`${name} on GET neither steers nor reaches a server`, async () => {
    const { own, other, gateway } = setup();
    // With no server has it a session that the broker would listen in.
    const client = await gateway.connect();
    own.clear();
    other.clear();
    await using listener = await client.listen({ headers: { [name]: value } });
    // The stream is the broker's own: it tells what the broker sees.
    own.changeTools([[{ name: "echo" }, { name: crypto.randomUUID() }]]);
    await listener.nextOf("notifications/tools/list_changed");
    for (const server of [own, other]) {
      assertEquals(traces(server), []);
      assertEquals(
        server.requests.filter(({ method }) => method === "GET"),
        [],
      );
    }
    own.changeTools([[{ name: "echo" }]]);
    await listener.nextOf("notifications/tools/list_changed");
  });

  proves(`${name} on DELETE neither steers nor reaches a server`, async () => {
    const { own, other, gateway } = setup();
    const client = await gateway.connect();
    await client.call("own_echo");
    own.clear();
    other.clear();
    const reply = await client.delete({ headers: { [name]: value } });
    assert(reply.status === 200 || reply.status === 204, `${reply.status}`);
    assertEquals((await client.call("own_echo")).status, 404);
    for (const server of [own, other]) assertEquals(traces(server), []);
    assertEquals(other.requests, []);
  });
}

proves(
  "a forged header that stands twice, or is named by Connection, goes nowhere",
  async () => {
    const { own, other, gateway, client } = setup();
    own.clear();
    other.clear();
    const reply = await sendRaw(gateway.url, {
      method: "POST",
      headers: [
        ["Host", new URL(gateway.url).host],
        ["Content-Type", "application/json"],
        ["Accept", "application/json, text/event-stream"],
        ["Mcp-Session-Id", client.session ?? ""],
        ["X-Mcp-Tool", FORGED],
        ["x-mcp-tool", FORGED],
        ["X-Destination-MCP", "other"],
        ["Connection", "X-Destination-MCP, Mcp-Session-Id"],
      ],
      body:
        '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"own_echo","arguments":{}}}',
    });
    assertEquals(traces(own), []);
    assertEquals(other.requests, []);
    // Naming a header in Connection removes it, which may cost the session.
    assert([200, 400].includes(reply.status), `${reply.status} ${reply.body}`);
  },
);

for (const method of ["POST", "GET", "DELETE"]) {
  for (
    const host of ["other.mcp.local", "OTHER.mcp.local:80", "other.mcp.local."]
  ) {
    proves(
      `${method} with Host ${host} is refused with 421 and reaches no server`,
      async () => {
        const { own, other, gateway, client } = setup();
        own.clear();
        other.clear();
        const reply = await sendRaw(gateway.url, {
          method,
          headers: [
            ["Host", host],
            ["Content-Type", "application/json"],
            ["Accept", "application/json, text/event-stream"],
            ["Mcp-Session-Id", client.session ?? ""],
          ],
          ...method === "POST"
            ? {
              body:
                '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{}}}',
            }
            : {},
        });
        assertEquals(reply.status, 421, reply.body);
        assertEquals([...own.requests, ...other.requests], []);
      },
    );
  }
}

proves(
  "a path outside the endpoint with a server's Host reaches no server",
  async () => {
    const { other, gateway } = setup();
    other.clear();
    for (const host of ["other.mcp.local", new URL(gateway.url).host]) {
      for (
        const path of ["/", "/other", "/mcpx", "/MCP", "//mcp", "/mcp/../mcp"]
      ) {
        const url = new URL(gateway.url);
        const reply = await sendRaw(`${url.origin}${path}`, {
          method: "POST",
          headers: [
            ["Host", host],
            ["Content-Type", "application/json"],
            ["X-Destination-MCP", "other"],
          ],
          body: "{}",
        });
        assert(reply.status >= 400, `${host}${path}: ${reply.status}`);
      }
    }
    assertEquals(other.requests, []);
  },
);
