/**
 * Edge cases of the stateless era and of crossing between the eras, each test
 * named after the sentence that asks for it. Those that another file tests
 * already are listed, not repeated.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  ConversingServer,
  type ServerSession,
  type Tool,
} from "../fixtures/conversing_server.ts";
import { startRawServer } from "../fixtures/raw_server.ts";
import { ScriptedServer, ScriptedStream } from "../fixtures/scripted_server.ts";
import {
  rpcResult,
  startStatelessRawServer,
  type StatelessRequest,
} from "../fixtures/stateless_raw_server.ts";
import { bearer } from "../support/bearer.ts";
import { startGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import {
  RawListener,
  type RawReply,
  type RpcMessage,
} from "../support/raw_client.ts";
import { mirrors, StatelessClient } from "../support/stateless_client.ts";
import { eventually, within } from "../support/wait.ts";

/** Sentences, and the words by which their tests go in another file. */
const ELSEWHERE: readonly {
  readonly sentence: string;
  readonly file: string;
  readonly words: string;
}[] = [
  {
    sentence:
      "Backend 404 with -32601 reaches the client; no session is evicted",
    file: "stateless_answers_test.ts",
    words: "a 404 of this era costs nobody a session",
  },
  {
    sentence: "Base64 Mcp-Name routes like plain; =?BASE64?…?= is literal",
    file: "stateless_bytes_test.ts",
    words: "is routed, and mirrored without its prefix",
  },
  {
    sentence: "Header says tool A, body tool B → 400 -32020, backend untouched",
    file: "stateless_headers_test.ts",
    words: "with the request's id, and no server gets it",
  },
  {
    sentence:
      "A disconnect of the session era, in a call of a server of the session era: the side effect completes",
    file: "edge_cases_test.ts",
    words: "A disconnect in the middle of a call is no cancellation",
  },
  {
    sentence:
      "A disconnect of the stateless era, in a call of a server of the stateless era: the server is told",
    file: "stateless_answers_test.ts",
    words: "a client that leaves ends the call at its server",
  },
  {
    sentence: "User B presents A's session id → refused",
    file: "sessions_test.ts",
    words: "of another subject",
  },
  {
    sentence: "Expired requestState → -32602",
    file: "parked_calls_test.ts",
    words: "a client that never comes back, or late, costs an error",
  },
  {
    sentence: "Successful response under Deno doesn't emit `cancelled`",
    file: "parked_calls_test.ts",
    words: "an answer that its client has cancels nothing, however it came",
  },
];

for (const { sentence, file, words } of ELSEWHERE) {
  Deno.test(`${sentence}: tested in ${file}`, async () => {
    const text = await Deno.readTextFile(new URL(file, import.meta.url));
    assertStringIncludes(text, words);
  });
}

const ALICE = bearer("alice");
const BOB = bearer("bob");
const CANCELLED = "notifications/cancelled";
const CAPABILITIES = { elicitation: {} };
const CHANGED = "notifications/tools/list_changed";
const UPDATED = "notifications/resources/updated";
const ACKNOWLEDGED = "notifications/subscriptions/acknowledged";

const setup = shared(async (stack) => {
  /** Calls of `old`, as they ran there. */
  const ran: string[] = [];
  const old = stack.use(
    new ConversingServer({
      name: "old",
      tools: {
        plain: () => "plain",
        work: async ({ session }) => {
          ran.push("work");
          await new Promise<void>((resolve) =>
            // Until it is cancelled, or the test is over.
            void eventually(() => assert(cancelledIn(session) > 0))
              .finally(resolve)
          );
          return "done";
        },
        ask: asking(() => ran.push("ask")),
        other: asking(() => ran.push("other")),
      },
    }),
  );
  const changing = stack.use(startRawServer({ name: "changing" }));
  const fresh = stack.use(startStatelessRawServer({
    name: "fresh",
    tools: [{ name: "work" }, { name: "plain" }],
    resources: [{ uri: "fresh://1", name: "one" }],
  }));
  const eager = stack.use(new ScriptedServer("eager"));
  eager.capabilities = { tools: {}, resources: { subscribe: true } };
  const gateway = stack.use(
    await startGateway({
      servers: [
        { name: "old", url: old.url, prefix: "old_" },
        { name: "changing", url: changing.url, prefix: "changing_" },
        { name: "fresh", url: fresh.url, prefix: "fresh_" },
        { name: "eager", url: eager.url, prefix: "eager_" },
      ],
    }),
  );
  return { old, changing, fresh, eager, gateway, ran };
});

