/**
 * `router envoy-config` while calls come in: servers and routers come, move and
 * go, and no call is lost.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { startRawServer } from "../fixtures/raw_server.ts";
import type { ServerEntry } from "../support/config_file.ts";
import { proves } from "../support/proves.ts";
import { RawClient } from "../support/raw_client.ts";
import { eventually } from "../support/wait.ts";
import { startToldGateway, type ToldGateway } from "./_told_envoy.ts";

const CLIENTS = 6;
const CHANGES = 10;
const PLACES = ["here", "there"];

/** Clients that call without a pause, until they are stopped. */
class Callers {
  /** What was no answer. */
  readonly failures: string[] = [];
  /** Number of calls. */
  calls = 0;
  /** Which server answered last. */
  last = "";
  #over = false;
  readonly #done: Promise<unknown>;

  constructor(url: string) {
    this.#done = Promise.all(
      Array.from({ length: CLIENTS }, () => this.#call(url)),
    );
  }

  /** Lets calls in flight finish. */
  async stop(): Promise<void> {
    this.#over = true;
    await this.#done;
  }

  async #call(url: string): Promise<void> {
    const client = await RawClient.connect(url);
    while (!this.#over) {
      const { status, message, text } = await client.call("one_echo", {});
      this.calls++;
      const said = message?.result?.content?.[0]?.text;
      if (status === 200 && said !== undefined) {
        this.last = JSON.parse(said).server;
      } else this.failures.push(`${status} ${text}`);
    }
    await client.delete();
  }
}

/** Starts a gateway and calls it while something changes. */
async function whileCallsComeIn(
  routers: number,
  change: (
    gateway: ToldGateway,
    callers: Callers,
    entry: (at: number) => ServerEntry,
  ) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "told-changes-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const places = PLACES.map((name) => stack.use(startRawServer({ name })));
  const entry = (at: number) => ({
    name: "one",
    url: places[at % 2]?.url ?? "",
    prefix: "one_",
  });
  const gateway = stack.use(
    await startToldGateway(dir, [entry(0)], [], routers),
  );
  const url = `http://127.0.0.1:${gateway.port}/mcp`;
  const client = await RawClient.connect(url);
  await eventually(async () => {
    assertEquals(await client.toolNames(), ["one_echo"]);
  });
  const callers = new Callers(url);
  try {
    await change(gateway, callers, entry);
  } finally {
    await callers.stop();
  }
  assertEquals(callers.failures.slice(0, 5), []);
  assert(callers.calls > CHANGES * CLIENTS, `${callers.calls} calls`);
  console.log(`${callers.calls} calls, ${CHANGES} changes`);
}

proves(
  "no call is lost while its server moves, and another comes and goes",
  async () => {
    await whileCallsComeIn(1, async (gateway, callers, entry) => {
      await gateway.follower.start();
      for (let change = 1; change <= CHANGES; change++) {
        const other = { name: "other", url: entry(0).url, prefix: "o_" };
        await gateway.config.write(
          change % 2 === 1 ? [entry(change), other] : [entry(change)],
        );
        await eventually(() => assertEquals(callers.last, PLACES[change % 2]));
      }
    });
  },
);

proves(
  "no call is lost while a second router comes and goes, nor is Envoy restarted",
  async () => {
    await whileCallsComeIn(2, async (gateway, callers) => {
      const { pid } = gateway.envoy;
      for (let change = 1; change <= CHANGES; change++) {
        const routers = change % 2 + 1;
        const { code, stderr } = await gateway.tell(routers);
        assertEquals({ code, stderr }, { code: 0, stderr: "" });
        await eventually(async () => {
          const stats = await fetch(
            `${gateway.adminUrl}/stats?filter=mcp_router.membership_healthy`,
          );
          assertStringIncludes(await stats.text(), `: ${routers}\n`);
        });
        const before = callers.calls;
        await eventually(() => assert(callers.calls > before + CLIENTS));
      }
      assertEquals(gateway.envoy.pid, pid);
    });
  },
);
