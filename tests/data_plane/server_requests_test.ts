/**
 * What a server says in the stream of a call reaches the client, and what the
 * client answers reaches that server: questions, answers, progress,
 * cancellations, streams that are taken up again.
 *
 * @module
 */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
// @ts-types="@modelcontextprotocol/sdk/client"
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
// @ts-types="@modelcontextprotocol/sdk/client/streamableHttp"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
// @ts-types="@modelcontextprotocol/sdk/server/mcp"
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
// @ts-types="@modelcontextprotocol/sdk/types"
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { delay } from "../../shared/wait.ts";
import { serveSessions } from "../../shared/local/samples/session_server.ts";
import {
  type ScriptedRequest,
  ScriptedServer,
  ScriptedStream,
} from "../fixtures/scripted_server.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import type { RawClient } from "../support/raw_client.ts";
import { eventually, within } from "../support/wait.ts";

/** Envoy's limit for one message of the router, milliseconds; and a bit. */
const BEYOND_MESSAGE_TIMEOUT_MS = 10_500;

const ASKABLE = { elicitation: {}, sampling: {}, roots: {} };

const setup = shared(async (stack) => {
  const one = stack.use(new ScriptedServer("one"));
  const two = stack.use(new ScriptedServer("two"));
  const sdk = stack.use(serveSessions({ create: askingServer }));
  const gateway = stack.use(
    await startGateway({
      servers: [
        { name: "one", url: one.url, prefix: "one_" },
        { name: "two", url: two.url, prefix: "two_" },
        { name: "sdk", url: sdk.url, prefix: "sdk_" },
      ],
    }),
  );
  return { one, two, gateway };
});

/** A server of the v1 SDK whose tool asks its client for a name. */
function askingServer(): McpServer {
  const server = new McpServer({ name: "asking", version: "1.0.0" });
  server.registerTool(
    "greet",
    { description: "Asks, and greets" },
    async () => {
      const { action, content } = await server.server.elicitInput({
        message: "Who are you?",
        requestedSchema: {
          type: "object",
          properties: { name: { type: "string" } },
        },
      });
      return {
        content: [{ type: "text", text: `${action} ${content?.name}` }],
      };
    },
  );
  return server;
}

/** Answers calls with a stream that the test writes. */
function streamCalls(server: ScriptedServer): ScriptedStream {
  const stream = new ScriptedStream();
  server.script = ({ rpc }) =>
    rpc === "tools/call" ? stream.response : undefined;
  return stream;
}

/** The event stream of a request, read as text. */
class Reading implements AsyncDisposable {
  readonly response: Response;
  readonly #reader: ReadableStreamDefaultReader<string>;
  text = "";

  constructor(response: Response) {
    this.response = response;
    this.#reader = response.body!.pipeThrough(new TextDecoderStream())
      .getReader();
  }

