/**
 * The configuration file changes while clients are connected.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { formatProblem } from "../../shared/config/parse.ts";
import { startRawServer } from "../fixtures/raw_server.ts";
import { startGateway } from "../support/gateway.ts";
import { proves } from "../support/proves.ts";
import type { RawClient } from "../support/raw_client.ts";
import { eventually } from "../support/wait.ts";

const CHANGED = "notifications/tools/list_changed";

proves(
  "a server that is added, changed, disabled and removed shows in lists, in calls and to a listening client",
  async () => {
    await using first = startRawServer({ name: "first" });
    await using second = startRawServer({ name: "second" });
    await using third = startRawServer({ name: "third" });
    const base = { name: "first", url: first.url, prefix: "first_" };
    await using gateway = await startGateway({ servers: [base] });
    const client = await gateway.connect();
    await using listener = await client.listen();
    assertEquals(await client.toolNames(), ["first_echo"]);

    // Added: Envoy's routes too, without a restart.
    const added = { name: "new", url: second.url, prefix: "new_" };
    await gateway.config.write([base, added]);
    await listener.nextOf(CHANGED);
    await listsAre(client, ["first_echo", "new_echo"]);
    assertEquals(await answeredBy(client, "new_echo"), "second");

    // Another prefix.
    await gateway.config.write([base, { ...added, prefix: "renamed_" }]);
    await listener.nextOf(CHANGED);
    await listsAre(client, ["first_echo", "renamed_echo"]);
    assertEquals(await answeredBy(client, "renamed_echo"), "second");
    await unknown(client, "new_echo");

    // No prefix: the name is found through the catalog.
    await gateway.config.write([base, { ...added, prefix: "" }]);
    await listener.nextOf(CHANGED);
    await listsAre(client, ["first_echo", "echo"]);
    assertEquals(await answeredBy(client, "echo"), "second");

    // Another address: calls move, with sessions of their own.
    await gateway.config.write([
      base,
      { ...added, prefix: "renamed_", url: third.url },
    ]);
    await listsAre(client, ["first_echo", "renamed_echo"]);
    await eventually(async () =>
      assertEquals(await answeredBy(client, "renamed_echo"), "third")
    );

    // Disabled.
    await gateway.config.write([
      base,
      { ...added, prefix: "renamed_", url: third.url, state: "Disabled" },
    ]);
    await listsAre(client, ["first_echo"]);
    await unknown(client, "renamed_echo");

    // Removed.
    await gateway.config.write([base]);
    await eventually(async () => {
      const { servers } = await gateway.status();
      assertEquals(servers.map(({ name }) => name), ["first"]);
    });
    await unknown(client, "renamed_echo");
    assertEquals(await answeredBy(client, "first_echo"), "first");
  },
);

proves(
  "a broken file changes nothing and every problem in it is reported",
  async () => {
    await using server = startRawServer({ name: "first" });
    const good = { name: "first", url: server.url, prefix: "first_" };
    await using gateway = await startGateway({ servers: [good] });
    const client = await gateway.connect();
    const before = await gateway.status();

    const broken: readonly { text: string; problems: readonly RegExp[] }[] = [
      { text: "servers: [", problems: [/./] },
      {
        text: JSON.stringify(
          {
            servers: [
              { name: "broker", url: server.url },
              { name: "twice", url: server.url, prefix: "a_" },
              { name: "twice", url: "not a url", prefix: "b_" },
            ],
          },
          null,
          2,
        ),
        problems: [
          /servers\[0\]\.name/,
          /servers\[2\]\.name/,
          /servers\[2\]\.url/,
        ],
      },
      { text: "", problems: [/./] },
    ];
    for (const { text, problems } of broken) {
      await gateway.config.writeText(text);
      await eventually(() => {
        const reported = gateway.problems().map(formatProblem).join("\n");
        for (const problem of problems) {
          assert(problem.test(reported), `${problem} is not in: ${reported}`);
        }
        assertStringIncludes(reported, "config.json");
      });
      const status = await gateway.status();
      assertEquals(status.config, before.config);
      assertEquals(await client.toolNames(), ["first_echo"]);
      assertEquals(await answeredBy(client, "first_echo"), "first");
    }

    await gateway.config.write([good, {
      name: "b",
      url: server.url,
      prefix: "b_",
    }]);
    await listsAre(client, ["first_echo", "b_echo"]);
    assertEquals(gateway.problems(), []);
  },
);

proves("an mcp.json is taken as it is", async () => {
  await using server = startRawServer({ name: "first" });
  await using other = startRawServer({ name: "other" });
  await using gateway = await startGateway({
    servers: [{ name: "gone", url: server.url }],
  });
  const client = await gateway.connect();
  await gateway.config.writeText(JSON.stringify({
    mcpServers: {
      one: { url: server.url, headers: { "X-Api-Key": "key of one" } },
      two: { url: other.url },
    },
  }));
  await listsAre(client, ["one_echo", "two_echo"]);
  server.clear();
  await eventually(async () =>
    assertEquals(await answeredBy(client, "one_echo"), "first")
  );
  assertEquals(await answeredBy(client, "two_echo"), "other");
  for (const { headers } of server.of("tools/call")) {
    assertEquals(new Map(headers).get("x-api-key"), "key of one");
  }
  for (const { headers } of other.requests) {
    assertEquals(new Map(headers).has("x-api-key"), false);
  }
});

async function listsAre(
  client: RawClient,
  names: readonly string[],
): Promise<void> {
  await eventually(async () =>
    assertEquals((await client.toolNames()).sort(), [...names].sort())
  );
}

/** Which server answered; waits until the route is there. */
async function answeredBy(client: RawClient, tool: string): Promise<string> {
  return await eventually(async () => {
    const reply = await client.call(tool);
    const text = reply.message?.result?.content?.[0]?.text;
    assert(text !== undefined, `${tool}: ${reply.status} ${reply.text}`);
    return JSON.parse(text).server;
  });
}

async function unknown(client: RawClient, tool: string): Promise<void> {
  await eventually(async () => {
    const reply = await client.call(tool);
    assertEquals(reply.message?.error?.code, -32602, reply.text);
  });
}
