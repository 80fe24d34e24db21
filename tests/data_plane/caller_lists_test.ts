/**
 * Servers that show each caller another list: listed with the caller's own
 * credential, and never shared between sessions.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { startRawServer } from "../fixtures/raw_server.ts";
import { bearer } from "../support/bearer.ts";
import { startGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import { StatelessClient } from "../support/stateless_client.ts";
import { eventually } from "../support/wait.ts";

const CHANGED = "notifications/tools/list_changed";
/** Everybody hears of it; whatever came before it comes before it. */
const SENTINEL = "notifications/prompts/list_changed";
const ALICE = bearer("alice");
const BOB = bearer("bob");
const DISCOVERY = "Bearer of-the-gateway";

const toolsOf = (caller: string) => [
  { name: "common" },
  { name: `only_${caller}` },
];
const CALLERS = {
  [ALICE.authorization]: toolsOf("alice"),
  [BOB.authorization]: toolsOf("bob"),
  [DISCOVERY]: toolsOf("gateway"),
};

const world = shared(async (stack) => {
  const own = stack.use(startRawServer({
    name: "own",
    callers: CALLERS,
    prompts: [{ name: "ask" }],
    resources: [{ uri: "own:1", name: "one" }],
    instructions: "Who are you?",
  }));
  // This one lets the gateway itself know nothing.
  const shy = stack.use(startRawServer({ name: "shy", callers: CALLERS }));
  const open = stack.use(startRawServer({
    name: "open",
    prompts: [{ name: "hi" }],
  }));
  const servers = [
    {
      name: "own",
      url: own.url,
      prefix: "own_",
      userSpecificList: true,
      passthrough: true,
      credential: DISCOVERY,
    },
    {
      name: "shy",
      url: shy.url,
      prefix: "shy_",
      userSpecificList: true,
      passthrough: true,
    },
    { name: "open", url: open.url },
  ];
  const gateway = stack.use(await startGateway({ servers }));
  return { gateway, own, shy, open, servers };
});

/** Names that a caller of all servers sees. */
const seenBy = (caller: string) => [
  "echo",
  "own_common",
  `own_only_${caller}`,
  "shy_common",
  `shy_only_${caller}`,
];

proves(
  "each caller sees its own tools behind those that all see, and calls them",
  async () => {
    const { gateway } = world();
    const alice = await gateway.connect({ headers: ALICE });
    const bob = await gateway.connect({ headers: BOB });
    assertEquals(await alice.toolNames(), seenBy("alice"));
    assertEquals(await bob.toolNames(), seenBy("bob"));
    assertEquals(await alice.toolNames(), seenBy("alice"));
    assertEquals((await alice.call("own_only_alice")).status, 200);
    const stolen = await bob.call("own_only_alice");
    assertEquals(stolen.message?.error?.code, -32602, stolen.text);
  },
);

proves("a caller without a credential sees what all see", async () => {
  const { gateway } = world();
  const client = await gateway.connect();
  assertEquals(await client.toolNames(), ["echo"]);
});

proves(
  "a list is asked for once a session, and by no other session's credential",
  async () => {
    const { gateway, own } = world();
    own.clear();
    const clients = [
      await gateway.connect({ headers: ALICE }),
      await gateway.connect({ headers: ALICE }),
    ];
    for (const client of [...clients, ...clients]) {
      assertEquals(await client.toolNames(), seenBy("alice"));
    }
    const asked = own.of("tools/list").map(({ headers }) =>
      headers.find(([name]) => name === "authorization")?.[1]
    );
    assertEquals(asked, [ALICE.authorization, ALICE.authorization]);
    // Its own session with the server was for that only.
    await eventually(() => {
      const mine = own.requests.filter(({ method }) => method === "DELETE");
      assertEquals(mine.length, 2);
    });
  },
);

proves("what a caller is shown goes with its session", async () => {
  const { gateway, own } = world();
  const client = await gateway.connect({ headers: ALICE });
  await client.toolNames();
  assertEquals((await client.delete()).status, 204);
  own.clear();
  await client.initialize();
  assertEquals(await client.toolNames(), seenBy("alice"));
  assertEquals(own.of("tools/list").length, 1);
});

proves(
  "prompts are listed by caller too; resources are not, and /status says so",
  async () => {
    const { gateway } = world();
    const client = await gateway.connect({ headers: ALICE });
    const prompts = await client.request("prompts/list");
    assertEquals<unknown>(prompts.message?.result?.["prompts"], [
      { name: "hi" },
      { name: "own_ask" },
    ]);
    const resources = await client.request("resources/list");
    assertEquals<unknown>(resources.message?.result?.["resources"], []);
    const read = await client.request("resources/read", { uri: "own:1" });
    assertEquals(read.message?.error?.code, -32002, read.text);
    const { servers } = await gateway.status();
    assertStringIncludes(servers[0]!.problems.join(), "resources are not");
    assertEquals(servers[1]!.state, "ready");
    assertStringIncludes(servers[1]!.problems.join(), "only callers");
  },
);

