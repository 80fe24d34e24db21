/**
 * What clients can make the gateway keep has bounds, and is gone with them.
 * How much a session takes, `deno task bench --only memory` measures.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { LIMITS } from "../../shared/limits.ts";
import { startRawServer } from "../fixtures/raw_server.ts";
import { bearer } from "../support/bearer.ts";
import { startGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import { RawClient, type RawListener } from "../support/raw_client.ts";
import { eventually } from "../support/wait.ts";

const setup = shared(async (stack) => {
  const server = stack.use(startRawServer());
  const gateway = stack.use(
    await startGateway({ servers: [{ name: "raw", url: server.url }] }),
  );
  return { server, gateway };
});

const times = <T>(count: number, make: () => Promise<T>) =>
  Promise.all(Array.from({ length: count }, make));

proves(
  "One identity has so many sessions; the next is refused, until one has ended",
  async () => {
    const { gateway } = setup();
    const headers = bearer("alice");
    const clients: RawClient[] = [];
    while (clients.length < LIMITS.sessionsPerIdentity) {
      clients.push(...await times(10, () => gateway.connect({ headers })));
    }
    const late = new RawClient(gateway.url, { headers });
    const refused = await late.send({
      jsonrpc: "2.0",
      id: 7,
      method: "initialize",
      params: {
        protocolVersion: "2025-11-25",
        capabilities: {},
        clientInfo: { name: "late", version: "1" },
      },
    });
    assertEquals(refused.status, 429);
    assertEquals(refused.message?.id, 7);
    assert(refused.message?.error !== undefined, refused.text);
    await gateway.connect({ headers: bearer("bob") });
    await clients[0]!.delete();
    await late.initialize();
    assertEquals((await late.call("echo")).status, 200);
  },
);

proves(
  "A session has so many streams; the next is refused, until one has ended",
  async () => {
    const { gateway } = setup();
    const client = await gateway.connect();
    const streams = await times(
      LIMITS.streamsPerSession,
      () => client.listen(),
    );
    const refused = await client.get();
    assertEquals(refused.status, 429);
    assert(refused.message?.error !== undefined, refused.text);
    await streams[0]![Symbol.asyncDispose]();
    await eventually(async () => {
      await using _ = await client.listen();
    });
    for (const stream of streams) await stream[Symbol.asyncDispose]();
    await client.delete();
  },
);

proves(
  "Sessions that have ended leave no stream behind, to clients or to servers",
  async () => {
    const { gateway, server } = setup();
    const { brokerInternalUrl } = gateway.local;
    const gauge = async (name: string) => {
      const response = await fetch(new URL("/metrics", brokerInternalUrl));
      const lines = (await response.text()).split("\n");
      return lines.filter((line) => line.startsWith(`mcp_gateway_${name}`))
        .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
    };
    const clients = await times(30, () => gateway.connect());
    const streams: RawListener[] = [];
    for (const client of clients) {
      assertEquals((await client.call("echo")).status, 200);
      streams.push(await client.listen());
    }
    await eventually(async () => {
      assertEquals(await gauge('held_streams{state="open"}'), clients.length);
    });
    const open = server.streams;
    // Half of them leave without a word first, and may come back.
    for (const stream of streams.slice(15)) {
      await stream[Symbol.asyncDispose]();
    }
    for (const client of clients) await client.delete();
    await eventually(async () => {
      assertEquals(await gauge("client_stream"), 0, "streams of clients");
      assertEquals(await gauge("held_streams"), 0, "streams of servers");
      assertEquals(server.streams, open - clients.length);
    });
    for (const stream of streams) await stream[Symbol.asyncDispose]();
  },
);
