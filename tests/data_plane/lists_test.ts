/**
 * What servers offer, merged: every page of each, kept current.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { type RawTool, startRawServer } from "../fixtures/raw_server.ts";
import { startGateway } from "../support/gateway.ts";
import { proves } from "../support/proves.ts";
import { eventually } from "../support/wait.ts";

const CHANGED = "notifications/tools/list_changed";

function page(prefix: string, from: number, count: number): RawTool[] {
  return Array.from({ length: count }, (_, n) => ({
    name: `${prefix}${from + n}`,
    description: `Tool ${from + n}`,
    inputSchema: { type: "object", properties: { n: { const: 1e21 } } },
    "x-vendor": { kept: [1, 2, 3] },
  }));
}

proves(
  "tools/list has every page of every server, each tool as its server wrote it",
  async () => {
    await using paged = startRawServer({
      pages: [page("t", 0, 40), [], page("t", 40, 40), page("t", 80, 7)],
    });
    await using streaming = startRawServer({
      pages: [page("s", 0, 3), page("s", 3, 1)],
      answers: "sse",
    });
    await using gateway = await startGateway({
      servers: [
        { name: "paged", url: paged.url, prefix: "p_" },
        { name: "streaming", url: streaming.url },
      ],
    });
    const client = await gateway.connect();
    const names = await client.toolNames();
    assertEquals(
      names.sort(),
      [
        ...Array.from({ length: 87 }, (_, n) => `p_t${n}`),
        ...Array.from({ length: 4 }, (_, n) => `s${n}`),
      ].sort(),
    );
    const reply = await client.request("tools/list");
    const tool = reply.message?.result?.tools?.find(({ name }) =>
      name === "p_t3"
    );
    assertEquals<unknown>(tool, {
      name: "p_t3",
      description: "Tool 3",
      inputSchema: { type: "object", properties: { n: { const: 1e21 } } },
      "x-vendor": { kept: [1, 2, 3] },
    });
    assertEquals((await client.call("p_t86")).status, 200);
    assertEquals((await client.call("s3")).status, 200);
  },
);

proves(
  "a server's list_changed reaches every listening client, with the new list behind it",
  async () => {
    await using server = startRawServer();
    await using gateway = await startGateway({
      servers: [{ name: "raw", url: server.url }],
    });
    const clients = [await gateway.connect(), await gateway.connect()];
    const deaf = await gateway.connect();
    await using first = await clients[0]!.listen();
    await using second = await clients[1]!.listen();
    await eventually(() =>
      assert(server.streams > 0, "the broker does not listen")
    );

    server.changeTools([[{ name: "echo" }, { name: "fresh" }]]);
    for (const [n, listener] of [first, second].entries()) {
      await listener.nextOf(CHANGED);
      assertEquals(await clients[n]!.toolNames(), ["echo", "fresh"]);
    }
    assertEquals(await deaf.toolNames(), ["echo", "fresh"]);
    await eventually(async () =>
      assertEquals((await deaf.call("fresh")).status, 200)
    );

    server.changeTools([[{ name: "fresh" }]]);
    await first.nextOf(CHANGED);
    assertEquals(await deaf.toolNames(), ["fresh"]);
    await eventually(async () => {
      const reply = await deaf.call("echo");
      assertEquals(reply.message?.error?.code, -32602, reply.text);
    });
  },
);

proves(
  "a server that comes up later joins the list, and listening clients hear of it",
  async () => {
    await using early = startRawServer({ name: "early" });
    const late = startRawServer({ name: "late" });
    await late.stop();
    await using gateway = await startGateway({
      servers: [
        { name: "early", url: early.url, prefix: "early_" },
        { name: "late", url: late.url, prefix: "late_" },
      ],
      unready: ["late"],
    });
    const client = await gateway.connect();
    await using listener = await client.listen();
    assertEquals(await client.toolNames(), ["early_echo"]);
    late.start();
    await using _ = late;
    await listener.nextOf(CHANGED, 60_000);
    assertEquals((await client.toolNames()).sort(), [
      "early_echo",
      "late_echo",
    ]);
    await eventually(async () =>
      assertEquals((await client.call("late_echo")).status, 200)
    );
  },
);

proves("one tool that is malformed costs itself only", async () => {
  await using server = startRawServer({
    pages: [[
      { name: "good" },
      { name: "" },
      { name: 7 as unknown as string },
      { name: "schemaless", inputSchema: "none" },
    ]],
  });
  await using gateway = await startGateway({
    servers: [{ name: "raw", url: server.url, prefix: "raw_" }],
  });
  const client = await gateway.connect();
  assertEquals(await client.toolNames(), ["raw_good"]);
  const { servers } = await gateway.status();
  assert((servers[0]?.problems.length ?? 0) > 0, "status says nothing");
});
