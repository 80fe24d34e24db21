/**
 * The router dies under load and comes back.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { startRawServer } from "../fixtures/raw_server.ts";
import { startGateway } from "../support/gateway.ts";
import { proves } from "../support/proves.ts";
import { eventually } from "../support/wait.ts";

proves(
  "kill -9 of the router under load costs the calls in flight; sessions go on as they were",
  async () => {
    await using server = startRawServer({ name: "prefixed" });
    await using bare = startRawServer({ pages: [[{ name: "bare" }]] });
    await using gateway = await startGateway({
      servers: [
        { name: "raw", url: server.url, prefix: "raw_" },
        { name: "bare", url: bare.url },
      ],
    });
    const clients = await Promise.all(
      Array.from({ length: 8 }, () => gateway.connect()),
    );
    for (const client of clients) {
      assertEquals((await client.call("raw_echo")).status, 200);
      assertEquals((await client.call("bare")).status, 200);
    }
    const opened = server.of("initialize").length +
      bare.of("initialize").length;
    const sessions = clients.map(({ session }) => session);

    interface Outcome {
      readonly status: number;
      readonly sentAt: number;
      readonly answeredAt: number;
      readonly text: string;
    }
    const outcomes: Outcome[] = [];
    let running = true;
    const load = clients.map(async (client, n) => {
      while (running) {
        const sentAt = performance.now();
        const { status, text } = await client.call(n % 2 ? "raw_echo" : "bare");
        outcomes.push({ status, text, sentAt, answeredAt: performance.now() });
      }
    });
    await eventually(() => assert(outcomes.length > 100, "no load yet"));

    const killedAt = performance.now();
    gateway.local.router.kill("SIGKILL");
    await gateway.local.router.restart();
    const answersAgain = clients[0]!;
    await eventually(async () =>
      assertEquals((await answersAgain.call("raw_echo")).status, 200)
    );
    const backAt = performance.now();
    const before = outcomes.length;
    await eventually(() =>
      assert(outcomes.length > before + 100, "the load did not go on")
    );
    running = false;
    await Promise.all(load);

    const failed = outcomes.filter(({ status }) => status !== 200);
    for (const { sentAt, answeredAt, status, text } of failed) {
      assert(
        answeredAt > killedAt && sentAt < backAt,
        `${status} although the router ran: ${text}`,
      );
      assert(status >= 500, `${status} ${text}`);
    }
    assertEquals(clients.map(({ session }) => session), sessions);
    for (const client of clients) {
      assertEquals((await client.call("raw_echo")).status, 200);
      assertEquals((await client.call("bare")).status, 200);
    }
    const openedSince = server.of("initialize").length +
      bare.of("initialize").length - opened;
    assertEquals(openedSince, 0, "sessions were opened anew");
  },
);

proves("while the router is gone nothing passes it by", async () => {
  await using server = startRawServer();
  await using gateway = await startGateway({
    servers: [{ name: "raw", url: server.url, prefix: "raw_" }],
  });
  const client = await gateway.connect();
  await client.call("raw_echo");
  server.clear();
  gateway.local.router.kill("SIGKILL");
  for (const reply of [await client.call("raw_echo"), await client.get()]) {
    assert(reply.status >= 500, `${reply.status} ${reply.text}`);
    assertEquals(reply.message?.error?.code, -32603, reply.text);
  }
  assertEquals(server.of("tools/call"), []);
  await gateway.local.router.restart();
  await eventually(async () =>
    assertEquals((await client.call("raw_echo")).status, 200)
  );
});

proves(
  "a broker that is killed comes back with its clients' sessions",
  async () => {
    await using server = startRawServer();
    await using gateway = await startGateway({
      servers: [{ name: "raw", url: server.url, prefix: "raw_" }],
    });
    const client = await gateway.connect();
    await client.call("raw_echo");
    const opened = server.of("initialize").length;
    gateway.local.broker.kill("SIGKILL");
    // Calls of prefixed tools do not need it.
    assertEquals((await client.call("raw_echo")).status, 200);
    await gateway.local.broker.restart();
    await gateway.serverIs("raw", "ready");
    await eventually(async () =>
      assertEquals(await client.toolNames(), ["raw_echo"])
    );
    // One: the broker's own session.
    assertEquals(server.of("initialize").length - opened, 1);
    assertEquals((await client.call("raw_echo")).status, 200);
  },
);
