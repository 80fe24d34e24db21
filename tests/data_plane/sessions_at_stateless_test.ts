/**
 * Clients of the session era at a server of 2026-07-28, through Envoy: what the
 * server asks for is asked and answered, what it tells is told, and a client
 * that goes away loses nothing that runs.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  Client as ClientV2,
  StreamableHTTPClientTransport as TransportV2,
} from "@modelcontextprotocol/client";
// @ts-types="@modelcontextprotocol/sdk/client"
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
// @ts-types="@modelcontextprotocol/sdk/client/streamableHttp"
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
// @ts-types="@modelcontextprotocol/sdk/types"
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from "@modelcontextprotocol/sdk/types.js";
import {
  type AskingServer,
  LEVELS,
  startAskingServer,
} from "../fixtures/asking_server.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import type { RawClient, RawListener } from "../support/raw_client.ts";
import { eventually, within } from "../support/wait.ts";

interface World {
  readonly server: AskingServer;
  readonly gateway: TestGateway;
}

const world = shared(async (stack): Promise<World> => {
  const server = stack.use(startAskingServer());
  const servers = [{ name: "asking", url: server.url, prefix: "a_" }];
  return { server, gateway: stack.use(await startGateway({ servers })) };
});

const INFO = { name: "session client", version: "1.0.0" };
const ALL = {
  capabilities: {
    elicitation: { form: {}, url: {} },
    roots: { listChanged: true },
    sampling: {},
  },
};

/** Whoever answers for a client: replaced by what a test wants. */
class Answers {
  elicit: (params: { readonly message: string }) => unknown = (
    { message },
  ) => ({
    action: "accept",
    content: { name: `answer to ${message}` },
  });
  sample: () => unknown = () => ({
    role: "assistant",
    content: { type: "text", text: "Hi" },
    model: "m",
  });
  readonly roots: unknown = { roots: [{ uri: "file:///home" }] };
  /** What the client was told. */
  readonly told: { readonly method: string; readonly params?: unknown }[] = [];

  paramsOf(method: string): unknown[] {
    return this.told.filter((one) => one.method === method)
      .map(({ params }) => params);
  }
}

/** What the clients of both SDKs have in common here. */
interface SdkClient {
  callTool(params: object): Promise<unknown>;
  getPrompt(params: object): Promise<unknown>;
  readResource(params: object): Promise<unknown>;
  listTools(): Promise<
    { readonly tools: readonly { readonly name: string }[] }
  >;
  setLoggingLevel(level: string): Promise<unknown>;
  subscribeResource(params: object): Promise<unknown>;
  unsubscribeResource(params: object): Promise<unknown>;
  close(): Promise<void>;
}

interface Connected extends AsyncDisposable {
  readonly client: SdkClient;
  readonly answers: Answers;
  /** Calls a tool; answers its texts. */
  text(name: string, args?: object): Promise<string>;
}

