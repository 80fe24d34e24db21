import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  config as gatewayConfig,
  server as serverConfig,
} from "../../../shared/_testing.ts";
import type { ServerConfig } from "../../../shared/config/model.ts";
import type { LIMITS } from "../../../shared/limits.ts";
import { randomBytes } from "node:crypto";
import { META } from "../../../shared/mcp.ts";
import { MemoryStore } from "../../../shared/sessions/memory_store.ts";
import { type Listener, Sessions } from "../../../shared/sessions/sessions.ts";
import type { Wait } from "../../../shared/wait_on_timer.ts";
import { call, Front } from "../../_testing/front.ts";
import {
  error,
  OpenAnswer,
  result,
  type StatelessAnswer,
  StatelessServers,
  stream,
} from "../../_testing/stateless_servers.ts";
import { until } from "../../_testing/until.ts";
import { serveForwarded } from "../owner.ts";
import { assembleToStateless, type ToStatelessBridge } from "./assemble.ts";

const SERVERS: readonly ServerConfig[] = [
  serverConfig("weather", {
    prefix: "w_",
    era: "stateless",
    passthrough: true,
  }),
  serverConfig("plain", { era: "stateless" }),
];

/** A broker with a bridge, in front of servers of the stateless era. */
class World implements Disposable {
  readonly servers = new StatelessServers();
  readonly front = new Front(gatewayConfig(SERVERS));
  readonly bridge: ToStatelessBridge;
  readonly doubted: string[] = [];
  readonly relisted: string[] = [];
  readonly outcomes: string[] = [];
  readonly hints: string[] = [];
  /** Milliseconds that somebody waits for, and how to end that. */
  readonly waits: { readonly ms: number; readonly pass: () => void }[] = [];
  tells = true;

  constructor(
    options: {
      readonly limits?: Partial<typeof LIMITS>;
      readonly here?: Listener;
      /** Another broker, with which it shares sessions and keys. */
      readonly beside?: World;
      /** A broker of before, whose store is gone. */
      readonly keysOf?: World;
    } = {},
  ) {
    const { limits, here = { broker: "one" }, beside, keysOf } = options;
    if (beside !== undefined) {
      const { keys, sessions } = beside.front;
      Object.assign(this.front, { keys, sessions });
    }
    if (keysOf !== undefined) {
      const { keys } = keysOf.front;
      const store = new MemoryStore();
      const { log } = this.front;
      const sessions = new Sessions({
        store,
        keys,
        now: Date.now,
        randomBytes,
        log,
      });
      Object.assign(this.front, { keys, sessions });
    }
    const { keys, sessions } = this.front;
    this.bridge = assembleToStateless({
      fetch: this.servers.fetch,
      headers: ({ name }) =>
        Promise.resolve(name === "plain" ? [["x-key", "k"]] : []),
      sessions,
      keys,
      here,
      hub: this.front.hub,
      servers: () => SERVERS,
      eraOf: () => "stateless",
      tells: () => this.tells,
      look: (session, server) => {
        this.hints.push(`${session} ${server}`);
        return Promise.resolve(true);
      },
      onDoubt: (server) => void this.doubted.push(server),
      relist: (server, lists) =>
        void this.relisted.push(`${server} ${lists.join()}`),
      clientInfo: { name: "gateway", version: "1" },
      fetchBroker: (url, init) => fetch(url, init),
      onOutcome: (method, outcome) =>
        void this.outcomes.push(`${method} ${outcome}`),
      now: Date.now,
      wait: this.#wait,
      ...(limits === undefined ? {} : { limits }),
      log: this.front.log,
    });
    this.front.bridge({
      toStateless: this.bridge.bridge.carry,
      hear: (message) => this.bridge.bridge.hear(message),
    });
  }

  readonly #wait: Wait = (ms, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve();
      this.waits.push({ ms, pass: resolve });
      signal.addEventListener("abort", () => resolve());
    });

  /** Lets the time pass that somebody waits for. */
  pass(ms: number): void {
    for (const wait of this.waits) if (wait.ms === ms) wait.pass();
  }

  async open(
    capabilities: unknown = {},
    revision = "2025-11-25",
    headers: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const response = await this.front.post(
      JSON.stringify({
        jsonrpc: "2.0",
        id: 1,
        method: "initialize",
        params: {
          protocolVersion: revision,
          capabilities,
          clientInfo: { name: "c", version: "2" },
        },
      }),
      undefined,
      headers,
    );
    await response.body?.cancel();
    return response.headers.get("mcp-session-id")!;
  }

  [Symbol.dispose](): void {
    this.front[Symbol.dispose]();
  }
}

/** The events of a reply, one after the other. */
class Events {
  readonly #reader: ReadableStreamDefaultReader<string>;
  #text = "";

  constructor(response: Response) {
    assertEquals(response.headers.get("content-type"), "text/event-stream");
    this.#reader = response.body!.pipeThrough(new TextDecoderStream())
      .getReader();
  }

