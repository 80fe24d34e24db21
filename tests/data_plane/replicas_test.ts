/**
 * Two routers and two brokers behind one Envoy that gives every request to
 * whoever is next: clients see one gateway, whatever store the four share.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import type { LocalProcess } from "../../shared/local/processes.ts";
import { type RawServer, startRawServer } from "../fixtures/raw_server.ts";
import { TalkingServer } from "../fixtures/talking_server.ts";
import { findRedisServer, RedisServer } from "../stores/_redis_server.ts";
import type { ServerEntry } from "../support/config_file.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { proves } from "../support/proves.ts";
import type {
  RawClient,
  RawListener,
  RawReply,
  RpcMessage,
} from "../support/raw_client.ts";
import { eventually } from "../support/wait.ts";

const CHANGED = "notifications/tools/list_changed";
const UPDATED = "notifications/resources/updated";
const REPLICAS = 2;
/** Requests in a row, after which each replica has had some of them. */
const ROUNDS = 8;

/** Where sessions are kept, as options of the programs. */
interface SharedStore {
  readonly name: string;
  /** Whether this machine has it not. */
  readonly ignore?: boolean;
  /** Starts what it needs; answers the options. */
  readonly open: (owner: AsyncDisposableStack) => Promise<readonly string[]>;
}

const redis = await findRedisServer();

const sqlite: SharedStore = {
  name: "a SQLite file",
  open: () => Promise.resolve(["--store=sqlite"]),
};

function redisStore(
  server: (owner: AsyncDisposableStack) => Promise<RedisServer> | RedisServer,
): SharedStore {
  return {
    name: "Redis",
    ignore: redis.kind === "missing",
    async open(owner) {
      const { url } = await server(owner);
      // Two cores for a whole gateway: what is slow here is not the store.
      return ["--store=redis", `--store-url=${url}`, "--store-timeout-ms=2000"];
    },
  };
}

function startRedis(): Promise<RedisServer> {
  if (redis.kind === "missing") throw new Error(redis.reason);
  return RedisServer.start(redis.command);
}

const stores: readonly SharedStore[] = [
  sqlite,
  redisStore(async (owner) => owner.use(await startRedis())),
];

/** Declares a test of two routers and two brokers. */
function provesOn(
  { name, ignore = false }: SharedStore,
  sentence: string,
  test: () => Promise<void>,
): void {
  const who = `two routers and two brokers on ${name}`;
  proves(`${who}: ${sentence}`, test, { ignore });
}

/** A gateway of replicas with two servers: one prefixed, one not. */
interface World extends AsyncDisposable {
  readonly gateway: TestGateway;
  readonly prefixed: RawServer;
  readonly bare: RawServer;
}

async function startWorld(
  store: SharedStore,
  more: readonly ServerEntry[] = [],
): Promise<World> {
  await using owned = new AsyncDisposableStack();
  const prefixed = owned.use(startRawServer({
    name: "prefixed",
    prompts: [{ name: "ask" }],
    resources: [{ uri: "notes://1", name: "one" }],
    templates: [{ uriTemplate: "notes://{id}", name: "any" }],
  }));
  const bare = owned.use(
    startRawServer({ name: "bare", pages: [[{ name: "plain" }]] }),
  );
  const args = await store.open(owned);
  const gateway = owned.use(
    await startGateway({
      servers: [
        { name: "prefixed", url: prefixed.url, prefix: "p_" },
        { name: "bare", url: bare.url },
        ...more,
      ],
      local: {
        routers: REPLICAS,
        brokers: REPLICAS,
        routerArgs: args,
        brokerArgs: args,
      },
    }),
  );
  const everything = owned.move();
  return {
    gateway,
    prefixed,
    bare,
    [Symbol.asyncDispose]: () => everything.disposeAsync(),
  };
}

/** How often Envoy asked a router in vain whether it is ready. */
function unanswered(gateway: TestGateway): Promise<number> {
  return gateway.envoyStat(
    "cluster.mcp_router.health_check.network_failure",
  );
}