function connected(client: SdkClient, answers: Answers): Connected {
  return {
    client,
    answers,
    async text(name, args = {}) {
      const { content, isError } = await client.callTool({
        name: `a_${name}`,
        arguments: args,
      }) as {
        readonly content: readonly { readonly text: string }[];
        readonly isError?: boolean;
      };
      const said = content.map(({ text }) => text).join();
      return isError ? `error: ${said}` : said;
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
}

async function connectV1(): Promise<Connected> {
  const answers = new Answers();
  const client = new ClientV1(INFO, ALL);
  client.setRequestHandler(
    ElicitRequestSchema,
    ({ params }) => answers.elicit(params) as never,
  );
  client.setRequestHandler(
    CreateMessageRequestSchema,
    () => answers.sample() as never,
  );
  client.setRequestHandler(
    ListRootsRequestSchema,
    () => answers.roots as never,
  );
  for (
    const schema of [
      LoggingMessageNotificationSchema,
      ResourceUpdatedNotificationSchema,
      ToolListChangedNotificationSchema,
    ]
  ) {
    client.setNotificationHandler(
      schema,
      (notification) => void answers.told.push(notification),
    );
  }
  const { url } = world().gateway;
  await client.connect(new TransportV1(new URL(url)) as never);
  return connected(client as never, answers);
}

async function connectV2(): Promise<Connected> {
  const answers = new Answers();
  const client = new ClientV2(INFO, {
    ...ALL,
    versionNegotiation: { mode: "legacy" },
  });
  client.setRequestHandler(
    "elicitation/create",
    ({ params }) => answers.elicit(params) as never,
  );
  client.setRequestHandler(
    "sampling/createMessage",
    () => answers.sample() as never,
  );
  client.setRequestHandler("roots/list", () => answers.roots as never);
  for (
    const method of [
      "notifications/message",
      "notifications/resources/updated",
      "notifications/tools/list_changed",
    ] as const
  ) {
    client.setNotificationHandler(
      method,
      (notification) => void answers.told.push(notification),
    );
  }
  const { url } = world().gateway;
  await client.connect(new TransportV2(new URL(url)));
  return connected(client as never, answers);
}

const CLIENTS = [
  { name: "the v1 client", connect: connectV1 },
  { name: "the v2 client at 2025-11-25", connect: connectV2 },
] as const;

for (const { name, connect } of CLIENTS) {
  proves(`${name} answers all that a tool asks at once`, async () => {
    await using one = await connect();
    const { form, roots, model } = JSON.parse(await one.text("everything"));
    assertEquals(form, {
      action: "accept",
      content: { name: "answer to Who?" },
    });
    assertEquals(roots, { roots: [{ uri: "file:///home" }] });
    assertEquals(model.content, { type: "text", text: "Hi" });
  });

  proves(`${name} is asked again, and the server remembers`, async () => {
    await using one = await connect();
    assertEquals(JSON.parse(await one.text("twice")), {
      first: { action: "accept", content: { name: "answer to First?" } },
      second: { action: "accept", content: { name: "answer to Second?" } },
    });
  });

  proves(`${name} opens a URL that a server wants opened`, async () => {
    await using one = await connect();
    const seen: unknown[] = [];
    one.answers.elicit = (params) => {
      seen.push(params);
      return { action: "accept" };
    };
    assertEquals(JSON.parse(await one.text("link")), { action: "accept" });
    const [{ mode, url, elicitationId }] = seen as [Record<string, string>];
    assertEquals([mode, url], ["url", "https://sign.in.example"]);
    assert(elicitationId);
  });

  proves(`${name} refuses what it is asked`, async () => {
    await using one = await connect();
    one.answers.elicit = () => ({ action: "decline" });
    assertEquals(JSON.parse(await one.text("twice")), {
      first: { action: "decline" },
      second: { action: "decline" },
    });
    one.answers.elicit = () => {
      throw new Error("nobody there");
    };
    assertEquals(JSON.parse(await one.text("twice")), {
      first: { action: "cancel" },
      second: { action: "cancel" },
    });
    one.answers.sample = () => {
      throw new Error("no model for you");
    };
    assertMatch(
      await one.text("model"),
      /^error: The call has ended.*asking.*sampling\/createMessage.*no model/,
    );
  });

  proves(`${name} is asked by prompts and resources, too`, async () => {
    await using one = await connect();
    const prompt = JSON.stringify(
      await one.client.getPrompt({ name: "a_brief" }),
    );
    assertMatch(prompt, /answer to For whom\?/);
    const read = JSON.stringify(
      await one.client.readResource({ uri: "asking://me" }),
    );
    assertMatch(read, /answer to Who are you\?/);
    await assertRejects(
      () => one.client.readResource({ uri: "asking://none" }),
      Error,
      "esource",
    );
  });

  proves(`${name} hears log messages of the level that it sets`, async () => {
    await using one = await connect();
    const levels = () =>
      one.answers.paramsOf("notifications/message")
        .map((params) => (params as { readonly level: string }).level);
    await one.text("logs");
    assertEquals(levels(), []);
    await one.client.setLoggingLevel("warning");
    await one.text("logs");
    await eventually(() => assertEquals(levels(), LEVELS.slice(3)));
    await one.client.setLoggingLevel("emergency");
    await one.text("logs");
    await eventually(() =>
      assertEquals(levels(), [...LEVELS.slice(3), "emergency"])
    );
  });

  proves(
    `${name} hears of resources for as long as it is subscribed`,
    async () => {
      await using one = await connect();
      const updates = (uri: string) =>
        one.answers.paramsOf("notifications/resources/updated")
          .filter((params) => (params as { readonly uri: string }).uri === uri)
          .length;
      /** Has a resource change until the client hears of it. */
      const heard = async (uri: string) => {
        const before = updates(uri);
        await eventually(async () => {
          await one.text("touch", { uri });
          assert(updates(uri) > before, `${uri} was told`);
        });
      };
      const [it, me] = ["asking://it", "asking://me"];
      await one.client.subscribeResource({ uri: me });
      await heard(me);
      await one.client.subscribeResource({ uri: it });
      await heard(it);
      // What comes after is behind everything before: one stream tells both.
      await heard(me);
      const before = updates(it);
      await one.text("touch", { uri: it });
      await heard(me);
      assertEquals(updates(it), before + 1);
      await one.client.unsubscribeResource({ uri: it });
      await eventually(async () => {
        const before = updates(it);
        await one.text("touch", { uri: it });
        await heard(me);
        assertEquals(updates(it), before);
      });
    },
  );

  proves(
    `${name} mirrors no arguments, which the gateway does for it`,
    async () => {
      await using one = await connect();
      assertEquals(JSON.parse(await one.text("region", { region: "Zürich" })), {
        region: "Zürich",
        header: "=?base64?WsO8cmljaA==?=",
      });
    },
  );

  proves(`${name} gets structured content that it can read`, async () => {
    await using one = await connect();
    await one.client.listTools();
    const result = await one.client.callTool({ name: "a_zones" });
    assertEquals(
      (result as { readonly structuredContent: unknown }).structuredContent,
      { result: ["a", "b"] },
    );
  });
}

proves("a client in a session hears that a tool was added", async () => {
  await using one = await connectV1();
  await one.text("grow");
  await eventually(async () => {
    assert(
      one.answers.paramsOf("notifications/tools/list_changed").length > 0,
      "it was told",
    );
    const { tools } = await one.client.listTools();
    assert(tools.some(({ name }) => name === "a_grown"), "it is listed");
  });
  assertEquals(await one.text("grown"), "grown");
});

const call = (name: string, id: unknown, more: object = {}) => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name: `a_${name}`, arguments: {}, ...more },
});

