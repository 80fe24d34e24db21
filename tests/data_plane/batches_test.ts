/**
 * A batch (2025-03-26) with calls in it: each goes through Envoy by itself,
 * with all that this means, and what comes back is one stream.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  type ScriptedRequest,
  ScriptedServer,
  ScriptedStream,
} from "../fixtures/scripted_server.ts";
import { startGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import {
  RawClient,
  type RawClientOptions,
  type RawListener,
  type RpcMessage,
} from "../support/raw_client.ts";
import { eventually, within } from "../support/wait.ts";

const ASKABLE = { elicitation: {}, sampling: {}, roots: {} };
const HOST = "gw.example";

const setup = shared(async (stack) => {
  const one = stack.use(new ScriptedServer("one"));
  const two = stack.use(new ScriptedServer("two"));
  const servers = [
    { name: "one", url: one.url, prefix: "one_" },
    { name: "two", url: two.url, prefix: "two_" },
  ];
  // A host and an identity that calls have to bring along.
  const args = [`--allowed-hosts=${HOST}`, "--identity-header=x-user"];
  const gateway = stack.use(
    await startGateway({
      servers,
      local: { routerArgs: args, brokerArgs: args },
    }),
  );
  await gateway.config.writeText(JSON.stringify({
    servers,
    virtualServers: [{ name: "team/one", tools: ["one_ask"] }],
  }));
  await eventually(async () => {
    const { virtualServers } = await gateway.status();
    assertEquals(virtualServers?.length, 1);
    assertEquals(gateway.local.config.virtualServers.length, 1);
  });
  const http = Deno.createHttpClient({ allowHost: true });
  stack.defer(() => http.close());
  const connect = (
    { headers, ...options }: RawClientOptions = {},
    path = "",
  ): Promise<RawClient> =>
    RawClient.connect(`${gateway.url}${path}`, {
      revision: "2025-03-26",
      http,
      headers: { host: HOST, "x-user": "alice", ...headers },
      ...options,
    });
  return { one, two, gateway, connect };
});

function callOf(id: unknown, tool: string, args: object = {}): object {
  const params = { name: tool, arguments: args };
  return { jsonrpc: "2.0", id, method: "tools/call", params };
}

function result(id: string, value = "{}"): string {
  return `data: {"jsonrpc":"2.0","id":${id},"result":${value}}\n\n`;
}

function ask(id: string): string {
  return `data: {"jsonrpc":"2.0","id":${id},"method":"elicitation/create","params":{"n":1}}\n\n`;
}

/** Everything up to the end of a stream. */
async function rest(stream: RawListener): Promise<RpcMessage[]> {
  const messages: RpcMessage[] = [];
  for (;;) {
    try {
      messages.push(await stream.next());
    } catch (error) {
      assertMatch((error as Error).message, /ended/);
      return messages;
    }
  }
}

function byId(messages: readonly RpcMessage[]): Map<unknown, RpcMessage> {
  assertEquals(new Set(messages.map(({ id }) => id)).size, messages.length);
  return new Map(messages.map((message) => [message.id, message]));
}

/** Answers each call with a stream of its own, given by its id. */
function streamEach(server: ScriptedServer): Map<string, ScriptedStream> {
  const streams = new Map<string, ScriptedStream>();
  server.script = ({ rpc, id }) => {
    if (rpc !== "tools/call") return undefined;
    const stream = new ScriptedStream();
    streams.set(id, stream);
    return stream.response;
  };
  return streams;
}

