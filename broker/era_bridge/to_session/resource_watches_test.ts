import { assert, assertEquals } from "@std/assert";
import { AskingServer } from "../../_testing/asking_server.ts";
import { BridgeWorld, type Replica } from "../../_testing/bridge_world.ts";
import { until } from "../../_testing/until.ts";

/** A server with resources, and a broker that watches them. */
class World implements AsyncDisposable {
  readonly server = new AskingServer({});
  readonly gateway = new BridgeWorld({
    url: this.server.url,
    tools: [],
    limits: { bridgeSessionIdleMs: 20 },
  });
  readonly broker: Replica = this.gateway.start();
  readonly heard: string[] = [];

  watch(
    uris: readonly string[],
    signal: AbortSignal,
    identity = "alice",
  ): Promise<readonly string[]> {
    return this.broker.bridge.watch({
      server: this.gateway.server,
      uris,
      identity,
      authorization: undefined,
      onUpdated: (params) =>
        void this.heard.push(`${identity} ${new TextDecoder().decode(params)}`),
      signal,
    });
  }

  /** Says in each session that listens that a resource has changed. */
  change(params: string): void {
    for (const { get } of this.server.sessions) {
      try {
        get?.enqueue(
          new TextEncoder().encode(
            `data: {"jsonrpc":"2.0","method":"notifications/resources/updated","params":${params}}\n\n`,
          ),
        );
      } catch { /* over */ }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
  }
}

const count = (methods: readonly string[], method: string) =>
  methods.filter((one) => one === `resources/${method}`).length;

Deno.test("watching hears of changes, as the server wrote them, until it ends", async () => {
  await using world = new World();
  const { server } = world;
  const ending = new AbortController();
  assertEquals(await world.watch(["a://1", "a://2"], ending.signal), [
    "a://1",
    "a://2",
  ]);
  world.change('{ "uri":"a://1", "n":1e400}');
  await until(() => world.heard.length > 0, "the change was heard");
  assertEquals(world.heard, ['alice { "uri":"a://1", "n":1e400}']);
  world.change('{"uri":"a://3"}');
  world.change('{"uri":"a://2"}');
  await until(() => world.heard.length > 1, "the next one was heard");
  assertEquals(world.heard.length, 2);
  ending.abort();
  await until(
    () => count(server.methods, "unsubscribe") === 2,
    "both were unsubscribed",
  );
  await until(() => server.sessions[0]!.ended, "the session was ended");
});

Deno.test("one caller's watches share a session and its subscriptions; others have their own", async () => {
  await using world = new World();
  const { server } = world;
  const endings = [1, 2, 3].map(() => new AbortController());
  await world.watch(["a://1"], endings[0]!.signal);
  await world.watch(["a://1"], endings[1]!.signal);
  assertEquals(count(server.methods, "subscribe"), 1);
  await world.watch(["a://1"], endings[2]!.signal, "bob");
  assertEquals(server.sessions.length, 2);
  world.change('{"uri":"a://1"}');
  await until(() => world.heard.length === 3, "all heard it");
  assertEquals(world.heard.toSorted(), [
    'alice {"uri":"a://1"}',
    'alice {"uri":"a://1"}',
    'bob {"uri":"a://1"}',
  ]);
  endings[0]!.abort();
  world.change('{"uri":"a://1"}');
  await until(() => world.heard.length === 5, "who is left heard it");
  assertEquals(count(server.methods, "unsubscribe"), 0);
  for (const ending of endings) ending.abort();
  await until(
    () => count(server.methods, "unsubscribe") === 2,
    "both sessions are unsubscribed",
  );
});

Deno.test("a server that lost the session is subscribed to anew, and what was watched is said to have changed", async () => {
  await using world = new World();
  const { server } = world;
  const ending = new AbortController();
  await world.watch(["a://1"], ending.signal);
  server.forget();
  await until(() => world.heard.length > 0, "it was told to read again");
  assertEquals(world.heard, ['alice {"uri":"a://1"}']);
  assertEquals(server.sessions.length, 2);
  assertEquals(count(server.methods, "subscribe"), 2);
  world.change('{"uri":"a://1","new":true}');
  await until(() => world.heard.length > 1, "the change was heard");
  ending.abort();
});

const NOT_HONOURED: readonly {
  readonly name: string;
  readonly change: (server: AskingServer) => void;
}[] = [
  {
    name: "declares no subscriptions",
    change: (server) => void (server.capabilities = { resources: {} }),
  },
  {
    name: "has no stream to tell of changes on",
    change: ({ replies }) =>
      void replies.set("GET", () => new Response(null, { status: 405 })),
  },
  {
    name: "refuses",
    change: ({ replies }) =>
      void replies.set(
        "resources/subscribe",
        () => new Response(null, { status: 500 }),
      ),
  },
  {
    name: "is away",
    change: ({ replies }) =>
      void replies.set(
        "initialize",
        () => new Response(null, { status: 503 }),
      ),
  },
];
for (const { name, change } of NOT_HONOURED) {
  Deno.test(`nothing is honoured of a server that ${name}, and nothing is left of it`, async () => {
    await using world = new World();
    change(world.server);
    const ending = new AbortController();
    assertEquals(await world.watch(["a://1"], ending.signal), []);
    await until(() => {
      const { used, idle } = world.broker.bridge.counts.sessions;
      return used + idle === 0;
    }, "no session is held");
    assert(!world.server.methods.includes("resources/unsubscribe"));
  });
}