/** A tool that asks the user, and is told of. */
function asking(runs: () => void): Tool {
  return async (call) => {
    runs();
    const { result } = await call.ask("elicitation/create", {
      message: "Sure?",
      requestedSchema: {
        type: "object",
        properties: { answer: { type: "string" } },
      },
    });
    return JSON.stringify(result);
  };
}

function cancelledIn({ notifications }: ServerSession): number {
  return notifications.filter(({ method }) => method === CANCELLED).length;
}

/** Every cancellation that a server of the session era heard of. */
function cancellations(server: ConversingServer): number {
  return [...server.sessions.values()].map(cancelledIn)
    .reduce((sum, count) => sum + count, 0);
}

function stateless(
  headers: Readonly<Record<string, string>> = {},
): StatelessClient {
  const { gateway } = setup();
  return new StatelessClient(gateway.url, {
    capabilities: CAPABILITIES,
    headers,
  });
}

/** Opens a subscription under an id that the test chooses, as JSON. */
async function listen(
  id: string,
  notifications: object,
): Promise<RawListener> {
  const { gateway } = setup();
  const method = "subscriptions/listen";
  const { meta } = stateless();
  const abort = new AbortController();
  const response = await fetch(gateway.url, {
    method: "POST",
    headers: {
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      "mcp-protocol-version": "2026-07-28",
      ...mirrors(method, {}),
    },
    body: `{"jsonrpc":"2.0","id":${id},"method":"${method}","params":{
      "notifications":${JSON.stringify(notifications)},"_meta":{${meta}}}}`,
    signal: abort.signal,
  });
  assertEquals(response.status, 200);
  return new RawListener(response, abort);
}

function subscriptionOf({ params }: RpcMessage): unknown {
  const { _meta } = params as { readonly _meta?: Record<string, unknown> };
  return _meta?.["io.modelcontextprotocol/subscriptionId"];
}

for (const id of ["0", '"7"']) {
  proves(`Listen id ${id} keeps value and type`, async () => {
    const { changing } = setup();
    await using stream = await listen(id, { toolsListChanged: true });
    const first = await stream.next();
    assertEquals(first.method, ACKNOWLEDGED);
    assertEquals(subscriptionOf(first), JSON.parse(id));
    changing.changeTools([[{ name: `tool_${crypto.randomUUID()}` }]]);
    const second = await stream.nextOf(CHANGED);
    assertEquals(subscriptionOf(second), JSON.parse(id));
  });
}

proves(
  "Acknowledgement precedes an event fired during upstream setup, at a server of the session era",
  async () => {
    const { eager } = setup();
    const stream = new ScriptedStream();
    const message = JSON.stringify({
      jsonrpc: "2.0",
      method: UPDATED,
      params: { uri: "eager://1" },
    });
    eager.script = ({ method, rpc }) => {
      if (method === "GET") return stream.response;
      if (rpc === "resources/subscribe") stream.write(`data: ${message}\n\n`);
      return undefined;
    };
    await using listener = await listen("1", {
      resourceSubscriptions: ["eager://1"],
    });
    await acknowledgesFirst(listener, "eager://1");
    eager.clear();
    stream.end();
  },
);

proves(
  "Acknowledgement precedes an event fired during upstream setup, at a server of the stateless era",
  async () => {
    const { fresh } = setup();
    fresh.script = (request) =>
      request.rpc === "subscriptions/listen" ? eventAtOnce(request) : undefined;
    await using listener = await listen("1", {
      resourceSubscriptions: ["fresh://1"],
    });
    await acknowledgesFirst(listener, "fresh://1");
    fresh.clear();
  },
);

async function acknowledgesFirst(
  listener: RawListener,
  uri: string,
): Promise<void> {
  const first = await listener.next();
  assertEquals(first.method, ACKNOWLEDGED);
  assertEquals(first["params"], {
    notifications: { resourceSubscriptions: [uri] },
    _meta: { "io.modelcontextprotocol/subscriptionId": 1 },
  });
  const second = await listener.next();
  assertEquals(second.method, UPDATED);
  assertEquals((second["params"] as { uri: string }).uri, uri);
}

