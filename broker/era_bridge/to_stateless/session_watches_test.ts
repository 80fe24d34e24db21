import { assertEquals } from "@std/assert";
import { server as serverConfig } from "../../../shared/_testing.ts";
import type { ServerConfig } from "../../../shared/config/model.ts";
import type { Era } from "../../../shared/mcp.ts";
import type {
  ClientSession,
  Subscription,
} from "../../../shared/sessions/sessions.ts";
import { recorder } from "../../_testing/recorder.ts";
import { until } from "../../_testing/until.ts";
import type { ResourceWatch } from "../watch_resources.ts";
import { SessionWatches } from "./session_watches.ts";
import type { WatchStart } from "./watch.ts";

const SESSION: ClientSession = {
  id: "s",
  identity: "who",
  route: "/mcp",
  revision: "2025-11-25",
  capabilities: {},
  issuedAt: 0,
  expiresAt: 1,
};

/** A stream that was asked for. */
interface Asked {
  readonly watch: ResourceWatch;
  readonly begin: (start: WatchStart) => void;
}

/** A session's subscriptions, and the streams that are opened for them. */
class World {
  subscriptions: readonly Subscription[] = [];
  servers: readonly ServerConfig[] = [serverConfig("a"), serverConfig("b")];
  eras = new Map<string, Era>([["a", "stateless"], ["b", "stateless"]]);
  heldStreams = 10;
  readonly asked: Asked[] = [];
  readonly sent: string[] = [];
  readonly waits: { readonly ms: number; readonly pass: () => void }[] = [];
  readonly watches: SessionWatches;

  constructor(heldStreams = 10) {
    this.watches = new SessionWatches({
      sessions: {
        standing: () => Promise.resolve({ subscriptions: this.subscriptions }),
      },
      watch: (watch) =>
        new Promise((begin) => void this.asked.push({ watch, begin })),
      hub: {
        send: (session, text) => {
          this.sent.push(`${session} ${JSON.parse(text).params.uri}`);
          return true;
        },
      },
      servers: () => this.servers,
      eraOf: ({ name }) => this.eras.get(name),
      heldStreams,
      wait: (ms, signal) =>
        new Promise((resolve) => {
          if (signal.aborted) return resolve();
          this.waits.push({ ms, pass: resolve });
          signal.addEventListener("abort", () => resolve());
        }),
      log: recorder(),
    });
  }

  subscribe(...all: readonly (readonly [server: string, uri: string])[]): void {
    this.subscriptions = all.map(([server, uri]) => ({ server, uri }));
  }

  /** Looks, and has the streams that are asked for begin. */
  async look(authorization?: string): Promise<void> {
    const before = this.asked.length;
    let done = false;
    const looking = this.watches.look(SESSION, authorization)
      .then(() => void (done = true));
    await until(
      () => done || this.asked.length > before,
      "the look has come to something",
    );
    for (const { watch, begin } of this.asked.slice(before)) {
      begin({ kind: "watching", uris: watch.uris });
    }
    await looking;
  }

  /** Streams that were not ended: their servers and URIs. */
  get open(): readonly string[] {
    return this.asked.filter(({ watch }) => !watch.signal.aborted)
      .map(({ watch }) => `${watch.server.name} ${watch.uris.join()}`);
  }

  update(index: number, uri: string): void {
    const params = new TextEncoder().encode(JSON.stringify({ uri }));
    this.asked[index]!.watch.onUpdated(params);
  }
}

Deno.test("look() opens one stream for each server, with all that the session follows there", async () => {
  const world = new World();
  world.subscribe(["a", "a://2"], ["b", "b://1"], ["a", "a://1"], ["c", "c"]);
  await world.look();
  assertEquals(world.open, ["a a://1,a://2", "b b://1"]);
  await world.look();
  assertEquals(world.asked.length, 2);
  assertEquals(world.watches.count, 2);
  world.update(1, "b://1");
  assertEquals(world.sent, ["s b://1"]);
});

Deno.test("look() opens a new stream before the old one ends, and tells of each update once", async () => {
  const world = new World();
  world.subscribe(["a", "a://1"]);
  await world.look();
  world.subscribe(["a", "a://1"], ["a", "a://2"]);
  const looking = world.watches.look(SESSION, undefined);
  await until(() => world.asked.length === 2, "a second stream is asked for");
  world.update(0, "a://1");
  assertEquals(world.open.length, 2);
  world.asked[1]!.begin({ kind: "watching", uris: ["a://1", "a://2"] });
  await looking;
  assertEquals(world.open, ["a a://1,a://2"]);
  world.update(0, "a://1");
  world.update(1, "a://2");
  assertEquals(world.sent, ["s a://1", "s a://2"]);
});

