/**
 * What a client may reach, and how much of it: virtual servers, and limits of
 * lists and names.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { startRawServer } from "../fixtures/raw_server.ts";
import { startGateway } from "../support/gateway.ts";
import { proves } from "../support/proves.ts";
import { RawClient } from "../support/raw_client.ts";
import { eventually } from "../support/wait.ts";
import { INITIALIZE, sessionWith } from "./_sessions.ts";

proves(
  "a virtual server is enforced on calls of every kind, by path and by header, and an unknown one is an error",
  async () => {
    await using server = startRawServer({
      pages: [[{ name: "in" }, { name: "out" }]],
      prompts: [{ name: "in" }, { name: "out" }],
      resources: [{ uri: "x://1", name: "1" }],
    });
    await using gateway = await startGateway({
      servers: [{ name: "raw", url: server.url }],
    });
    await gateway.config.writeText(JSON.stringify({
      servers: [{ name: "raw", url: server.url }],
      virtualServers: [{ name: "team/v", tools: ["in"], prompts: ["in"] }],
    }));
    const inside = [
      () => RawClient.connect(`${gateway.url}/team/v`),
      () => gateway.connect({ headers: { "x-mcp-virtualserver": "team/v" } }),
    ];
    for (const connect of inside) {
      const client = await eventually(connect);
      assertEquals(await client.toolNames(), ["in"]);
      server.clear();
      assertEquals((await client.call("in")).status, 200);
      assertEquals(
        (await client.request("prompts/get", { name: "in" })).message?.error,
        undefined,
      );
      assertEquals(
        server.of("tools/call").length + server.of("prompts/get").length,
        2,
      );
      server.clear();
      for (
        const { method, params, code } of [
          { method: "tools/call", params: { name: "out" }, code: -32602 },
          { method: "prompts/get", params: { name: "out" }, code: -32602 },
          { method: "resources/read", params: { uri: "x://1" }, code: -32002 },
          {
            method: "resources/subscribe",
            params: { uri: "x://1" },
            code: -32002,
          },
          {
            method: "completion/complete",
            params: {
              ref: { type: "ref/prompt", name: "out" },
              argument: { name: "a", value: "" },
            },
            code: -32602,
          },
        ]
      ) {
        const reply = await client.request(method, params);
        assertEquals(
          reply.message?.error?.code,
          code,
          `${method}: ${reply.text}`,
        );
      }
      assertEquals(server.requests, []);
    }
    const known = await gateway.connect();
    for (
      const [url, headers] of [
        [`${gateway.url}/team/unknown`, {}],
        [gateway.url, { "x-mcp-virtualserver": "team/unknown" }],
        [gateway.url, { "x-mcp-virtualserver": "" }],
      ] as const
    ) {
      const client = new RawClient(url, { headers });
      client.session = known.session;
      for (
        const reply of [
          await client.send(INITIALIZE),
          await client.request("tools/list"),
          await client.call("in"),
          await client.get(),
          await client.delete(),
        ]
      ) {
        assertEquals(
          [reply.status, reply.message?.error?.code],
          [404, -32602],
          reply.text,
        );
      }
    }
  },
);

proves(
  "a list of almost 10 MiB is whole; one above costs its server's new list only, and says so",
  async () => {
    const sized = (count: number, bytes: number) =>
      Array.from(
        { length: count },
        (_, n) => ({ name: `t${n}`, description: "x".repeat(bytes) }),
      );
    await using large = startRawServer({ pages: [sized(90, 100_000)] });
    await using small = startRawServer();
    await using gateway = await startGateway({
      servers: [
        { name: "large", url: large.url, prefix: "large_" },
        { name: "small", url: small.url, prefix: "small_" },
      ],
    });
    const client = await gateway.connect();
    assertEquals((await client.toolNames()).length, 91);
    large.changeTools([sized(90, 120_000)]);
    await eventually(async () => {
      const { servers } = await gateway.status();
      const said = [servers[0]?.lastError, ...servers[0]?.problems ?? []]
        .join();
      assertMatch(said, /10485760|10 MiB|too large/);
    });
    const [server] = (await gateway.status()).servers;
    assertEquals([server?.state, server?.tools], ["degraded", 90]);
    // The last good list stays for a while.
    assertEquals((await client.toolNames()).length, 91);
    assertEquals((await client.call("large_t0")).status, 200);
  },
);

proves(
  "names and URIs over their limits are refused with the request's id, and reach no server",
  async () => {
    await using one = startRawServer({ prompts: [{ name: "ask" }] });
    await using gateway = await startGateway({
      servers: [{ name: "one", url: one.url, prefix: "one_" }],
    });
    const client = await gateway.connect();
    await sessionWith(client, one, "one");
    one.clear();
    const LONG = "x".repeat(9000);
    for (
      const { method, params, code } of [
        { method: "tools/call", params: { name: `one_${LONG}` }, code: -32602 },
        {
          method: "prompts/get",
          params: { name: `one_${LONG}` },
          code: -32602,
        },
        {
          method: "resources/read",
          params: { uri: `dressed://${LONG}` },
          code: -32602,
        },
        {
          method: "completion/complete",
          params: {
            ref: { type: "ref/prompt", name: LONG },
            argument: { name: "a", value: "" },
          },
          code: -32602,
        },
        { method: LONG, params: {}, code: -32601 },
      ]
    ) {
      const reply = await client.send({
        jsonrpc: "2.0",
        id: "long",
        method,
        params,
      });
      assertEquals([reply.message?.id, reply.message?.error?.code], [
        "long",
        code,
      ], reply.text);
    }
    assertEquals(one.requests, []);
    const ok = await client.call("one_echo", { long: LONG });
    assertEquals(ok.status, 200);
  },
);