/** Acknowledges a subscription and has news at once, in one piece. */
function eventAtOnce({ id, body }: StatelessRequest): Response {
  const { params } = JSON.parse(new TextDecoder().decode(body));
  const _meta = {
    "io.modelcontextprotocol/subscriptionId": JSON.parse(id),
  };
  const uris: string[] = params.notifications.resourceSubscriptions ?? [];
  const events = [
    {
      method: ACKNOWLEDGED,
      params: { notifications: params.notifications, _meta },
    },
    ...uris.map((uri) => ({ method: UPDATED, params: { uri, _meta } })),
  ];
  const stream = new ScriptedStream();
  stream.write(
    events.map((event) =>
      `data: ${JSON.stringify({ jsonrpc: "2.0", ...event })}\n\n`
    ).join(""),
  );
  return stream.response;
}

proves(
  "A disconnect of the session era, in a call of a server of the stateless era: the side effect completes",
  async () => {
    const { fresh, gateway } = setup();
    const called = Promise.withResolvers<StatelessRequest>();
    const stream = new ScriptedStream();
    let left = false;
    void stream.left.then(() => left = true);
    fresh.script = (request) => {
      if (request.headers.get("mcp-name") !== "work") return undefined;
      called.resolve(request);
      return stream.response;
    };
    const client = await gateway.connect();
    const leave = new AbortController();
    const call = client.call("fresh_work", {}, { signal: leave.signal })
      .catch(() => "left");
    stream.write(": begun\n\n");
    const { id } = await within("the call", called.promise);
    leave.abort();
    assertEquals(await call, "left");
    // Whatever the leaving brought about has come to pass by then.
    for (let round = 0; round < 5; round++) {
      assertEquals((await client.call("fresh_plain")).status, 200);
    }
    assertEquals(left, false);
    const result = { resultType: "complete", content: [] };
    stream.write(
      `data: {"jsonrpc":"2.0","id":${id},"result":${
        JSON.stringify(result)
      }}\n\n`,
    );
    stream.end();
    fresh.clear();
  },
);

proves(
  "A disconnect of the stateless era, in a call of a server of the session era: the server is told",
  async () => {
    const { old, ran } = setup();
    const before = cancellations(old);
    const leave = new AbortController();
    const call = stateless().call("old_work", {}, { signal: leave.signal })
      .catch(() => "left");
    await eventually(() => assertEquals(ran.at(-1), "work"));
    leave.abort();
    assertEquals(await call, "left");
    await eventually(() => assertEquals(cancellations(old), before + 1));
  },
);

proves("User B presents A's requestState → refused", async () => {
  const { ran } = setup();
  const alice = stateless(ALICE);
  const parked = await asked(alice, "old_ask");
  const before = ran.length;
  for (const stranger of [stateless(BOB), stateless()]) {
    isUnknownState(await goOn(stranger, "old_ask", parked));
  }
  // It is still there for whom it is.
  succeeded(await goOn(alice, "old_ask", parked));
  assertEquals(ran.length, before);
});

for (
  const [what, tool, change] of [
    ["Altered", "old_ask", alter],
    ["Replayed-on-other-tool", "old_other", same],
  ] as const
) {
  proves(`${what} requestState → -32602`, async () => {
    const { ran } = setup();
    const client = stateless(ALICE);
    const parked = await asked(client, "old_ask");
    const before = ran.length;
    const state = change(parked.state);
    isUnknownState(await goOn(client, tool, { ...parked, state }));
    assertEquals(ran.length, before, "a tool ran");
    succeeded(await goOn(client, "old_ask", parked));
  });
}

proves("Replayed requestState → -32602, and the tool ran once", async () => {
  const { ran } = setup();
  const client = stateless(ALICE);
  const before = ran.length;
  const parked = await asked(client, "old_ask");
  succeeded(await goOn(client, "old_ask", parked));
  isUnknownState(await goOn(client, "old_ask", parked));
  assertEquals(ran.length, before + 1);
});

