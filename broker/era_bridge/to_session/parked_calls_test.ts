import { assert, assertEquals, assertNotEquals } from "@std/assert";
import {
  AskingServer,
  type AskingTool,
  says,
} from "../../_testing/asking_server.ts";
import {
  ask,
  BridgeWorld,
  type BridgeWorldOptions,
  type Replica,
  retry,
  send,
  type StatelessRequest,
} from "../../_testing/bridge_world.ts";
import { until } from "../../_testing/until.ts";

const FORM = { message: "Go on?", requestedSchema: { type: "object" } };
const YES = { action: "accept", content: { ok: true } };
const ELICITATION = { elicitation: {} };

const TOOLS: Readonly<Record<string, AskingTool>> = {
  confirm: async ({ ask }) => {
    const { result, error } = await ask("elicitation/create", FORM);
    return says(JSON.stringify(result ?? error));
  },
  twice: async ({ ask }) => {
    const one = await ask("elicitation/create", FORM);
    const two = await ask("roots/list");
    return says(JSON.stringify([one.result, two.result]));
  },
  both: async ({ ask }) => {
    const answers = await Promise.all([
      ask("elicitation/create", FORM),
      ask("sampling/createMessage", { messages: [], maxTokens: 1 }),
    ]);
    return says(JSON.stringify(answers.map(({ result }) => result)));
  },
  endless: async ({ ask }) => {
    let asked = 0;
    while ((await ask("elicitation/create", FORM)).error === undefined) asked++;
    return says(String(asked));
  },
  other: () => says("other"),
};

const CONFIRM: StatelessRequest = {
  params: { name: "a_confirm", arguments: { n: 1 } },
  capabilities: ELICITATION,
  token: "alice",
};

const UNKNOWN_STATE = -32602;

/** However busy the machine is, what is asked at once is there in time. */
const TOGETHER: Partial<BridgeWorldOptions> = {
  limits: { askTogetherMs: 500 },
};

/** A server whose tools ask, and one broker before it. */
class World implements AsyncDisposable {
  readonly server = new AskingServer(TOOLS);
  readonly gateway: BridgeWorld;
  readonly broker: Replica;

  constructor(options: Partial<BridgeWorldOptions> = {}) {
    this.gateway = new BridgeWorld({
      url: this.server.url,
      tools: Object.keys(TOOLS),
      ...options,
    });
    this.broker = this.gateway.start();
  }

