/**
 * What an idle session costs router, broker and Envoy in memory:
 * `deno run -A tests/bench/session_memory.ts [SESSIONS] [STREAMS]`.
 *
 * Opens sessions through a whole gateway, each of which calls a tool once and
 * so has a session with the server too, then opens the GET streams of some of
 * them. At each stage it prints what the processes hold once garbage is gone:
 * they collect all of it each time they collect any, and the same old sessions
 * are pinged until the heaps do not get smaller any more.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { startRawServer } from "../fixtures/raw_server.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { RawClient, type RawListener } from "../support/raw_client.ts";
import { eventually } from "../support/wait.ts";

/** Sessions before the first look: caches and code are warm by then. */
const WARM = 500;
/** Requests under way at once. */
const AT_ONCE = 8;
/** Pings of one round of traffic. */
const ROUND = 100;
/** Rounds without a smaller heap after which it is settled. */
const STILL = 20;

/** What one process holds, bytes. */
interface Held {
  readonly rss: number;
  readonly heap: number;
  readonly external: number;
}

type Stage = Readonly<Record<string, Held>>;

/** Runs tasks, some at once. */
async function each(
  count: number,
  task: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let i = next++; i < count; i = next++) await task(i);
    }),
  );
}

async function heldBy(url: string): Promise<Held> {
  const response = await fetch(new URL("/metrics", url));
  const text = await response.text();
  const value = (name: string) =>
    Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
  return {
    rss: value("process_resident_memory_bytes"),
    heap: value("process_heap_bytes"),
    external: value("process_external_memory_bytes"),
  };
}

async function envoyHolds(url: string): Promise<Held> {
  const response = await fetch(new URL("/memory", url));
  const { allocated, total_physical_bytes: rss } = await response.json();
  return { rss: Number(rss), heap: Number(allocated), external: 0 };
}

async function settled(
  gateway: TestGateway,
  clients: readonly RawClient[],
): Promise<Stage> {
  const { routerInternalUrl, brokerInternalUrl, envoyAdminUrl } = gateway.local;
  const least: Record<string, Held> = {};
  for (let still = 0; still < STILL; still++) {
    await each(ROUND, async (i) => {
      await clients[i % Math.min(clients.length, WARM)]!.request("ping");
    });
    const now = {
      router: await heldBy(routerInternalUrl),
      broker: await heldBy(brokerInternalUrl),
      envoy: await envoyHolds(envoyAdminUrl),
    };
    for (const [name, held] of Object.entries(now)) {
      const before = least[name];
      if (before !== undefined && held.heap >= before.heap) continue;
      least[name] = held;
      // Noise is no reason to go on.
      if (before === undefined || before.heap - held.heap > 1e5) still = 0;
    }
  }
  return least;
}

function show(
  stage: string,
  count: number,
  before: Stage | undefined,
  now: Stage,
): void {
  console.log(stage);
  for (const [name, held] of Object.entries(now)) {
    const line = (["rss", "heap", "external"] as const).map((what) => {
      const was = before?.[name]?.[what];
      const each = was === undefined
        ? ""
        : ` (${((held[what] - was) / count / 1024).toFixed(2)} KiB each)`;
      return `${what} ${(held[what] / 1024 / 1024).toFixed(1)} MiB${each}`;
    });
    console.log(`  ${name.padEnd(6)} ${line.join(", ")}`);
  }
}

const [sessions = 5_000, listening = 1_000] = Deno.args.map(Number);
const streams = Math.min(listening, sessions);

await using server = startRawServer();
await using gateway = await startGateway({
  servers: [{ name: "raw", url: server.url }],
  local: { env: { DENO_V8_FLAGS: "--gc-global" } },
});
const clients: RawClient[] = [];
const open = async (count: number) => {
  await each(count, async () => {
    const client = await gateway.connect();
    clients.push(client);
    const reply = await client.call("echo");
    if (reply.message?.result === undefined) throw new Error(reply.text);
    if (server.requests.length > 10_000) server.clear();
  });
};

let last: Stage | undefined;
for (let round = 0; round < 6; round++) {
  clients.length = 0;
  await open(500);
  const ls: RawListener[] = [];
  await each(400, async (i) => {
    ls.push(await clients[i]!.listen());
  });
  for (const [i, l] of ls.entries()) if (i % 2) await l[Symbol.asyncDispose]();
  await each(clients.length, async (i) => {
    await clients[i]!.delete();
  });
  for (const l of ls) await l[Symbol.asyncDispose]();
  await eventually(() => assertEquals(server.sessions.size, 1), {
    deadlineMs: 60_000,
  });
  const now = await settled(gateway, [await gateway.connect()]);
  show("round " + round, 500, last, now);
  last = now;
}