/** How many requests Envoy sent to each process of a cluster. */
async function requestsPerReplica(
  gateway: TestGateway,
  cluster: "mcp_router" | "mcp_broker",
): Promise<number[]> {
  const response = await fetch(
    new URL("/clusters", gateway.local.envoyAdminUrl),
  );
  const lines = (await response.text()).matchAll(
    new RegExp(`^${cluster}::.*::rq_total::(\\d+)$`, "gm"),
  );
  return [...lines].map(([, count]) => Number(count));
}

function statusesOf(replies: readonly RawReply[]): number[] {
  return [...new Set(replies.map(({ status }) => status))];
}

/** Sends one request after the other, so that each replica gets some. */
async function repeatedly(ask: () => Promise<RawReply>): Promise<RawReply[]> {
  const replies: RawReply[] = [];
  for (let n = 0; n < ROUNDS; n++) replies.push(await ask());
  return replies;
}

for (const store of stores) {
  provesOn(
    store,
    `no call fails, and each session with a server is opened once`,
    async () => {
      await using world = await startWorld(store);
      const { gateway, prefixed, bare } = world;
      const before = [prefixed, bare].map((one) => one.of("initialize").length);
      assertEquals(before, [REPLICAS, REPLICAS], "the brokers' own sessions");
      const clients = await Promise.all(
        Array.from({ length: 12 }, () => gateway.connect()),
      );
      // The first calls of each client meet at both routers.
      const replies = await Promise.all(
        clients.flatMap((client) =>
          Array.from(
            { length: 20 },
            (_, n) => client.call(n % 2 ? "p_echo" : "plain", { n }),
          )
        ),
      );
      assertEquals(statusesOf(replies), [200]);
      for (const client of clients) {
        assertEquals(
          statusesOf([
            await client.call("p_echo"),
            await client.call("plain"),
            await client.request("tools/list"),
            await client.request("ping"),
          ]),
          [200],
        );
      }
      for (const server of [prefixed, bare]) {
        const opened = server.of("initialize").length - REPLICAS;
        assertEquals(opened, clients.length);
        const used = server.of("tools/call").map(({ session }) => session);
        assertEquals(new Set(used).size, clients.length);
      }
      for (const cluster of ["mcp_router", "mcp_broker"] as const) {
        const counts = await requestsPerReplica(gateway, cluster);
        assertEquals(counts.length, REPLICAS);
        assert(counts.every((count) => count > 10), `${cluster}: ${counts}`);
      }
    },
  );

  provesOn(
    store,
    `a session ended at one is dead at the other at once, and stays dead`,
    async () => {
      await using world = await startWorld(store);
      const { gateway, prefixed } = world;
      const survivor = await gateway.connect();
      const ended: RawClient[] = [];
      for (let n = 0; n < 4; n++) {
        const client = await gateway.connect();
        // Every replica has seen the session live, hence remembers it.
        assertEquals(
          statusesOf(await repeatedly(() => client.call("p_echo"))),
          [200],
        );
        assertEquals(
          statusesOf(await repeatedly(() => client.request("ping"))),
          [200],
        );
        const streams = await Promise.all(
          gateway.local.brokerUrls.map((url) => atBroker(client, url).listen()),
        );
        assertEquals((await client.delete()).status, 204);
        ended.push(client);
        await isDead(client);
        // Streams end at whichever broker they are.
        for (const stream of streams) {
          const error = await assertRejects(() => stream.next());
          assertStringIncludes(String(error), "ended");
        }
      }
      await survives(survivor);
      // The servers' sessions are ended too: what is left is the survivor's.
      const inUse = REPLICAS + 1;
      await eventually(() => assertEquals(prefixed.sessions.size, inUse));

      // Nobody that remembers them is left but the store.
      for (const one of [...gateway.local.routers, ...gateway.local.brokers]) {
        one.kill("SIGKILL");
      }
      await restartAll(gateway.local.brokers);
      await restartAll(gateway.local.routers);
      await eventually(() => survives(survivor));
      for (const client of ended) await isDead(client);
    },
  );

  provesOn(
    store,
    `both brokers list the same, byte for byte`,
    async () => {
      await using world = await startWorld(store);
      const { gateway, prefixed } = world;
      prefixed.changeTools([
        [{ name: "echo", title: "Echo", "x-vendor": { big: 1e21 } }],
        [{ name: "second" }, { name: "third" }],
      ]);
      // It clashes with a tool of the other server.
      world.bare.changeTools([[{ name: "plain" }, { name: "p_second" }]]);
      const client = await gateway.connect();
      await eventually(async () => {
        for (const broker of gateway.local.brokerUrls) {
          const reply = await atBroker(client, broker).request("tools/list");
          assertEquals(
            reply.message?.result?.tools?.map(({ name }) => name),
            ["p_echo", "p_second", "p_third", "plain"],
          );
        }
      });
      for (
        const method of [
          "tools/list",
          "prompts/list",
          "resources/list",
          "resources/templates/list",
        ]
      ) {
        const texts = new Set<string>();
        for (const broker of gateway.local.brokerUrls) {
          const reply = await atBroker(client, broker).send({
            jsonrpc: "2.0",
            id: 1,
            method,
          });
          assertEquals(reply.status, 200, reply.text);
          texts.add(reply.text);
        }
        assertEquals(texts.size, 1, `${method}: ${[...texts].join("\n")}`);
      }
    },
  );

  provesOn(
    store,
    `list_changed reaches a client whichever broker holds its stream`,
    async () => {
      await using world = await startWorld(store);
      await using owned = new AsyncDisposableStack();
      const { gateway, prefixed } = world;
      const clients = await Promise.all(
        Array.from({ length: 6 }, () => gateway.connect()),
      );
      const listeners = await Promise.all(
        clients.map(async (client) => owned.use(await client.listen())),
      );
      await eventually(async () => {
        const held = await Promise.all(
          gateway.local.brokerInternalUrls.map(streamsAt),
        );
        assertEquals(held.reduce((sum, count) => sum + count, 0), 6);
        assert(held.every((count) => count > 0), `one broker holds ${held}`);
      });
      for (const round of ["first", "second"]) {
        prefixed.changeTools([[{ name: "echo" }, { name: round }]]);
        for (const listener of listeners) await listener.nextOf(CHANGED);
        for (const client of clients) {
          await eventually(async () => {
            const names = await client.toolNames();
            assertEquals(names, ["p_echo", `p_${round}`, "plain"]);
          });
        }
      }
    },
  );

  provesOn(
    store,
    `a client that is told by one broker and given the old list by another is told again`,
    async () => {
      await using world = await startWorld(store);
      const { gateway, bare } = world;
      const { brokerUrls, brokerInternalUrls } = gateway.local;
      const isListed = async (at: number, tool: string) => {
        const url = new URL("/catalog", brokerInternalUrls[at]);
        const { tools } = await (await fetch(url)).json();
        return Object.hasOwn(tools, tool);
      };
      /** Lists another tool; only one of the brokers is told so. */
      const change = (tool: string, session: string) => {
        bare.pages = [[{ name: tool }]];
        bare.tell(session, { jsonrpc: "2.0", method: CHANGED });
      };
      const sessions = [...bare.sessions];
      assertEquals(sessions.length, REPLICAS);
      change("first", sessions[0]!);
      let early = -1;
      await eventually(async () => {
        const listed = [await isListed(0, "first"), await isListed(1, "first")];
        early = listed.indexOf(true);
        assert(early >= 0, "no broker has read the list");
      });
      const late = 1 - early;
      change("first", sessions[1]!);
      await eventually(async () => assert(await isListed(late, "first")));

      const client = await gateway.connect();
      await using listener = await atBroker(client, brokerUrls[early]!)
        .listen();
      change("second", sessions[0]!);
      await listener.nextOf(CHANGED);
      const elsewhere = atBroker(client, brokerUrls[late]!);
      assertEquals(await elsewhere.toolNames(), ["p_echo", "first"]);
      change("second", sessions[1]!);
      await listener.nextOf(CHANGED);
      assertEquals(await elsewhere.toolNames(), ["p_echo", "second"]);
    },
  );

  for (const secondStream of ["refused", "takes over"] as const) {
    provesOn(
      store,
      `what a server says reaches its client at whichever broker that listens (a second stream ${secondStream} at the server)`,
      async () => {
        await using server = new TalkingServer("talker", { secondStream });
        await using world = await startWorld(store, [
          { name: "talker", url: server.url, prefix: "t_" },
        ]);
        await using owned = new AsyncDisposableStack();
        const { gateway } = world;
        await Promise.all(Array.from({ length: 4 }, async () => {
          const client = await gateway.connect();
          const listener = owned.use(await client.listen());
          for (let n = 0; n < 4; n++) await hears(client, listener);
        }));
        // Whoever loses its stream may find itself at the other broker.
        const client = await gateway.connect();
        for (const broker of [0, 1, 0]) {
          const url = gateway.local.brokerUrls[broker]!;
          await using listener = await atBroker(client, url).listen();
          await eventually(() => hears(client, listener, 1_000));
          for (let n = 0; n < 8; n++) await hears(client, listener);
        }
      },
    );
  }

  provesOn(
    store,
    `whichever broker a client listens at, its first call may be asked about on that stream`,
    async () => {
      await using server = new TalkingServer("talker");
      await using world = await startWorld(store, [
        { name: "talker", url: server.url, prefix: "t_" },
      ]);
      const { gateway } = world;
      for (let n = 0; n < 8; n++) {
        const client = await gateway.connect({
          capabilities: { elicitation: {} },
        });
        await using listener = await client.listen();
        const call = client.call("t_ask_apart");
        const question = await Promise.race([
          listener.nextOf("elicitation/create"),
          call.then(({ text }) => assertEquals(text, "", "it was not asked")),
        ]);
        const content = { n };
        const answer = await client.send({
          jsonrpc: "2.0",
          id: question?.id,
          result: { action: "accept", content },
        });
        assertEquals(answer.status, 202, answer.text);
        assertEquals(
          (await call).message?.result?.content?.[0]?.text,
          JSON.stringify(content),
        );
      }
    },
  );

  provesOn(
    store,
    `kill -9 of one of each costs what it had in hand, and nothing else`,
    async () => {
      await using world = await startWorld(store);
      const { gateway, prefixed, bare } = world;
      const clients = await Promise.all(
        Array.from({ length: 6 }, () => gateway.connect()),
      );
      for (const client of clients) await survives(client);
      const gone = await gateway.connect();
      await survives(gone);
      assertEquals((await gone.delete()).status, 204);
      const opened = [prefixed, bare].map((one) => one.of("initialize").length);

      const killed = store === sqlite ? [0, 1] : [1];
      for (const at of killed) {
        const router = gateway.local.routers[at]!;
        const broker = gateway.local.brokers[at]!;
        await withLoad(clients, async (load) => {
          router.kill("SIGKILL");
          await router.ended;
          await load.goesOn();
          for (const { status, text } of load.failed) {
            assert(status >= 500, `${status} ${text}`);
          }
          // The other one has all of it, though Envoy asks this one again.
          const inHand = load.failed.splice(0);
          assert(
            inHand.length <= 2 * clients.length,
            `${inHand.length} failed`,
          );
          const asked = await unanswered(gateway);
          await eventually(async () =>
            assert(await unanswered(gateway) > asked, "it is not asked")
          );
          await router.restart();
          await load.goesOn();
          assertEquals(load.failed, []);

          broker.kill("SIGKILL");
          await broker.ended;
          await load.goesOn();
          await survives(clients[0]!);
          await load.goesOn();
          await survives(clients[0]!);
          await broker.restart();
          await survives(clients[0]!);
          // Calls go straight to their servers: no broker is missed.
          assertEquals(load.failed, []);
        });
        await gateway.serverIs("prefixed", "ready");
        await gateway.serverIs("bare", "ready");
        for (const client of clients) await eventually(() => survives(client));
        await isDead(gone);
      }
      // Each broker that was started again opened one of its own.
      assertEquals(
        [prefixed, bare].map((one) => one.of("initialize").length),
        opened.map((count) => count + killed.length),
      );
    },
  );
}

