import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  FakeApi,
  FakeTime,
  memoryLog,
  refused,
} from "../../shared/kube/_testing.ts";
import { LeaderElection, type LeaseTiming } from "./leader_election.ts";

const TIMING: LeaseTiming = {
  leaseMs: 12_000,
  renewDeadlineMs: 8_000,
  retryMs: 2_000,
};

/** A machine: its clocks may be moved, and its connection cut. */
class Replica implements AsyncDisposable {
  readonly api: FakeApi;
  readonly told: boolean[] = [];
  readonly election: LeaderElection;
  /** Added to the clock on the wall. */
  stepMs = 0;
  /** Subtracted from the monotonic one: it has slept for so long. */
  sleptMs = 0;
  cut = false;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;

  constructor(api: FakeApi, time: FakeTime, identity: string) {
    this.api = api;
    const guarded = <A extends unknown[], R>(
      call: (...args: A) => Promise<R>,
    ) =>
    (...args: A): Promise<R> =>
      this.cut ? Promise.reject(refused(503)) : call(...args);
    this.election = new LeaderElection({
      client: {
        get: guarded(api.get.bind(api)),
        create: guarded(api.create.bind(api)),
        replace: guarded(api.replace.bind(api)),
      },
      namespace: "mcp",
      name: "leader",
      identity,
      onChange: (leads) => void this.told.push(leads),
      clocks: {
        monotonic: () => time.now - this.sleptMs,
        wall: () => 1_800_000_000_000 + time.now + this.stepMs,
      },
      wait: time.wait,
      random: () => 0.5,
      log: memoryLog(),
      timing: TIMING,
    });
  }

  start(): this {
    this.#running = this.election.run(this.#stop.signal);
    return this;
  }

