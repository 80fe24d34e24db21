import { assert, assertEquals } from "@std/assert";
import { config, server } from "../../shared/_testing.ts";
import type { ServerConfig } from "../../shared/config/model.ts";
import type { Era } from "../../shared/mcp.ts";
import { RouteTable } from "../../shared/routing/route_table.ts";
import { until } from "../_testing/until.ts";
import { Listener } from "./_testing.ts";
import { type ListenLimits, Listens } from "./listens.ts";

const LIMITS: ListenLimits = {
  queueEvents: 8,
  queueBytes: 10_000,
  keepAliveMs: 60_000,
  streams: 5,
  listensPerIdentity: 2,
  listenLifetimeMs: 60_000,
};

class World implements Disposable {
  readonly listens: Listens;

  constructor(limits: Partial<ListenLimits> = {}) {
    this.listens = new Listens({
      limits: { ...LIMITS, ...limits },
      serverMeta: { v: 1 },
      others: () => 1,
    });
  }

  open(identity = "", view = "", caller = identity): Listener | undefined {
    const listen = this.listens.open({
      id: "1",
      owner: { identity, view, caller },
      lists: ["tools"],
    });
    if (listen === undefined) return undefined;
    listen.acknowledge([]);
    return new Listener(listen.body);
  }

  [Symbol.dispose](): void {
    this.listens.endAll();
  }
}

Deno.test("a change is told to who sees it and asked for it", async () => {
  using world = new World();
  const whole = world.open("a")!;
  const part = world.open("b", "team/v")!;
  assertEquals(world.listens.announce(["team/v"], "prompts"), 0);
  assertEquals(world.listens.announce(["team/v", "other"], "tools"), 1);
  await part.come(2);
  assertEquals(world.listens.announce(["", "team/v"], "tools"), 2);
  await whole.come(2);
  await part.come(3);
  assertEquals(whole.methods.length, 2);
  assertEquals(world.listens.messages, 5);
});

Deno.test("what changed for one caller is told to that one, on all its streams", async () => {
  using world = new World();
  const mine = [world.open("a", "", "mine")!, world.open("a", "v", "mine")!];
  const other = world.open("a2", "", "other")!;
  world.listens.tell("mine", new Set(["tools", "prompts"] as const));
  await Promise.all(mine.map((one) => one.come(2)));
  world.listens.endAll();
  await other.over;
  assertEquals(other.methods, ["subscriptions/acknowledged", "response"]);
});

Deno.test("one identity has a limited number of streams, anonymous callers have not", async () => {
  using world = new World();
  const first = world.open("a")!;
  world.open("a");
  assertEquals(world.open("a"), undefined);
  assert(world.open(""));
  assert(world.open(""));
  assertEquals(world.listens.count, 4);
  assertEquals(world.open(""), undefined, "all have a limit");
  first.leave();
  await until(() => world.listens.count === 3, "the stream is forgotten");
  assert(world.open("a"));
});

Deno.test("draining ends all streams in an orderly way, late ones at once", async () => {
  using world = new World();
  const early = world.open("a")!;
  world.listens.endAll();
  const late = world.open("b")!;
  await Promise.all([early.over, late.over]);
  assertEquals([early.methods.at(-1), late.methods.at(-1)], [
    "response",
    "response",
  ]);
  assertEquals(world.listens.count, 0);
});

const WATCHED = server("watched", { era: "stateless" });
const AUTO = server("auto");

function tableOf(
  servers: readonly ServerConfig[],
  era: Era | undefined = undefined,
): RouteTable {
  const facts = { name: "auto", ready: true, ...(era ? { era } : {}) };
  return new RouteTable(config(servers), {
    version: "1",
    config: "c",
    complete: true,
    urisComplete: true,
    servers: [facts],
    tools: {},
    prompts: {},
    resources: {},
    templates: [],
  });
}

const RECHECKS: readonly { name: string; table: RouteTable; ends: boolean }[] =
  [
    {
      name: "stays as it was",
      table: tableOf([{ ...WATCHED }, AUTO], "session"),
      ends: false,
    },
    {
      name: "is of an era that nobody knows just now",
      table: tableOf([WATCHED, AUTO]),
      ends: false,
    },
    {
      name: "is gone",
      table: tableOf([AUTO], "session"),
      ends: true,
    },
    {
      name: "is disabled",
      table: tableOf([{ ...WATCHED, state: "Disabled" }, AUTO], "session"),
      ends: true,
    },
    {
      name: "has another address",
      table: tableOf([{ ...WATCHED, url: "http://other.test" }, AUTO]),
      ends: true,
    },
    {
      name: "speaks the other era",
      table: tableOf([WATCHED, AUTO], "stateless"),
      ends: true,
    },
  ];
for (const { name, table, ends } of RECHECKS) {
  Deno.test(`a stream that is told of resources by a server that ${name} ${ends ? "ends" : "goes on"}`, async () => {
    using world = new World();
    const owner = { identity: "a", view: "", caller: "a" };
    const listen = world.listens.open({ id: "1", owner, lists: [] })!;
    listen.watch(WATCHED, "stateless");
    listen.watch(AUTO, "session");
    listen.acknowledge(["x:1"]);
    const watching = new Listener(listen.body);
    const other = world.open("b")!;
    world.listens.recheck(() => table);
    if (ends) await watching.over;
    assertEquals(world.listens.count, ends ? 1 : 2);
    other.leave();
  });
}

Deno.test("who owns what is not asked for where nobody is told of resources", () => {
  using world = new World();
  world.open("a");
  world.listens.recheck(() => {
    throw new Error("asked in vain");
  });
});

Deno.test("no stream is for ever", async () => {
  using world = new World({ listenLifetimeMs: 1 });
  const listener = world.open("a")!;
  await listener.over;
  assertEquals(listener.methods.at(-1), "response");
});