proves(
  "while Redis is away every request is 503 and no session is said to have ended; when it is back, and empty, all go on",
  async () => {
    await using server = await startRedis();
    await using world = await startWorld(redisStore(() => server));
    const { gateway } = world;
    const clients = await Promise.all(
      Array.from({ length: 4 }, () => gateway.connect()),
    );
    for (const client of clients) await survives(client);
    await server.kill();
    for (const client of clients) {
      for (
        const { status, headers, message, text } of [
          await client.call("p_echo"),
          await client.call("plain"),
          await client.request("tools/list"),
          await client.get(),
          await client.delete(),
        ]
      ) {
        assertEquals(status, 503, text);
        assertEquals(headers.get("retry-after"), "1");
        assertEquals(message?.error?.code, -32603, text);
        assertEquals(message?.error?.data?.retryable, true, text);
      }
    }
    await assertRejects(() => gateway.connect(), Error, "503");
    await server.start();
    for (const client of clients) await eventually(() => survives(client));
    // What was opened with servers is forgotten: once more, and once only.
    const opened = world.prefixed.of("initialize").length - REPLICAS;
    assertEquals(opened, 2 * clients.length);
  },
  { ignore: redis.kind === "missing" },
);

/** Has the talker say something on its GET stream, and hears it. */
async function hears(
  client: RawClient,
  listener: RawListener,
  deadlineMs?: number,
): Promise<void> {
  const uri = `talker://${crypto.randomUUID()}`;
  const reply = await client.call("t_announce", { uri });
  assertEquals(reply.status, 200, reply.text);
  let heard: RpcMessage;
  do heard = await listener.nextOf(UPDATED, deadlineMs); while (
    (heard.params as { readonly uri: string }).uri !== uri
  );
}

