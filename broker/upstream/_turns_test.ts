import { assertEquals, assertRejects } from "@std/assert";
import { Turns } from "./_turns.ts";

const NEVER = new AbortController().signal;

/** Things that are done until a test ends them. */
class Work {
  readonly done: string[] = [];
  readonly #ends = new Map<string, () => void>();

  run(name: string): () => Promise<void> {
    return () => {
      this.done.push(name);
      return new Promise((resolve) => this.#ends.set(name, resolve));
    };
  }

  async end(name: string): Promise<void> {
    this.#ends.get(name)!();
    // Whoever is next begins in microtasks of its own.
    for (let n = 0; n < 10; n++) await Promise.resolve();
  }
}

Deno.test("only so many have a turn, and the others come in order", async () => {
  const turns = new Turns(2);
  const work = new Work();
  const all = ["a", "b", "c", "d"].map((name) =>
    turns.take("x", NEVER, work.run(name))
  );
  assertEquals(work.done, ["a", "b"]);
  await work.end("b");
  assertEquals(work.done, ["a", "b", "c"]);
  await work.end("a");
  assertEquals(work.done, ["a", "b", "c", "d"]);
  await work.end("c");
  await work.end("d");
  await Promise.all(all);
  const again = turns.take("x", NEVER, work.run("e"));
  assertEquals(work.done.at(-1), "e");
  await work.end("e");
  await again;
});

Deno.test("one thing does not wait for another", async () => {
  const turns = new Turns(1);
  const work = new Work();
  const both = [
    turns.take("x", NEVER, work.run("a")),
    turns.take("y", NEVER, work.run("b")),
  ];
  assertEquals(work.done, ["a", "b"]);
  await work.end("a");
  await work.end("b");
  await Promise.all(both);
});

Deno.test("who no longer waits gets no turn and takes nobody's", async () => {
  const turns = new Turns(1);
  const work = new Work();
  const leaving = new AbortController();
  const first = turns.take("x", NEVER, work.run("a"));
  const second = turns.take("x", leaving.signal, work.run("b"));
  const third = turns.take("x", NEVER, work.run("c"));
  leaving.abort(new Error("left"));
  await assertRejects(() => second, Error, "left");
  await work.end("a");
  assertEquals(work.done, ["a", "c"]);
  await work.end("c");
  await Promise.all([first, third]);
  await assertRejects(() => turns.take("x", leaving.signal, work.run("d")));
});

Deno.test("a turn ends with a failure too", async () => {
  const turns = new Turns(1);
  await assertRejects(() =>
    turns.take("x", NEVER, () => Promise.reject(new Error("failed")))
  );
  assertEquals(await turns.take("x", NEVER, () => Promise.resolve(7)), 7);
});
