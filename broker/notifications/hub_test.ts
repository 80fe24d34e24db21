import { assert, assertEquals, assertRejects } from "@std/assert";
import type { ClientStream } from "./client_stream.ts";
import { Hub, type HubLimits, type StreamOwner } from "./hub.ts";

const LIMITS: HubLimits = {
  queueEvents: 10,
  queueBytes: 10_000,
  keepAliveMs: 60_000,
  ringEvents: 20,
  ringBytes: 10_000,
  ringsBytes: 100_000,
  streamGraceMs: 60_000,
  streamsPerSession: 2,
  streams: 5,
};

function hubOf(limits: Partial<HubLimits> = {}) {
  const silent: string[] = [];
  const hub = new Hub({
    limits: { ...LIMITS, ...limits },
    instance: "ab",
    onSilent: (session) => silent.push(session),
  });
  return { hub, silent };
}

function owner(id: string, more: Partial<StreamOwner> = {}): StreamOwner {
  return {
    id,
    revision: "2025-11-25",
    view: "",
    isLive: () => Promise.resolve(true),
    ...more,
  };
}

/** What a stream carries on the connection of now, which is ended. */
async function dataOf(stream: ClientStream | undefined): Promise<string[]> {
  stream!.end();
  const text = await new Response(stream!.body).text();
  return [...text.matchAll(/^data: (.+)$/gm)].map(([, data]) => data!);
}

Deno.test("the hub tells each session once, on its newest stream", async () => {
  const { hub } = hubOf();
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
  const { hub } = hubOf();
  const whole = hub.open(owner("a"));
  const part = hub.open(owner("b", { view: "team/v" }));
  assertEquals(hub.announce(["team/v"], "changed"), 1);
  assertEquals(await dataOf(whole), []);
  assertEquals(await dataOf(part), ["changed"]);
});

Deno.test("the hub sends to one session, on a stream that somebody reads", async () => {
  const { hub } = hubOf();
  const old = hub.open(owner("a"));
  const newest = hub.open(owner("a"));
  const other = hub.open(owner("b"));
  await newest!.body.cancel();
  assert(hub.send("a", "1"));
  assertEquals(hub.send("nobody", "2"), false);
  assertEquals(await dataOf(old), ["1"]);
  assertEquals(await dataOf(other), []);
  assert(hub.send("a", "3"));
  const back = hub.open(owner("a"), "ab-2-0");
  assertEquals(back, newest);
  assertEquals(await dataOf(back), ["3"]);
});

Deno.test("a stream that was taken up again is the newest", async () => {
  const { hub } = hubOf();
  const first = hub.open(owner("a"));
  const second = hub.open(owner("a"));
  assertEquals(hub.open(owner("a"), "ab-1-0"), first);
  hub.send("a", "1");
  assertEquals(await dataOf(first), ["1"]);
  assertEquals(await dataOf(second), []);
});

const NOT_TAKEN_UP = [
  { name: "of another broker", id: "cd-1-0" },
  { name: "of a stream that never was", id: "ab-9-0" },
  { name: "of an event that never was", id: "ab-1-2" },
  { name: "of a server", id: "mcpgw:aBcDeF12:weather:7" },
  { name: "of nobody's making", id: "\u0000" },
];
for (const { name, id } of NOT_TAKEN_UP) {
  Deno.test(`an event id ${name} opens a fresh stream`, async () => {
    const { hub } = hubOf();
    const first = hub.open(owner("a"));
    hub.send("a", "secret");
    const fresh = hub.open(owner("a"), id);
    assert(fresh !== first);
    assertEquals(await dataOf(fresh), []);
    hub.endAll();
  });
}

Deno.test("an event id of another session's stream opens a fresh one", async () => {
  const { hub } = hubOf();
  const theirs = hub.open(owner("a"));
  hub.send("a", "secret");
  const mine = hub.open(owner("b"), "ab-1-0");
  assert(mine !== theirs);
  assertEquals(await dataOf(mine), []);
  assertEquals(await dataOf(theirs), ["secret"]);
});

Deno.test("a stream whose events are gone is left for a fresh one", async () => {
  const { hub, silent } = hubOf({ ringEvents: 1, streamsPerSession: 1 });
  const first = hub.open(owner("a"));
  for (const data of "123") hub.send("a", data);
  const fresh = hub.open(owner("a"), "ab-1-1");
  assertEquals(first!.state, "ended");
  hub.send("a", "4");
  assertEquals(await dataOf(fresh), ["4"]);
  assertEquals(silent, ["a"]);
});