  /** Nothing is left of any call. */
  async settled(broker = this.broker): Promise<void> {
    await until(
      () => broker.bridge.counts.running + broker.bridge.counts.parked === 0,
      "no call is open",
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
  }
}

Deno.test("a call that asks is answered input_required, and a retry in time goes on with it", async () => {
  await using world = new World();
  const { server, broker } = world;
  const first = await ask(broker, CONFIRM);
  assertEquals(first.status, 200);
  const { result } = first.answer;
  assertEquals(result.resultType, "input_required");
  const [key, ...others] = Object.keys(result.inputRequests);
  assertEquals(others, []);
  assertEquals(result.inputRequests[key!], {
    method: "elicitation/create",
    params: FORM,
  });
  assertEquals(broker.bridge.counts.parked, 1);
  const second = await ask(broker, retry(CONFIRM, first, { [key!]: YES }));
  assertEquals(second.answer.id, "1 again");
  assertEquals(second.answer.result.resultType, "complete");
  assertEquals(second.answer.result.content[0].text, JSON.stringify(YES));
  assertEquals(server.runs, { confirm: 1 });
  assertEquals(broker.unparked, ["resumed"]);
  await world.settled();
  assertEquals(server.cancelled, []);
});

Deno.test("a call may ask again, and each retry goes on with it", async () => {
  await using world = new World();
  const { server, broker } = world;
  const call = {
    ...CONFIRM,
    params: { name: "a_twice" },
    capabilities: { elicitation: { form: {} }, roots: {} },
  };
  const first = await ask(broker, call);
  const [form] = Object.keys(first.answer.result.inputRequests);
  const second = await ask(broker, retry(call, first, { [form!]: YES }));
  assertEquals(second.answer.result.resultType, "input_required");
  const [roots] = Object.keys(second.answer.result.inputRequests);
  assertEquals(second.answer.result.inputRequests[roots!].method, "roots/list");
  assertNotEquals(roots, form);
  const third = await ask(
    broker,
    retry(call, second, { [roots!]: { roots: [] } }),
  );
  assertEquals(
    JSON.parse(third.answer.result.content[0].text),
    [YES, { roots: [] }],
  );
  assertEquals(server.runs, { twice: 1 });
});

Deno.test("what is asked at once is asked together; what is missing is asked again, what is too much ignored", async () => {
  await using world = new World(TOGETHER);
  const { server, broker } = world;
  const call = {
    ...CONFIRM,
    params: { name: "a_both" },
    capabilities: { elicitation: {}, sampling: {} },
  };
  const sample = { role: "assistant", content: { type: "text", text: "x" } };
  const first = await ask(broker, call);
  const [form, sampling] = Object.keys(first.answer.result.inputRequests);
  assertEquals(
    first.answer.result.inputRequests[sampling!].method,
    "sampling/createMessage",
  );
  const second = await ask(
    broker,
    retry(call, first, { [form!]: YES, stray: { a: 1 } }),
  );
  assertEquals(Object.keys(second.answer.result.inputRequests), [sampling]);
  const third = await ask(broker, retry(call, second, undefined));
  assertEquals(Object.keys(third.answer.result.inputRequests), [sampling]);
  const last = await ask(broker, retry(call, third, { [sampling!]: sample }));
  assertEquals(
    JSON.parse(last.answer.result.content[0].text),
    [YES, sample],
  );
  assertEquals(server.runs, { both: 1 });
});

Deno.test("what is asked a little later is asked together with the first", async () => {
  await using server = new AskingServer({
    both: async ({ ask }) => {
      const form = ask("elicitation/create", FORM);
      await new Promise((resolve) => setTimeout(resolve, 20));
      const roots = ask("roots/list");
      return says(JSON.stringify([await form, await roots]));
    },
  });
  await using world = new World({
    url: server.url,
    tools: ["both"],
    limits: { askTogetherMs: 2_000 },
  });
  const { answer } = await ask(world.broker, {
    params: { name: "a_both" },
    capabilities: { elicitation: {}, roots: {} },
  });
  assertEquals(Object.keys(answer.result.inputRequests).length, 2);
});

Deno.test("a retry of a client that declares less is not asked for more", async () => {
  await using world = new World(TOGETHER);
  const { broker } = world;
  const call = {
    ...CONFIRM,
    params: { name: "a_both" },
    capabilities: { elicitation: {}, sampling: {} },
  };
  const first = await ask(broker, call);
  const [form] = Object.keys(first.answer.result.inputRequests);
  const second = await ask(broker, {
    ...retry(call, first, {}),
    capabilities: ELICITATION,
  });
  assertEquals(Object.keys(second.answer.result.inputRequests), [form]);
  const third = await ask(broker, retry(call, second, { [form!]: YES }));
  assertEquals(
    JSON.parse(third.answer.result.content[0].text),
    // The server got an error, which has no result.
    [YES, null],
  );
});

Deno.test("a question that its server withdraws while the client is away is not asked again", async () => {
  const gate = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  await using server = new AskingServer({
    changes_its_mind: async ({ ask, send }) => {
      void ask("elicitation/create", FORM);
      await gate.promise;
      const params = { requestId: 1 };
      send({ method: "notifications/cancelled", params });
      const roots = ask("roots/list");
      asked.resolve();
      return says(JSON.stringify((await roots).result));
    },
  });
  await using world = new World({
    url: server.url,
    tools: ["changes_its_mind"],
  });
  const { broker } = world;
  const call = {
    ...CONFIRM,
    params: { name: "a_changes_its_mind" },
    capabilities: { elicitation: {}, roots: {} },
  };
  const first = await ask(broker, call);
  gate.resolve();
  await asked.promise;
  const second = await ask(broker, retry(call, first, {}));
  const requests = second.answer.result.inputRequests;
  const [key, ...others] = Object.keys(requests);
  assertEquals([requests[key!].method, others], ["roots/list", []]);
  const third = await ask(
    broker,
    retry(call, second, { [key!]: { roots: [] } }),
  );
  assertEquals(third.answer.result.content[0].text, '{"roots":[]}');
});

Deno.test("a server that never has enough is told so in the end", async () => {
  await using world = new World({ limits: { questionRounds: 3 } });
  const { server, broker } = world;
  const call = { ...CONFIRM, params: { name: "a_endless" } };
  let answered = await ask(broker, call);
  for (let round = 1; round <= 3; round++) {
    const [key] = Object.keys(answered.answer.result.inputRequests);
    answered = await ask(broker, retry(call, answered, { [key!]: YES }));
  }
  assertEquals(answered.answer.result.content[0].text, "3");
  assertEquals(server.runs, { endless: 1 });
});

Deno.test("a retry that comes late is refused, and the server was told that nobody answers", async () => {
  await using world = new World({ limits: { parkMs: 50 } });
  const { server, broker } = world;
  const first = await ask(broker, CONFIRM);
  const [key] = Object.keys(first.answer.result.inputRequests);
  await until(() => server.cancelled.length > 0, "the call was cancelled");
  await world.settled();
  const late = await ask(broker, retry(CONFIRM, first, { [key!]: YES }));
  assertEquals(late.status, 200);
  assertEquals(late.answer.error.code, UNKNOWN_STATE);
  assertEquals(server.runs, { confirm: 1 });
});

Deno.test("a client that never comes back costs an error to the question, a cancellation, and nothing more", async () => {
  let heard: unknown;
  const server = new AskingServer({
    confirm: async ({ ask }) => {
      heard = (await ask("elicitation/create", FORM)).error;
      return says("given up");
    },
  });
  await using _server = server;
  await using world = new World({ url: server.url, limits: { parkMs: 50 } });
  const { broker } = world;
  await ask(broker, CONFIRM);
  await until(() => heard !== undefined, "the question was answered");
  assertEquals((heard as { code: number }).code, -32603);
  await until(() => server.cancelled.length === 1, "the call was cancelled");
  await world.settled();
  assertEquals(broker.unparked, ["expired"]);
  assertEquals(server.runs, { confirm: 1 });
});

const REFUSED: readonly {
  readonly name: string;
  readonly change: (request: StatelessRequest) => StatelessRequest;
}[] = [
  {
    name: "an altered state",
    change: (request) => {
      const state = String(request.params["requestState"]);
      const altered = state[40] === "A" ? "B" : "A";
      const requestState = state.slice(0, 40) + altered + state.slice(41);
      return { ...request, params: { ...request.params, requestState } };
    },
  },
  {
    name: "the state of another caller",
    change: (request) => ({ ...request, token: "bob" }),
  },
  {
    name: "somebody's state from nobody in particular",
    change: ({ token: _, ...request }) => request,
  },
  {
    name: "the state of another tool",
    change: (request) => ({
      ...request,
      params: { ...request.params, name: "a_other" },
    }),
  },
  {
    name: "the state of a call with other arguments",
    change: (request) => ({
      ...request,
      params: { ...request.params, arguments: { n: 2 } },
    }),
  },
  {
    name: "the state of another method",
    change: (request) => ({
      ...request,
      method: "prompts/get",
      params: { ...request.params, name: "a_greet" },
    }),
  },
  {
    name: "a state that is made up",
    change: (request) => ({
      ...request,
      params: { ...request.params, requestState: "AAAA" },
    }),
  },
  {
    name: "a state that is no string",
    change: (request) => ({
      ...request,
      params: { ...request.params, requestState: 7 },
    }),
  },
  {
    name: "answers that are no object",
    change: (request) => ({
      ...request,
      params: { ...request.params, inputResponses: [] },
    }),
  },
];
for (const { name, change } of REFUSED) {
  Deno.test(`a retry with ${name} is refused, and the call goes on with the right one`, async () => {
    await using world = new World();
    const { server, broker } = world;
    const first = await ask(broker, CONFIRM);
    const [key] = Object.keys(first.answer.result.inputRequests);
    const right = retry(CONFIRM, first, { [key!]: YES });
    const wrong = await ask(broker, change(right));
    assertEquals(wrong.status, 200);
    assertEquals(wrong.answer.error.code, UNKNOWN_STATE);
    assertEquals(server.runs, { confirm: 1 });
    const second = await ask(broker, right);
    assertEquals(second.answer.result.resultType, "complete");
    assertEquals(server.runs, { confirm: 1 });
  });
}

Deno.test("a broker that stops waits for clients that are to come back, though not for ever", async () => {
  await using world = new World();
  const { broker } = world;
  await broker.bridge.idle(new AbortController().signal);
  const first = await ask(broker, CONFIRM);
  const [key] = Object.keys(first.answer.result.inputRequests);
  await broker.bridge.idle(AbortSignal.abort());
  const over = new AbortController();
  const impatient = broker.bridge.idle(over.signal);
  over.abort();
  await impatient;
  assertEquals(broker.bridge.counts.parked, 1);
  let isIdle = false;
  const idle = broker.bridge.idle(new AbortController().signal)
    .then(() => isIdle = true);
  assertEquals(isIdle, false);
  const second = await ask(broker, retry(CONFIRM, first, { [key!]: YES }));
  assertEquals(second.answer.result.resultType, "complete");
  await idle;
});

Deno.test("a state works once, also where two come with it at the same time", async () => {
  await using world = new World();
  const { server, broker } = world;
  const first = await ask(broker, CONFIRM);
  const [key] = Object.keys(first.answer.result.inputRequests);
  const again = retry(CONFIRM, first, { [key!]: YES });
  const answers = await Promise.all([1, 2, 3].map(() => ask(broker, again)));
  const outcomes = answers.map(({ answer }) =>
    answer.error?.code ?? answer.result.resultType
  );
  assertEquals(outcomes.toSorted(), [-32602, -32602, "complete"]);
  const replayed = await ask(broker, again);
  assertEquals(replayed.answer.error.code, UNKNOWN_STATE);
  assertEquals(server.runs, { confirm: 1 });
});

Deno.test("a retry that reaches another broker is answered by the one that has the call", async () => {
  await using world = new World();
  const { server, gateway, broker } = world;
  const other = gateway.start();
  const first = await ask(broker, CONFIRM);
  const [key] = Object.keys(first.answer.result.inputRequests);
  const second = await ask(other, retry(CONFIRM, first, { [key!]: YES }));
  assertEquals(second.answer.result.content[0].text, JSON.stringify(YES));
  assertEquals(second.answer.id, "1 again");
  assertEquals(server.runs, { confirm: 1 });
  const third = await ask(other, retry(CONFIRM, first, { [key!]: YES }));
  assertEquals(third.answer.error.code, UNKNOWN_STATE);
  assertEquals(server.runs, { confirm: 1 });
});

Deno.test("a retry at another broker is held to the same rules", async () => {
  await using world = new World();
  const { server, gateway, broker } = world;
  const other = gateway.start();
  const first = await ask(broker, CONFIRM);
  const [key] = Object.keys(first.answer.result.inputRequests);
  const right = retry(CONFIRM, first, { [key!]: YES });
  for (const { change, name } of REFUSED) {
    const wrong = await ask(other, change(right));
    assertEquals(wrong.answer.error.code, UNKNOWN_STATE, name);
  }
  assertEquals(server.runs, { confirm: 1 });
});

Deno.test("a client that leaves while another broker has its call cancels it there", async () => {
  const server = new AskingServer({
    slow: async ({ ask }) => {
      await ask("elicitation/create", FORM);
      await new Promise(() => {});
      return {};
    },
  });
  await using _server = server;
  await using world = new World({ url: server.url, tools: ["slow"] });
  const other = world.gateway.start();
  const call = { ...CONFIRM, params: { name: "a_slow" } };
  const first = await ask(world.broker, call);
  const [key] = Object.keys(first.answer.result.inputRequests);
  const client = new AbortController();
  const going = send(other, {
    ...retry(call, first, { [key!]: YES }),
    signal: client.signal,
  });
  await until(
    () => world.broker.bridge.counts.parked === 0,
    "the call goes on",
  );
  client.abort();
  await until(() => server.cancelled.length === 1, "the call was cancelled");
  await world.settled();
  await (await going).body?.cancel();
});

Deno.test("a retry whose broker does not show life is refused in the end", async () => {
  await using world = new World({ limits: { keepAliveMs: 30 } });
  const { server, gateway, broker } = world;
  const first = await ask(broker, CONFIRM);
  const [key] = Object.keys(first.answer.result.inputRequests);
  const other = gateway.start(0, {
    // Takes it, and never answers.
    fetchBroker: (_url, { signal }) =>
      new Promise((_, reject) =>
        signal!.addEventListener("abort", () => reject(signal!.reason))
      ),
  });
  const second = await ask(other, retry(CONFIRM, first, { [key!]: YES }));
  assertEquals(second.answer.error.code, UNKNOWN_STATE);
  assertEquals(server.runs, { confirm: 1 });
});

Deno.test("a retry may want log messages that the first request did not", async () => {
  await using server = new AskingServer({
    talks: async ({ ask, send, session }) => {
      await ask("elicitation/create", FORM);
      const params = { level: "info", data: session.methods.at(-1) };
      send({ method: "notifications/message", params });
      return says("talked");
    },
  });
  await using world = new World({ url: server.url, tools: ["talks"] });
  const call = { ...CONFIRM, params: { name: "a_talks" } };
  const first = await ask(world.broker, call);
  const [key] = Object.keys(first.answer.result.inputRequests);
  const second = await ask(world.broker, {
    ...retry(call, first, { [key!]: YES }),
    meta: { "io.modelcontextprotocol/logLevel": "info" },
  });
  assertEquals(
    second.before.map(({ params }) => params),
    [{ level: "info", data: "logging/setLevel" }],
  );
});

const GONE: readonly {
  readonly name: string;
  readonly reachable?: boolean;
  readonly successor: (gateway: BridgeWorld, port: number) => Replica;
}[] = [
  {
    name: "was killed and started again at the same address",
    successor: (gateway, port) => gateway.start(port),
  },
  { name: "is gone for good", successor: (gateway) => gateway.start() },
  {
    name: "cannot be reached by others",
    reachable: false,
    successor: (gateway) => gateway.start(),
  },
];
for (const { name, reachable = true, successor } of GONE) {
  Deno.test(`a retry is refused, and nothing run, where the broker that had the call ${name}`, async () => {
    await using server = new AskingServer(TOOLS);
    const gateway = new BridgeWorld({
      url: server.url,
      tools: Object.keys(TOOLS),
      reachable,
    });
    await using _gateway = gateway;
    const port = freePort();
    const broker = gateway.start(port);
    const first = await ask(broker, CONFIRM);
    const [key] = Object.keys(first.answer.result.inputRequests);
    await broker.kill();
    const next = successor(gateway, port);
    const second = await ask(next, retry(CONFIRM, first, { [key!]: YES }));
    assertEquals(second.status, 200);
    assertEquals(second.answer.error.code, UNKNOWN_STATE);
    assertEquals(server.runs, { confirm: 1 });
  });
}

Deno.test("a server that gives up asking while the client is away has its answer kept", async () => {
  const { promise: goOn, resolve } = Promise.withResolvers<void>();
  const server = new AskingServer({
    impatient: async ({ ask, send }) => {
      void ask("elicitation/create", FORM);
      await goOn;
      send({ method: "notifications/cancelled", params: { requestId: 1 } });
      send({
        method: "notifications/progress",
        params: { progressToken: "call-1", progress: 1 },
      });
      return says("without you");
    },
  });
  await using _server = server;
  await using world = new World({ url: server.url, tools: ["impatient"] });
  const call = {
    ...CONFIRM,
    params: { name: "a_impatient" },
    meta: { progressToken: 7 },
  };
  const first = await ask(world.broker, call);
  const [key] = Object.keys(first.answer.result.inputRequests);
  resolve();
  await until(
    () => world.broker.bridge.counts.running === 0,
    "the server has answered",
  );
  const second = await ask(world.broker, retry(call, first, { [key!]: YES }));
  assertEquals(second.answer.result.content[0].text, "without you");
  // What was reported meanwhile was dropped.
  assertEquals(second.before, []);
  assertEquals(server.runs, { impatient: 1 });
});

Deno.test("a server that asks on the session's own stream is heard where one call is open", async () => {
  const server = new AskingServer({
    apart: async ({ askApart }) => {
      const { result, error } = await askApart("elicitation/create", FORM);
      return says(JSON.stringify(result ?? error));
    },
  });
  await using _server = server;
  await using world = new World({ url: server.url, tools: ["apart"] });
  const call = { ...CONFIRM, params: { name: "a_apart" } };
  const first = await ask(world.broker, call);
  const [key] = Object.keys(first.answer.result.inputRequests);
  const second = await ask(world.broker, retry(call, first, { [key!]: YES }));
  assertEquals(second.answer.result.content[0].text, JSON.stringify(YES));
});

Deno.test("of two calls in one session nobody can tell which one is meant; from then on each has its own while it runs", async () => {
  await using server = new AskingServer({
    apart: async ({ askApart }) => {
      const { result, error } = await askApart("elicitation/create", FORM);
      return says(JSON.stringify(result ?? error));
    },
    wait: async ({ ask }) => {
      await ask("elicitation/create", FORM);
      return says("waited");
    },
  });
  await using world = new World({ url: server.url, tools: ["apart", "wait"] });
  const { broker } = world;
  const wait = { ...CONFIRM, params: { name: "a_wait" } };
  const apart = { ...CONFIRM, params: { name: "a_apart" } };
  const waiting = await ask(broker, wait);
  assertEquals(waiting.answer.result.resultType, "input_required");
  const unclear = await ask(broker, apart);
  assertEquals(
    JSON.parse(unclear.answer.result.content[0].text).code,
    -32601,
  );
  assertEquals(server.sessions.length, 1);
  // The first one still waits in that session.
  const clear = await ask(broker, apart);
  assertEquals(server.sessions.length, 2);
  for (const [call, first] of [[wait, waiting], [apart, clear]] as const) {
    const [key] = Object.keys(first.answer.result.inputRequests);
    const { answer } = await ask(broker, retry(call, first, { [key!]: YES }));
    assertEquals(answer.result.resultType, "complete");
  }
  await until(() => server.sessions[1]!.ended, "the other one was ended");
  const alone = await ask(broker, apart);
  assertEquals(alone.answer.result.resultType, "input_required");
  assertEquals(server.sessions.length, 2);
});

Deno.test("one call cannot take all the room for what is asked", async () => {
  await using server = new AskingServer({
    greedy: async ({ ask }) => {
      const answers = await Promise.all(
        Array.from({ length: 5 }, () => ask("roots/list")),
      );
      return says(JSON.stringify(answers.map(({ error }) => error?.code)));
    },
  });
  await using world = new World({
    url: server.url,
    tools: ["greedy"],
    limits: { questionsPerCall: 3, askTogetherMs: 500 },
  });
  const call = {
    ...CONFIRM,
    params: { name: "a_greedy" },
    capabilities: { roots: {} },
  };
  const first = await ask(world.broker, call);
  const keys = Object.keys(first.answer.result.inputRequests);
  assertEquals(keys.length, 3);
  const answers = Object.fromEntries(keys.map((key) => [key, { roots: [] }]));
  const second = await ask(world.broker, retry(call, first, answers));
  assertEquals(
    JSON.parse(second.answer.result.content[0].text),
    [null, null, null, -32603, -32603],
  );
});

Deno.test("parked calls of one caller, and in all, are limited; who cannot be asked is not concerned", async () => {
  await using world = new World({
    limits: { parkedCallsPerIdentity: 2, parkedCalls: 3 },
  });
  const { broker } = world;
  await ask(broker, CONFIRM);
  await ask(broker, CONFIRM);
  const third = await ask(broker, CONFIRM);
  assertEquals(third.status, 429);
  assertEquals(third.answer.error.data.retryable, true);
  const silent = await ask(broker, {
    params: { name: "a_other" },
    token: "alice",
  });
  assertEquals(silent.status, 200);
  await ask(broker, { ...CONFIRM, token: "bob" });
  const inAll = await ask(broker, { ...CONFIRM, token: "carol" });
  assertEquals(inAll.status, 429);
  assertEquals(broker.bridge.counts.parked, 3);
});

Deno.test("what is asked of clients is kept within bounds: one question too many is refused", async () => {
  await using world = new World({ limits: { parkedBytes: 150 } });
  const { broker } = world;
  const first = await ask(broker, CONFIRM);
  assertEquals(first.answer.result.resultType, "input_required");
  const second = await ask(broker, { ...CONFIRM, token: "bob" });
  assertEquals(
    JSON.parse(second.answer.result.content[0].text).code,
    -32603,
  );
  // What was kept is free again.
  const [key] = Object.keys(first.answer.result.inputRequests);
  await ask(broker, retry(CONFIRM, first, { [key!]: YES }));
  const third = await ask(broker, { ...CONFIRM, token: "bob" });
  assertEquals(third.answer.result.resultType, "input_required");
});

Deno.test("a broker that ends tells servers that nobody waits any more", async () => {
  await using world = new World();
  const { server, broker } = world;
  const first = await ask(broker, CONFIRM);
  assert(first.answer.result.requestState);
  await broker.bridge.close();
  assertEquals(server.cancelled.length, 1);
  assertEquals(broker.unparked, ["closed"]);
  assertEquals(server.sessions.map(({ ended }) => ended), [true]);
});

Deno.test("what clients answer reaches the server as it was written", async () => {
  await using world = new World();
  const { server, broker } = world;
  const first = await ask(broker, CONFIRM);
  const [key] = Object.keys(first.answer.result.inputRequests);
  const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };
  await ask(
    broker,
    retry(CONFIRM, first, {
      [key!]: { content: { big: rawJSON("9007199254740993") }, z: 1, a: 1 },
    }),
  );
  const text = '{"content":{"big":9007199254740993},"z":1,"a":1}';
  assert(
    server.texts.includes(`{"jsonrpc":"2.0","id":1,"result":${text}}`),
    server.texts.join("\n"),
  );
});

