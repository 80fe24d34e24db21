/**
 * What Envoy's filters and its log see of calls between the eras: the broker
 * gets them, and still they are about a tool of a server.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { startRawServer } from "../fixtures/raw_server.ts";
import { startStatelessRawServer } from "../fixtures/stateless_raw_server.ts";
import { startGateway } from "../support/gateway.ts";
import { proves } from "../support/proves.ts";
import { StatelessClient } from "../support/stateless_client.ts";
import { eventually } from "../support/wait.ts";

proves(
  "Envoy's log tells of a call between the eras which tool of which server it is about, and that it is translated",
  async () => {
    const log = await Deno.makeTempFile({ prefix: "access-" });
    await using _ = {
      [Symbol.asyncDispose]: () => Deno.remove(log),
    };
    await using old = startRawServer({ name: "old" });
    await using modern = startStatelessRawServer({ name: "new" });
    await using gateway = await startGateway({
      servers: [
        { name: "old", url: old.url, prefix: "old_" },
        { name: "new", url: modern.url, prefix: "new_" },
      ],
      local: { envoyOptions: { accessLog: log } },
    });
    const session = await gateway.connect();
    const stateless = new StatelessClient(gateway.url);
    for (const client of [session, stateless]) {
      for (const tool of ["old_echo", "new_echo"]) {
        await eventually(async () => {
          const { status, text } = await client.call(tool);
          assertEquals(status, 200, text);
        });
      }
    }
    await eventually(async () => {
      const lines = (await Deno.readTextFile(log)).trim().split("\n")
        .map((line) => JSON.parse(line))
        .filter(({ method, status }) =>
          method === "tools/call" && status === 200
        );
      const calls = lines.map(({ destination, server, tool, bridged }) =>
        `${destination}: ${tool} of ${server}, ${bridged}`
      );
      assertEquals(calls, [
        "old: echo of old, null",
        "broker: echo of new, true",
        "broker: echo of old, true",
        "new: echo of new, null",
      ]);
    });
  },
);