proves(
  "a server that fails for a caller costs only its own tools",
  async () => {
    const { gateway, own } = world();
    own.faults.set("tools/list", { kind: "garbage" });
    own.faults.set("prompts/list", { kind: "status", status: 500 });
    const client = await gateway.connect({ headers: ALICE });
    const names = await client.toolNames();
    own.recover();
    assertEquals(names, ["echo", "shy_common", "shy_only_alice"]);
  },
);

proves(
  "a client that listed hears when such a server's list changes, and sees the new one",
  async () => {
    const { gateway, own, open } = world();
    const alice = await gateway.connect({ headers: ALICE });
    const stranger = await gateway.connect();
    await using listener = await alice.listen();
    await using other = await stranger.listen();
    await alice.toolNames();
    await stranger.toolNames();
    await eventually(() => assert(own.streams > 0, "nobody listens"));
    own.callers = {
      ...CALLERS,
      [ALICE.authorization]: [{ name: "fresh" }],
    };
    own.changeTools([]);
    await listener.nextOf(CHANGED);
    assertEquals(await alice.toolNames(), [
      "echo",
      "own_fresh",
      "shy_common",
      "shy_only_alice",
    ]);
    own.callers = CALLERS;
    // Nothing of it concerned the other, who hears of what comes next first.
    open.changeLists({ prompts: [{ name: "hello" }] });
    assertEquals((await other.next()).method, SENTINEL);
    open.changeLists({ prompts: [{ name: "hi" }] });
    await other.nextOf(SENTINEL);
  },
);

proves(
  "what a server tells one caller of its lists reaches that client, and no other",
  async () => {
    const { gateway, shy, open } = world();
    const alice = await gateway.connect({ headers: ALICE });
    const bob = await gateway.connect({ headers: BOB });
    await using listener = await alice.listen();
    await using other = await bob.listen();
    for (const client of [alice, bob]) await client.toolNames();
    // The gateway has no stream of its own: that of her session is the only one.
    assertEquals((await alice.call("shy_common")).status, 200);
    await eventually(() => assertEquals(shy.streams, 1));
    shy.callers = { ...CALLERS, [ALICE.authorization]: [{ name: "fresh" }] };
    shy.changeTools([]);
    await listener.nextOf(CHANGED);
    assertEquals((await alice.toolNames()).at(-1), "shy_fresh");
    shy.callers = CALLERS;
    open.changeLists({ prompts: [{ name: "hello" }] });
    assertEquals((await other.next()).method, SENTINEL);
    open.changeLists({ prompts: [{ name: "hi" }] });
    await other.nextOf(SENTINEL);
  },
);

proves(
  "callers without sessions see their own lists too, kept from shared caches, and hear of changes",
  async () => {
    const { gateway, own } = world();
    const clients = [["alice", ALICE], ["bob", BOB]] as const;
    for (const [who, headers] of clients) {
      const client = new StatelessClient(gateway.url, { headers });
      const { message } = await client.request("tools/list");
      const names = message?.result?.tools?.map(({ name }) => name);
      assertEquals(names, seenBy(who));
      assertEquals(message?.result?.["cacheScope"], "private");
    }
    const nobody = new StatelessClient(gateway.url);
    const { message } = await nobody.request("tools/list");
    assertEquals(message?.result?.tools?.map(({ name }) => name), ["echo"]);
    const resources = await nobody.request("resources/list");
    assertEquals(resources.message?.result?.["cacheScope"], "public");

    const alice = new StatelessClient(gateway.url, { headers: ALICE });
    await using listener = await alice.open("subscriptions/listen", {
      notifications: { toolsListChanged: true },
    });
    await listener.nextOf("notifications/subscriptions/acknowledged");
    own.callers = { ...CALLERS, [ALICE.authorization]: [{ name: "fresh" }] };
    own.changeTools([]);
    await listener.nextOf(CHANGED);
    const fresh = await alice.request("tools/list");
    assertEquals(
      fresh.message?.result?.tools?.map(({ name }) => name),
      ["echo", "own_fresh", "shy_common", "shy_only_alice"],
    );
    own.callers = CALLERS;
    own.changeTools([]);
    await listener.nextOf(CHANGED);
  },
);

proves("a virtual server cuts down what a caller sees", async () => {
  const { gateway, servers } = world();
  await gateway.config.writeText(JSON.stringify({
    servers,
    virtualServers: [{
      name: "team/some",
      tools: ["own_only_alice", "echo", "own_only_bob"],
      prompts: [],
    }],
  }));
  const url = `${gateway.url}/team/some`;
  await eventually(async () => {
    const { message } = await gateway.connect({ headers: ALICE })
      .then((client) => client.at(url).initialize());
    assertEquals<unknown>(
      message?.result?.["instructions"],
      "# own\n\nWho are you?",
    );
  });
  for (const [who, headers] of [["alice", ALICE], ["bob", BOB]] as const) {
    const client = (await gateway.connect({ headers })).at(url);
    await client.initialize();
    assertEquals(await client.toolNames(), ["echo", `own_only_${who}`]);
  }
});