Deno.test("of many calls that end in every way none is answered wrong, runs twice, or is left", async () => {
  const runs = new Map<number, number>();
  await using server = new AskingServer({
    any: async ({ call, ask }) => {
      const { n } = call.params!["arguments"] as { n: number };
      runs.set(n, (runs.get(n) ?? 0) + 1);
      if (n % 4 === 0) return says(String(n));
      const { result } = await ask("elicitation/create", {
        ...FORM,
        message: String(n),
      });
      return says(JSON.stringify(result?.["content"]));
    },
  });
  await using world = new World({ url: server.url, tools: ["any"] });
  const brokers = [world.broker, world.gateway.start()];
  const one = async (n: number) => {
    const broker = brokers[n % 2]!;
    const client = new AbortController();
    const call: StatelessRequest = {
      params: { name: "a_any", arguments: { n } },
      capabilities: ELICITATION,
      token: `caller ${n % 7}`,
      id: n,
      signal: client.signal,
    };
    const first = await ask(broker, call);
    assertEquals(first.answer.id, n);
    if (n % 4 === 0) {
      assertEquals(first.answer.result.content[0].text, String(n));
      return;
    }
    const [[key, question]] = Object.entries(
      first.answer.result.inputRequests,
    ) as unknown as [[string, { params: { message: string } }]];
    assertEquals(question.params.message, String(n));
    const again = retry(call, first, {
      [key]: { action: "accept", content: { n } },
    });
    // One answers, at either broker, one never does, one leaves meanwhile.
    if (n % 4 === 1) {
      const { answer } = await ask(brokers[n % 3 % 2]!, again);
      assertEquals(answer.result.content[0].text, JSON.stringify({ n }));
      assertEquals(
        (await ask(broker, again)).answer.error.code,
        UNKNOWN_STATE,
      );
    } else if (n % 4 === 3) {
      const going = send(broker, again);
      client.abort();
      await (await going).body?.cancel();
    }
  };
  const numbers = Array.from({ length: 400 }, (_, n) => n).values();
  await Promise.all(Array.from({ length: 20 }, async () => {
    for (const n of numbers) await one(n);
  }));
  assertEquals([...new Set(runs.values())], [1]);
  assertEquals(runs.size, 400);
  const parked = () =>
    brokers.map(({ bridge }) => bridge.counts.parked)
      .reduce((sum, count) => sum + count);
  const running = () =>
    brokers.map(({ bridge }) => bridge.counts.running)
      .reduce((sum, count) => sum + count);
  // Those that never came back are waited for, and nobody else.
  await until(() => parked() === 100 && running() === 100, "who left is gone");
  for (const { bridge } of brokers) await bridge.close();
  assertEquals([parked(), running()], [0, 0]);
});

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}