proves(
  "calls in a batch reach their servers one by one, each through Envoy",
  async () => {
    const { one, two, gateway, connect } = setup();
    const client = await connect();
    [one, two].forEach((server) => server.clear());
    const before = await gateway.envoyStat("http.mcp.downstream_rq_total");
    await using stream = await client.open([
      callOf("a", "one_ask", { big: 1 }),
      { jsonrpc: "2.0", id: 2, method: "ping" },
      callOf(3, "two_ask"),
      { jsonrpc: "2.0", method: "notifications/roots/list_changed" },
      { jsonrpc: "2.0", id: 4, method: "tools/list" },
      {
        jsonrpc: "2.0",
        id: 5,
        method: "resources/read",
        params: { uri: "two://1" },
      },
      callOf(6, "one_unlisted"),
      callOf(7, "nope"),
    ]);
    const answers = byId(await rest(stream));
    assertEquals([...answers.keys()].map(String).toSorted(), [
      ...["2", "3", "4", "5", "6", "7", "a"],
    ]);
    for (const id of ["a", 3]) {
      const content = answers.get(id)?.result?.content;
      assertEquals(content?.[0]?.text, "plain", `${id}`);
    }
    assertEquals(answers.get(2)?.result, {});
    assertEquals(answers.get(4)?.result?.tools?.length, 2);
    assertEquals(answers.get(7)?.error?.code, -32602);
    assertEquals(
      one.of("tools/call").find(({ id }) => id === '"a"')?.text,
      JSON.stringify(callOf("a", "ask", { big: 1 })),
    );
    assertEquals(two.of("tools/call").map(({ id }) => id), ["3"]);
    assertEquals(two.of("resources/read").map(({ id }) => id), ["5"]);
    const after = await gateway.envoyStat("http.mcp.downstream_rq_total");
    assertEquals(after - before, 1 + 5, "the batch, and what is a server's");
  },
);

proves(
  "two questions with the same id in one batch are answered where they were asked",
  async () => {
    const { one, two, connect } = setup();
    const client = await connect({ capabilities: ASKABLE });
    const servers = [one, two];
    const streams = servers.map((server) => {
      server.clear();
      return streamEach(server);
    });
    await using stream = await client.open([
      callOf(1, "one_ask"),
      callOf(2, "two_ask"),
    ]);
    await eventually(() => assert(streams.every(({ size }) => size === 1)));
    streams[0]!.get("1")!.write(ask("7"));
    const first = await stream.nextOf("elicitation/create");
    streams[1]!.get("2")!.write(ask("7"));
    const second = await stream.nextOf("elicitation/create");
    assert(first.id !== second.id);
    for (const { id } of [first, second]) {
      const reply = { jsonrpc: "2.0", id, result: { to: String(id) } };
      assertEquals((await client.send(reply)).status, 202);
    }
    const told = (server: ScriptedServer): ScriptedRequest[] =>
      server.requests.filter(({ method, rpc, id }) =>
        method === "POST" && rpc === "" && id !== ""
      );
    for (const [at, { id }] of [first, second].entries()) {
      assertEquals(told(servers[at]!).map(({ text }) => JSON.parse(text)), [
        { jsonrpc: "2.0", id: 7, result: { to: id } },
      ]);
    }
    // Its answer in a batch finds its way as well.
    streams[0]!.get("1")!.write(ask("8"));
    const third = await stream.nextOf("elicitation/create");
    const batch = [{ jsonrpc: "2.0", id: third.id, result: { batched: true } }];
    assertEquals((await client.send(batch)).status, 202);
    await eventually(() =>
      assertEquals(JSON.parse(told(one).at(-1)!.text), {
        jsonrpc: "2.0",
        id: 8,
        result: { batched: true },
      })
    );
    streams[1]!.get("2")!.write(result("2"));
    assertEquals((await stream.next()).id, 2);
    streams[0]!.get("1")!.write(result("1"));
    assertEquals((await rest(stream)).map(({ id }) => id), [1]);
  },
);

for (
  const [how, path, headers] of [
    ["path", "/team/one", {}],
    ["header", "", { "x-mcp-virtualserver": "team/one" }],
  ] as const
) {
  proves(
    `what a virtual server has not, chosen by ${how}, is refused in a batch as well`,
    async () => {
      const { one, two, connect } = setup();
      const client = await connect({ headers }, path);
      [one, two].forEach((server) => server.clear());
      await using stream = await client.open([
        callOf(1, "one_ask"),
        callOf(2, "two_ask"),
        { jsonrpc: "2.0", id: 3, method: "tools/list" },
      ]);
      const answers = byId(await rest(stream));
      assertEquals(answers.get(1)?.result?.content?.[0]?.text, "plain");
      assertEquals(answers.get(2)?.error?.code, -32602);
      assertEquals(
        answers.get(3)?.result?.tools?.map(({ name }) => name),
        ["one_ask"],
      );
      assertEquals(two.of("tools/call"), []);
    },
  );
}

