import { assert, assertEquals, assertMatch } from "@std/assert";
import { FakeApi, FakeTime, memoryLog, refused } from "./_testing.ts";
import { Informer, type InformerTiming } from "./informer.ts";
import { KubeError } from "./kube_error.ts";
import { CONFIG_MAPS, type KubeObject } from "./object.ts";

const TIMING: InformerTiming = {
  watchSeconds: 30,
  silenceMs: 10_000,
  backoff: { firstMs: 100, maxMs: 5_000 },
  absentMs: 10_000,
  steadyMs: 1_000,
};

function object(name: string, value: string): KubeObject {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name },
    data: { value },
  };
}

/** An informer of a server in memory, in time that stands still. */
class Fixture implements AsyncDisposable {
  readonly api = new FakeApi();
  readonly time = new FakeTime();
  readonly log: string[] = [];
  readonly told: string[][] = [];
  /** Milliseconds of each pause. */
  readonly pauses: number[] = [];
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  readonly informer: Informer<string> = new Informer({
    resource: CONFIG_MAPS,
    client: this.api,
    read: ({ data }) => {
      if (data?.value === "bad") throw new TypeError("it is bad");
      return data?.value ?? "";
    },
    onChange: (keys) => void this.told.push([...keys].sort()),
    log: memoryLog(this.log),
    wait: (ms, signal) => {
      this.pauses.push(ms);
      return this.time.wait(ms, signal);
    },
    random: () => 0.5,
    now: () => this.time.now,
    timing: TIMING,
  });

  async start(): Promise<this> {
    this.#running = this.informer.run(this.#stop.signal);
    await this.time.settle();
    return this;
  }

