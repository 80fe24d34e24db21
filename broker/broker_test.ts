import { assert, assertEquals } from "@std/assert";
import type { GatewayConfig, ServerConfig } from "../shared/config/model.ts";
import {
  config as gatewayConfig,
  server as serverConfig,
} from "../shared/_testing.ts";
import { toolText } from "./_testing/tools.ts";
import { type Recorder, recorder } from "./_testing/recorder.ts";
import { ScriptedServer } from "./_testing/scripted_server.ts";
import { until } from "./_testing/until.ts";
import { LIMITS } from "../shared/limits.ts";
import { Listener } from "./listens/_testing.ts";
import { Broker } from "./broker.ts";
import { addBrokerMetrics, internalPages } from "./internal.ts";
import { Metrics } from "../shared/telemetry.ts";
import { waitOnTimer } from "../shared/wait_on_timer.ts";
import { PATIENCE } from "./upstream/health.ts";
import { openUpstream } from "./upstream/upstream_session.ts";

/** A broker among scripted servers, which are found by name. */
class World implements AsyncDisposable {
  readonly servers = new Map<string, ScriptedServer>();
  readonly log: Recorder = recorder();
  readonly broker: Broker;
  now = 0;

  constructor() {
    const opening = (
      server: ServerConfig,
      headers: readonly (readonly [string, string])[],
      onNotification: (method: string) => void,
      signal: AbortSignal,
    ) =>
      openUpstream({
        url: server.url,
        fetch: (url, init) => this.servers.get(server.name)!.fetch(url, init),
        headers: () => Promise.resolve(headers),
        version: "1",
        limits: {
          initializeMs: 60_000,
          listMs: 60_000,
          pingMs: 1_000,
          listBytes: 100_000,
          items: 100,
          pages: 10,
        },
        onNotification,
        now: () => 0,
      }, signal);
    this.broker = new Broker({
      open: (server, onNotification, signal) =>
        opening(server, [], onNotification, signal),
      openAsCaller: (server, authorization, signal) =>
        opening(
          server,
          [["authorization", authorization ?? "none"]],
          () => {},
          signal,
        ),
      log: this.log,
      now: () => this.now,
      wait: waitOnTimer,
      random: () => 0,
      patience: { ...PATIENCE, backoffMs: 2, maxBackoffMs: 2, relistGapMs: 1 },
      streams: LIMITS,
      instance: "ab",
      version: "1",
      settleMs: 5_000,
    });
  }

  add(name: string, ...tools: string[]): ScriptedServer {
    const server = new ScriptedServer();
    server.pages = [tools.map((tool) => toolText(tool))];
    this.servers.set(name, server);
    return server;
  }

  get listed(): string {
    return this.broker.catalog.state?.merged.items.tools
      .map(({ exposed }) => exposed).join() ?? "nothing";
  }

  lists(...names: string[]): Promise<void> {
    return until(
      () => this.listed === names.join(),
      `${names} listed`,
    );
  }

