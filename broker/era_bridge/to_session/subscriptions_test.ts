import { assertEquals } from "@std/assert";
import { SILENT } from "../../../shared/_testing.ts";
import { Subscriptions, type Watcher } from "./subscriptions.ts";

/** Subscriptions at a server that refuses some URIs. */
class World {
  readonly sent: string[] = [];
  over = false;
  readonly heard: string[] = [];
  readonly all = new Subscriptions({
    ask: (method, uri) => {
      this.sent.push(`${method.slice("resources/".length)} ${uri}`);
      return uri.startsWith("no")
        ? Promise.reject(new Error("refused"))
        : Promise.resolve();
    },
    isOver: () => this.over,
    log: SILENT,
  });

  watcher(name: string): Watcher {
    return (params) => void this.heard.push(`${name} ${params}`);
  }
}

Deno.test("Subscriptions subscribes once to what several watch, and unsubscribes with the last", async () => {
  const world = new World();
  const [one, two] = [world.watcher("one"), world.watcher("two")];
  assertEquals(
    await Promise.all([world.all.add("a", one), world.all.add("a", two)]),
    [true, true],
  );
  await world.all.remove("a", one);
  assertEquals(world.sent, ["subscribe a"]);
  await world.all.remove("a", two);
  assertEquals(world.sent, ["subscribe a", "unsubscribe a"]);
  assertEquals(world.all.size, 0);
});

Deno.test("Subscriptions says no to what its server refuses, and tries again for the next", async () => {
  const world = new World();
  const one = world.watcher("one");
  assertEquals(await world.all.add("no", one), false);
  await world.all.remove("no", one);
  assertEquals(await world.all.add("no", one), false);
  assertEquals(world.sent, ["subscribe no", "subscribe no"]);
});

Deno.test("Subscriptions stays subscribed where one comes as the last one leaves", async () => {
  const world = new World();
  const [one, two] = [world.watcher("one"), world.watcher("two")];
  await world.all.add("a", one);
  const left = world.all.remove("a", one);
  assertEquals(await world.all.add("a", two), true);
  await left;
  world.all.tell("a", "{}");
  assertEquals(world.heard, ["two {}"]);
  // Whatever was sent in between, the last word is that it is wanted.
  assertEquals(world.sent.at(-1), "subscribe a");
});

Deno.test("Subscriptions sends nothing about a session that is over", async () => {
  const world = new World();
  const one = world.watcher("one");
  await world.all.add("a", one);
  world.over = true;
  await world.all.remove("a", one);
  assertEquals(world.sent, ["subscribe a"]);
});

const TOLD: readonly {
  readonly name: string;
  readonly uri: string;
  readonly want: readonly string[];
}[] = [
  { name: "who watches it", uri: "a://b", want: ["exact {}"] },
  {
    name: "who watches what it is part of",
    uri: "a://b/c",
    want: ["exact {}"],
  },
  { name: "nobody of another one", uri: "x://b", want: [] },
];
for (const { name, uri, want } of TOLD) {
  Deno.test(`Subscriptions tells ${name}`, async () => {
    const world = new World();
    await world.all.add("a://b", world.watcher("exact"));
    await world.all.add("other://", world.watcher("other"));
    world.all.tell(uri, "{}");
    assertEquals(world.heard, [...want]);
  });
}
