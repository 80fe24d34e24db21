import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { ServerConfig } from "../../shared/config/model.ts";
import { server as serverConfig } from "../../shared/_testing.ts";
import { toolText } from "../_testing/tools.ts";
import { type Recorder, recorder } from "../_testing/recorder.ts";
import type { Fetch } from "../../shared/upstream/http_answers.ts";
import { ScriptedServer } from "../_testing/scripted_server.ts";
import { StatelessServer } from "../_testing/stateless_server.ts";
import { until } from "../_testing/until.ts";
import { waitOnTimer } from "../../shared/wait_on_timer.ts";
import { PATIENCE, type Patience } from "./health.ts";
import {
  type ServerSnapshot,
  Supervisor,
  type SupervisorOptions,
} from "./supervisor.ts";
import { openServer } from "./open_server.ts";

/** Nothing happens by itself in such a test, but for trying again. */
const QUIET: Patience = {
  ...PATIENCE,
  checkMs: 60_000,
  backoffMs: 1,
  maxBackoffMs: 5,
  refusedMs: 5,
  reopenMs: 1,
  relistGapMs: 1,
};

class Watched implements AsyncDisposable {
  readonly log: Recorder = recorder();
  readonly supervisor: Supervisor;
  /** What was said of lists that differ by caller. */
  readonly callerLists: string[] = [];
  recoveries = 0;
  changes = 0;

  constructor(
    readonly server: { readonly fetch: Fetch },
    patience: Partial<Patience> = {},
    config: Partial<ServerConfig> = {},
    predecessor?: ServerSnapshot,
  ) {
    const options: SupervisorOptions = {
      open: ({ era }, onNotification, signal, known) =>
        openServer(
          {
            url: "http://server.test/mcp",
            fetch: server.fetch,
            headers: () => Promise.resolve([]),
            version: "1",
            limits: {
              initializeMs: 100,
              listMs: 100,
              pingMs: 100,
              listBytes: 100_000,
              items: 100,
              pages: 10,
            },
            onNotification,
            now: () => performance.now(),
          },
          era,
          known,
          signal,
        ),
      onChange: () => this.changes++,
      onRecovered: () => void this.recoveries++,
      log: this.log,
      now: () => performance.now(),
      wait: waitOnTimer,
      random: () => 0.5,
      patience: { ...QUIET, ...patience },
      onCallerLists: (server, kinds) =>
        void this.callerLists.push(`${server}: ${kinds}`),
    };
    this.supervisor = new Supervisor(
      serverConfig("s", config),
      options,
      predecessor,
    );
  }

  get now(): ServerSnapshot {
    return this.supervisor.snapshot;
  }

  get tools(): string[] {
    return this.now.items.tools.map((raw) =>
      JSON.parse(new TextDecoder().decode(raw)).name
    );
  }

  /** States that were logged, in order. */
  get states(): string[] {
    return this.log.records.map(({ message }) => message)
      .filter((message) => message.startsWith("server "))
      .map((message) => message.slice("server ".length));
  }

  reaches(state: string): Promise<void> {
    return until(() => this.now.state === state, `state ${state}`);
  }