  /** The data of the next; undefined at the end. */
  async next(): Promise<string | undefined> {
    for (;;) {
      const [event, ...rest] = this.#text.split("\n\n");
      if (rest.length > 0) {
        this.#text = rest.join("\n\n");
        if (event!.startsWith("data: ")) return event!.slice(6);
        continue;
      }
      const { done, value } = await this.#reader.read();
      if (done) return undefined;
      this.#text += value;
    }
  }

  cancel(): Promise<void> {
    return this.#reader.cancel();
  }
}

const NOW = call("tools/call", '{"name":"w_now","arguments":{}}', "7");
const answerTo = (id: unknown, rest: string) =>
  `{"jsonrpc":"2.0","id":${JSON.stringify(id)},${rest}}`;

Deno.test("a call reaches the server as one of its own, and its result the client", async () => {
  using world = new World();
  const session = await world.open({
    roots: { listChanged: true },
    elicitation: {},
  });
  await (await world.front.post(
    call("logging/setLevel", '{"level":"warning"}'),
    session,
  )).body?.cancel();
  world.servers.answers = [
    result('{"content":[],"big":9007199254740993,"resultType":"complete"}'),
  ];
  const response = await world.front.post(
    call(
      "tools/call",
      '{"arguments":{"n":9007199254740993},"name":"w_now","_meta":{"progressToken":"p"}}',
      '"x"',
    ),
    session,
    { authorization: "Bearer mine" },
  );
  assertEquals(response.status, 200);
  assertEquals(
    await response.text(),
    '{"jsonrpc":"2.0","id":"x","result":{"content":[],"big":9007199254740993}}',
  );
  const { last } = world.servers;
  assertEquals(last.server, "weather");
  assertEquals(last.headers.get("mcp-name"), "now");
  assertEquals(last.headers.get("authorization"), "Bearer mine");
  assertEquals(last.headers.get("mcp-session-id"), null);
  assertMatch(last.text, /"arguments":\{"n":9007199254740993\},"name":"now"/);
  assertEquals(last.params._meta, {
    progressToken: "p",
    [META.protocolVersion]: "2026-07-28",
    [META.clientCapabilities]: { roots: {}, elicitation: {} },
    [META.clientInfo]: { name: "c", version: "2" },
    [META.logLevel]: "warning",
  });
  assertEquals(world.outcomes, ["tools/call answered"]);
});

Deno.test("credentials go to the servers that they are for", async () => {
  using world = new World();
  const session = await world.open();
  world.servers.answers = [result('{"messages":[]}')];
  const response = await world.front.post(
    call("prompts/get", '{"name":"greet"}'),
    session,
    { authorization: "Bearer mine" },
  );
  await response.body?.cancel();
  assertEquals(world.servers.last.headers.get("authorization"), null);
  assertEquals(world.servers.last.headers.get("x-key"), "k");
});

const KINDS: readonly (readonly [method: string, params: string])[] = [
  ["prompts/get", '{"name":"w_ask"}'],
  ["resources/read", '{"uri":"notes://1"}'],
  ["resources/read", '{"uri":"notes://7/text"}'],
  [
    "completion/complete",
    '{"ref":{"type":"ref/prompt","name":"w_ask"},"argument":{"name":"a","value":""}}',
  ],
];
for (const [method, params] of KINDS) {
  Deno.test(`${method} of ${params} is carried and answered`, async () => {
    using world = new World();
    const session = await world.open();
    world.servers.answers = [result('{"x":1e400,"resultType":"complete"}')];
    const response = await world.front.post(call(method, params), session);
    assertEquals(
      await response.text(),
      '{"jsonrpc":"2.0","id":1,"result":{"x":1e400}}',
    );
    assertEquals(world.servers.last.method, method);
    assertEquals(world.servers.last.text.includes("w_"), false);
  });
}

Deno.test("what a server sends before its answer comes on the call's stream, as it comes", async () => {
  using world = new World();
  const session = await world.open();
  const open = new OpenAnswer();
  world.servers.answers = [open.answer];
  const responding = world.front.post(NOW, session);
  await until(() => open.request !== undefined, "the call is there");
  const progress =
    '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":9007199254740993}}';
  open.send(progress);
  const events = new Events(await responding);
  assertEquals(await events.next(), progress);
  open.send('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}');
  open.send('{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage"}');
  const message =
    '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1e400}}';
  open.send(message);
  assertEquals(await events.next(), message);
  open.finish('{"content":[],"resultType":"complete"}');
  assertEquals(
    await events.next(),
    '{"jsonrpc":"2.0","id":7,"result":{"content":[]}}',
  );
  assertEquals(await events.next(), undefined);
  assertEquals(world.relisted, ["weather tools"]);
});

Deno.test("an answer that takes long is announced by comments", async () => {
  using world = new World({ limits: { keepAliveMs: 15 } });
  const session = await world.open();
  const open = new OpenAnswer();
  world.servers.answers = [open.answer];
  const responding = world.front.post(NOW, session);
  await until(() => open.request !== undefined, "the call is there");
  world.pass(15);
  const response = await responding;
  open.finish("{}");
  assertEquals(
    await response.text(),
    ': keep-alive\n\ndata: {"jsonrpc":"2.0","id":7,"result":{}}\n\n',
  );
});