/** The same client, past Envoy and the routers. */
function atBroker(client: RawClient, brokerUrl: string): RawClient {
  return client.at(new URL("/mcp", brokerUrl).href);
}

/** How many clients' streams a broker holds. */
async function streamsAt(brokerInternalUrl: string): Promise<number> {
  const response = await fetch(new URL("/metrics", brokerInternalUrl));
  const text = await response.text();
  const [, count] = /^mcp_gateway_client_streams (\d+)$/m.exec(text) ?? [];
  return Number(count);
}

/** Whatever replica it asks, the session has ended. */
async function isDead(client: RawClient): Promise<void> {
  for (
    const ask of [
      () => client.call("p_echo"),
      () => client.call("plain"),
      () => client.request("tools/list"),
      () => client.get(),
      () => client.delete(),
    ]
  ) {
    for (const { status, text } of await repeatedly(ask)) {
      assertEquals(status, 404, text);
    }
  }
}

/** Whatever replica it asks, the session lives. */
async function survives(client: RawClient): Promise<void> {
  for (
    const ask of [
      () => client.call("p_echo"),
      () => client.call("plain"),
      () => client.request("tools/list"),
    ]
  ) {
    for (const { status, text } of await repeatedly(ask)) {
      assertEquals(status, 200, text);
    }
  }
}

async function restartAll(all: readonly LocalProcess[]): Promise<void> {
  await Promise.all(all.map((one) => one.restart()));
}

/** Calls that go on in the background. */
interface Load {
  /** Replies that are no success. */
  readonly failed: RawReply[];
  /** Waits until many more calls have succeeded. */
  goesOn(): Promise<void>;
}

/** Has every client call prefixed tools all the time, while `work` works. */
async function withLoad(
  clients: readonly RawClient[],
  work: (load: Load) => Promise<void>,
): Promise<void> {
  const failed: RawReply[] = [];
  let succeeded = 0;
  let running = true;
  const callers = clients.map(async (client) => {
    while (running) {
      const reply = await client.call("p_echo");
      if (reply.status === 200) succeeded++;
      else failed.push(reply);
    }
  });
  try {
    await work({
      failed,
      async goesOn() {
        const enough = succeeded + 100;
        await eventually(() =>
          assert(succeeded >= enough, "the load does not go on")
        );
      },
    });
  } finally {
    running = false;
    await Promise.all(callers);
  }
}