  lists(...names: string[]): Promise<void> {
    return until(
      () => this.tools.join() === names.join(),
      `tools ${names}; has ${this.tools}`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.supervisor.close();
  }
}

function serverWith(...names: string[]): ScriptedServer {
  const server = new ScriptedServer();
  setTools(server, ...names);
  return server;
}

function setTools(server: ScriptedServer, ...names: string[]): void {
  server.pages = [names.map((name) => toolText(name))];
}

Deno.test("a supervisor connects, lists and leaves nothing open", async () => {
  const server = serverWith("a", "b");
  {
    await using watched = new Watched(server);
    assertEquals(watched.now.state, "connecting");
    assertEquals(watched.now.tried, false);
    await watched.reaches("ready");
    assertEquals(watched.tools, ["a", "b"]);
    assertEquals(watched.now.introduction?.serverInfo.name, "scripted");
    assertEquals(watched.now.tried, true);
    assertEquals(typeof watched.now.latencyMs, "number");
    await until(() => server.streamCount === 1, "the stream is open");
  }
  assertEquals(server.streamCount, 0);
  assertEquals(server.sessions.size, 0);
});

Deno.test("a supervisor lists again when told, and says each change once", async () => {
  const server = serverWith("a");
  await using watched = new Watched(server);
  await until(() => server.streamCount === 1, "the stream is open");
  setTools(server, "a", "b");
  server.notify("notifications/tools/list_changed");
  await watched.lists("a", "b");
  const listed = watched.now.items.tools;
  const lists = server.count("tools/list");
  server.notify("notifications/prompts/list_changed");
  server.notify("notifications/tools/list_changed");
  await until(
    () => server.count("tools/list") > lists,
    "the server is asked again",
  );
  await until(() => watched.now.state === "ready", "ready");
  assert(watched.now.items.tools === listed, "an equal list is the same list");
  assertEquals(watched.states, ["ready", "listed again"]);
});

Deno.test("a supervisor asks once for many announcements", async () => {
  const server = serverWith("a");
  await using watched = new Watched(server, { relistGapMs: 20 });
  await until(() => server.streamCount === 1, "the stream is open");
  for (let i = 0; i < 500; i++) {
    server.notify("notifications/tools/list_changed");
  }
  setTools(server, "b");
  server.notify("notifications/tools/list_changed");
  await watched.lists("b");
  assert(server.count("tools/list") < 10, String(server.count("tools/list")));
});

Deno.test("a supervisor polls a server that announces nothing", async () => {
  const server = serverWith("a");
  server.replies.set("GET", () => new Response(null, { status: 405 }));
  await using watched = new Watched(server, { checkMs: 1, relistMs: 50 });
  await watched.reaches("ready");
  setTools(server, "polled");
  await watched.lists("polled");
  await until(() => server.count("ping") > 0, "signs of life are asked for");
});

for (const how of ["breakStreams", "endStreams"] as const) {
  Deno.test(`a supervisor misses nothing while its stream is down: ${how}()`, async () => {
    const server = serverWith("a");
    await using watched = new Watched(server);
    await until(() => server.streamCount === 1, "the stream is open");
    setTools(server, "missed");
    server[how]();
    await watched.lists("missed");
    await until(() => server.streamCount === 1, "the stream is open again");
    assertEquals(watched.states.filter((state) => state === "degraded"), []);
  });
}

Deno.test("a restarted server gets a new session and falters not once", async () => {
  const server = serverWith("a");
  await using watched = new Watched(server);
  await until(() => server.streamCount === 1, "the stream is open");
  await until(() => performance.now() - watched.now.since > 5, "some time");
  server.sessions.clear();
  setTools(server, "new");
  server.breakStreams();
  await watched.lists("new");
  assertEquals(watched.states, ["ready", "listed again"]);
  assertEquals(server.count("initialize"), 2);
  assertEquals(watched.recoveries, 0);
});

Deno.test("a server that falters keeps its list through the grace, then loses it", async () => {
  const server = serverWith("a");
  await using watched = new Watched(server, { graceMs: 100, checkMs: 5 });
  await watched.reaches("ready");
  server.down = true;
  await watched.reaches("degraded");
  assertStringIncludes(watched.now.lastError!, "connection refused");
  assertEquals(watched.tools, ["a"]);
  const faltering = watched.now.since;
  await watched.reaches("failed");
  assert(watched.now.since - faltering > 95, "the grace was kept");
  server.down = false;
  await watched.reaches("ready");
  assertEquals(watched.now.lastError, undefined);
  assertEquals(watched.states, ["ready", "degraded", "failed", "ready"]);
  assertEquals(watched.recoveries, 1);
});

for (const method of ["initialize", "tools/list"]) {
  Deno.test(`a server that hangs on ${method} has failed, until it does not`, async () => {
    const server = serverWith("a");
    server.hangsOn = [method];
    await using watched = new Watched(server);
    await watched.reaches("failed");
    assertStringIncludes(watched.now.lastError!, "no answer within 100 ms");
    server.hangsOn = [];
    await watched.reaches("ready");
  });
}

Deno.test("a server that answers garbage keeps its last good list", async () => {
  const server = serverWith("a");
  await using watched = new Watched(server);
  await until(() => server.streamCount === 1, "the stream is open");
  server.replies.set("tools/list", () => Response.json({ tools: "none" }));
  server.notify("notifications/tools/list_changed");
  await watched.reaches("degraded");
  assertEquals(watched.tools, ["a"]);
  server.replies.clear();
  await watched.reaches("ready");
});

Deno.test("a server below the minimum is refused, and looked at again", async () => {
  const server = serverWith("a");
  server.revision = "1999-01-01";
  await using watched = new Watched(server);
  await watched.reaches("refused");
  assertStringIncludes(watched.now.lastError!, "1999-01-01");
  assertEquals(watched.tools, []);
  server.revision = "2024-11-05";
  await watched.reaches("ready");
  assertEquals(watched.now.introduction?.revision, "2024-11-05");
});

Deno.test("a server that is disabled is never asked", async () => {
  const server = serverWith("a");
  await using watched = new Watched(server, {}, { state: "Disabled" });
  assertEquals(watched.now.state, "disabled");
  assertEquals(watched.now.tried, true);
  assertEquals(server.seen, []);
});

Deno.test("a successor keeps the list of the same server until it has its own", async () => {
  const server = serverWith("a");
  const first = new Watched(server);
  await first.reaches("ready");
  await first.supervisor.close();
  server.hangsOn = ["initialize"];
  await using second = new Watched(server, {}, {}, first.now);
  assertEquals(second.now.state, "degraded");
  assertEquals(second.tools, ["a"]);
  setTools(server, "b");
  server.hangsOn = [];
  await second.lists("b");
  assertEquals(second.recoveries, 0);
});

const ALL_CAPABILITIES =
  '{"tools":{"listChanged":true},"prompts":{},"resources":{}}';

function namesOf(items: readonly Uint8Array[]): string[] {
  return items.map((raw) => JSON.parse(new TextDecoder().decode(raw)).name);
}

/** A server with one of each kind. */
function serverWithEverything(): ScriptedServer {
  const server = serverWith("tool");
  server.capabilities = ALL_CAPABILITIES;
  server.lists = {
    prompts: ['{"name":"prompt"}'],
    resources: ['{"uri":"a:b","name":"resource"}'],
    templates: ['{"uriTemplate":"a:{b}","name":"template"}'],
  };
  return server;
}

/** Answers with an error under the request's own id. */
function failOn(server: ScriptedServer, method: string, code: number): void {
  server.replies.set(method, () => {
    const { id } = JSON.parse(server.seen.at(-1)!.body);
    return Response.json({
      jsonrpc: "2.0",
      id,
      error: { code, message: "no" },
    });
  });
}

Deno.test("a supervisor lists every kind that the server declares, and asks for no other", async () => {
  await using watched = new Watched(serverWithEverything());
  await watched.reaches("ready");
  const { items, problems } = watched.now;
  assertEquals(namesOf(items.prompts), ["prompt"]);
  assertEquals(namesOf(items.resources), ["resource"]);
  assertEquals(namesOf(items.templates), ["template"]);
  assertEquals(problems, []);

  const plain = serverWithEverything();
  plain.capabilities = '{"prompts":{}}';
  await using other = new Watched(plain);
  await other.reaches("ready");
  assertEquals(namesOf(other.now.items.prompts), ["prompt"]);
  assertEquals(
    ["tools/list", "resources/list", "resources/templates/list"]
      .filter((method) => plain.count(method) > 0),
    [],
  );
});

const ANNOUNCED = [
  { capability: "tools", asked: ["tools/list"] },
  { capability: "prompts", asked: ["prompts/list"] },
  {
    capability: "resources",
    asked: ["resources/list", "resources/templates/list"],
  },
];
const ALL_METHODS = [
  "tools/list",
  "prompts/list",
  "resources/list",
  "resources/templates/list",
];
for (const { capability, asked } of ANNOUNCED) {
  Deno.test(`a supervisor that hears of changed ${capability} asks for ${asked.join(" and ")} again`, async () => {
    const server = serverWithEverything();
    await using _ = new Watched(server);
    await until(() => server.streamCount === 1, "the stream is open");
    server.notify(`notifications/${capability}/list_changed`);
    const again = () => ALL_METHODS.filter((one) => server.count(one) > 1);
    await until(
      () => asked.every((method) => again().includes(method)),
      "the server is asked again",
    );
    assertEquals(again(), asked);
  });
}

Deno.test("a list that the server does not have costs only itself", async () => {
  const server = serverWithEverything();
  failOn(server, "resources/templates/list", -32601);
  await using watched = new Watched(server);
  await watched.reaches("ready");
  assertEquals(watched.tools, ["tool"]);
  assertEquals(namesOf(watched.now.items.resources), ["resource"]);
  assertEquals(watched.now.items.templates, []);
  assertEquals(watched.now.problems.length, 1);
  assertStringIncludes(
    watched.now.problems[0]!,
    "resources/templates/list failed",
  );
});

Deno.test("a list that fails is kept through the grace, then lost, then back", async () => {
  const server = serverWithEverything();
  await using watched = new Watched(server, { graceMs: 50, checkMs: 5 });
  await watched.reaches("ready");
  const { prompts } = watched.now.items;
  failOn(server, "prompts/list", -32603);
  await until(() => server.streamCount === 1, "the stream is open");
  server.notify("notifications/prompts/list_changed");
  await until(() => watched.now.problems.length > 0, "a problem");
  assertStringIncludes(watched.now.problems[0]!, "the last good list is kept");
  assert(watched.now.items.prompts === prompts, "the list is kept");
  await until(() => watched.now.items.prompts.length === 0, "the list is lost");
  assertEquals(watched.tools, ["tool"]);
  server.replies.clear();
  await until(() => watched.now.problems.length === 0, "all is well");
  assertEquals(namesOf(watched.now.items.prompts), ["prompt"]);
  assertEquals(watched.states.filter((state) => state !== "listed again"), [
    "ready",
  ]);
});

Deno.test("a list that the server has no more is lost at once", async () => {
  const server = serverWithEverything();
  await using watched = new Watched(server);
  await until(() => server.streamCount === 1, "the stream is open");
  failOn(server, "prompts/list", -32601);
  server.notify("notifications/prompts/list_changed");
  await until(() => watched.now.problems.length > 0, "a problem");
  assertEquals(watched.now.items.prompts, []);
  assertEquals(watched.tools, ["tool"]);
});

Deno.test("a server of which every list fails has failed", async () => {
  const server = serverWithEverything();
  for (const method of ALL_METHODS) failOn(server, method, -32603);
  await using watched = new Watched(server);
  await watched.reaches("failed");
  server.replies.clear();
  await watched.reaches("ready");
});

Deno.test("a server that lists by caller is looked after and never listed", async () => {
  const server = serverWith("a");
  await using watched = new Watched(
    server,
    { relistMs: 1, checkMs: 5 },
    { prefix: "p_", userSpecificList: true },
  );
  await watched.reaches("ready");
  assertEquals(watched.now.introduction?.serverInfo.name, "scripted");
  await until(() => server.count("ping") > 1, "signs of life are asked for");
  server.notify("notifications/tools/list_changed");
  await until(() => watched.callerLists.length > 0, "the change is passed on");
  assertEquals(watched.callerLists, ["s: tools"]);
  // What may have been announced meanwhile is not news, but no list is sure.
  server.endStreams();
  await until(() => watched.callerLists.length > 1, "the stream is back");
  assertEquals(watched.callerLists[1], "s: ");
  assertEquals(server.count("tools/list"), 0);
  assertEquals(watched.tools, []);
});

Deno.test("a server that answers nobody but callers is ready, and says so", async () => {
  const server = serverWith("a");
  server.replies.set(
    "initialize",
    () => new Response(null, { status: 401 }),
  );
  await using watched = new Watched(server, { checkMs: 1 }, {
    prefix: "p_",
    userSpecificList: true,
  });
  await watched.reaches("ready");
  assertStringIncludes(watched.now.problems.join(), "only callers");
  server.replies.clear();
  await until(
    () => watched.now.introduction !== undefined,
    "it is asked again",
  );
  assertEquals(watched.now.problems, []);
});

Deno.test("what a server listed for everybody goes when it lists by caller", async () => {
  const server = serverWith("a");
  await using before = new Watched(server);
  await before.lists("a");
  await using after = new Watched(
    server,
    {},
    { prefix: "p_", userSpecificList: true },
    before.now,
  );
  assertEquals(after.tools, []);
  assertEquals(after.now.state, "connecting");
  await after.reaches("ready");
  await using again = new Watched(server, {}, {}, after.now);
  assertEquals(again.now.state, "connecting");
  await again.lists("a");
});

/** A server that can be replaced by another one while it runs. */
class Place {
  server: { readonly fetch: Fetch };
  constructor(server: { readonly fetch: Fetch }) {
    this.server = server;
  }
  readonly fetch: Fetch = (url, init) => this.server.fetch(url, init);
}

function statelessWith(...names: string[]): StatelessServer {
  const server = new StatelessServer();
  server.pages = { tools: [names.map((name) => toolText(name))] };
  return server;
}

Deno.test("a stateless server is discovered, listed and listened to", async () => {
  const server = statelessWith("a");
  await using watched = new Watched(server);
  await watched.lists("a");
  assertEquals(watched.now.state, "ready");
  assertEquals(watched.now.era, "stateless");
  assertEquals(watched.now.introduction?.revision, "2026-07-28");
  await until(() => server.listenCount === 1, "a subscription");
  server.pages = { tools: [[toolText("b")]] };
  server.notify("notifications/tools/list_changed");
  await watched.lists("b");
});

Deno.test("a stateless server that tells of nothing is asked again and again", async () => {
  const server = statelessWith("a");
  server.agrees = [];
  await using watched = new Watched(server, { checkMs: 5, relistMs: 20 });
  await watched.lists("a");
  server.pages = { tools: [[toolText("b")]] };
  await watched.lists("b");
});

Deno.test("a server that has become stateless is noticed by what it refuses", async () => {
  const old = serverWith("a");
  const place = new Place(old);
  await using watched = new Watched(place, { checkMs: 5 });
  await watched.lists("a");
  assertEquals(watched.now.era, "session");
  place.server = statelessWith("b");
  await watched.lists("b");
  assertEquals(watched.now.era, "stateless");
  assertEquals(
    watched.log.records.some(({ message }) =>
      message === "server speaks the other era"
    ),
    true,
  );
});

Deno.test("a server that has got sessions again is noticed by what it refuses", async () => {
  const place = new Place(statelessWith("a"));
  await using watched = new Watched(place, { checkMs: 5 });
  await watched.lists("a");
  place.server = serverWith("b");
  await watched.lists("b");
  assertEquals(watched.now.era, "session");
});

Deno.test("a server with sessions is asked now and then whether it is stateless as well", async () => {
  const old = serverWith("a");
  const both = statelessWith("b");
  let upgraded = false;
  const server = {
    fetch:
      ((url, init) =>
        upgraded && new Headers(init.headers).has("mcp-method")
          ? both.fetch(url, init)
          : old.fetch(url, init)) as Fetch,
  };
  await using watched = new Watched(server, { checkMs: 5, eraMs: 30 });
  await watched.lists("a");
  await until(() => old.count("server/discover") > 2, "more than one question");
  // Asking disturbs nothing.
  assertEquals(old.count("initialize"), 1);
  assertEquals(watched.states, ["ready"]);
  upgraded = true;
  await watched.lists("b");
  assertEquals(watched.now.era, "stateless");
  await until(() => old.sessions.size === 0, "the session has ended");
});

Deno.test("the era of a server is kept while it is away", async () => {
  const server = statelessWith("a");
  await using watched = new Watched(server, {
    checkMs: 5,
    graceChecks: 1,
    graceMs: 0,
  });
  await watched.lists("a");
  server.down = true;
  await watched.reaches("failed");
  assertEquals(watched.now.era, "stateless");
  assertEquals(watched.now.introduction?.era, "stateless");
});

Deno.test("a successor guesses the era, unless it is configured", async () => {
  const server = statelessWith("a");
  server.hangsOn = ["server/discover"];
  const known: ServerSnapshot = {
    server: serverConfig("s"),
    state: "failed",
    since: 0,
    tried: true,
    known: false,
    era: "stateless",
    items: { tools: [], prompts: [], resources: [], templates: [] },
    problems: [],
  };
  await using guessing = new Watched(server, {}, {}, known);
  assertEquals(guessing.now.era, "stateless");
  await using told = new Watched(server, {}, { era: "session" }, known);
  assertEquals(told.now.era, "session");
});

Deno.test("what a caller found out of a server's era is relied on for a while", async () => {
  const server = serverWith();
  server.replies.set("initialize", () => new Response(null, { status: 401 }));
  await using watched = new Watched(server, { eraMs: 50 }, {
    prefix: "s_",
    userSpecificList: true,
  });
  await watched.reaches("ready");
  const { supervisor, changes } = watched;
  assertEquals([watched.now.era, supervisor.relied], [undefined, undefined]);
  supervisor.learnEra({ era: "stateless" });
  assertEquals(watched.now.era, "stateless");
  assertEquals(watched.changes, changes + 1);
  supervisor.learnEra({ era: "stateless" });
  assertEquals(watched.changes, changes + 1);
  await until(() => supervisor.relied === undefined, "it has to be asked anew");
  assertEquals(watched.now.era, "stateless");
  supervisor.learnEra({ era: "stateless", sessions: true });
  assertEquals(supervisor.relied, "stateless");
  assertEquals(watched.now.sessions, true);
});

Deno.test("a server whose stream is no more is looked at again at once", async () => {
  const old = serverWith("a");
  const place = new Place(old);
  await using watched = new Watched(place);
  await until(() => old.streamCount === 1, "the stream is open");
  place.server = statelessWith("b");
  old.endStreams();
  await watched.lists("b");
  assertEquals(watched.now.era, "stateless");
});