const FORM =
  '"method":"elicitation/create","params":{"mode":"form","message":"?","n":9007199254740993}';
const asks = (requests: string, state = '"st\\u0041te"') =>
  result(
    `{"resultType":"input_required","inputRequests":{${requests}},"requestState":${state}}`,
  );

Deno.test("what a server asks for is asked on the call's stream, and handed back with its state", async () => {
  using world = new World();
  const session = await world.open({ elicitation: {}, roots: {} });
  world.servers.answers = [
    asks(`"a":{${FORM}},"b":{"method":"roots/list"}`),
    result('{"content":[],"done":1e400}'),
  ];
  const events = new Events(await world.front.post(NOW, session));
  const form = (await events.next())!;
  const roots = JSON.parse((await events.next())!);
  assertMatch(
    form,
    /"params":\{"mode":"form","message":"\?","n":9007199254740993\}\}$/,
  );
  assertEquals(roots.method, "roots/list");
  assertEquals(world.bridge.bridge.counts, { calls: 1, questions: 2 });
  const first = world.servers.last;
  const answers = [
    answerTo(roots.id, '"result":{"roots":[]}'),
    answerTo(
      JSON.parse(form).id,
      '"result":{"content":{"n":9007199254740993},"action":"accept"}',
    ),
  ];
  for (const answer of answers) {
    const taken = await world.front.post(answer, session);
    assertEquals([taken.status, await taken.text()], [202, ""]);
  }
  assertEquals(
    await events.next(),
    '{"jsonrpc":"2.0","id":7,"result":{"content":[],"done":1e400}}',
  );
  assertEquals(await events.next(), undefined);
  const { last } = world.servers;
  assertEquals(world.servers.seen.length, 2);
  assert(last.id !== first.id);
  assertMatch(
    last.text,
    /"inputResponses":\{"a":\{"content":\{"n":9007199254740993\},"action":"accept"\},"b":\{"roots":\[\]\}\}/,
  );
  assertMatch(last.text, /"requestState":"st\\u0041te"/);
  assertEquals(last.params.name, "now");
  // Nobody waits for it any more.
  const again = await world.front.post(answers[0]!, session);
  assertEquals(again.status, 400);
  await again.body?.cancel();
});

Deno.test("a server that asks again and again is answered each time, with other ids", async () => {
  using world = new World();
  const session = await world.open({ elicitation: {} });
  const rounds = 16;
  world.servers.answers = [
    ...Array.from(
      { length: rounds },
      (_, i) => asks(`"a":{${FORM}}`, `"${i}"`),
    ),
    result('{"content":[]}'),
  ];
  const events = new Events(await world.front.post(NOW, session));
  const ids = new Set<string>();
  for (let i = 0; i < rounds; i++) {
    const { id } = JSON.parse((await events.next())!);
    ids.add(id);
    const taken = await world.front.post(
      answerTo(id, '"result":{"action":"decline"}'),
      session,
    );
    assertEquals(taken.status, 202);
  }
  assertMatch((await events.next())!, /"content":\[\]/);
  assertEquals(ids.size, rounds);
  assertEquals(
    new Set(world.servers.seen.map(({ id }) => id)).size,
    rounds + 1,
  );
  assertEquals(
    world.servers.seen.slice(1).map(({ params }) => params.requestState),
    Array.from({ length: rounds }, (_, i) => String(i)),
  );
});

Deno.test("a call that asks once more than that ends, and says so", async () => {
  using world = new World({ limits: { questionRounds: 1 } });
  const session = await world.open({ elicitation: {} });
  world.servers.answers = [asks(`"a":{${FORM}}`)];
  const events = new Events(await world.front.post(NOW, session));
  const { id } = JSON.parse((await events.next())!);
  const taken = await world.front.post(
    answerTo(id, '"result":{"action":"accept"}'),
    session,
  );
  assertEquals(taken.status, 202);
  const { result: ended } = JSON.parse((await events.next())!);
  assertEquals(ended.isError, true);
  assertMatch(
    ended.content[0].text,
    /weather asks for something more than 1 times/,
  );
  assertEquals(world.outcomes, ["tools/call input missing"]);
});

Deno.test("a state without questions is handed back after a pause", async () => {
  using world = new World();
  const session = await world.open();
  world.servers.answers = [
    result('{"resultType":"input_required","requestState":"later"}'),
    result('{"content":[]}'),
  ];
  const responding = world.front.post(NOW, session);
  await until(() => world.waits.some(({ ms }) => ms === 100), "it waits");
  assertEquals(world.servers.seen.length, 1);
  world.pass(100);
  assertEquals(
    await (await responding).text(),
    '{"jsonrpc":"2.0","id":7,"result":{"content":[]}}',
  );
  assertEquals(world.servers.last.params.requestState, "later");
  assertEquals("inputResponses" in world.servers.last.params, false);
});