  /** Reads until this much is there; the whole text so far. */
  async until(part: string): Promise<string> {
    while (!this.text.includes(part)) {
      const { done, value } = await within(part, this.#reader.read());
      if (done) throw new Error(`The stream ended: ${this.text}`);
      this.text += value;
    }
    return this.text;
  }

  /** Reads to the end. */
  async whole(): Promise<string> {
    for (;;) {
      const { done, value } = await within("the end", this.#reader.read());
      if (done) return this.text;
      this.text += value;
    }
  }

  /** Leaves. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader.cancel().catch(() => {});
  }
}

/** Sends a request whose answer is a stream, and returns when that begins. */
async function read(
  client: RawClient,
  init: {
    readonly body?: string;
    readonly headers?: Readonly<Record<string, string>>;
  },
): Promise<Reading> {
  const response = await fetch(client.url, {
    method: init.body === undefined ? "GET" : "POST",
    headers: {
      accept: init.body === undefined
        ? "text/event-stream"
        : "application/json, text/event-stream",
      "content-type": "application/json",
      "mcp-session-id": client.session ?? "",
      ...init.headers,
    },
    ...init.body === undefined ? {} : { body: init.body },
  });
  return new Reading(response);
}

function callOf(tool: string, id = "77"): string {
  return `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"${tool}"}}`;
}

function result(id: string): string {
  return `data: {"jsonrpc":"2.0","id":${id},"result":{"content":[]}}\n\n`;
}

/** The routed id, as JSON text, of the question that a stream carries. */
async function question(reading: Reading): Promise<string> {
  const text = await reading.until('"method":"elicitation/create"');
  const id = /"id":("mcpgw:(?:[^"\\]|\\.)*")/.exec(text)?.[1];
  assert(id !== undefined, text);
  return id;
}

function ask(id: string): string {
  return `data: {"jsonrpc":"2.0","id":${id},"method":"elicitation/create","params":{"message":"?","n":1e400}}\n\n`;
}

/** What a server got that is no request: answers and notifications. */
function told(server: ScriptedServer): ScriptedRequest[] {
  return server.requests.filter(({ method, id, rpc }) =>
    method === "POST" && (id === "" || rpc === "") &&
    rpc !== "notifications/initialized"
  );
}

async function activeExchanges(gateway: TestGateway): Promise<number> {
  const url = new URL("/metrics", gateway.local.routerInternalUrl);
  const text = await (await fetch(url)).text();
  return Number(/^mcp_gateway_exchanges_active (\d+)/m.exec(text)?.[1]);
}

for (const id of ["1", '"a\\"b"', "9007199254740993"]) {
  proves(
    `a server's question with the id ${id} is answered in the session that asked`,
    async () => {
      const { one, gateway } = setup();
      one.clear();
      const client = await gateway.connect({ capabilities: ASKABLE });
      const stream = streamCalls(one);
      stream.write(ask(id));
      await using reading = await read(client, { body: callOf("one_ask") });
      const routed = await question(reading);
      assert(reading.text.includes('"n":1e400'), "the rest is as it was");
      const sent =
        `{"jsonrpc":"2.0", "id":${routed}, "result":{"action":"accept","n":1e400}}`;
      const reply = await client.send(sent);
      assertEquals([reply.status, reply.text], [202, ""]);
      const [answer] = told(one);
      assertEquals(answer?.text, sent.replace(routed, id));
      assertEquals(
        answer?.headers.get("mcp-session-id"),
        one.of("tools/call")[0]?.headers.get("mcp-session-id"),
      );
      assertEquals(answer?.path, "/mcp?scripted");
      stream.write(result("77"));
      stream.end();
      assert((await reading.whole()).endsWith(result("77")));
    },
  );
}

proves(
  "a question of 3 MiB is answered like any other",
  async () => {
    const { one, gateway } = setup();
    one.clear();
    const client = await gateway.connect({ capabilities: ASKABLE });
    const stream = streamCalls(one);
    const picture = "x".repeat(3 * 1024 * 1024);
    stream.write(
      `data: {"jsonrpc":"2.0","method":"elicitation/create","params":{"picture":"${picture}"},"id":1}\n\n`,
    );
    await using reading = await read(client, { body: callOf("one_ask") });
    await reading.until("\n\n");
    const routed = /"id":("mcpgw:[^"]*")}\n\n$/.exec(reading.text)?.[1];
    assert(routed !== undefined, reading.text.slice(-200));
    assert(reading.text.includes(picture));
    const reply = await client.send(
      `{"jsonrpc":"2.0","id":${routed},"result":{}}`,
    );
    assertEquals(reply.status, 202);
    assertEquals(told(one).map(({ text }) => text), [
      '{"jsonrpc":"2.0","id":1,"result":{}}',
    ]);
    stream.end();
  },
);

proves(
  "two servers ask two clients with the same id at once, and each answer reaches its owner",
  async () => {
    const { one, two, gateway } = setup();
    const servers = [one, two];
    const clients = await Promise.all(
      [0, 1].map(() => gateway.connect({ capabilities: ASKABLE })),
    );
    for (const server of servers) {
      server.clear();
      server.script = ({ rpc }) => {
        if (rpc !== "tools/call") return undefined;
        const stream = new ScriptedStream();
        stream.write(ask("1"));
        return stream.response;
      };
    }
    const asked = await Promise.all(
      clients.flatMap((client, c) =>
        servers.map(async (_, s) => {
          const tool = s === 0 ? "one_ask" : "two_ask";
          const reading = await read(client, { body: callOf(tool, "5") });
          return { client, c, s, reading, routed: await question(reading) };
        })
      ),
    );
    await Promise.all(asked.map(async ({ client, c, s, routed }) => {
      const answer =
        `{"jsonrpc":"2.0","id":${routed},"result":{"who":"${c}${s}"}}`;
      assertEquals((await client.send(answer)).status, 202);
    }));
    for (const [s, server] of servers.entries()) {
      const answers = told(server);
      assertEquals(
        answers.map(({ text }) => JSON.parse(text).result.who).sort(),
        [`0${s}`, `1${s}`],
      );
      const sessions = answers.map(({ headers }) =>
        headers.get("mcp-session-id")
      );
      assertNotEquals(sessions[0], sessions[1]);
    }
    for (const { reading } of asked) await reading[Symbol.asyncDispose]();
  },
);

proves(
  "an error, a progress report and the end of a question find their way too",
  async () => {
    const { one, gateway } = setup();
    one.clear();
    const client = await gateway.connect({ capabilities: ASKABLE });
    const stream = streamCalls(one);
    stream.write(
      `data: {"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"_meta":{"progressToken":"t"}}}\n\n`,
    );
    await using reading = await read(client, { body: callOf("one_ask") });
    const routed = await question(reading);
    const token = /"progressToken":("mcpgw:(?:[^"\\]|\\.)*")/.exec(reading.text)
      ?.[1];
    const progress = (await client.send(
      `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${token},"progress":0.5}}`,
    )).status;
    stream.write(
      'data: {"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}\n\n',
    );
    await reading.until(`"params":{"requestId":${routed}}`);
    const error = (await client.send(
      `{"jsonrpc":"2.0","id":${routed},"error":{"code":-1,"message":"no"}}`,
    )).status;
    assertEquals([progress, error], [202, 202]);
    assertEquals(told(one).map(({ text }) => text), [
      '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":0.5}}',
      '{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}',
    ]);
    stream.end();
  },
);

proves(
  "a server learns what the client declared, and nothing of its tasks",
  async () => {
    const { one, gateway } = setup();
    one.clear();
    const capabilities = {
      elicitation: { form: {}, url: {} },
      sampling: { tools: {} },
      roots: { listChanged: true },
      experimental: { "x.y/z": [1] },
    };
    const client = await gateway.connect({
      capabilities: { ...capabilities, tasks: { list: {} } },
    });
    await client.call("one_ask");
    const [initialize] = one.of("initialize");
    assertEquals(
      JSON.parse(initialize!.text).params.capabilities,
      capabilities,
    );
  },
);

proves(
  "an answer to a question of a session that is over is 400, never the 404 that would end the client's own",
  async () => {
    const { one, gateway } = setup();
    one.clear();
    const client = await gateway.connect({ capabilities: ASKABLE });
    const stream = streamCalls(one);
    stream.write(ask("1"));
    const reading = await read(client, { body: callOf("one_ask") });
    const routed = await question(reading);
    await reading[Symbol.asyncDispose]();
    one.sessions.clear();
    one.script = () => undefined;
    const answer = `{"jsonrpc":"2.0","id":${routed},"result":{}}`;
    const late = await client.send(answer);
    assertEquals([late.status, late.message?.error?.code], [400, -32600]);
    // The next call opens another session, which the answer is not for either.
    assertEquals((await client.call("one_ask")).status, 200);
    one.clear();
    assertEquals((await client.send(answer)).status, 400);
    assertEquals(one.requests, []);
    assertEquals((await client.request("ping")).status, 200);
  },
);

proves("a cancellation reaches the server that has the call", async () => {
  const { one, two, gateway } = setup();
  one.clear();
  two.clear();
  const client = await gateway.connect({ capabilities: ASKABLE });
  const stream = streamCalls(two);
  stream.write(`data: {"jsonrpc":"2.0","method":"notifications/message"}\n\n`);
  await client.call("one_ask");
  await using reading = await read(client, { body: callOf("two_ask", '"c"') });
  await reading.until("notifications/message");
  const cancel =
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"c"}}';
  assertEquals((await client.send(cancel)).status, 202);
  assertEquals(told(two).map(({ text }) => text), [cancel]);
  assertEquals(told(one), []);
  stream.end();
});