Deno.test("the hub opens so many streams per session, and again when one ends", async () => {
  const { hub } = hubOf();
  const first = hub.open(owner("a"));
  assert(hub.open(owner("a")) !== undefined);
  assertEquals(hub.open(owner("a")), undefined);
  assert(hub.open(owner("b")) !== undefined);
  await first!.body.cancel();
  assertEquals([hub.count, hub.waiting], [2, 1]);
  assert(hub.open(owner("a")) !== undefined);
  assertEquals(first!.state, "ended");
  assertEquals([hub.count, hub.waiting], [3, 0]);
  hub.endAll();
});

Deno.test("the hub opens so many streams in all, whosever they are", async () => {
  const { hub } = hubOf();
  const open = ["a", "b", "c", "d", "e"].map((id) => hub.open(owner(id)));
  assertEquals(hub.open(owner("f")), undefined);
  await open[0]!.body.cancel();
  assert(hub.open(owner("f")) !== undefined);
  assertEquals(hub.has("a"), false);
  hub.endAll();
});

Deno.test("the hub keeps so many bytes in all; who keeps most gives first", async () => {
  const { hub } = hubOf({ ringsBytes: 8_000, streams: 10, queueBytes: 9_000 });
  const [quiet, left, loud] = ["quiet", "left", "loud"].map((id) =>
    hub.open(owner(id))!
  );
  await left!.body.cancel();
  hub.send("quiet", "q");
  hub.send("left", "l".repeat(1_000));
  for (let i = 0; i < 100; i++) {
    hub.send("loud", "x".repeat(500));
    assert(hub.ringBytes <= 8_000, `${hub.ringBytes}`);
  }
  assert(hub.ringBytes > 4_000, `${hub.ringBytes}`);
  assertEquals([quiet!.state, left!.state], ["connected", "waiting"]);
  assertEquals(hub.open(owner("left"), "ab-2-0"), left);
  assertEquals(hub.open(owner("quiet"), "ab-1-0"), quiet);
  assertEquals(await dataOf(left), ["l".repeat(1_000)]);
  // It does not read: what waits for it is no less to keep than what it read.
  assertEquals(loud!.state, "waiting");
  await assertRejects(() => new Response(loud!.body).text(), Error, "not read");
  hub.endAll();
  assertEquals(hub.ringBytes, 0);
});

Deno.test("who reads is not closed for what all others keep", async () => {
  const { hub } = hubOf({ ringsBytes: 2_000 });
  const stream = hub.open(owner("a"))!;
  const reader = stream.body.getReader();
  await reader.read();
  for (let i = 0; i < 20; i++) {
    const next = reader.read();
    hub.send("a", `${i}`.repeat(200));
    await next;
    assert(hub.ringBytes <= 2_000, `${hub.ringBytes}`);
  }
  assertEquals(stream.state, "connected");
  hub.endAll();
});

Deno.test("the hub says when a session has fallen silent", async () => {
  const { hub, silent } = hubOf();
  const first = hub.open(owner("a"));
  const second = hub.open(owner("a"));
  await second!.body.cancel();
  first!.end();
  assertEquals(silent, []);
  hub.endSession("a");
  assertEquals([silent, hub.has("a")], [["a"], false]);
});

Deno.test("the hub ends streams of sessions that are over, when it looks", async () => {
  const { hub } = hubOf();
  const over = hub.open(
    owner("over", { isLive: () => Promise.resolve(false) }),
  );
  const live = hub.open(owner("live"));
  const unknown = hub.open(
    owner("unknown", { isLive: () => Promise.reject(new Error("store away")) }),
  );
  await hub.sweep();
  const states = () => [over, live, unknown].map((stream) => stream!.state);
  assertEquals(states(), ["ended", "connected", "connected"]);
  hub.endAll();
  assertEquals(states(), ["ended", "ended", "ended"]);
});

Deno.test("a stream that is opened when all were ended ends in an orderly way, too", async () => {
  const { hub } = hubOf();
  hub.endAll();
  const late = hub.open(owner("a"))!;
  assertEquals([late.state, hub.count, hub.has("a")], ["ended", 0, false]);
  const text = await new Response(late.body).text();
  assertEquals(text, "id: ab-1-0\ndata: \n\nretry: 500\n\n");
});

Deno.test("streams besides the hub's own count towards what all may have", () => {
  let others = LIMITS.streams - 1;
  const hub = new Hub({
    limits: LIMITS,
    instance: "ab",
    others: () => others,
  });
  assert(hub.open(owner("a")));
  assertEquals(hub.open(owner("b")), undefined);
  others--;
  assert(hub.open(owner("b")));
  hub.endAll();
});
