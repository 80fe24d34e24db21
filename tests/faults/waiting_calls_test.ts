/**
 * Calls that wait for their clients while the broker that has them is told to
 * stop: the clients answer through the other broker, and it waits for that.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { BridgeStatus } from "../../shared/status.ts";
import { bearer } from "../support/bearer.ts";
import type { TestGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import { StatelessClient } from "../support/stateless_client.ts";
import { eventually } from "../support/wait.ts";
import { startWorld } from "./_everybody.ts";

const CAPABILITIES = { elicitation: {} };
const ARGS = { caller: "somebody", n: 1 };
const ANSWER = { action: "accept", content: { who: "somebody/1" } };

const world = shared((stack) => startWorld(stack, { routers: 1 }));

/**
 * Tells the broker to stop that has a call, and waits until it takes no more
 * connections.
 *
 * @param isOwner By what a broker says of the calls that it has.
 * @returns Waits until it has ended in good order, and starts it again.
 */
async function stopOwner(
  gateway: TestGateway,
  isOwner: (bridge: BridgeStatus) => boolean,
): Promise<() => Promise<void>> {
  const { brokers, brokerUrls, brokerInternalUrls } = gateway.local;
  const statuses = await Promise.all(
    brokerInternalUrls.map((url) => gateway.status(url)),
  );
  const owner = statuses.findIndex(({ bridge }) => bridge && isOwner(bridge));
  assert(owner >= 0, "no broker has the call");
  const process = brokers[owner]!;
  const { ended } = process;
  process.kill("SIGTERM");
  await eventually(() =>
    assertRejects(() => fetch(brokerUrls[owner]!), TypeError)
  );
  return async () => {
    assertEquals((await ended).code, 0);
    await process.start();
  };
}

proves("a call that was answered input_required is gone on with", async () => {
  const { gateway } = world();
  const client = new StatelessClient(gateway.url, {
    capabilities: CAPABILITIES,
    headers: bearer("somebody"),
  });
  const call = { name: "old_ask", arguments: ARGS };
  const first = await client.request("tools/call", call);
  const { inputRequests, requestState } = first.message?.result ?? {};
  const [key] = Object.keys(inputRequests ?? {});
  assert(key !== undefined, first.text);
  const stopped = await stopOwner(gateway, (bridge) => bridge.parkedCalls > 0);
  const second = await client.request("tools/call", {
    ...call,
    inputResponses: { [key]: ANSWER },
    requestState,
  });
  const text = second.message?.result?.content?.[0]?.text;
  assertEquals(
    JSON.parse(text ?? second.text),
    { server: "old", args: ARGS, action: "accept", who: "somebody/1" },
  );
  await stopped();
});

proves("a question on the stream of a call is answered", async () => {
  const { gateway } = world();
  const client = await gateway.connect({ capabilities: CAPABILITIES });
  await using stream = await client.open({
    jsonrpc: "2.0",
    id: 1,
    method: "tools/call",
    params: { name: "new_ask", arguments: ARGS },
  });
  const { id } = await stream.nextOf("elicitation/create");
  const stopped = await stopOwner(gateway, (bridge) => bridge.questions > 0);
  const reply = await client.send({ jsonrpc: "2.0", id, result: ANSWER });
  assertEquals(reply.status, 202, reply.text);
  const { result } = await stream.next();
  assertEquals(
    JSON.parse(result?.content?.[0]?.text ?? ""),
    { server: "new", args: ARGS, action: "accept", who: "somebody/1" },
  );
  await stopped();
});