proves(
  "a call in a batch that fails costs no other, and has its error",
  async () => {
    const { one, two, connect } = setup();
    const client = await connect();
    one.clear();
    two.clear();
    one.script = ({ rpc }) =>
      rpc === "tools/call" ? new Response("boom", { status: 500 }) : undefined;
    const streams = streamEach(two);
    await using stream = await client.open([
      callOf(1, "one_ask"),
      callOf(2, "two_ask"),
      callOf(3, "two_ask"),
      callOf(4, "two_ask"),
    ]);
    assertEquals((await stream.next()).error?.code, -32603);
    await eventually(() => assertEquals(streams.size, 3));
    streams.get("2")!.fail();
    const broken = await stream.next();
    assertEquals([broken.id, broken.error?.code], [2, -32603]);
    streams.get("3")!.end();
    const ended = await stream.next();
    assertEquals([ended.id, ended.error?.code], [3, -32603]);
    streams.get("4")!.write(result("4"));
    assertEquals((await rest(stream)).map(({ id }) => id), [4]);
  },
);

proves("twenty calls in a batch are all answered", async () => {
  const { one, connect } = setup();
  const client = await connect();
  one.clear();
  const ids = Array.from({ length: 20 }, (_, at) => at);
  await using stream = await client.open(
    ids.map((id) => callOf(id, "one_ask")),
  );
  const answers = byId(await rest(stream));
  assertEquals(ids.filter((id) => !answers.get(id)?.result), []);
});

proves(
  "an answer of 5 MiB in a batch arrives whole",
  async () => {
    const { one, connect } = setup();
    const client = await connect();
    one.clear();
    const text = "x".repeat(5 * 1024 * 1024);
    one.script = ({ rpc, id }) =>
      rpc === "tools/call"
        ? new Response(result(id, `{"text":"${text}"}`), {
          headers: { "content-type": "text/event-stream" },
        })
        : undefined;
    await using stream = await client.open([callOf(1, "one_ask")]);
    const [answer] = await rest(stream);
    assert(answer?.result?.["text"] === text);
  },
);

proves(
  "a client that lost the stream of its batch takes it up again at the server",
  async () => {
    const { one, connect } = setup();
    const client = await connect();
    one.clear();
    const streams = streamEach(one);
    const stream = await client.open([callOf(1, "one_ask")]);
    await eventually(() => assertEquals(streams.size, 1));
    streams.get("1")!.write(
      'id: five\ndata: {"jsonrpc":"2.0","method":"notifications/message"}\n\n',
    );
    await stream.nextOf("notifications/message");
    const { lastEventId } = stream;
    assertMatch(lastEventId ?? "", /^mcpgw:.*:one:five$/);
    await stream[Symbol.asyncDispose]();
    await within("the end of the call's stream", streams.get("1")!.left);
    one.script = ({ method, headers }) =>
      method === "GET" && headers.get("last-event-id") === "five"
        ? new Response(result("1"), {
          headers: { "content-type": "text/event-stream" },
        })
        : undefined;
    const reply = await client.get({
      headers: { "last-event-id": lastEventId ?? "" },
    });
    assertEquals(reply.message?.result, {}, reply.text);
  },
);

proves(
  "a server that ends the stream of a call early is asked for the rest",
  async () => {
    const { one, connect } = setup();
    const client = await connect();
    one.clear();
    one.script = ({ method, rpc, headers }) => {
      const stream = (text: string) =>
        new Response(text, {
          headers: { "content-type": "text/event-stream" },
        });
      if (rpc === "tools/call") {
        return stream("id: five\nretry: 10\ndata: \n\n");
      }
      return method === "GET" && headers.get("last-event-id") === "five"
        ? stream(result("1"))
        : undefined;
    };
    await using stream = await client.open([callOf(1, "one_ask")]);
    assertEquals((await rest(stream)).map(({ result }) => result), [{}]);
  },
);

proves(
  "a call in a batch is cancelled at its server",
  async () => {
    const { one, connect } = setup();
    const client = await connect();
    one.clear();
    const streams = streamEach(one);
    await using stream = await client.open([
      callOf("x", "one_ask"),
      callOf("y", "one_ask"),
    ]);
    await eventually(() => assertEquals(streams.size, 2));
    const cancelled = {
      jsonrpc: "2.0",
      method: "notifications/cancelled",
      params: { requestId: "x" },
    };
    assertEquals((await client.send(cancelled)).status, 202);
    await eventually(() =>
      assertEquals(
        one.of("notifications/cancelled").map(({ text }) => JSON.parse(text)),
        [cancelled],
      )
    );
    streams.get('"x"')!.end();
    streams.get('"y"')!.write(result('"y"'));
    const answers = byId(await rest(stream));
    assertEquals(answers.get("y")?.result, {});
  },
);