/** Begins a call of `slow`, and waits until the server has it. */
async function slow(client: RawClient, id: number): Promise<RawListener> {
  const stream = await client.open(
    call("slow", id, { _meta: { progressToken: id } }),
  );
  await stream.nextOf("notifications/progress");
  return stream;
}

async function counted(client: RawClient): Promise<number> {
  const { message } = await client.send(call("counted", "n"));
  return Number(message?.result?.content?.[0]?.text);
}

proves("a call of a client that goes away runs to its end", async () => {
  const { gateway, server } = world();
  const client = await gateway.connect();
  const before = await counted(client);
  await (await slow(client, 1))[Symbol.asyncDispose]();
  // It had its time to be cancelled, had anybody done so.
  await counted(client);
  assertEquals(server.waiting, 1);
  server.release();
  await eventually(async () => assertEquals(await counted(client), before + 1));
});

proves("a call that is cancelled does not run to its end", async () => {
  const { gateway, server } = world();
  const client = await gateway.connect();
  const before = await counted(client);
  await using stream = await slow(client, 1);
  await client.send({
    jsonrpc: "2.0",
    method: "notifications/cancelled",
    params: { requestId: 1 },
  });
  await assertRejects(() => stream.next(), Error, "ended");
  await eventually(() => assertEquals(server.waiting, 0));
  assertEquals(await counted(client), before);
});

proves(
  "a client of 2025-03-26 gets links as text, and is not asked what it does not know",
  async () => {
    const { gateway } = world();
    const client = await gateway.connect({
      revision: "2025-03-26",
      capabilities: { elicitation: {}, roots: {} },
    });
    const links = await client.send(call("links", 1));
    assertEquals(links.message?.result?.content as unknown, [
      { type: "text", text: "That one: asking://it" },
    ]);
    // The server is told that it cannot ask, and refuses by itself.
    const { message } = await client.send(call("twice", 2));
    assertEquals(message?.error?.code, -32600);
    assertMatch(message?.error?.message ?? "", /did not declare.*elicitation/);
  },
);

proves("calls in a batch are carried one by one", async () => {
  const { gateway } = world();
  const client = await gateway.connect({ revision: "2025-03-26" });
  const reply = await client.send(
    JSON.stringify([
      call("links", 1),
      call("region", "two", { arguments: { region: "eu" } }),
      { jsonrpc: "2.0", id: 3, method: "ping" },
    ]),
  );
  assertEquals(reply.status, 200);
  const answers = reply.text.split("\n")
    .filter((line) => line.startsWith("data: {"))
    .map((line) => JSON.parse(line.slice(6)));
  const texts = new Map<unknown, string | undefined>(
    answers.map(({ id, result }) => [id, result.content?.[0]?.text]),
  );
  assertEquals(texts.size, 3);
  assertEquals(texts.get(1), "That one: asking://it");
  assertEquals(JSON.parse(texts.get("two")!), { region: "eu", header: "eu" });
});

proves(
  "the bridge's numbers are in the broker's status and metrics",
  async () => {
    const { gateway } = world();
    const client = await gateway.connect({ capabilities: { elicitation: {} } });
    await using stream = await client.open(call("twice", 1));
    await within("the question", stream.nextOf("elicitation/create"));
    const metrics = async () => {
      const url = new URL("/metrics", gateway.local.brokerInternalUrl);
      return await (await fetch(url)).text();
    };
    assertMatch(await metrics(), /^mcp_gateway_bridge_questions 1$/m);
    const { bridge } = await gateway.status();
    assertEquals(bridge?.questions, 1);
    assert(bridge !== undefined && bridge.sessionCalls >= 1);
    assertMatch(await metrics(), /^mcp_gateway_session_calls_bridged [1-9]/m);
    assertMatch(
      await metrics(),
      /^mcp_gateway_session_calls_bridged_total\{method="tools\/call",outcome="answered"\} [1-9]/m,
    );
  },
);
