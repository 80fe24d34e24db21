import { assert, assertEquals } from "@std/assert";
import type { ClientStream } from "./client_stream.ts";
import { Hub, type StreamOwner } from "./hub.ts";

const LIMITS = {
  queueEvents: 10,
  queueBytes: 10_000,
  keepAliveMs: 60_000,
  streamsPerSession: 2,
  streams: 5,
};

function owner(id: string, more: Partial<StreamOwner> = {}): StreamOwner {
  return { id, view: "", isLive: () => Promise.resolve(true), ...more };
}

async function dataOf(stream: ClientStream | undefined): Promise<string[]> {
  stream!.end();
  const text = await new Response(stream!.body).text();
  return [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => data!);
}

Deno.test("the hub tells each session once, on its newest stream", async () => {
  const hub = new Hub(LIMITS);
  const old = hub.open(owner("a"));
  const newest = hub.open(owner("a"));
  const other = hub.open(owner("b"));
  assertEquals(hub.announce([""], "changed"), 2);
  assertEquals(await dataOf(newest), ["changed"]);
  assertEquals(hub.announce([""], "again"), 2);
  assertEquals(await dataOf(old), ["again"]);
  assertEquals(await dataOf(other), ["changed", "again"]);
  assertEquals(hub.count, 0);
});

Deno.test("the hub tells who sees a view that changed, and nobody else", async () => {
  const hub = new Hub(LIMITS);
  const whole = hub.open(owner("a"));
  const part = hub.open(owner("b", { view: "team/v" }));
  assertEquals(hub.announce(["team/v"], "changed"), 1);
  assertEquals(await dataOf(whole), []);
  assertEquals(await dataOf(part), ["changed"]);
});

Deno.test("the hub opens so many streams per session, and again when one ends", async () => {
  const hub = new Hub(LIMITS);
  const first = hub.open(owner("a"));
  assert(hub.open(owner("a")) !== undefined);
  assertEquals(hub.open(owner("a")), undefined);
  assert(hub.open(owner("b")) !== undefined);
  await first!.body.cancel();
  assert(hub.open(owner("a")) !== undefined);
  assertEquals(hub.count, 3);
  hub.endAll();
});

Deno.test("the hub opens so many streams in all, whosever they are", async () => {
  const hub = new Hub(LIMITS);
  const open = ["a", "b", "c", "d", "e"].map((id) => hub.open(owner(id)));
  assertEquals(hub.open(owner("f")), undefined);
  await open[0]!.body.cancel();
  assert(hub.open(owner("f")) !== undefined);
  hub.endAll();
});

Deno.test("the hub ends streams of sessions that are over, when it looks", async () => {
  const hub = new Hub(LIMITS);
  const over = hub.open(
    owner("over", { isLive: () => Promise.resolve(false) }),
  );
  const live = hub.open(owner("live"));
  const unknown = hub.open(
    owner("unknown", { isLive: () => Promise.reject(new Error("store away")) }),
  );
  await hub.sweep();
  assertEquals([over, live, unknown].map((s) => s!.open), [false, true, true]);
  hub.endAll();
  assertEquals([live, unknown].map((s) => s!.open), [false, false]);
});