  listen(id: string, view = ""): { told: (of?: string) => number } {
    const stream = this.broker.hub.open({
      id,
      revision: "2025-11-25",
      view,
      isLive: () => Promise.resolve(true),
    })!;
    let text = "";
    const sink = new WritableStream<string>({
      write: (chunk) => void (text += chunk),
    });
    stream.body.pipeThrough(new TextDecoderStream()).pipeTo(sink)
      .catch(() => {});
    return {
      told: (of = "") => text.split(`${of}/list_changed`).length - 1,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.broker.close();
  }
}

function configOf(...names: string[]): GatewayConfig {
  return gatewayConfig(
    names.map((name) => serverConfig(name, { prefix: `${name}_` })),
    [{ name: "v", tools: ["a_x"], prompts: [] }],
  );
}

Deno.test("servers come and go with the configuration, the others undisturbed", async () => {
  await using world = new World();
  const a = world.add("a", "x");
  const b = world.add("b", "y");
  world.broker.apply(configOf("a"));
  await world.lists("a_x");
  world.broker.apply(configOf("a", "b"));
  await world.lists("a_x", "b_y");
  world.broker.apply(configOf("b"));
  await world.lists("b_y");
  await until(() => a.sessions.size === 0, "a's session is ended");
  assertEquals(a.count("initialize"), 1);
  assertEquals(b.count("initialize"), 1);
});

Deno.test("a server that hangs or is down costs only its own tools", async () => {
  await using world = new World();
  world.add("a", "x");
  world.add("hung", "y").hangsOn = ["initialize"];
  const down = world.add("down", "z");
  down.down = true;
  world.broker.apply(configOf("down", "hung", "a"));
  await world.lists("a_x");
  assertEquals(world.broker.settled, false);
  world.now = 5_000;
  assertEquals(world.broker.settled, true);
  down.down = false;
  await world.lists("down_z", "a_x");
});

Deno.test("a broker that takes traffic goes on while it asks a server that was added", async () => {
  await using world = new World();
  world.add("a", "x");
  world.add("hung", "y").hangsOn = ["initialize"];
  world.broker.apply(configOf("a"));
  await until(() => world.broker.settled, "settled");
  world.broker.apply(configOf("a", "hung"));
  assertEquals(world.broker.settled, true);
});

Deno.test("clients are told of changes to what they see, once each", async () => {
  await using world = new World();
  const a = world.add("a", "x");
  const b = world.add("b", "y");
  world.broker.apply(configOf("a", "b"));
  await world.lists("a_x", "b_y");
  await until(() => a.streamCount + b.streamCount === 2, "servers' streams");
  const whole = world.listen("1");
  const part = world.listen("2", "v");
  const change = async (server: ScriptedServer, ...tools: string[]) => {
    server.pages = [tools.map((tool) => toolText(tool))];
    server.notify("notifications/tools/list_changed");
    await until(
      () => tools.every((tool) => world.listed.includes(tool)),
      `${tools} listed`,
    );
  };
  await change(b, "y", "more");
  await until(() => whole.told() === 1, "the first hears of it");
  await change(a, "x", "other");
  await until(() => whole.told() === 2, "the first hears of that too");
  assertEquals(part.told(), 0);
  a.pages = [[toolText("x", { title: "X" })]];
  a.notify("notifications/tools/list_changed");
  await until(() => part.told() === 1, "the other hears of its own tool");
  await until(() => whole.told() === 3, "and so does the first");
});

Deno.test("the status document says what each server is like", async () => {
  await using world = new World();
  const a = world.add("a");
  a.pages = [[toolText("x"), '{"name":"bad"}']];
  world.add("old").revision = "1999-01-01";
  world.broker.apply({
    ...gatewayConfig([
      serverConfig("a", { prefix: "a_" }),
      serverConfig("old"),
      serverConfig("off", { state: "Disabled" }),
    ], [{ name: "v", tools: ["a_x", "a_gone"], prompts: [] }]),
    version: "v7",
  });
  await until(() => world.broker.settled, "settled");
  const status = world.broker.status(["a problem"], true);
  assertEquals(status.config, "v7");
  assertEquals(status.configProblems, ["a problem"]);
  assertEquals(
    status.servers.map((s) => [s.name, s.state, s.tools, s.era]),
    [
      ["a", "ready", 1, "session"],
      ["old", "refused", 0, undefined],
      ["off", "disabled", 0, undefined],
    ],
  );
  const [first, second] = status.servers;
  assertEquals(first?.problems, ['tool "bad": inputSchema is missing']);
  assertEquals(first?.revision, "2025-11-25");
  assertEquals(first?.serverInfo, { name: "scripted", version: "0" });
  assertEquals(first?.since, "1970-01-01T00:00:00.000Z");
  assert(second?.lastError?.includes("1999-01-01"));
  assertEquals(status.virtualServers, [{
    name: "v",
    tools: 1,
    prompts: 0,
    problems: ['tool "a_gone": no server has it'],
  }]);
});

Deno.test("clients are told which of the lists that they see changed", async () => {
  await using world = new World();
  const a = world.add("a", "x");
  a.capabilities = '{"tools":{},"prompts":{},"resources":{}}';
  a.lists = { prompts: ['{"name":"p"}'] };
  world.broker.apply({
    ...configOf("a"),
    virtualServers: [{ name: "v", tools: ["a_x"], prompts: ["a_p"] }],
  });
  await world.lists("a_x");
  await until(() => a.streamCount === 1, "the server's stream");
  const whole = world.listen("1");
  const part = world.listen("2", "v");

  a.lists = { ...a.lists, templates: ['{"uriTemplate":"a:{b}","name":"t"}'] };
  a.notify("notifications/resources/list_changed");
  await until(() => whole.told("resources") === 1, "news of resources");
  a.lists = { ...a.lists, prompts: ['{"name":"p","title":"P"}'] };
  a.notify("notifications/prompts/list_changed");
  await until(() => part.told("prompts") === 1, "news of its prompt");
  await until(() => whole.told("prompts") === 1, "news of prompts");
  assertEquals([whole.told(), part.told()], [2, 1]);
});

Deno.test("the status document counts prompts and resources, and tells of clashes", async () => {
  await using world = new World();
  for (const name of ["a", "b"]) {
    const server = world.add(name, "x");
    server.capabilities = '{"tools":{},"prompts":{},"resources":{}}';
    server.lists = {
      prompts: ['{"name":"p"}', '{"name":"q"}'],
      resources: ['{"uri":"r:1","name":"one"}'],
    };
  }
  world.broker.apply(configOf("b", "a"));
  await world.lists("b_x", "a_x");
  const { servers, conflicts } = world.broker.status([], true);
  assertEquals(
    servers.map(({ name, tools, prompts, resources }) => ({
      name,
      tools,
      prompts,
      resources,
    })),
    [
      { name: "b", tools: 1, prompts: 2, resources: 1 },
      { name: "a", tools: 1, prompts: 2, resources: 0 },
    ],
  );
  assertEquals(conflicts, [
    { kind: "resource", name: "r:1", kept: "b", hidden: "a" },
  ]);
});

Deno.test("a server of which a list is said to have changed is asked again", async () => {
  await using world = new World();
  const server = world.add("a", "x");
  world.broker.apply(configOf("a"));
  await world.lists("a_x");
  const asked = server.count("prompts/list");
  server.pages = [[toolText("y")]];
  world.broker.relist("nobody", ["tools"], "1");
  world.broker.relist("a", ["tools"], "1");
  await world.lists("a_y");
  assertEquals(server.count("prompts/list"), asked);
});

Deno.test("the broker knows what servers declared", async () => {
  await using world = new World();
  world.add("a", "x").capabilities = '{"tools":{},"logging":{}}';
  world.broker.apply(configOf("a"));
  await world.lists("a_x");
  const { broker } = world;
  assertEquals(
    [
      broker.declares("a", "logging"),
      broker.declares("a", "completions"),
      broker.declares("b", "logging"),
    ],
    [true, false, false],
  );
});

Deno.test("the internal pages tell whether the broker is ready, and why not", async () => {
  await using world = new World();
  world.add("a", "x").hangsOn = ["initialize"];
  const draining = new AbortController();
  const pages = internalPages({
    broker: world.broker,
    held: { opened: () => Promise.resolve(false) },
    lateNews: { serve: () => Promise.resolve(new Response(null)) },
    forwarded: () => new Response(null),
    configProblems: () => [],
    draining: draining.signal,
  });
  assertEquals(pages.ready(), {
    ready: false,
    reasons: ["no valid configuration yet"],
  });
  world.broker.apply(configOf("a"));
  assertEquals(pages.ready().ready, false);
  world.now = 5_000;
  assertEquals(pages.ready(), { ready: true, reasons: [] });
  draining.abort();
  assertEquals(pages.ready(), { ready: false, reasons: ["draining"] });
  assertEquals(pages.status().ready, false);
});

Deno.test("the metrics count servers, tools, streams and sessions", async () => {
  await using world = new World();
  world.add("a", "x", "y");
  world.broker.apply(configOf("a"));
  await world.lists("a_x", "a_y");
  world.listen("1");
  const metrics = new Metrics();
  world.broker.hub.send("1", "{}");
  const listen = world.broker.listens.open({
    id: "1",
    owner: { identity: "", caller: "", view: "" },
    lists: [],
  });
  listen?.acknowledge(["r:1", "r:2"]);
  const counts = { opening: 1, open: 3, absent: 2, closed: 0 };
  addBrokerMetrics(metrics, world.broker, { counts }, () => Promise.resolve(7));
  const { body } = await metrics.expose();
  for (
    const line of [
      'mcp_gateway_servers{state="ready",era="session"} 1',
      'mcp_gateway_tools{server="a"} 2',
      "mcp_gateway_client_streams 1",
      "mcp_gateway_client_streams_waiting 0",
      "mcp_gateway_client_stream_messages_total 1",
      'mcp_gateway_held_streams{state="open"} 3',
      "mcp_gateway_sessions 7",
      "mcp_gateway_listens 1",
      "mcp_gateway_listen_messages_total 1",
      "mcp_gateway_listened_resources 2",
    ]
  ) assert(body.includes(`${line}\n`), `${line} in ${body}`);
});

Deno.test("each caller sees its own list of a server that lists by caller", async () => {
  await using world = new World();
  world.add("a", "x");
  const own = world.add("own", "mine");
  world.broker.apply(gatewayConfig([
    serverConfig("own", { prefix: "own_", userSpecificList: true }),
    serverConfig("a"),
  ]));
  await world.lists("x");
  await until(() => own.streamCount === 1, "the server's stream");
  const listener = world.listen("1");
  const other = world.listen("2");
  const namesFor = async (session: string, authorization: string) => {
    const view = world.broker.catalog.state!.views.get("")!;
    const client = { session, view, authorization };
    const items = await world.broker.ownItems("tools", client);
    return items.map(({ exposed }) => exposed);
  };
  assertEquals(await namesFor("1", "alice"), ["own_mine"]);
  assertEquals(
    own.seen.filter(({ body }) => body.includes("tools/list"))
      .map(({ headers }) => headers.get("authorization")),
    ["alice"],
  );
  const [status] = world.broker.status([], true).servers;
  assertEquals([status?.state, status?.tools], ["ready", 0]);
  own.pages = [[toolText("other")]];
  own.notify("notifications/tools/list_changed");
  await until(() => listener.told("tools") === 1, "its client hears of it");
  assertEquals(await namesFor("1", "alice"), ["own_other"]);
  assertEquals(await namesFor("2", "bob"), ["own_other"]);
  own.pages = [[toolText("third")]];
  world.broker.relist("own", ["tools"], "1");
  await until(() => listener.told("tools") === 2, "its client hears of that");
  assertEquals(await namesFor("1", "alice"), ["own_third"]);
  assertEquals(other.told("tools"), 0);
  assertEquals(await namesFor("2", "bob"), ["own_other"]);
});

Deno.test("clients without sessions are told what those in sessions are", async () => {
  await using world = new World();
  const a = world.add("a", "x");
  const own = world.add("own", "mine");
  const { broker } = world;
  broker.apply(gatewayConfig([
    serverConfig("own", { prefix: "own_", userSpecificList: true }),
    serverConfig("a", { prefix: "a_" }),
  ], [
    { name: "shared", tools: ["a_x"], prompts: [] },
    { name: "own", tools: ["own_mine"], prompts: [] },
  ]));
  await world.lists("a_x");
  await until(() => a.streamCount + own.streamCount === 2, "their streams");
  const open = (view: string, caller = "c") => {
    const listen = broker.listens.open({
      id: "1",
      owner: { identity: "", caller, view },
      lists: ["tools"],
    })!;
    listen.acknowledge([]);
    return new Listener(listen.body);
  };
  const whole = open("");
  const shared = open("shared");
  const mine = open("own");

  a.pages = [[toolText("x", { description: "new" })]];
  a.notify("notifications/tools/list_changed");
  await whole.come(2);
  await shared.come(2);
  // Whoever may have listed it, here or at another broker.
  own.pages = [[toolText("other")]];
  own.notify("notifications/tools/list_changed");
  await whole.come(3);
  await mine.come(2);
  const { streams } = broker.status([], true);
  assertEquals(streams, { sessions: 0, listens: 3 });
  broker.endStreams();
  for (const listener of [whole, shared, mine]) await listener.over;
  assertEquals(
    [whole, shared, mine].map(({ methods }) => methods.slice(1).join(" ")),
    [
      "tools/list_changed tools/list_changed response",
      "tools/list_changed response",
      "tools/list_changed response",
    ],
  );
});

Deno.test("a server that is of no use is asked for no caller", async () => {
  await using world = new World();
  const own = world.add("own", "mine");
  own.revision = "1999-01-01";
  const { broker } = world;
  broker.apply(gatewayConfig([
    serverConfig("own", { prefix: "own_", userSpecificList: true }),
  ]));
  await until(() => broker.settled, "settled");
  const view = broker.catalog.state!.views.get("")!;
  const authorization = "alice";
  const client = { session: "1", view, authorization };
  assertEquals(await broker.ownItems("tools", client), []);
  assert(
    !own.seen.some(({ headers }) =>
      headers.get("authorization") === authorization
    ),
  );
});