  get leads(): boolean {
    return this.election.canWrite;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

function spec(api: FakeApi): Record<string, unknown> {
  return api.at("mcp/leader")?.spec as Record<string, unknown>;
}

/** Seconds from now until something holds. */
async function secondsUntil(
  time: FakeTime,
  holds: () => boolean,
): Promise<number> {
  const from = time.now;
  while (!holds()) {
    if (time.now - from > 120_000) throw new Error("it never did");
    await time.advance(250);
  }
  return (time.now - from) / 1000;
}

Deno.test("The first replica makes the lease and leads, the second does not", async () => {
  const [api, time] = [new FakeApi(), new FakeTime()];
  await using a = new Replica(api, time, "a").start();
  await time.settle();
  await using b = new Replica(api, time, "b").start();
  await time.advance(60_000);
  assertEquals([a.leads, b.leads], [true, false]);
  assertEquals([a.told, b.told], [[true], []]);
  assertEquals(b.election.holder, "a");
  const { holderIdentity, leaseDurationSeconds, leaseTransitions } = spec(api);
  assertEquals([holderIdentity, leaseDurationSeconds, leaseTransitions], [
    "a",
    12,
    0,
  ]);
});

Deno.test("Of two replicas that begin at the same time, one leads", async () => {
  const [api, time] = [new FakeApi(), new FakeTime()];
  await using a = new Replica(api, time, "a").start();
  await using b = new Replica(api, time, "b").start();
  await time.advance(30_000);
  assertEquals([a.leads, b.leads].filter((one) => one).length, 1);
});

Deno.test("A leader that is cut off writes no more long before another leads, within 20 seconds", async () => {
  const [api, time] = [new FakeApi(), new FakeTime()];
  await using a = new Replica(api, time, "a").start();
  await time.settle();
  await using b = new Replica(api, time, "b").start();
  await time.advance(7_300);
  a.cut = true;
  const ceased = await secondsUntil(time, () => !a.leads);
  const taken = ceased + await secondsUntil(time, () => b.leads);
  assert(ceased <= 8.25, `ceased after ${ceased} s`);
  assert(taken - ceased >= 2, `taken ${taken - ceased} s later`);
  assert(taken <= 20, `taken after ${taken} s`);
  assertEquals(a.told, [true, false]);
  assertEquals(spec(api).leaseTransitions, 1);
  a.cut = false;
  await time.advance(30_000);
  assertEquals([a.leads, b.leads], [false, true]);
});

Deno.test("A leader whose API server was away leads again when nobody took its lease", async () => {
  const [api, time] = [new FakeApi(), new FakeTime()];
  await using a = new Replica(api, time, "a").start();
  await time.advance(5_000);
  a.cut = true;
  await time.advance(30_000);
  assertEquals(a.leads, false);
  a.cut = false;
  await time.advance(3_000);
  assertEquals(a.told, [true, false, true]);
  assertEquals(spec(api).leaseTransitions, 0);
});

Deno.test("A leader that did not run for a while finds its permission gone with the first look", async () => {
  const [api, time] = [new FakeApi(), new FakeTime()];
  await using a = new Replica(api, time, "a").start();
  await time.settle();
  assertEquals(a.leads, true);
  // Nothing of it runs: only the clocks go on.
  time.now += 8_000;
  assertEquals(a.leads, false);
  assertEquals(a.election.msToWrite(), 0);
});

Deno.test("A leader whose machine slept finds its permission gone, though the monotonic clock stood still", async () => {
  const [api, time] = [new FakeApi(), new FakeTime()];
  await using a = new Replica(api, time, "a").start();
  await time.settle();
  time.now += 60_000;
  a.sleptMs = 60_000;
  assertEquals(a.leads, false);
});

Deno.test("A leader whose clock is set back does not get more time", async () => {
  const [api, time] = [new FakeApi(), new FakeTime()];
  await using a = new Replica(api, time, "a").start();
  await time.settle();
  a.stepMs = -240_000;
  assertEquals(a.leads, true);
  time.now += 8_000;
  assertEquals(a.leads, false);
});

Deno.test("A leader whose clock is set forward leads again with the next renewal", async () => {
  const [api, time] = [new FakeApi(), new FakeTime()];
  await using a = new Replica(api, time, "a").start();
  await time.settle();
  a.stepMs = 240_000;
  assertEquals(a.leads, false);
  await time.advance(2_500);
  assertEquals(a.leads, true);
});

Deno.test("A replica that was frozen itself does not take a lease that was renewed meanwhile", async () => {
  const [api, time] = [new FakeApi(), new FakeTime()];
  await using a = new Replica(api, time, "a").start();
  await time.settle();
  const b = new Replica(api, time, "b");
  await using _ = b.start();
  await time.advance(4_000);
  b.cut = true;
  await time.advance(60_000);
  b.cut = false;
  await time.advance(60_000);
  assertEquals([a.leads, b.leads], [true, false]);
});

Deno.test("A write may take as long as no other replica can write", async () => {
  const [api, time] = [new FakeApi(), new FakeTime()];
  await using a = new Replica(api, time, "a").start();
  await time.settle();
  assertEquals(a.election.msToWrite(), 10_000);
  time.now += 7_999;
  assertEquals(a.election.msToWrite(), 2_001);
});

Deno.test("A renewal that was carried out but not answered costs no leadership", async () => {
  const [api, time] = [new FakeApi(), new FakeTime()];
  await using a = new Replica(api, time, "a").start();
  await time.settle();
  const lease = api.at("mcp/leader");
  assert(lease);
  api.put(lease);
  await time.advance(10_000);
  assertEquals(a.told, [true]);
});

Deno.test("A leader whose lease another has taken stops at once", async () => {
  const [api, time] = [new FakeApi(), new FakeTime()];
  await using a = new Replica(api, time, "a").start();
  await time.settle();
  const lease = api.at("mcp/leader");
  assert(lease);
  api.put({ ...lease, spec: { ...spec(api), holderIdentity: "x" } });
  await time.advance(2_000);
  assertEquals(a.told, [true, false]);
});

Deno.test("A leader that ends gives its lease back, and another takes it with its next look", async () => {
  const [api, time] = [new FakeApi(), new FakeTime()];
  const a = new Replica(api, time, "a").start();
  await time.settle();
  await using b = new Replica(api, time, "b").start();
  await time.advance(5_000);
  await a[Symbol.asyncDispose]();
  assertEquals(spec(api).holderIdentity, "");
  assertEquals(a.told, [true, false]);
  assert(await secondsUntil(time, () => b.leads) <= 2);
});

Deno.test("An election refuses times that let two replicas write", () => {
  assertThrows(() =>
    new LeaderElection({
      ...{} as ConstructorParameters<typeof LeaderElection>[0],
      timing: { leaseMs: 5_000, renewDeadlineMs: 8_000, retryMs: 2_000 },
    }), RangeError);
});