proves(
  "Private-scope list never served to another token",
  async () => {
    const toolsOf = (who: string) => [
      { name: "common", inputSchema: { type: "object" } },
      { name: `only_${who}`, inputSchema: { type: "object" } },
    ];
    const callers: Readonly<Record<string, string>> = {
      [ALICE.authorization]: "alice",
      [BOB.authorization]: "bob",
    };
    await using modern = startStatelessRawServer({ name: "modern" });
    modern.script = (request) => {
      const who = callers[request.headers.get("authorization") ?? ""];
      if (request.rpc !== "tools/list") return undefined;
      return rpcResult(request, {
        tools: toolsOf(who ?? "nobody"),
        // A long time, which must not be taken to be everybody's.
        ttlMs: 3_600_000,
        cacheScope: "private",
      });
    };
    await using legacy = startRawServer({
      name: "legacy",
      callers: {
        [ALICE.authorization]: toolsOf("alice"),
        [BOB.authorization]: toolsOf("bob"),
      },
    });
    const personal = { userSpecificList: true, passthrough: true };
    await using gateway = await startGateway({
      servers: [
        { name: "modern", url: modern.url, prefix: "m_", ...personal },
        { name: "legacy", url: legacy.url, prefix: "l_", ...personal },
      ],
    });
    const see = async (headers: Record<string, string>) => {
      const client = new StatelessClient(gateway.url, { headers });
      const { message } = await client.request("tools/list");
      assertEquals(message?.result?.["cacheScope"], "private");
      return message?.result?.tools?.map(({ name }) => name).sort();
    };
    const own = (who: string) => [
      "l_common",
      `l_only_${who}`,
      "m_common",
      `m_only_${who}`,
    ];
    for (let round = 0; round < 3; round++) {
      assertEquals(await see(ALICE), own("alice"));
      assertEquals(await see(BOB), own("bob"));
    }
    // Nor to a client of the other era.
    const session = await gateway.connect({ headers: BOB });
    assertEquals((await session.toolNames()).sort(), own("bob"));
  },
);

proves(
  "MRTR retry after broker restart never executes the tool twice",
  async () => {
    const { ran, gateway, old } = setup();
    const client = stateless(ALICE);
    const before = ran.length;
    const parked = await asked(client, "old_ask");
    gateway.local.broker.kill("SIGKILL");
    await gateway.local.broker.ended;
    await gateway.local.broker.restart();
    await gateway.serverIs("old", "ready");
    for (let round = 0; round < 2; round++) {
      const reply = await eventually(async () => {
        const reply = await goOn(client, "old_ask", parked);
        assert(reply.status < 500, reply.text);
        return reply;
      });
      isUnknownState(reply);
    }
    assertEquals(ran.length, before + 1);
    // The gateway is as it was for a call that begins anew.
    const again = await asked(client, "old_ask");
    succeeded(await goOn(client, "old_ask", again));
    assertEquals(ran.length, before + 2);
    assert(old.sessions.size > 0);
  },
);

/** A call that waits for answers. */
interface Parked {
  /** What leads back to it. */
  readonly state: string;
  /** Keys of what was asked. */
  readonly questions: readonly string[];
}

/** Calls a tool that asks. */
async function asked(
  client: StatelessClient,
  tool: string,
): Promise<Parked> {
  const reply = await client.call(tool);
  const result = reply.message?.result;
  assertEquals(result?.["resultType"], "input_required", reply.text);
  const questions = Object.keys(result?.["inputRequests"] as object);
  assertEquals(questions.length, 1);
  return { state: String(result?.["requestState"]), questions };
}

/** Goes on with a call: answers every question that was asked. */
function goOn(
  client: StatelessClient,
  tool: string,
  { state, questions }: Parked,
): Promise<RawReply> {
  const answer = { action: "accept", content: { answer: "yes" } };
  return client.request("tools/call", {
    name: tool,
    arguments: {},
    inputResponses: Object.fromEntries(questions.map((key) => [key, answer])),
    requestState: state,
  });
}

function succeeded({ message, text }: RawReply): void {
  assertEquals(message?.result?.["resultType"], "complete", text);
  assert(message?.result?.isError !== true, text);
}

function isUnknownState({ message, text }: RawReply): void {
  assertEquals(message?.error?.code, -32602, text);
}

function alter(state: string): string {
  const at = Math.floor(state.length / 2);
  const other = state[at] === "A" ? "B" : "A";
  return state.slice(0, at) + other + state.slice(at + 1);
}

function same(state: string): string {
  return state;
}