Deno.test("a new stream takes over with its first word, even before it is known to be there", async () => {
  const world = new World();
  world.subscribe(["a", "a://1"]);
  await world.look();
  world.subscribe(["a", "a://1"], ["a", "a://2"]);
  const looking = world.watches.look(SESSION, undefined);
  await until(() => world.asked.length === 2, "a second stream is asked for");
  world.update(1, "a://2");
  world.update(0, "a://1");
  assertEquals(world.sent, ["s a://2"]);
  world.asked[1]!.begin({ kind: "watching", uris: ["a://1", "a://2"] });
  await looking;
});

Deno.test("look() ends the stream of a server that is not followed, or configured, any more", async () => {
  const world = new World();
  world.subscribe(["a", "a://1"], ["b", "b://1"]);
  await world.look();
  world.subscribe(["a", "a://1"]);
  await world.look();
  assertEquals(world.open, ["a a://1"]);
  world.servers = [serverConfig("a", { state: "Disabled" })];
  await world.look();
  assertEquals(world.open, []);
  assertEquals(world.watches.count, 0);
});

Deno.test("look() opens the stream again with another credential, where the server sees it", async () => {
  const world = new World();
  world.servers = [
    serverConfig("a", { passthrough: true }),
    serverConfig("b"),
  ];
  world.subscribe(["a", "a://1"], ["b", "b://1"]);
  await world.look("Bearer 1");
  await world.look("Bearer 2");
  assertEquals(
    world.asked.map(({ watch }) =>
      `${watch.server.name} ${watch.authorization}`
    ),
    ["a Bearer 1", "b Bearer 1", "a Bearer 2"],
  );
});

Deno.test("look() leaves servers with sessions alone, and comes back for those not known yet", async () => {
  const world = new World();
  world.eras = new Map([["a", "session"]]);
  world.subscribe(["a", "a://1"], ["b", "b://1"]);
  await world.look();
  assertEquals(world.asked, []);
  world.eras.set("b", "stateless");
  assertEquals(world.waits.map(({ ms }) => ms), [1_000]);
  world.waits[0]!.pass();
  await until(() => world.asked.length === 1, "it is looked again");
  assertEquals(world.open, ["b b://1"]);
});

Deno.test("look() ends the stream of a server that has sessions by now", async () => {
  const world = new World();
  world.subscribe(["a", "a://1"]);
  await world.look();
  world.eras.set("a", "session");
  await world.look();
  assertEquals([world.open, world.watches.count], [[], 0]);
  world.eras.delete("a");
  await world.look();
  assertEquals(world.asked.length, 1);
});

Deno.test("look() comes back, later and later, for a server that cannot be reached", async () => {
  const world = new World();
  world.subscribe(["a", "a://1"]);
  for (const ms of [1_000, 2_000, 4_000]) {
    const asked = world.asked.length;
    if (asked === 0) void world.watches.look(SESSION, undefined);
    await until(() => world.asked.length > asked, "a stream is asked for");
    world.asked.at(-1)!.begin({ kind: "unreachable" });
    await until(() => world.waits.at(-1)?.ms === ms, `it waits ${ms} ms`);
    assertEquals(world.watches.count, 0);
    world.waits.at(-1)!.pass();
  }
  await until(() => world.asked.length === 4, "a stream is asked for");
  world.asked.at(-1)!.begin({ kind: "watching", uris: ["a://1"] });
  await until(() => world.open.length === 1, "it is there");
});

Deno.test("look() does not ask a server again that will not tell", async () => {
  const world = new World();
  world.subscribe(["a", "a://1"]);
  const looking = world.watches.look(SESSION, undefined);
  await until(() => world.asked.length === 1, "a stream is asked for");
  world.asked[0]!.begin({ kind: "refused" });
  await looking;
  await world.look();
  assertEquals([world.asked.length, world.waits.length], [1, 0]);
});

Deno.test("no more streams are opened than there may be", async () => {
  const world = new World(1);
  world.subscribe(["a", "a://1"], ["b", "b://1"]);
  await world.look();
  assertEquals(world.open, ["a a://1"]);
  world.subscribe(["b", "b://1"]);
  await world.look();
  assertEquals(world.open, ["b b://1"]);
});

Deno.test("release() ends the streams of a session, those under way too", async () => {
  const world = new World();
  world.subscribe(["a", "a://1"]);
  await world.look();
  world.subscribe(["a", "a://1"], ["a", "a://2"]);
  const looking = world.watches.look(SESSION, undefined);
  await until(() => world.asked.length === 2, "a second stream is asked for");
  world.watches.release("s");
  assertEquals(world.open, []);
  world.asked[1]!.begin({ kind: "watching", uris: [] });
  await looking;
  world.update(0, "a://1");
  world.update(1, "a://1");
  assertEquals([world.sent, world.watches.count], [[], 0]);
});
