/**
 * Clients of both eras, servers of both eras, one gateway: each client sees the
 * same full set of what there is, and can use all of it.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { startEverythingServer } from "../../shared/local/samples/everything_server.ts";
import type { Era } from "../../shared/mcp.ts";
import { SILENT } from "../../shared/_testing.ts";
import {
  startDeskPython,
  useDesksFromPython,
} from "../fixtures/desk_python.ts";
import { startDeskV1 } from "../fixtures/desk_v1.ts";
import { startDeskV2 } from "../fixtures/desk_v2.ts";
import { startGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import { eventually, within } from "../support/wait.ts";
import {
  ERA_CLIENTS,
  type EraClient,
  type EraClientKind,
  type Listed,
  type ToolResult,
} from "./_era_clients.ts";

/** Servers that are alike, each on an SDK and in an era of its own. */
const DESKS: readonly { readonly name: string; readonly era: Era }[] = [
  { name: "v1", era: "session" },
  { name: "v2", era: "stateless" },
  { name: "py", era: "session" },
  { name: "pys", era: "stateless" },
];

const gateway = shared(async (stack) => {
  const [everything, py, pys] = await Promise.all([
    startEverythingServer({ port: 0, log: SILENT }),
    startDeskPython("py"),
    startDeskPython("pys"),
  ]);
  for (const server of [everything, py, pys]) stack.use(server);
  const v1 = stack.use(startDeskV1("v1"));
  const v2 = stack.use(startDeskV2("v2"));
  return stack.use(
    await startGateway({
      servers: [
        { name: "v1", url: v1.url, prefix: "v1_" },
        { name: "v2", url: v2.url, prefix: "v2_" },
        // Python's SDK serves both eras, and would be spoken with in either.
        { name: "py", url: py.url, prefix: "py_", era: "session" },
        { name: "pys", url: pys.url, prefix: "pys_", era: "stateless" },
        { name: "everything", url: everything.url, prefix: "every_" },
      ],
    }),
  );
});

/** A call of a tool, and what it has to say. */
interface ToolCall {
  readonly tool: string;
  readonly args: object;
  readonly want: RegExp;
  readonly structured?: unknown;
}