  get list(): string {
    return this.informer.list().sort().join(" ");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

Deno.test("An informer tells of the first list, be it empty, and is synced", async () => {
  await using it = await new Fixture().start();
  assertEquals(it.told, [[]]);
  assertEquals(it.informer.health, {
    synced: true,
    absent: false,
    lists: 1,
    watches: 1,
    failures: 0,
  });
});

Deno.test("An informer follows what comes, changes and goes", async () => {
  await using it = new Fixture();
  it.api.put(object("a", "1"));
  await it.start();
  it.api.put(object("b", "2"));
  it.api.put(object("a", "3"));
  await it.time.settle();
  assertEquals(it.list, "2 3");
  it.api.drop("a");
  await it.time.settle();
  assertEquals(it.list, "2");
  assertEquals(it.informer.get("a"), undefined);
  assertEquals(it.told, [["a"], ["b"], ["a"], ["a"]]);
});

Deno.test("An informer puts pages together", async () => {
  await using it = new Fixture();
  it.api.page = 2;
  for (const name of ["a", "b", "c", "d", "e"]) it.api.put(object(name, name));
  await it.start();
  assertEquals(it.list, "a b c d e");
  assertEquals(it.api.requests.slice(0, 3), ["list", "list", "list"]);
});

Deno.test("An informer lists all at once when the pages before are gone", async () => {
  await using it = new Fixture();
  it.api.page = 2;
  for (const name of ["a", "b", "c"]) it.api.put(object(name, name));
  const { list } = it.api;
  it.api.list = (resource, query) => {
    if (query.continue !== undefined) {
      return Promise.reject(refused(410, "Expired"));
    }
    return list.call(it.api, resource, query);
  };
  await it.start();
  assertEquals(it.list, "a b c");
  assertEquals(it.informer.health.failures, 0);
});

Deno.test("An informer goes on from the last version when a watch ends in peace", async () => {
  await using it = await new Fixture().start();
  it.api.put(object("a", "1"));
  await it.time.advance(20_000);
  it.api.bookmark();
  await it.time.advance(10_000);
  it.api.hangUp();
  await it.time.settle();
  assertEquals(it.api.requests, ["list", "watch 10", "watch 12"]);
  assertEquals(it.informer.health.failures, 0);
});

Deno.test("An informer goes on from the last version, after a pause, when the connection is lost", async () => {
  await using it = await new Fixture().start();
  it.api.put(object("a", "1"));
  await it.time.advance(5_000);
  it.api.hangUp(KubeError.unreachable("watch", new Error("reset")));
  await it.time.settle();
  assertMatch(it.informer.health.problem ?? "", /reset/);
  assertEquals(it.api.watching, 0);
  it.api.put(object("b", "2"));
  await it.time.advance(100);
  assertEquals(it.list, "1 2");
  assertEquals(it.informer.health.problem, undefined);
  assertEquals(it.informer.health.lists, 1);
});

for (
  const { name, how } of [
    {
      name: "as an answer",
      how: (api: FakeApi) => {
        api.refusals.push(refused(410, "Expired"));
        api.hangUp(KubeError.unreachable("watch", new Error("reset")));
      },
    },
    {
      name: "within a new watch",
      how: (api: FakeApi) => {
        api.compact();
        api.hangUp(KubeError.unreachable("watch", new Error("reset")));
      },
    },
    {
      name: "within the watch that runs",
      how: (api: FakeApi) => api.hangUp(refused(410, "Expired")),
    },
  ]
) {
  Deno.test(`An informer lists anew on 410 ${name}, and tells of what went meanwhile`, async () => {
    await using it = new Fixture();
    for (const name of ["gone", "kept", "changed"]) {
      it.api.put(object(name, name));
    }
    await it.start();
    await it.time.advance(5_000);
    how(it.api);
    it.api.drop("gone");
    it.api.put(object("changed", "new"));
    it.api.compact();
    await it.time.advance(1_000);
    assertEquals(it.list, "kept new");
    assertEquals(it.informer.health.lists, 2);
    assertEquals(it.told.flat().sort(), [
      ...["changed", "changed", "gone", "gone", "kept"],
    ]);
    it.api.put(object("after", "after"));
    await it.time.settle();
    assertEquals(it.list, "after kept new");
  });
}

Deno.test("An informer pauses longer with each failure, up to a limit, and starts over when it is heard again", async () => {
  await using it = new Fixture();
  for (let i = 0; i < 12; i++) it.api.refusals.push(refused(503));
  await it.start();
  await it.time.advance(40_000);
  assertEquals(it.pauses.slice(0, 5), [75, 150, 300, 600, 1200]);
  assertEquals(it.pauses.at(-1), 3_750);
  assertEquals(it.informer.health.synced, true);
  it.api.hangUp(refused(500));
  await it.time.settle();
  assertEquals(it.pauses.at(-1), 75);
});

Deno.test("An informer waits as long as it is told to, within its own limit", async () => {
  await using it = new Fixture();
  it.api.refusals.push(
    new KubeError("list", {
      code: 429,
      reason: "TooManyRequests",
      message: "",
      causes: [],
      retryAfterMs: 2_000,
    }),
  );
  await it.start();
  await it.time.advance(1_999);
  assertEquals(it.informer.health.lists, 1);
  await it.time.advance(1);
  assertEquals(it.informer.health.lists, 2);
});

Deno.test("An informer does not hammer a server that ends every watch at once", async () => {
  await using it = await new Fixture().start();
  for (let i = 0; i < 5; i++) {
    it.api.hangUp();
    await it.time.settle();
  }
  assertEquals(it.informer.health.watches, 1);
  await it.time.advance(75);
  assertEquals(it.informer.health.watches, 2);
});

Deno.test("An informer lists anew after two whole watches without a sign of its version", async () => {
  await using it = await new Fixture().start();
  for (const lists of [1, 2]) {
    await it.time.advance(30_000);
    it.api.hangUp();
    await it.time.settle();
    assertEquals(it.informer.health.lists, lists);
  }
});

Deno.test("An informer of a kind that is not served is empty and synced, and notices when it comes and goes", async () => {
  await using it = new Fixture();
  it.api.served = false;
  await it.start();
  assertEquals(it.informer.health.absent, true);
  assertEquals(it.informer.health.synced, true);
  assertEquals(it.told, [[]]);
  it.api.served = true;
  it.api.put(object("a", "1"));
  await it.time.advance(10_000);
  assertEquals(it.list, "1");
  assertEquals(it.informer.health.absent, false);
  it.api.served = false;
  it.api.hangUp();
  await it.time.advance(1_000);
  assertEquals(it.list, "");
  assertEquals(it.informer.health.absent, true);
  assertEquals(it.told, [[], ["a"], ["a"]]);
  assertEquals(it.informer.health.problem, undefined);
});

Deno.test("An informer keeps its copy while it is forbidden, and says so once", async () => {
  await using it = new Fixture();
  it.api.put(object("a", "1"));
  await it.start();
  await it.time.advance(5_000);
  for (let i = 0; i < 4; i++) it.api.refusals.push(refused(403, "Forbidden"));
  it.api.hangUp();
  await it.time.advance(500);
  assertEquals(it.list, "1");
  assertMatch(it.informer.health.problem ?? "", /403 Forbidden/);
  assertEquals(it.log.filter((line) => /not watching/.test(line)).length, 1);
});

Deno.test("An informer leaves out an object that cannot be read, until it can", async () => {
  await using it = await new Fixture().start();
  it.api.put(object("a", "bad"));
  await it.time.settle();
  assertEquals(it.informer.list(), []);
  assert(it.informer.has("a"));
  it.api.put(object("a", "good"));
  await it.time.settle();
  assertEquals(it.list, "good");
});