Deno.test("a URL to open gets the id that the client's era wants", async () => {
  using world = new World();
  const session = await world.open({ elicitation: { url: {} } });
  world.servers.answers = [
    asks(
      '"a":{"method":"elicitation/create","params":{"mode":"url","url":"https://a.example","message":"?"}}',
    ),
    result("{}"),
  ];
  const events = new Events(await world.front.post(NOW, session));
  const { id, params } = JSON.parse((await events.next())!);
  assertMatch(params.elicitationId, /^.{16}$/);
  assertEquals(params.url, "https://a.example");
  await (await world.front.post(
    answerTo(id, '"result":{"action":"accept"}'),
    session,
  )).body?.cancel();
  assertMatch((await events.next())!, /"result":\{\}/);
  assertEquals(world.servers.last.params.inputResponses, {
    a: { action: "accept" },
  });
});

interface Unanswered {
  readonly name: string;
  readonly method?: "tools/call" | "prompts/get";
  readonly revision?: string;
  readonly capabilities: unknown;
  readonly asked: string;
  /** The client's response; none where it is not even asked. */
  readonly response?: string;
  readonly want: RegExp;
}
const SAMPLING =
  '"s":{"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}';
const UNANSWERED: readonly Unanswered[] = [
  {
    name: "what the client did not declare",
    capabilities: { elicitation: {} },
    asked: SAMPLING,
    want:
      /"isError":true.*|The call has ended.*sampling, which the client did not declare/,
  },
  {
    name: "what the client's revision does not have",
    revision: "2025-03-26",
    capabilities: { elicitation: {} },
    asked: `"a":{${FORM}}`,
    want: /elicitation, which the client did not declare.*"isError":true/,
  },
  {
    name: "a prompt what the client did not declare",
    method: "prompts/get",
    capabilities: {},
    asked: SAMPLING,
    want: /"error":\{"code":-32603,"message":".*sampling, which the client/,
  },
  {
    name: "a tool what the client answers with an error",
    capabilities: { sampling: {} },
    asked: SAMPLING,
    response: '"error":{"code":-1,"message":"User said no"}',
    want:
      /did not answer sampling\/createMessage: User said no.*"isError":true/,
  },
  {
    name: "a prompt what the client answers with an error",
    method: "prompts/get",
    capabilities: { roots: {} },
    asked: '"r":{"method":"roots/list"}',
    response: '"error":{"code":-32601,"message":"no"}',
    want: /"error":\{"code":-32603,"message":".*did not answer roots\/list: no/,
  },
];
for (
  const { name, method, revision, capabilities, asked, response, want }
    of UNANSWERED
) {
  Deno.test(`a call ends, and says so, where its server asks ${name}`, async () => {
    using world = new World();
    const session = await world.open(capabilities, revision);
    world.servers.answers = [asks(asked)];
    const called = await world.front.post(
      method === "prompts/get"
        ? call("prompts/get", '{"name":"w_ask"}', "7")
        : NOW,
      session,
    );
    if (response === undefined) {
      assertEquals(called.status, 200);
      assertMatch(await called.text(), want);
    } else {
      const events = new Events(called);
      const { id } = JSON.parse((await events.next())!);
      await (await world.front.post(answerTo(id, response), session)).body
        ?.cancel();
      assertMatch((await events.next())!, want);
      assertEquals(await events.next(), undefined);
    }
    assertEquals(world.servers.seen.length, 1);
    assertEquals(world.bridge.bridge.counts, { calls: 0, questions: 0 });
  });
}

Deno.test("an elicitation that is answered with an error is told as cancelled", async () => {
  using world = new World();
  const session = await world.open({ elicitation: {} });
  world.servers.answers = [asks(`"a":{${FORM}}`), result("{}")];
  const events = new Events(await world.front.post(NOW, session));
  const { id } = JSON.parse((await events.next())!);
  await (await world.front.post(
    answerTo(id, '"error":{"code":-1,"message":"no"}'),
    session,
  )).body?.cancel();
  assertMatch((await events.next())!, /"result":\{\}/);
  assertEquals(world.servers.last.params.inputResponses, {
    a: { action: "cancel" },
  });
});

Deno.test("a question that is never answered ends the call in time, and goes from the client's screen", async () => {
  using world = new World({ limits: { parkMs: 77 } });
  const session = await world.open({ elicitation: {} });
  world.servers.answers = [asks(`"a":{${FORM}}`)];
  const events = new Events(await world.front.post(NOW, session));
  const { id } = JSON.parse((await events.next())!);
  world.pass(77);
  const { method, params } = JSON.parse((await events.next())!);
  assertEquals([method, params.requestId], ["notifications/cancelled", id]);
  assertMatch((await events.next())!, /did not say in time.*"isError":true/);
  assertEquals(await events.next(), undefined);
  assertEquals(world.servers.seen.length, 1);
  const late = await world.front.post(answerTo(id, '"result":{}'), session);
  assertEquals(late.status, 400);
  await late.body?.cancel();
});

Deno.test("an answer counts only in the session that was asked", async () => {
  using world = new World();
  const session = await world.open({ elicitation: {} });
  const other = await world.open({ elicitation: {} });
  world.servers.answers = [asks(`"a":{${FORM}}`), result("{}")];
  const events = new Events(await world.front.post(NOW, session));
  const { id } = JSON.parse((await events.next())!);
  for (
    const [text, where] of [
      [answerTo(id, '"result":{"action":"accept"}'), other],
      [answerTo(`${id}A`, '"result":{"action":"accept"}'), session],
      [answerTo("mcpgw-bridge:", '"result":{}'), session],
    ] as const
  ) {
    const refused = await world.front.post(text, where);
    assertEquals(refused.status, 400);
    await refused.body?.cancel();
  }
  assertEquals(world.servers.seen.length, 1);
  const taken = await world.front.post(
    answerTo(id, '"result":{"action":"accept"}'),
    session,
  );
  assertEquals(taken.status, 202);
  assertMatch((await events.next())!, /"result":\{\}/);
});

Deno.test("an answer that comes in a batch is taken, too", async () => {
  using world = new World();
  const session = await world.open({ roots: {} }, "2025-03-26");
  world.servers.answers = [
    asks('"r":{"method":"roots/list"}'),
    result("{}"),
  ];
  const events = new Events(await world.front.post(NOW, session));
  const { id } = JSON.parse((await events.next())!);
  const taken = await world.front.post(
    `[${answerTo(id, '"result":{"roots":[1e400]}')}]`,
    session,
  );
  assertEquals(taken.status, 202);
  assertMatch((await events.next())!, /"result":\{\}/);
  assertMatch(
    world.servers.last.text,
    /"inputResponses":\{"r":\{"roots":\[1e400\]\}\}/,
  );
});

const cancel = (id: string) =>
  `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${id}}}`;

Deno.test("a cancellation ends the request at the server, and the stream without an answer", async () => {
  using world = new World();
  const session = await world.open();
  const open = new OpenAnswer();
  world.servers.answers = [open.answer];
  const responding = world.front.post(NOW, session);
  await until(() => open.request !== undefined, "the call is there");
  open.send('{"jsonrpc":"2.0","method":"notifications/message","params":{}}');
  const events = new Events(await responding);
  await events.next();
  for (const id of ['"7"', "8"]) {
    await (await world.front.post(cancel(id), session)).body?.cancel();
  }
  const other = await world.open();
  await (await world.front.post(cancel("7"), other)).body?.cancel();
  assertEquals(open.left, false);
  const told = await world.front.post(cancel("7"), session);
  assertEquals(told.status, 202);
  await until(() => open.left, "the request is ended");
  assertEquals(await events.next(), undefined);
  assertEquals(world.outcomes, ["tools/call cancelled"]);
  // What was nobody's here may be a server's of the client's own era.
  assertEquals(
    world.front.relayed.map(({ text }) => JSON.parse(text).params.requestId),
    ["7", 8, 7],
  );
});

Deno.test("a cancellation while the client is asked ends the call", async () => {
  using world = new World();
  const session = await world.open({ elicitation: {} });
  world.servers.answers = [asks(`"a":{${FORM}}`)];
  const events = new Events(await world.front.post(NOW, session));
  await events.next();
  await (await world.front.post(cancel("7"), session)).body?.cancel();
  assertMatch((await events.next())!, /notifications\/cancelled/);
  assertEquals(await events.next(), undefined);
  assertEquals(world.servers.seen.length, 1);
  assertEquals(world.bridge.bridge.counts, { calls: 0, questions: 0 });
});

Deno.test("a call of a session that ends is cancelled", async () => {
  using world = new World();
  const session = await world.open();
  const open = new OpenAnswer();
  world.servers.answers = [open.answer];
  const responding = world.front.post(NOW, session);
  await until(() => open.request !== undefined, "the call is there");
  const ended = world.front.gone;
  await (await world.front.request("DELETE", { session })).body?.cancel();
  world.bridge.bridge.endSession(ended[0]!);
  await until(() => open.left, "the request is ended");
  assertEquals(await (await responding).text(), "");
});

Deno.test("a client that goes away cancels nothing", async () => {
  using world = new World();
  const session = await world.open();
  const open = new OpenAnswer();
  world.servers.answers = [open.answer];
  const responding = world.front.post(NOW, session);
  await until(() => open.request !== undefined, "the call is there");
  open.send('{"jsonrpc":"2.0","method":"notifications/message","params":{}}');
  await new Events(await responding).cancel();
  open.send('{"jsonrpc":"2.0","method":"notifications/message","params":{}}');
  assertEquals([open.left, world.bridge.bridge.counts.calls], [false, 1]);
  open.finish("{}");
  await until(() => world.outcomes.length > 0, "the call is over");
  assertEquals(world.outcomes, ["tools/call answered"]);
});

Deno.test("a client that has gone away is not asked: the call is not sent again", async () => {
  using world = new World();
  const session = await world.open({ elicitation: {} });
  const open = new OpenAnswer();
  world.servers.answers = [open.answer];
  const responding = world.front.post(NOW, session);
  await until(() => open.request !== undefined, "the call is there");
  open.send('{"jsonrpc":"2.0","method":"notifications/message","params":{}}');
  await new Events(await responding).cancel();
  open.finish(
    `{"resultType":"input_required","inputRequests":{"a":{${FORM}}}}`,
  );
  await until(() => world.outcomes.length > 0, "the call is over");
  assertEquals(world.outcomes, ["tools/call input missing"]);
  assertEquals(world.servers.seen.length, 1);
});

Deno.test("progress goes on where a call that is sent again begins anew", async () => {
  using world = new World();
  const session = await world.open({ elicitation: {} });
  const progress = (value: number) =>
    `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":${value}}}`;
  const required =
    `{"resultType":"input_required","inputRequests":{"a":{${FORM}}}}`;
  world.servers.answers = [
    stream([progress(1), progress(2)], required),
    stream([progress(1), progress(2), progress(3)], "{}"),
  ];
  const events = new Events(await world.front.post(NOW, session));
  assertEquals(await events.next(), progress(1));
  assertEquals(await events.next(), progress(2));
  const { id } = JSON.parse((await events.next())!);
  await (await world.front.post(
    answerTo(id, '"result":{"action":"accept"}'),
    session,
  )).body?.cancel();
  assertEquals(await events.next(), progress(3));
  assertMatch((await events.next())!, /"result":\{\}/);
});

interface Failing {
  readonly name: string;
  readonly answer: StatelessAnswer;
  readonly method?: string;
  readonly params?: string;
  readonly status: number;
  readonly want: RegExp;
  readonly doubted?: boolean;
}
const FAILING: readonly Failing[] = [
  {
    name: "a missing resource",
    method: "resources/read",
    params: '{"uri":"notes://1"}',
    answer: error('{"code":-32602,"message":"x","data":{"uri":"notes://1"}}'),
    status: 200,
    want:
      /"error":\{"code":-32002,"message":"x","data":\{"uri":"notes:\/\/1"\}\}/,
  },
  {
    name: "a method that is not found, with HTTP 404",
    answer: error('{"code":-32601,"message":"no"}', 404),
    status: 200,
    want: /"id":7,"error":\{"code":-32601,"message":"no"\}/,
  },
  {
    name: "arguments that the server does not like, with HTTP 400",
    answer: error('{"code":-32602,"message":"no"}', 400),
    status: 200,
    want: /"error":\{"code":-32602,"message":"no"\}/,
  },
  {
    name: "a capability that is missing",
    answer: error(
      '{"code":-32021,"message":"x","data":{"requiredCapabilities":{"sampling":{}}}}',
      400,
    ),
    status: 200,
    want:
      /"error":\{"code":-32600,"message":"The client did not declare.*sampling"\}/,
  },
  {
    name: "a revision that is not spoken there any more",
    answer: error('{"code":-32022,"message":"x"}', 400),
    status: 502,
    want: /"code":-32603,.*does not speak 2026-07-28/,
    doubted: true,
  },
  {
    name: "an answer of no MCP at all",
    answer: () => new Response("no session", { status: 400 }),
    status: 502,
    want: /"code":-32603,.*HTTP 400/,
    doubted: true,
  },
  {
    name: "a challenge, of which the client hears nothing",
    answer: () =>
      new Response('{"jsonrpc":"2.0","id":1,"error":{"code":-1}}', {
        status: 401,
        headers: { "www-authenticate": "Bearer" },
      }),
    status: 502,
    want: /"code":-32603,"message":"MCP server refused.*HTTP 401"/,
  },
  {
    name: "a failure of the server",
    answer: error('{"code":-32603,"message":"secret"}', 500),
    status: 502,
    want: /"code":-32603,"message":"MCP server refused.*HTTP 500"/,
  },
  {
    name: "a redirect",
    answer: () => Response.redirect("http://elsewhere.example"),
    status: 502,
    want: /HTTP 302/,
  },
  {
    name: "a server that is not there",
    answer: () =>
      Promise.reject(new TypeError("client error (Connect): tcp refused")),
    status: 502,
    want: /"code":-32603,"message":"MCP server unreachable.*"retryable":true/,
  },
  {
    name: "a connection that breaks",
    answer: () => Promise.reject(new TypeError("client error (SendRequest)")),
    status: 502,
    want: /"code":-32603,"message":"MCP server broke the connection/,
  },
  {
    name: "a stream that ends too soon",
    answer: () =>
      new Response(": nothing\n\n", {
        headers: { "content-type": "text/event-stream" },
      }),
    status: 502,
    want: /"code":-32603,"message":"MCP server broke the connection/,
  },
  {
    name: "an answer that is not MCP",
    answer: () => new Response("<p>"),
    status: 502,
    want: /"code":-32603,"message":"MCP server gave an answer that is not MCP/,
  },
  {
    name: "a result of a kind that is not known",
    answer: result('{"resultType":"task"}'),
    status: 502,
    want: /"code":-32603,.*its resultType is unknown/,
  },
  {
    name: "an answer to another request",
    answer: () => new Response('{"jsonrpc":"2.0","id":99,"result":{}}'),
    status: 502,
    want: /"code":-32603,.*the answer to another request/,
  },
];
for (const failing of FAILING) {
  const { name, answer, status, want, doubted = false } = failing;
  const { method = "tools/call", params = '{"name":"w_now"}' } = failing;
  Deno.test(`a client in a session is told of ${name}`, async () => {
    using world = new World();
    const session = await world.open();
    world.servers.answers = [answer];
    const response = await world.front.post(call(method, params, "7"), session);
    assertEquals(response.status, status);
    assertEquals(response.headers.get("www-authenticate"), null);
    assertMatch(await response.text(), want);
    assertEquals(world.doubted.length > 0, doubted);
    assertEquals(world.servers.seen.length, 1);
    assertEquals(world.bridge.bridge.counts.calls, 0);
  });
}

Deno.test("a failure behind the beginning of a stream comes on it", async () => {
  using world = new World();
  const session = await world.open();
  world.servers.answers = [
    () =>
      new Response(
        'data: {"jsonrpc":"2.0","method":"notifications/message","params":{}}\n\n',
        { headers: { "content-type": "text/event-stream" } },
      ),
  ];
  const events = new Events(await world.front.post(NOW, session));
  await events.next();
  assertMatch((await events.next())!, /"id":7,"error":\{"code":-32603/);
  assertEquals(await events.next(), undefined);
});

Deno.test("a call that takes too long in all is ended", async () => {
  using world = new World({ limits: { bridgedCallMs: 99 } });
  const session = await world.open();
  const open = new OpenAnswer();
  world.servers.answers = [open.answer];
  const responding = world.front.post(NOW, session);
  await until(() => open.request !== undefined, "the call is there");
  world.pass(99);
  const response = await responding;
  assertEquals(response.status, 504);
  await response.body?.cancel();
  await until(() => open.left, "the request is ended");
});

Deno.test("a session has so many calls at once, and no more", async () => {
  using world = new World({ limits: { callsPerSession: 1 } });
  const session = await world.open();
  const open = new OpenAnswer();
  world.servers.answers = [open.answer];
  const responding = world.front.post(NOW, session);
  await until(() => open.request !== undefined, "the call is there");
  const refused = await world.front.post(NOW, session);
  assertEquals(refused.status, 429);
  await refused.body?.cancel();
  open.finish("{}");
  await (await responding).body?.cancel();
});

const tool = (property: string, header: string) =>
  `{"name":"now","inputSchema":{"type":"object","properties":{"${property}":{"type":"string","x-mcp-header":"${header}"}}}}`;

Deno.test("a tool whose headers have changed is read again, and called once more", async () => {
  using world = new World();
  const session = await world.open();
  world.servers.answers = [
    error('{"code":-32020,"message":"Mcp-Param-Region is missing"}', 400),
    result('{"tools":[{"name":"other"}],"nextCursor":"2"}'),
    result(`{"tools":[${tool("region", "Region")}]}`),
    result('{"content":[]}'),
  ];
  const response = await world.front.post(
    call("tools/call", '{"name":"w_now","arguments":{"region":"caf\\u00e9"}}'),
    session,
  );
  assertMatch(await response.text(), /"content":\[\]/);
  assertEquals(
    world.servers.seen.map(({ method, params, headers }) => [
      method,
      params.cursor,
      headers.get("mcp-param-region"),
    ]),
    [
      ["tools/call", undefined, null],
      ["tools/list", undefined, null],
      ["tools/list", "2", null],
      ["tools/call", undefined, "=?base64?Y2Fmw6k=?="],
    ],
  );
  assertEquals(world.relisted, ["weather tools"]);
});

Deno.test("a tool whose headers are never right is called twice, not more", async () => {
  using world = new World();
  const session = await world.open();
  const wrong = error('{"code":-32020,"message":"x"}', 400);
  world.servers.answers = [
    wrong,
    result(`{"tools":[${tool("region", "Region")}]}`),
    wrong,
  ];
  const response = await world.front.post(NOW, session);
  assertEquals(response.status, 502);
  assertMatch(await response.text(), /"code":-32603/);
  assertEquals(world.servers.seen.length, 3);
});

Deno.test("a tool that is gone when it is read again is unknown", async () => {
  using world = new World();
  const session = await world.open();
  world.servers.answers = [
    error('{"code":-32020,"message":"x"}', 400),
    result('{"tools":[]}'),
  ];
  const response = await world.front.post(NOW, session);
  assertMatch(
    await response.text(),
    /"code":-32602,"message":"Unknown tool: now"/,
  );
});

Deno.test("a session with a call on its way is in use", async () => {
  using world = new World();
  const session = await world.open();
  const open = new OpenAnswer();
  world.servers.answers = [open.answer];
  const responding = world.front.post(NOW, session);
  await until(() => open.request !== undefined, "the call is there");
  const touched: string[] = [];
  const { sessions } = world.front;
  sessions.touch = ({ id }) => Promise.resolve(void touched.push(id));
  await world.bridge.bridge.touch();
  assertEquals(touched.length, 1);
  sessions.touch = () => Promise.reject(new Error("the store is away"));
  await world.bridge.bridge.touch();
  open.finish("{}");
  await (await responding).body?.cancel();
  await until(() => world.bridge.bridge.counts.calls === 0, "it is over");
  sessions.touch = ({ id }) => Promise.resolve(void touched.push(id));
  await world.bridge.bridge.touch();
  assertEquals(touched.length, 1);
});

Deno.test("a session that outlived its store is served by what its token says", async () => {
  using before = new World();
  const session = await before.open({ elicitation: {}, roots: {} });
  using after = new World({ keysOf: before });
  after.servers.answers = [result("{}")];
  const response = await after.front.post(NOW, session);
  assertEquals(response.status, 200);
  await response.body?.cancel();
  assertEquals(after.servers.last.params._meta, {
    [META.protocolVersion]: "2026-07-28",
    [META.clientCapabilities]: { elicitation: {}, roots: {} },
  });
});

Deno.test("subscriptions are kept with the session, and no server is called", async () => {
  using world = new World();
  const session = await world.open();
  const subscribe = (method: string) =>
    world.front.post(call(method, '{"uri":"notes://1"}'), session);
  assertEquals(
    await (await subscribe("resources/subscribe")).text(),
    '{"jsonrpc":"2.0","id":1,"result":{}}',
  );
  const verified = await world.front.sessions.verify(session, {
    identity: "",
    route: "/mcp",
  });
  assert(verified.kind === "live");
  const standing = () => world.front.sessions.standing(verified.session);
  assertEquals((await standing()).subscriptions, [
    { server: "plain", uri: "notes://1" },
  ]);
  await (await subscribe("resources/unsubscribe")).body?.cancel();
  assertEquals((await standing()).subscriptions, []);
  assertEquals(world.hints.length, 2);
  assertEquals(world.servers.seen, []);
  world.tells = false;
  assertMatch(
    await (await subscribe("resources/subscribe")).text(),
    /"code":-32601/,
  );
});

/** A second broker, with the first one's internal listener between them. */
async function withTwoBrokers(
  story: (owner: World, other: World) => Promise<void>,
): Promise<void> {
  const ref: { owner?: World } = {};
  const listener = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) =>
      serveForwarded(
        request,
        (own) => ref.owner!.front.handler(own),
        ref.owner!.front.keys,
        Date.now(),
      ),
  );
  const url = `http://127.0.0.1:${listener.addr.port}`;
  using owner = new World({ here: { broker: "one", url } });
  ref.owner = owner;
  using other = new World({ here: { broker: "two" }, beside: owner });
  try {
    await story(owner, other);
  } finally {
    await listener.shutdown();
  }
}

Deno.test("an answer that another broker gets is led to the one that waits", async () => {
  await withTwoBrokers(async (owner, other) => {
    const session = await owner.open({ elicitation: {} });
    owner.servers.answers = [asks(`"a":{${FORM}}`), result("{}")];
    const events = new Events(await owner.front.post(NOW, session));
    const { id } = JSON.parse((await events.next())!);
    const answer = answerTo(id, '"result":{"action":"accept"}');
    const taken = await other.front.post(answer, session);
    assertEquals(taken.status, 202);
    await taken.body?.cancel();
    assertMatch((await events.next())!, /"result":\{\}/);
    const again = await other.front.post(answer, session);
    assertEquals(again.status, 400);
    await again.body?.cancel();
    assertEquals(other.servers.seen, []);
  });
});

Deno.test("an answer to a broker that is gone is refused", async () => {
  using owner = new World({ here: { broker: "one" } });
  using other = new World({ here: { broker: "two" }, beside: owner });
  const session = await owner.open({ elicitation: {} });
  owner.servers.answers = [asks(`"a":{${FORM}}`)];
  const events = new Events(await owner.front.post(NOW, session));
  const { id } = JSON.parse((await events.next())!);
  const refused = await other.front.post(answerTo(id, '"result":{}'), session);
  assertEquals(refused.status, 400);
  assertMatch(await refused.text(), /does not wait for this any more/);
  await events.cancel();
  await owner.bridge.bridge.close();
});

Deno.test("a cancellation that another broker gets ends the call where it is", async () => {
  await withTwoBrokers(async (owner, other) => {
    const session = await owner.open();
    const open = new OpenAnswer();
    owner.servers.answers = [open.answer];
    const responding = owner.front.post(NOW, session);
    await until(() => open.request !== undefined, "the call is there");
    const told = await other.front.post(cancel("7"), session);
    assertEquals(told.status, 202);
    await until(() => open.left, "the request is ended");
    assertEquals(await (await responding).text(), "");
    await (await other.front.post(cancel("99"), session)).body?.cancel();
    await other.bridge.bridge.close();
    // The servers of the client's own era hear of each once.
    assertEquals(
      [owner.front.relayed.length, other.front.relayed.length],
      [0, 2],
    );
  });
});
