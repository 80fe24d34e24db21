/**
 * `router envoy-config --watch` while calls come in: a server moves, comes and
 * goes, and no call is lost.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { startRawServer } from "../fixtures/raw_server.ts";
import { proves } from "../support/proves.ts";
import { RawClient } from "../support/raw_client.ts";
import { eventually } from "../support/wait.ts";
import { startToldGateway } from "./_told_envoy.ts";

const CLIENTS = 6;
const MOVES = 10;

proves("no call is lost while its server moves", async () => {
  const dir = await Deno.makeTempDir({ prefix: "told-changes-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const places = ["here", "there"].map((name) =>
    stack.use(startRawServer({ name }))
  );
  const entry = (at: number) => ({
    name: "one",
    url: places[at % 2]?.url ?? "",
    prefix: "one_",
  });
  const gateway = stack.use(await startToldGateway(dir, [entry(0)], []));
  await gateway.follower.start();

  let over = false;
  const failures: string[] = [];
  let calls = 0;
  let last = "";
  const caller = async () => {
    const client = await RawClient.connect(
      `http://127.0.0.1:${gateway.port}/mcp`,
    );
    while (!over) {
      const { status, message, text } = await client.call("one_echo", {});
      calls++;
      const said = message?.result?.content?.[0]?.text;
      if (status !== 200 || said === undefined) {
        failures.push(`${status} ${text}`);
      } else last = JSON.parse(said).server;
    }
    await client.delete();
  };
  await eventually(async () => {
    const client = await RawClient.connect(
      `http://127.0.0.1:${gateway.port}/mcp`,
    );
    assertEquals(await client.toolNames(), ["one_echo"]);
  });
  const callers = Promise.all(Array.from({ length: CLIENTS }, caller));
  try {
    for (let move = 1; move <= MOVES; move++) {
      // Another server comes and goes with it.
      const other = { name: "other", url: entry(move + 1).url, prefix: "o_" };
      await gateway.config.write(
        move % 2 === 1 ? [entry(move), other] : [entry(move)],
      );
      await eventually(() => {
        assertEquals(last, ["here", "there"][move % 2]);
      });
    }
  } finally {
    over = true;
    await callers;
  }
  assertEquals(failures.slice(0, 5), []);
  assert(calls > MOVES * CLIENTS, `${calls} calls`);
  console.log(`${calls} calls, ${MOVES} moves`);
});
