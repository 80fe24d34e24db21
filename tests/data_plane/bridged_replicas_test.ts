/**
 * Two brokers, and calls of sessions at a server of 2026-07-28 that are bound
 * to one of them: what a client sends meanwhile finds its call, whichever
 * broker it reaches.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type AskingServer,
  startAskingServer,
} from "../fixtures/asking_server.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import type { RawClient } from "../support/raw_client.ts";
import { eventually } from "../support/wait.ts";

interface World {
  readonly server: AskingServer;
  readonly gateway: TestGateway;
}

const world = shared(async (stack): Promise<World> => {
  const server = stack.use(startAskingServer());
  const args = ["--store=sqlite"];
  const gateway = stack.use(
    await startGateway({
      servers: [{ name: "asking", url: server.url, prefix: "a_" }],
      local: { routers: 2, brokers: 2, routerArgs: args, brokerArgs: args },
    }),
  );
  return { server, gateway };
});

const CAPABILITIES = { elicitation: {}, roots: {}, sampling: {} };

const call = (name: string, id: number, args: object = {}) => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: {
    name: `a_${name}`,
    arguments: args,
    _meta: { progressToken: id },
  },
});

/** A client as it speaks with each broker itself, past Envoy. */
async function atBrokers(): Promise<{
  readonly client: RawClient;
  readonly one: RawClient;
  readonly other: RawClient;
}> {
  const { gateway } = world();
  const client = await gateway.connect({ capabilities: CAPABILITIES });
  const [one, other] = gateway.local.brokerUrls.map((url) =>
    client.at(new URL("/mcp", url).href)
  );
  assert(one !== undefined && other !== undefined);
  return { client, one, other };
}

const accept = (id: unknown, name: string) => ({
  jsonrpc: "2.0",
  id,
  result: { action: "accept", content: { name } },
});

proves("an answer reaches its call from the other broker", async () => {
  const { one, other } = await atBrokers();
  await using stream = await one.open(call("twice", 1));
  const first = await stream.nextOf("elicitation/create");
  assertEquals((await other.send(accept(first.id, "A"))).status, 202);
  const second = await stream.nextOf("elicitation/create");
  // It was answered already; and what was answered is asked no more.
  assertEquals((await other.send(accept(first.id, "B"))).status, 400);
  assertEquals((await other.send(accept(second.id, "C"))).status, 202);
  const { result } = await stream.next();
  assertEquals(JSON.parse(result!.content![0]!.text), {
    first: { action: "accept", content: { name: "A" } },
    second: { action: "accept", content: { name: "C" } },
  });
});

proves("an answer of another session is refused by either broker", async () => {
  const { one, other } = await atBrokers();
  const stranger = await atBrokers();
  await using stream = await one.open(call("twice", 1));
  const { id } = await stream.nextOf("elicitation/create");
  for (const foreign of [stranger.one, stranger.other]) {
    assertEquals((await foreign.send(accept(id, "X"))).status, 400);
  }
  assertEquals((await other.send(accept(id, "A"))).status, 202);
  await stream.nextOf("elicitation/create");
});

proves("a cancellation reaches its call from the other broker", async () => {
  const { one, other } = await atBrokers();
  const counted = async () => {
    const { message } = await one.send(call("counted", 9));
    return Number(message?.result?.content?.[0]?.text);
  };
  const before = await counted();
  await using stream = await one.open(call("slow", 1));
  await stream.nextOf("notifications/progress");
  const told = await other.send({
    jsonrpc: "2.0",
    method: "notifications/cancelled",
    params: { requestId: 1 },
  });
  assertEquals(told.status, 202);
  await assertRejects(() => stream.next(), Error, "ended");
  const { server } = world();
  await eventually(() => assertEquals(server.waiting, 0));
  assertEquals(await counted(), before);
});

proves(
  "a subscription that is made at the other broker is heard of",
  async () => {
    const { one, other } = await atBrokers();
    await using stream = await one.listen();
    const { status } = await other.send({
      jsonrpc: "2.0",
      id: 1,
      method: "resources/subscribe",
      params: { uri: "asking://it" },
    });
    assertEquals(status, 200);
    const heard = stream.nextOf("notifications/resources/updated");
    let isHeard = false;
    const done = heard.then(() => isHeard = true);
    await eventually(async () => {
      await other.send(call("touch", 2, { uri: "asking://it" }));
      assert(isHeard, "it was told");
    });
    await done;
  },
);

proves("clients are asked, and answer, through whoever is next", async () => {
  const { client } = await atBrokers();
  for (let round = 0; round < 8; round++) {
    await using stream = await client.open(call("twice", round));
    for (let asked = 0; asked < 2; asked++) {
      const { id } = await stream.nextOf("elicitation/create");
      assertEquals((await client.send(accept(id, "A"))).status, 202);
    }
    assertEquals((await stream.next()).id, round);
  }
});
