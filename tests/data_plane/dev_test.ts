/**
 * `deno task dev` as somebody at a terminal uses it.
 *
 * @module
 */

import {
  assert,
  assertArrayIncludes,
  assertEquals,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
// @ts-types="@modelcontextprotocol/sdk/client"
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
// @ts-types="@modelcontextprotocol/sdk/client/streamableHttp"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { startRawServer } from "../fixtures/raw_server.ts";
import { ConfigFile } from "../support/config_file.ts";
import { descendantsOf, isRunning } from "../support/process_tree.ts";
import { proves } from "../support/proves.ts";
import { RawClient } from "../support/raw_client.ts";
import { startDev } from "../support/dev_process.ts";
import { eventually } from "../support/wait.ts";

/** The first start downloads what is not there yet. */
const START_MS = 240_000;

proves(
  "deno task dev serves its sample servers to an SDK client, and Ctrl-C leaves nothing behind",
  async () => {
    await using dev = await startDev(["--port", "0"]);
    const url = await dev.line(/http:\/\/127\.0\.0\.1:\d+\/mcp\b/, START_MS);
    const client = new Client({ name: "v1", version: "1.0.0" });
    await client.connect(
      new StreamableHTTPClientTransport(new URL(url)) as never,
    );
    await eventually(async () => {
      const { tools } = await client.listTools();
      assertArrayIncludes(
        tools.map(({ name }) => name),
        ["everything_echo", "notes_add", "trips_search", "clock_now"],
      );
    });
    const calls = [
      { name: "everything_echo", arguments: { message: "hi" }, want: /hi/ },
      {
        name: "notes_add",
        arguments: { text: "milk" },
        want: /Note 1 written/,
      },
      {
        name: "clock_days_between",
        arguments: { first: "2026-02-28", second: "2026-03-01" },
        want: /^1$/,
      },
    ];
    for (const { want, ...call } of calls) {
      const { content } = await client.callTool(call);
      const [block] = content as { text: string }[];
      assert(want.test(block?.text ?? ""), `${call.name}: ${block?.text}`);
    }
    await client.close();
    // The table names every server.
    await eventually(() => {
      for (const name of ["everything", "notes", "trips", "clock"]) {
        assertStringIncludes(dev.output, name);
      }
      for (
        const row of [
          /notes .* session +2025-11-25/,
          /trips .* stateless +2026-07-28/,
        ]
      ) assert(row.test(dev.output), `no line is like ${row}`);
    });

    const processes = await descendantsOf(dev.pid);
    assert(processes.length >= 5, `only ${processes.length} processes ran`);
    assertEquals(await dev.interrupt(), 0);
    assertEquals(
      (await Promise.all(processes.map(isRunning))).filter(Boolean),
      [],
    );
    assertEquals(await dev.leftBehind(), []);
  },
);

proves(
  "deno task dev serves the servers of --config, and follows the file",
  async () => {
    await using first = startRawServer({ name: "first" });
    await using second = startRawServer({ name: "second" });
    await using dev = await startDev(
      (dir) => ["--config", `${dir}/mine.json`, "--port", "0"],
      {
        before: (dir) =>
          new ConfigFile(`${dir}/mine.json`).write([
            { name: "one", url: first.url, prefix: "one_" },
          ]),
      },
    );
    const url = await dev.line(/http:\/\/127\.0\.0\.1:\d+\/mcp\b/, START_MS);
    const client = await RawClient.connect(url);
    await eventually(async () =>
      assertEquals(await client.toolNames(), ["one_echo"])
    );
    await new ConfigFile(`${dev.dir}/mine.json`).write([
      { name: "one", url: first.url, prefix: "one_" },
      { name: "two", url: second.url, prefix: "two_" },
    ]);
    await eventually(async () =>
      assertEquals((await client.toolNames()).sort(), ["one_echo", "two_echo"])
    );
    await eventually(async () =>
      assertEquals((await client.call("two_echo")).status, 200)
    );
    await second.stop();
    await eventually(() => assert(/failed|degraded/.test(dev.output)), {
      deadlineMs: 60_000,
    });
    second.start();
    assertEquals(await dev.interrupt(), 0);
  },
);

const mistakes: readonly {
  what: string;
  args: (dir: string) => readonly string[];
  before?: (dir: string) => Promise<void>;
  says: readonly RegExp[];
}[] = [
  {
    what: "a configuration that is not there",
    args: (dir) => ["--config", `${dir}/nowhere.yaml`, "--port", "0"],
    says: [/nowhere\.yaml/],
  },
  {
    what: "a configuration with two problems",
    args: (dir) => ["--config", `${dir}/bad.json`, "--port", "0"],
    before: (dir) =>
      new ConfigFile(`${dir}/bad.json`).write([
        { name: "broker", url: "http://127.0.0.1:1/mcp" },
        { name: "b", url: "nowhere" },
      ]),
    says: [/bad\.json/, /servers\[0\]\.name/, /servers\[1\]\.url/],
  },
  {
    what: "an option that does not exist",
    args: () => ["--prot", "8888"],
    says: [/--prot/],
  },
];

for (const { what, args, before, says } of mistakes) {
  proves(`deno task dev says clearly what is wrong: ${what}`, async () => {
    await using dev = await startDev(args, before ? { before } : {});
    const code = await dev.ended(START_MS);
    assertNotEquals(code, 0);
    for (const pattern of says) {
      assert(pattern.test(dev.output), `${pattern} is not in: ${dev.output}`);
    }
    assert(!/^\s+at .*\.ts:\d+/m.test(dev.output), `a stack: ${dev.output}`);
  });
}

proves("deno task dev says clearly that its port is taken", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = String(taken.addr.port);
  await using dev = await startDev(["--port", port]);
  assertNotEquals(await dev.ended(START_MS), 0);
  assert(new RegExp(`\\b${port}\\b`).test(dev.output), dev.output);
  assert(/--port/.test(dev.output), dev.output);
  assertEquals(await dev.leftBehind(), []);
});
