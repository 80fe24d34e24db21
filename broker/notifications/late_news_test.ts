import { assertEquals } from "@std/assert";
import { SILENT } from "../../shared/_testing.ts";
import type { ClientSession } from "../../shared/sessions/sessions.ts";
import type { ListCapability } from "../catalog/kinds.ts";
import { LateNews } from "./late_news.ts";

const CLIENT = { id: "s1" } as ClientSession;
const ALL: Record<ListCapability, readonly string[]> = {
  tools: [""],
  prompts: [],
  resources: [],
};

/** Two brokers; the client listens at A and lists at B. */
class World {
  now = 0;
  readonly told: string[] = [];
  /** Version of the list that a broker has. */
  readonly versions = { a: 1, b: 1 };
  /** Where the client listens. */
  listensAt: { broker: string; url?: string } | undefined = {
    broker: "a",
    url: "http://a.test",
  };
  requests = 0;
  readonly a = this.#broker("a");
  readonly b = this.#broker("b");

  #broker(name: "a" | "b"): LateNews {
    return new LateNews({
      here: name,
      listenerOf: () => Promise.resolve(this.listensAt),
      hub: {
        has: () => this.listensAt?.broker === name,
        send: (session, message) => {
          const { method } = JSON.parse(message);
          this.told.push(`${name} tells ${session} ${method}`);
          return true;
        },
      },
      hashOf: () => `v${this.versions[name]}`,
      fetch: (url, init) => {
        this.requests++;
        return this.a.serve(new Request(url, init));
      },
      now: () => this.now,
      log: SILENT,
    });
  }

  /** A broker reads the new list, and tells whoever listens there. */
  async reads(name: "a" | "b"): Promise<void> {
    this.versions[name]++;
    this[name].changed(ALL);
    await this[name].finish();
    this.now += 10;
  }

  lists(): void {
    this.b.listed(CLIENT, "", "tools");
    this.now += 10;
  }
}

const TOLD = ["a tells s1 notifications/tools/list_changed"];

const RACES: readonly {
  name: string;
  happens: readonly ("a reads" | "b reads" | "client lists")[];
  want: readonly string[];
}[] = [
  {
    name: "was told, then given the old list, is told again",
    happens: ["a reads", "client lists", "b reads"],
    want: TOLD,
  },
  {
    name: "was given the old list before it was told is not told again",
    happens: ["client lists", "a reads", "b reads"],
    want: [],
  },
  {
    name: "will be told where it listens is not told early",
    happens: ["client lists", "b reads", "a reads"],
    want: [],
  },
  {
    name: "was given the new list is not told",
    happens: ["a reads", "b reads", "client lists"],
    want: [],
  },
  {
    name: "was given the old list twice counts from the last time",
    happens: ["client lists", "a reads", "client lists", "b reads"],
    want: TOLD,
  },
];
for (const { name, happens, want } of RACES) {
  Deno.test(`a client that ${name}`, async () => {
    const world = new World();
    for (const what of happens) {
      if (what === "client lists") world.lists();
      else await world.reads(what === "a reads" ? "a" : "b");
    }
    assertEquals(world.told, want);
  });
}

Deno.test("a client that a broker without memory of it listens at is told", async () => {
  const world = new World();
  // Started with the new list: it has told nobody of it.
  world.versions.a = 2;
  world.lists();
  await world.reads("b");
  assertEquals(world.told, TOLD);
});

for (
  const { name, at } of [
    { name: "listens nowhere", at: undefined },
    { name: "listens where nobody can be reached", at: { broker: "c" } },
    { name: "listens where it lists", at: { broker: "b", url: "http://b" } },
  ]
) {
  Deno.test(`nobody is asked to tell a client that ${name}`, async () => {
    const world = new World();
    world.listensAt = at;
    world.lists();
    await world.reads("b");
    assertEquals([world.requests, world.told], [0, []]);
  });
}

Deno.test("news of other lists or views is not passed on", async () => {
  const world = new World();
  world.b.listed(CLIENT, "team/v", "tools");
  world.b.listed(CLIENT, "", "prompts");
  await world.reads("b");
  assertEquals(world.requests, 0);
});

Deno.test("a list given long ago is not remembered", async () => {
  const world = new World();
  await world.reads("a");
  world.lists();
  world.now += 700_000;
  await world.reads("b");
  assertEquals(world.told, []);
});

Deno.test("a list of a client's own that changed is told where it listens", async () => {
  const world = new World();
  world.lists();
  world.b.changedFor("s2", "tools");
  world.b.changedFor("s1", "tools");
  await world.b.finish();
  assertEquals(world.told, TOLD);
});

for (const body of ["", "{}", "[1]", '[{"session":"s","capability":"x"}]']) {
  Deno.test(`what is no news is refused: ${JSON.stringify(body)}`, async () => {
    const world = new World();
    const request = new Request("http://a.test", { method: "POST", body });
    assertEquals((await world.a.serve(request)).status, 400);
    assertEquals(world.told, []);
  });
}

Deno.test("a store or broker that is away costs nothing but the news", async () => {
  const world = new World();
  const news = new LateNews({
    here: "b",
    listenerOf: () => Promise.reject(new Error("away")),
    hub: { has: () => false, send: () => false },
    hashOf: () => "v1",
    fetch: () => Promise.reject(new Error("away")),
    now: () => world.now,
    log: SILENT,
  });
  news.listed(CLIENT, "", "tools");
  news.changed(ALL);
  await news.finish();
});