proves(
  "a stream that its server ends is taken up again where it was left, at that server",
  async () => {
    const { one, two, gateway } = setup();
    one.clear();
    two.clear();
    const client = await gateway.connect();
    const first = new ScriptedStream();
    const second = new ScriptedStream();
    one.script = ({ rpc, method }) =>
      rpc === "tools/call"
        ? first.response
        : method === "GET"
        ? second.response
        : undefined;
    first.write("id: s1 é/1\nretry: 50\ndata: \n\n");
    first.end();
    await using reading = await read(client, { body: callOf("one_ask") });
    const text = await reading.whole();
    const id = /^id: (\S+)\nretry: 50\ndata: \n\n$/.exec(text)?.[1];
    assert(id !== undefined && id.startsWith("mcpgw:"), text);
    second.write(`id: s1/2\n${result("77")}`);
    second.end();
    await using rest = await read(client, { headers: { "last-event-id": id } });
    assertEquals(rest.response.status, 200);
    const events = await rest.whole();
    assert(/^id: mcpgw:\S+\ndata: /.test(events), events);
    assert(events.endsWith(result("77")), events);
    const [get] = one.of("GET");
    assertEquals(
      [get?.path, get?.headers.get("mcp-session-id")],
      ["/mcp?scripted", one.of("tools/call")[0]?.headers.get("mcp-session-id")],
    );
    const bytes = Uint8Array.from(
      get?.headers.get("last-event-id") ?? "",
      (c) => c.charCodeAt(0),
    );
    assertEquals(new TextDecoder().decode(bytes), "s1 é/1");
    assertEquals(two.of("GET"), []);
  },
);

