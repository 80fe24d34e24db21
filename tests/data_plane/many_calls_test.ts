/**
 * Load: many callers with the same JSON-RPC ids, over one Envoy.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertGreater,
  assertStringIncludes,
} from "@std/assert";
import { startRawServer } from "../fixtures/raw_server.ts";
import { startGateway } from "../support/gateway.ts";
import { proves } from "../support/proves.ts";
import { RawClient } from "../support/raw_client.ts";

const CALLS = 5_000;
const CONNECTIONS = 16;

proves(
  "5,000 calls from 16 connections are each answered 200, to their own caller, with the same ids everywhere",
  async () => {
    await using prefixed = startRawServer({ name: "prefixed" });
    await using bare = startRawServer({
      name: "bare",
      pages: [[{ name: "plain" }]],
      answers: "sse",
    });
    await using gateway = await startGateway({
      servers: [
        { name: "prefixed", url: prefixed.url, prefix: "p_" },
        { name: "bare", url: bare.url },
      ],
    });
    const tools = [
      { name: "p_echo", server: "prefixed" },
      { name: "plain", server: "bare" },
    ];

    async function callAll(caller: number): Promise<string[]> {
      using http = Deno.createHttpClient({ poolMaxIdlePerHost: 1 });
      const client = await RawClient.connect(gateway.url, { http });
      const wrong: string[] = [];
      for (let id = 1; id <= Math.ceil(CALLS / CONNECTIONS); id++) {
        const tool = tools[id % 2]!;
        const reply = await client.send({
          jsonrpc: "2.0",
          id,
          method: "tools/call",
          params: { name: tool.name, arguments: { caller, id } },
        });
        const text = reply.message?.result?.content?.[0]?.text;
        const answer = text === undefined ? undefined : JSON.parse(text);
        if (
          reply.status !== 200 || reply.message?.id !== id ||
          answer.server !== tool.server || answer.arguments.caller !== caller ||
          answer.arguments.id !== id
        ) {
          wrong.push(
            `caller ${caller} id ${id}: ${reply.status} ${reply.text}`,
          );
        }
      }
      return wrong;
    }

    const wrong = (await Promise.all(
      Array.from({ length: CONNECTIONS }, (_, caller) => callAll(caller)),
    )).flat();
    assertEquals(wrong, []);

    const made = prefixed.of("tools/call").length +
      bare.of("tools/call").length;
    assert(made >= CALLS, `only ${made} calls reached the servers`);
    assertEquals(prefixed.of("initialize").length - 1, CONNECTIONS);
    assertEquals(bare.of("initialize").length - 1, CONNECTIONS);
  },
);

proves(
  "more than 1,000 calls share one connection to the router, and none is reset",
  async () => {
    await using server = startRawServer();
    await using gateway = await startGateway({
      servers: [{ name: "raw", url: server.url, prefix: "raw_" }],
    });
    const client = await gateway.connect();
    const statuses = new Set<number>();
    // Bursts: what trips the limit is resets in quick succession.
    for (let done = 0; done < 1_500; done += 25) {
      const replies = await Promise.all(
        Array.from({ length: 25 }, () => client.call("raw_echo")),
      );
      for (const { status } of replies) statuses.add(status);
    }
    assertEquals([...statuses], [200]);
    const connections = await gateway.envoyStat(
      "cluster.mcp_router.upstream_cx_total",
    );
    const workers = await gateway.envoyStat("server.concurrency");
    assert(connections > 0, "Envoy counts no connection to the router");
    assert(connections <= workers, `${connections} connections were opened`);
    assertEquals(
      await gateway.envoyStat("cluster.mcp_router.http2.tx_reset"),
      0,
    );
  },
);

proves(
  "an Envoy that resets every stream of the router's costs no call",
  async () => {
    await using server = startRawServer();
    await using gateway = await startGateway({
      servers: [{ name: "raw", url: server.url, prefix: "raw_" }],
    });
    const { envoy, runDir } = gateway.local;
    await envoy.stop();
    const file = `${runDir}/envoy/bootstrap.json`;
    const graceful =
      '"envoy.reloadable_features.ext_proc_graceful_grpc_close":';
    const text = await Deno.readTextFile(file);
    assertStringIncludes(text, `${graceful}true`);
    await Deno.writeTextFile(
      file,
      text.replace(`${graceful}true`, `${graceful}false`),
    );
    await envoy.start();

    const failed: string[] = [];
    await Promise.all(Array.from({ length: CONNECTIONS }, async () => {
      const client = await gateway.connect();
      for (let done = 0; done < 250; done++) {
        const { status, message, text } = await client.call("raw_echo");
        if (status !== 200 || message?.result === undefined) failed.push(text);
      }
    }));
    assertEquals(failed, []);
    assertGreater(
      await gateway.envoyStat("cluster.mcp_router.http2.tx_reset"),
      3_000,
    );
  },
);
