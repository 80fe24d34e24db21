/**
 * Prompts, resources, templates and completion of several servers, merged and
 * routed as tools are.
 *
 * @module
 */

import {
  assert,
  assertArrayIncludes,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
// @ts-types="@modelcontextprotocol/sdk/client"
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
// @ts-types="@modelcontextprotocol/sdk/client/streamableHttp"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
// @ts-types="@modelcontextprotocol/sdk/server/mcp"
import {
  McpServer,
  ResourceTemplate,
} from "@modelcontextprotocol/sdk/server/mcp.js";
import { z } from "zod";
import { SILENT } from "../../shared/_testing.ts";
import { startEverythingServer } from "../../shared/local/samples/everything_server.ts";
import {
  serveSessions,
  type SessionServer,
} from "../../shared/local/samples/session_server.ts";
import { type RawServer, startRawServer } from "../fixtures/raw_server.ts";
import { startGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import { eventually } from "../support/wait.ts";

/** On the v1 SDK: a prompt, a resource and a template whose variable completes. */
function startLibrary(): SessionServer {
  return serveSessions({
    create() {
      const server = new McpServer({ name: "library", version: "1.0.0" });
      server.registerPrompt(
        "review",
        { argsSchema: { title: z.string() } },
        ({ title }) => ({
          messages: [{
            role: "user",
            content: { type: "text", text: `Review ${title}` },
          }],
        }),
      );
      server.registerResource("index", "books://index", {}, ({ href }) => ({
        contents: [{ uri: href, text: "every book" }],
      }));
      const template = new ResourceTemplate("books://shelf/{shelf}", {
        list: undefined,
        complete: {
          shelf: (value) =>
            ["poetry", "prose", "maps"].filter((one) => one.startsWith(value)),
        },
      });
      server.registerResource("shelf", template, {}, ({ href }, { shelf }) => ({
        contents: [{ uri: href, text: `the shelf of ${shelf}` }],
      }));
      return server;
    },
  });
}

function startNotes(): RawServer {
  return startRawServer({
    name: "notes",
    prompts: [{ name: "summarize" }],
    resources: [
      { uri: "notes://today", name: "today" },
      // The library has it too, and stands before this one.
      { uri: "books://index", name: "a clash" },
    ],
    templates: [{ uriTemplate: "notes://day/{day}", name: "day" }],
  });
}

const world = shared(async (stack) => {
  const everything = stack.use(
    await startEverythingServer({ port: 0, log: SILENT }),
  );
  const library = stack.use(startLibrary());
  const notes = stack.use(startNotes());
  const gateway = stack.use(
    await startGateway({
      servers: [
        { name: "everything", url: everything.url, prefix: "every_" },
        { name: "library", url: library.url },
        { name: "notes", url: notes.url, prefix: "notes_" },
      ],
    }),
  );
  return { gateway, notes };
});

async function withClient(
  use: (client: Client) => Promise<void>,
): Promise<void> {
  const client = new Client({ name: "reader", version: "1.0.0" });
  const url = new URL(world().gateway.url);
  await client.connect(new StreamableHTTPClientTransport(url) as never);
  try {
    await use(client);
  } finally {
    await client.close();
  }
}

proves(
  "an SDK client lists prompts, resources and templates of every server",
  () =>
    withClient(async (client) => {
      const { prompts } = await client.listPrompts();
      assertArrayIncludes(prompts.map(({ name }) => name), [
        "every_simple-prompt",
        "every_completable-prompt",
        "review",
        "notes_summarize",
      ]);
      const { resources } = await client.listResources();
      const uris = resources.map(({ uri }) => uri);
      assertArrayIncludes(uris, ["books://index", "notes://today"]);
      assertEquals(new Set(uris).size, uris.length, "a URI came twice");
      assert(uris.some((uri) => uri.startsWith("demo://resource/static/")));
      const { resourceTemplates } = await client.listResourceTemplates();
      assertArrayIncludes(
        resourceTemplates.map(({ uriTemplate }) => uriTemplate),
        [
          "demo://resource/dynamic/text/{resourceId}",
          "books://shelf/{shelf}",
          "notes://day/{day}",
        ],
      );
    }),
);

function textOf(content: object | undefined): string {
  assert(content !== undefined && "text" in content, "there is no text");
  return String(content.text);
}

const PROMPTS: readonly {
  name: string;
  args: Record<string, string>;
  text: string;
}[] = [
  {
    name: "every_args-prompt",
    args: { city: "Ulm" },
    text: "What's weather in Ulm?",
  },
  { name: "review", args: { title: "Emma" }, text: "Review Emma" },
  { name: "notes_summarize", args: {}, text: "notes: summarize" },
];
for (const { name, args, text } of PROMPTS) {
  proves(
    `an SDK client gets the prompt ${name}`,
    () =>
      withClient(async (client) => {
        const { messages } = await client.getPrompt({ name, arguments: args });
        assertEquals(messages[0]?.content, { type: "text", text });
      }),
  );
}

const RESOURCES = [
  { uri: "books://index", text: "every book" },
  { uri: "books://shelf/maps", text: "the shelf of maps" },
  { uri: "notes://today", text: "notes: notes://today" },
  { uri: "notes://day/7", text: "notes: notes://day/7" },
  { uri: "demo://resource/dynamic/text/7", text: "Resource 7:" },
];
for (const { uri, text } of RESOURCES) {
  proves(`an SDK client reads ${uri}`, () =>
    withClient(async (client) => {
      const { contents } = await client.readResource({ uri });
      assertEquals(contents[0]?.uri, uri);
      assertStringIncludes(textOf(contents[0]), text);
    }));
}

proves(
  "an SDK client reads a resource that server-everything lists",
  () =>
    withClient(async (client) => {
      const { resources } = await client.listResources();
      const listed = resources.find(({ uri }) => uri.startsWith("demo://"));
      assert(listed !== undefined);
      const { contents } = await client.readResource({ uri: listed.uri });
      assert(textOf(contents[0]).length > 0, "it is empty");
    }),
);

const COMPLETIONS: readonly {
  name: string;
  params: Parameters<Client["complete"]>[0];
  values: readonly string[];
}[] = [
  {
    name: "an argument of a prefixed prompt",
    params: {
      ref: { type: "ref/prompt", name: "every_completable-prompt" },
      argument: { name: "name", value: "" },
      context: { arguments: { department: "Sales" } },
    },
    values: ["David", "Eve", "Frank"],
  },
  {
    name: "a variable of a template",
    params: {
      ref: { type: "ref/resource", uri: "books://shelf/{shelf}" },
      argument: { name: "shelf", value: "p" },
    },
    values: ["poetry", "prose"],
  },
];
for (const { name, params, values } of COMPLETIONS) {
  proves(`an SDK client completes ${name}`, () =>
    withClient(async (client) => {
      const { completion } = await client.complete(params);
      assertEquals(completion.values, [...values]);
    }));
}

const UNKNOWN: readonly {
  name: string;
  ask: (client: Client) => Promise<unknown>;
  code: number;
  data?: unknown;
}[] = [
  {
    name: "a prompt that nobody has",
    ask: (client) => client.getPrompt({ name: "nope" }),
    code: -32602,
  },
  {
    name: "a prompt that its prefix's server does not have",
    ask: (client) => client.getPrompt({ name: "notes_nope" }),
    code: -32602,
  },
  {
    name: "a resource that nobody has",
    ask: (client) => client.readResource({ uri: "nowhere://x" }),
    code: -32002,
    data: { uri: "nowhere://x" },
  },
  {
    name: "a completion for a template that nobody has",
    ask: (client) =>
      client.complete({
        ref: { type: "ref/resource", uri: "nowhere://{x}" },
        argument: { name: "x", value: "" },
      }),
    code: -32002,
    data: { uri: "nowhere://{x}" },
  },
];
for (const { name, ask, code, data } of UNKNOWN) {
  proves(
    `an SDK client that asks for ${name} is told ${code}`,
    () =>
      withClient(async (client) => {
        const error = await assertRejects(() => ask(client)) as Error & {
          code: number;
          data?: unknown;
        };
        assertEquals(error.code, code, error.message);
        if (data !== undefined) assertEquals(error.data, data);
      }),
  );
}

proves(
  "a URI that two servers list is one server's, and the status says so",
  async () => {
    const status = await world().gateway.status();
    assertEquals(status.conflicts, [{
      kind: "resource",
      name: "books://index",
      kept: "library",
      hidden: "notes",
    }]);
    const notes = status.servers.find(({ name }) => name === "notes");
    assertEquals([notes?.prompts, notes?.resources], [1, 1]);
  },
);

proves(
  "a changed list of each kind reaches a listening client, with the new list behind it",
  async () => {
    await using server = startNotes();
    await using gateway = await startGateway({
      servers: [{ name: "notes", url: server.url }],
    });
    const client = await gateway.connect();
    await using listener = await client.listen();
    await eventually(() =>
      assert(server.streams > 0, "the broker does not listen")
    );
    const result = async (method: string) =>
      (await client.request(method)).message?.result;

    server.changeTools([[{ name: "fresh" }]]);
    assertEquals(
      (await listener.next()).method,
      "notifications/tools/list_changed",
    );
    assertEquals(await client.toolNames(), ["fresh"]);

    const prompts = [{ name: "rewrite" }];
    server.changeLists({ prompts });
    assertEquals(
      (await listener.next()).method,
      "notifications/prompts/list_changed",
    );
    assertEquals((await result("prompts/list"))?.["prompts"], prompts);

    const resources = [{ uri: "notes://new", name: "new" }];
    server.changeLists({ resources });
    assertEquals(
      (await listener.next()).method,
      "notifications/resources/list_changed",
    );
    assertEquals((await result("resources/list"))?.["resources"], resources);

    const templates = [{ uriTemplate: "notes://{other}", name: "other" }];
    server.changeLists({ templates });
    assertEquals(
      (await listener.next()).method,
      "notifications/resources/list_changed",
    );
    assertEquals(
      (await result("resources/templates/list"))?.["resourceTemplates"],
      templates,
    );
  },
);