proves(
  "a stream that its server does not know any more is 400, and the session lives on",
  async () => {
    const { one, gateway } = setup();
    one.clear();
    const client = await gateway.connect();
    const stream = streamCalls(one);
    stream.write("id: 1\ndata: \n\n");
    stream.end();
    await using reading = await read(client, { body: callOf("one_ask") });
    const id = /id: (\S+)/.exec(await reading.whole())?.[1] ?? "";
    for (const status of [400, 404, 405]) {
      one.script = ({ method }) =>
        method === "GET" ? new Response("no", { status }) : undefined;
      const reply = await client.get({ headers: { "last-event-id": id } });
      assertEquals([reply.status, reply.message?.error?.code], [400, -32600]);
    }
    assertEquals((await client.request("ping")).status, 200);
    const stranger = await gateway.connect();
    const theirs = await stranger.get({ headers: { "last-event-id": id } });
    assertEquals(theirs.status, 400);
  },
);

proves(
  "a long stream of a client that cannot be asked flows whole without the router",
  async () => {
    const { one, gateway } = setup();
    one.clear();
    const client = await gateway.connect();
    const stream = streamCalls(one);
    const told = `data: {"jsonrpc":"2.0","method":"notifications/message"}\n\n`;
    // Two events at once, the second cut: it is the router that has it.
    stream.write(`${told}data: {"jsonrpc":"2.0",`);
    await using reading = await read(client, { body: callOf("one_ask") });
    await reading.until(told);
    await eventually(async () =>
      assertEquals(await activeExchanges(gateway), 0)
    );
    let rest = '"method":"notifications/message","params":{"data":"cut"}}\n\n';
    for (let n = 0; n < 500; n++) {
      rest += `id: ${n}\ndata: {"n":"${"x".repeat(2000)}"}\n\n`;
    }
    for (let at = 0; at < rest.length; at += 7_001) {
      stream.write(rest.slice(at, at + 7_001));
    }
    await delay(BEYOND_MESSAGE_TIMEOUT_MS);
    stream.write(result("77"));
    stream.end();
    assertEquals(
      await reading.whole(),
      `${told}data: {"jsonrpc":"2.0",${rest}${result("77")}`,
    );
    const resets = "http.mcp.downstream_rq_tx_reset";
    assertEquals(await gateway.envoyStat(resets), 0);
  },
);