/** Every tool that is listed, but those that wait to be cancelled. */
const CALLS: readonly ToolCall[] = [
  ...DESKS.flatMap(({ name }): ToolCall[] => [
    {
      tool: `${name}_greet`,
      args: { who: "Zoë \u{1F600}" },
      want: new RegExp(`^Hello Zoë \u{1F600}, this is ${name}$`, "u"),
    },
    {
      tool: `${name}_add`,
      args: { first: 20, second: 22 },
      want: /^\{\s*"sum":\s*42\s*\}$/,
      structured: { sum: 42 },
    },
    {
      tool: `${name}_ask`,
      args: { question: "Who?" },
      want: /^\{"action": ?"decline"\}$/,
    },
    {
      tool: `${name}_send`,
      args: { city: "Zürich, =?base64?eA==?=" },
      want: /^Sent to Zürich, =\?base64\?eA==\?=$/,
    },
    { tool: `${name}_count`, args: { to: 2 }, want: /^Counted to 2$/ },
    { tool: `${name}_cancelled`, args: {}, want: /^\d+$/ },
  ]),
  { tool: "every_echo", args: { message: "hello" }, want: /^Echo: hello$/ },
  {
    tool: "every_get-annotated-message",
    args: { messageType: "success" },
    want: /successful/,
  },
  { tool: "every_get-env", args: {}, want: /^\{/ },
  {
    tool: "every_get-resource-links",
    args: { count: 2 },
    want: /2 resource links/,
  },
  {
    tool: "every_get-resource-reference",
    args: { resourceType: "Text", resourceId: 1 },
    want: /resource/,
  },
  {
    tool: "every_get-structured-content",
    args: { location: "Chicago" },
    want: /temperature/,
    structured: {
      temperature: 36,
      conditions: "Light rain / drizzle",
      humidity: 82,
    },
  },
  { tool: "every_get-sum", args: { a: 20, b: 22 }, want: /\b42\b/ },
  { tool: "every_get-tiny-image", args: {}, want: /image/ },
  {
    tool: "every_gzip-file-as-resource",
    args: {
      name: "a.gz",
      data: "data:text/plain,hello",
      outputType: "resource",
    },
    want: /^$/,
  },
  { tool: "every_toggle-simulated-logging", args: {}, want: /logging/ },
  { tool: "every_toggle-subscriber-updates", args: {}, want: /updates/ },
  {
    tool: "every_trigger-long-running-operation",
    args: { duration: 1, steps: 2 },
    want: /Duration: 1 seconds, Steps: 2/,
  },
];

/** Tools that wait until they are cancelled. */
const WAITS: readonly string[] = DESKS.map(({ name }) => `${name}_wait`);

const PROMPTS: readonly {
  readonly prompt: string;
  readonly args: object;
  readonly want: RegExp;
}[] = [
  ...DESKS.map(({ name }) => ({
    prompt: `${name}_letter`,
    args: { to: "Ada" },
    want: new RegExp(`^Write to Ada from ${name}$`),
  })),
  { prompt: "every_simple-prompt", args: {}, want: /simple prompt/ },
  { prompt: "every_args-prompt", args: { city: "Oslo" }, want: /Oslo/ },
  {
    prompt: "every_completable-prompt",
    args: { department: "Sales", name: "David" },
    want: /David/,
  },
  {
    prompt: "every_resource-prompt",
    args: { resourceType: "Text", resourceId: "1" },
    want: /resource/,
  },
];

const RESOURCES: readonly { readonly uri: string; readonly want: RegExp }[] = [
  ...DESKS.map(({ name }) => ({
    uri: `${name}://notice`,
    want: new RegExp(`^Notice of ${name}$`),
  })),
  ...[
    "architecture",
    "extension",
    "features",
    "how-it-works",
    "instructions",
    "startup",
    "structure",
  ].map((name) => ({
    uri: `demo://resource/static/document/${name}.md`,
    want: /./,
  })),
];

/** Templates, each with a URI that it makes. */
const TEMPLATES: readonly {
  readonly template: string;
  readonly uri: string;
  readonly want: RegExp;
}[] = [
  ...DESKS.map(({ name }) => ({
    template: `${name}://drawer/{number}`,
    uri: `${name}://drawer/7`,
    want: new RegExp(`^Drawer 7 of ${name}$`),
  })),
  {
    template: "demo://resource/dynamic/text/{resourceId}",
    uri: "demo://resource/dynamic/text/3",
    want: /Resource 3/,
  },
  {
    template: "demo://resource/dynamic/blob/{resourceId}",
    uri: "demo://resource/dynamic/blob/3",
    want: /^[A-Za-z0-9+/=]+$/,
  },
];

/**
 * Needs tasks, which the gateway declares to neither side, so that nobody can
 * call it: a client may see it or not.
 */
const OF_TASKS = "every_simulate-research-query";

const EVERYTHING: Listed = {
  tools: [...CALLS.map(({ tool }) => tool), ...WAITS].sort(),
  prompts: PROMPTS.map(({ prompt }) => prompt).sort(),
  resources: RESOURCES.map(({ uri }) => uri).sort(),
  templates: TEMPLATES.map(({ template }) => template).sort(),
};

for (const kind of ERA_CLIENTS) {
  const connect = (): Promise<EraClient> => kind.connect(gateway().url);

  proves(`${kind.name} sees all of five servers`, async () => {
    await using client = await connect();
    const { tools, ...rest } = await client.list();
    assertEquals(
      { tools: tools.filter((name) => name !== OF_TASKS), ...rest },
      EVERYTHING,
    );
  });

  proves(`${kind.name} calls every tool`, async () => {
    await using client = await connect();
    await everyOne(CALLS, async ({ tool, args, want, structured }) => {
      const result = await client.call(tool, args);
      assert(!result.isError, textOf(result));
      assert(want.test(textOf(result)), textOf(result));
      assertEquals(result.structuredContent, structured);
    });
  });

  proves(`${kind.name} gets every prompt`, async () => {
    await using client = await connect();
    await everyOne(PROMPTS, async ({ prompt, args, want }) => {
      const text = String(await client.prompt(prompt, args));
      assert(want.test(text), text);
    });
  });

  proves(
    `${kind.name} reads every resource, and one of each template`,
    async () => {
      await using client = await connect();
      await everyOne([...RESOURCES, ...TEMPLATES], async ({ uri, want }) => {
        const { text, blob } = await client.read(uri);
        assert(want.test(text ?? blob ?? ""), text);
      });
    },
  );

  for (const desk of DESKS) {
    provesInOneCall(kind, desk, connect);
  }
}

for (
  const [mode, revision] of [
    ["legacy", "2025-11-25"],
    ["auto", "2026-07-28"],
  ] as const
) {
  proves(`the Python SDK's client at ${revision} uses every desk`, async () => {
    const names = DESKS.map(({ name }) => name);
    const found = await useDesksFromPython(gateway().url, mode, names);
    assertEquals(found.revision, revision);
    assertEquals(
      found.tools.filter((name) => name !== OF_TASKS),
      EVERYTHING.tools,
    );
    for (const name of names) {
      assertEquals(found.used[name], {
        greet: `Hello Zoë, this is ${name}`,
        add: { sum: 42 },
        send: "Sent to Zürich",
        ask: [{ action: "accept", answer: "Ada" }, { action: "decline" }],
        count: [1, 2, 3],
        cancelled: 1,
        letter: `Write to Ada from ${name}`,
        notice: `Notice of ${name}`,
      });
    }
  });
}

proves("each server is taken to be of its era", async () => {
  const { servers } = await gateway().status();
  assertEquals(
    servers.map(({ name, era }) => ({ name, era })),
    [...DESKS, { name: "everything", era: "session" }],
  );
});

proves("no call is left behind", async () => {
  await eventually(async () => {
    const { bridge } = await gateway().status();
    assertEquals({ ...bridge, sessions: 0 }, {
      runningCalls: 0,
      parkedCalls: 0,
      sessions: 0,
      sessionCalls: 0,
      questions: 0,
      watches: 0,
    });
  });
});

/** What goes back and forth while a call runs. */
function provesInOneCall(
  kind: EraClientKind,
  desk: (typeof DESKS)[number],
  connect: () => Promise<EraClient>,
): void {
  const pair =
    `${kind.name} (${kind.era}) and the server ${desk.name} (${desk.era})`;

  proves(`${pair}: a question is answered, and another refused`, async () => {
    await using client = await connect();
    const ask = async (question: string) =>
      JSON.parse(textOf(await client.call(`${desk.name}_ask`, { question })));
    client.user({ action: "accept", content: { answer: "Ada" } });
    assertEquals(await ask("Who?"), { action: "accept", answer: "Ada" });
    client.user({ action: "decline" });
    assertEquals(await ask("And?"), { action: "decline" });
    assertEquals(client.asked, ["Who?", "And?"]);
  });

  proves(`${pair}: every step of progress is told, in order`, async () => {
    await using client = await connect();
    const steps: number[] = [];
    await client.call(`${desk.name}_count`, { to: 5 }, {
      onprogress: ({ progress }) => steps.push(progress),
    });
    assertEquals(steps, [1, 2, 3, 4, 5]);
  });

  proves(`${pair}: a call that is cancelled ends at the server`, async () => {
    await using client = await connect();
    const ended = async () =>
      Number(textOf(await client.call(`${desk.name}_cancelled`, {})));
    const before = await ended();
    const running = Promise.withResolvers<void>();
    const cancel = new AbortController();
    const call = client.call(`${desk.name}_wait`, {}, {
      onprogress: () => running.resolve(),
      signal: cancel.signal,
    });
    const rejected = assertRejects(() => call);
    await within("the call's progress", running.promise);
    cancel.abort("enough");
    await rejected;
    await eventually(async () => assertEquals(await ended(), before + 1));
  });
}

function textOf({ content }: ToolResult): string {
  return content.find(({ type }) => type === "text")?.text ?? "";
}

/** Tries each; fails with all that went wrong, not with the first of it. */
async function everyOne<T>(
  all: readonly T[],
  one: (item: T) => Promise<void>,
): Promise<void> {
  const problems: string[] = [];
  for (const item of all) {
    try {
      await one(item);
    } catch (error) {
      problems.push(`${JSON.stringify(item)}: ${error}`);
    }
  }
  assertEquals(problems, []);
}
