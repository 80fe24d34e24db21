import { assert, assertEquals } from "@std/assert";
import { FakeTime, memoryLog } from "../../shared/kube/_testing.ts";
import { type WorkOutcome, WorkQueue } from "./work_queue.ts";

const TIMING = {
  debounceMs: 50,
  capMs: 500,
  backoff: { firstMs: 200, maxMs: 30_000 },
};

/** A queue in time that stands still. */
class Fixture implements AsyncDisposable {
  readonly time = new FakeTime();
  /** `AT KEY` of each attempt. */
  readonly attempts: string[] = [];
  /** What the next attempts come to; undefined for success. */
  readonly outcomes: (Error | WorkOutcome | Promise<void> | undefined)[] = [];
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  readonly queue: WorkQueue;

  constructor(concurrency = 1) {
    this.queue = new WorkQueue({
      work: async (key) => {
        this.attempts.push(`${this.time.now} ${key}`);
        const outcome = await this.outcomes.shift();
        if (outcome instanceof Error) throw outcome;
        return outcome ?? undefined;
      },
      concurrency,
      now: () => this.time.now,
      wait: this.time.wait,
      random: () => 0.5,
      log: memoryLog(),
      timing: TIMING,
    });
    this.#running = this.queue.run(this.#stop.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}

Deno.test("A queue does once what is asked for often in a short time", async () => {
  await using it = new Fixture();
  for (let i = 0; i < 5; i++) {
    it.queue.add("plan");
    await it.time.advance(40);
  }
  assertEquals(it.attempts, []);
  await it.time.advance(1_000);
  assertEquals(it.attempts, ["210 plan"]);
  assertEquals(it.queue.counts.waiting, 0);
});

Deno.test("A queue does later what has no hurry, once, and at once when it has", async () => {
  await using it = new Fixture();
  it.queue.addLater("plan", 2_000);
  await it.time.advance(1_000);
  it.queue.addLater("plan", 2_000);
  await it.time.advance(1_000);
  assertEquals(it.attempts, ["2000 plan"]);
  it.queue.addLater("plan", 2_000);
  await it.time.advance(500);
  it.queue.add("plan");
  await it.time.advance(5_000);
  assertEquals(it.attempts, ["2000 plan", "2550 plan"]);
});

Deno.test("A queue does not wait for the end of a burst that does not end", async () => {
  await using it = new Fixture();
  for (let i = 0; i < 40; i++) {
    it.queue.add("plan");
    await it.time.advance(25);
  }
  assertEquals(it.attempts[0], "500 plan");
  assert(it.attempts.length >= 1);
});

Deno.test("A queue does once more what is asked for while it is being done, and never twice at a time", async () => {
  await using it = new Fixture(3);
  const first = Promise.withResolvers<void>();
  it.outcomes.push(first.promise);
  it.queue.add("plan");
  await it.time.advance(50);
  for (let i = 0; i < 3; i++) it.queue.add("plan");
  await it.time.advance(1_000);
  assertEquals(it.attempts.length, 1);
  first.resolve();
  await it.time.advance(0);
  assertEquals(it.attempts, ["50 plan", "1050 plan"]);
  await it.time.advance(10_000);
  assertEquals(it.attempts.length, 2);
});

Deno.test("A queue does one after the other, the longest due first", async () => {
  await using it = new Fixture();
  const first = Promise.withResolvers<void>();
  it.outcomes.push(first.promise);
  it.queue.add("a");
  await it.time.advance(10);
  it.queue.add("b");
  it.queue.add("c");
  await it.time.advance(1_000);
  assertEquals(it.attempts, ["50 a"]);
  assertEquals(it.queue.counts, {
    waiting: 2,
    running: 1,
    failing: 0,
    attempts: 1,
    failures: 0,
  });
  first.resolve();
  await it.time.advance(0);
  assertEquals(it.attempts, ["50 a", "1010 b", "1010 c"]);
});

Deno.test("A queue tries again what failed, with pauses that grow, and forgets them after a success", async () => {
  await using it = new Fixture();
  for (let i = 0; i < 3; i++) it.outcomes.push(new Error("failed"));
  it.queue.add("a");
  await it.time.advance(2_000);
  // Three quarters of 200, 400 and 800.
  assertEquals(it.attempts, ["50 a", "200 a", "500 a", "1100 a"]);
  assertEquals(it.queue.counts.failures, 3);
  assertEquals(it.queue.counts.failing, 0);
  it.outcomes.push(new Error("failed"));
  it.queue.add("a");
  await it.time.advance(1_000);
  assertEquals(it.attempts.slice(4), ["2050 a", "2200 a"]);
});

Deno.test("A queue tries sooner what is asked for again, but not at once", async () => {
  await using it = new Fixture();
  for (let i = 0; i < 3; i++) it.outcomes.push(new Error("failed"));
  it.queue.add("a");
  await it.time.advance(510);
  assertEquals(it.attempts, ["50 a", "200 a", "500 a"]);
  it.queue.add("a");
  await it.time.advance(1_000);
  // 200 ms after the failure, where it would have been 600.
  assertEquals(it.attempts.slice(3), ["700 a"]);
});

Deno.test("A failure of one key holds up no other", async () => {
  await using it = new Fixture();
  it.outcomes.push(new Error("failed"));
  it.queue.add("a");
  await it.time.advance(50);
  it.queue.add("b");
  await it.time.advance(50);
  assertEquals(it.attempts, ["50 a", "100 b"]);
});

Deno.test("A queue does again in time what asks for that", async () => {
  await using it = new Fixture();
  it.outcomes.push({ againMs: 1_000 });
  it.queue.add("a");
  await it.time.advance(10_000);
  assertEquals(it.attempts, ["50 a", "1050 a"]);
});

Deno.test("A queue that ends waits for what it has begun and begins nothing more", async () => {
  const time = new FakeTime();
  const stop = new AbortController();
  const work = Promise.withResolvers<void>();
  const begun: string[] = [];
  const queue = new WorkQueue({
    work: async (key) => {
      begun.push(key);
      await work.promise;
    },
    now: () => time.now,
    wait: time.wait,
    random: () => 0,
    log: memoryLog(),
    timing: TIMING,
  });
  let ended = false;
  const running = queue.run(stop.signal).then(() => ended = true);
  queue.add("a");
  queue.add("b");
  await time.advance(100);
  stop.abort();
  await time.settle();
  assertEquals(ended, false);
  work.resolve();
  await running;
  assertEquals(begun, ["a"]);
});