proves(
  "a stream of a client that can be asked outlives every limit in time for a message",
  async () => {
    const { one, gateway } = setup();
    one.clear();
    const client = await gateway.connect({ capabilities: ASKABLE });
    const stream = streamCalls(one);
    stream.write(": open\n\n");
    await using reading = await read(client, { body: callOf("one_ask") });
    await reading.until(": open\n\n");
    await delay(BEYOND_MESSAGE_TIMEOUT_MS);
    assertEquals(await activeExchanges(gateway), 1);
    stream.write(ask("1").slice(0, 40));
    stream.write(ask("1").slice(40));
    await question(reading);
    stream.write(result("77"));
    stream.end();
    assert((await reading.whole()).endsWith(result("77")));
    await eventually(async () =>
      assertEquals(await activeExchanges(gateway), 0)
    );
  },
);

proves("a client that leaves leaves nothing behind", async () => {
  const { one, gateway } = setup();
  one.clear();
  const client = await gateway.connect({ capabilities: ASKABLE });
  const stream = streamCalls(one);
  stream.write(": open\n\n");
  const reading = await read(client, { body: callOf("one_ask") });
  await reading.until(": open");
  assertEquals(await activeExchanges(gateway), 1);
  await reading[Symbol.asyncDispose]();
  await within("the server's notice", stream.left);
  await eventually(async () => assertEquals(await activeExchanges(gateway), 0));
});

proves(
  "a stream that its server breaks off is not taken for a whole one",
  async () => {
    const { one, gateway } = setup();
    one.clear();
    const client = await gateway.connect({ capabilities: ASKABLE });
    const stream = streamCalls(one);
    stream.write("data: {}\n\n");
    await using reading = await read(client, { body: callOf("one_ask") });
    await reading.until("data: {}");
    stream.fail();
    const ended = await reading.whole().then(
      () => "in good order",
      () => "cut",
    );
    assertEquals(ended, "cut");
  },
);

proves("no server is asked to compress what has to be rewritten", async () => {
  const { one, gateway } = setup();
  one.clear();
  const client = await gateway.connect();
  await client.call("one_ask", {}, { headers: { "accept-encoding": "gzip" } });
  const [call] = one.of("tools/call");
  assertEquals(call?.headers.get("accept-encoding"), null);
});

proves(
  "a call that a restarted server asks about is cancelled there and not said to be retryable",
  async () => {
    const { one, gateway } = setup();
    one.clear();
    const client = await gateway.connect({ capabilities: ASKABLE });
    await client.call("one_ask");
    one.sessions.clear();
    one.script = ({ rpc, headers }) => {
      const known = one.sessions.has(headers.get("mcp-session-id") ?? "");
      if (rpc !== "tools/call" || !known) return undefined;
      const stream = new ScriptedStream();
      stream.write(ask("1"));
      return stream.response;
    };
    const reply = await client.send(callOf("one_ask", '"r"'));
    assertEquals(reply.status, 502, reply.text);
    assertEquals(reply.message?.id, "r");
    assertEquals(reply.message?.error?.data, undefined);
    await eventually(() =>
      assertEquals(
        told(one).map(({ rpc, text }) => [
          rpc,
          JSON.parse(text).params.requestId,
        ]),
        [["notifications/cancelled", "r"]],
      )
    );
  },
);

proves(
  "a restarted server's question goes on where its stream can be taken up",
  async () => {
    const { one, gateway } = setup();
    one.clear();
    const client = await gateway.connect({ capabilities: ASKABLE });
    await client.call("one_ask");
    one.sessions.clear();
    const rest = new ScriptedStream();
    one.script = ({ rpc, method, headers }) => {
      const known = one.sessions.has(headers.get("mcp-session-id") ?? "");
      if (!known) return undefined;
      if (method === "GET") return rest.response;
      if (rpc !== "tools/call") return undefined;
      const stream = new ScriptedStream();
      stream.write(`id: 1\ndata: \n\nid: 2\n${ask("1")}`);
      return stream.response;
    };
    await using reading = await read(client, { body: callOf("one_ask") });
    const routed = await question(reading);
    const last = [...(await reading.whole()).matchAll(/^id: (\S+)/gm)].at(-1);
    const reply = await client.send(
      `{"jsonrpc":"2.0","id":${routed},"result":{}}`,
    );
    assertEquals(reply.status, 202);
    rest.write(`id: 3\n${result("77")}`);
    rest.end();
    await using resumed = await read(client, {
      headers: { "last-event-id": last?.[1] ?? "" },
    });
    assert((await resumed.whole()).endsWith(result("77")));
    assertEquals(one.of("GET").at(-1)?.headers.get("last-event-id"), "2");
  },
);

proves(
  "what a client subscribed to is asked again of a server that restarted",
  async () => {
    const { one, two, gateway } = setup();
    one.clear();
    two.clear();
    const client = await gateway.connect();
    for (const uri of ["one://1", "two://1"]) {
      const reply = await client.request("resources/subscribe", { uri });
      assertEquals(reply.status, 200, reply.text);
    }
    const uris = (server: ScriptedServer) =>
      server.of("resources/subscribe").map(({ text, headers }) => [
        JSON.parse(text).params.uri,
        server.sessions.has(headers.get("mcp-session-id") ?? ""),
      ]);
    assertEquals([uris(one), uris(two)], [[["one://1", true]], [[
      "two://1",
      true,
    ]]]);
    one.sessions.clear();
    one.clear();
    await client.call("one_ask");
    assertEquals(uris(one), [["one://1", true]]);
    await client.request("resources/unsubscribe", { uri: "one://1" });
    one.sessions.clear();
    one.clear();
    await client.call("one_ask");
    assertEquals(uris(one), []);
  },
);

proves(
  "the first call of a client that listens finds the server listened to, and its log level set",
  async () => {
    const { one, gateway } = setup();
    one.clear();
    const client = await gateway.connect();
    await using listener = await client.listen();
    const level = await client.request("logging/setLevel", { level: "debug" });
    assertEquals(level.status, 200, level.text);
    const unasked = new ScriptedStream();
    one.script = ({ rpc, method }) => {
      if (method === "GET") return unasked.response;
      if (rpc !== "tools/call") return undefined;
      unasked.write(
        'data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"debug","data":1}}\n\n',
      );
      return undefined;
    };
    // Headers of a stream that says nothing do not come.
    unasked.write(": open\n\n");
    assertEquals((await client.call("one_ask")).status, 200);
    const order = one.requests.map(({ rpc, method }) => rpc || method);
    assertEquals(order, [
      "initialize",
      "notifications/initialized",
      "logging/setLevel",
      "GET",
      "tools/call",
    ]);
    const heard = await listener.nextOf("notifications/message");
    assertEquals(heard.params, { level: "debug", data: 1 });
  },
);

proves("a server of the v1 SDK asks a client of the v1 SDK", async () => {
  const { gateway } = setup();
  const client = new Client({ name: "v1", version: "1.0.0" }, {
    capabilities: { elicitation: {} },
  });
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => ({
    action: "accept",
    content: { name: `Ada, asked "${params.message}"` },
  }));
  await client.connect(
    new StreamableHTTPClientTransport(new URL(gateway.url)) as never,
  );
  try {
    const { content } = await within(
      "the greeting",
      client.callTool({ name: "sdk_greet" }),
    );
    assertEquals(content, [{
      type: "text",
      text: 'accept Ada, asked "Who are you?"',
    }]);
  } finally {
    await client.close();
  }
});
