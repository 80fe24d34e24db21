/**
 * The scripted conversation: every method, every notification, requests of the
 * server, errors, in both directions, step by step. It is the same for every
 * server; what a server, a revision or a client cannot do is left out.
 *
 * @module
 */

import { exactNumber, parseExactly } from "../support/exact_json.ts";
import { type Answerer, RecordingClient } from "./_recording_client.ts";
import { at, type JsonObject, type Transcript } from "./_transcript.ts";

/** What a step may need. */
export type Feature =
  /** The client declares that it can be asked. */
  | "asked"
  /** Elicitation by form: 2025-06-18 and later. */
  | "forms"
  /** Elicitation by URL: 2025-11-25. */
  | "urls"
  /** Links to resources as content: 2025-06-18 and later. */
  | "links"
  /** Several messages in one: 2025-03-26. */
  | "batches"
  /** The server answers with streams. */
  | "streams"
  /** The server's streams can be taken up again. */
  | "resumable"
  /** The server takes what it does not know for content. */
  | "new content";

/** Who talks. */
export interface ConversationOptions {
  /** The endpoint. */
  readonly url: string;
  /** Revision that the client asks for. */
  readonly revision: string;
  /** Put before the names of tools and prompts. */
  readonly prefix: string;
  /** What there is. */
  readonly features: ReadonlySet<Feature>;
  /** Milliseconds that one wait may take. Default 10,000. */
  readonly patienceMs?: number;
}

/** Holds the conversation; returns what the client received. */
export async function converse(
  options: ConversationOptions,
): Promise<Transcript> {
  const { features } = options;
  await using client = new RecordingClient({
    ...options,
    patienceMs: options.patienceMs ?? 10_000,
    capabilities: capabilities(features),
  });
  for (const { step, needs = [], act } of SCRIPT) {
    if (needs.every((feature) => features.has(feature))) {
      await client.run(step, () => act(client));
    }
  }
  return client.transcript();
}

/** Which of the features a revision has. */
export function featuresOf(revision: string): Feature[] {
  return [
    ...revision >= "2025-11-25" ? ["urls"] as const : [],
    ...revision >= "2025-06-18" ? ["forms", "links"] as const : [],
    ...revision === "2025-03-26" ? ["batches"] as const : [],
  ];
}

function capabilities(features: ReadonlySet<Feature>): JsonObject {
  if (!features.has("asked")) return {};
  return {
    roots: { listChanged: true },
    sampling: {},
    ...features.has("forms")
      ? { elicitation: features.has("urls") ? { form: {}, url: {} } : {} }
      : {},
    experimental: { "example.com/x": { y: exactNumber("9007199254740993") } },
  };
}

interface Step {
  readonly step: string;
  readonly needs?: readonly Feature[];
  readonly act: (client: RecordingClient) => Promise<void>;
}

const BIG = exactNumber("9007199254740993");

const SCRIPT: readonly Step[] = [
  { step: "initialize", act: (client) => client.initialize() },
  {
    step: "GET stream",
    act: async (client) => {
      client.stream = await client.listen();
    },
  },
  { step: "ping", act: (client) => say(client, "ping") },
  {
    step: "ping with _meta",
    act: (client) => say(client, "ping", { _meta: { "example.com/n": BIG } }),
  },
  { step: "list tools", act: (client) => list(client, "tools/list") },
  { step: "list prompts", act: (client) => list(client, "prompts/list") },
  { step: "list resources", act: (client) => list(client, "resources/list") },
  {
    step: "list templates",
    act: (client) => list(client, "resources/templates/list"),
  },
  {
    step: "a cursor that nobody gave out",
    act: (client) => say(client, "tools/list", { cursor: "made up" }),
  },
  {
    step: "log level before the first call",
    act: (client) => say(client, "logging/setLevel", { level: "error" }),
  },
  {
    // No session with the server was open before.
    step: "the first call, and the server has news at once",
    act: async (client) => {
      const method = "notifications/vendor/news";
      await call(client, "notify", {
        notifications: ["session", "call"].map((stream) => ({
          stream,
          method,
          params: { stream },
        })),
      });
      await shown(client, method);
    },
  },

  ...contents(),

  {
    step: "numbers that no double holds",
    act: (client) => call(client, "structured"),
  },
  {
    step: "arguments and _meta of a call",
    act: (client) =>
      call(client, "echo", {
        text: '\u00fc \u{1F600} \u2028 "quoted"',
        deep: [{ a: [null, true, 1.5] }],
      }, { "example.com/trace": { id: "x" }, traceparent: "00-ab-cd-01" }),
  },
  {
    step: "a text of a megabyte",
    act: (client) => call(client, "large", { size: 1_048_576 }),
  },
  {
    step: "ids of every kind",
    act: async (client) => {
      for (const id of ["7", "a:b \u00fc", "", "mcpgw:aBcDeF12:x:1", 0, -1]) {
        await client.call("echo", { id }, undefined, { id });
      }
    },
  },
  {
    step: "an id beyond 2^53",
    act: async (client) => {
      await client.call("echo", {}, undefined, { id: BIG });
    },
  },

  {
    step: "an unknown tool",
    act: (client) => call(client, "nope"),
  },
  {
    step: "a call without a name",
    act: (client) => say(client, "tools/call", { arguments: {} }),
  },
  {
    step: "an error of the protocol",
    act: (client) =>
      call(client, "fail", {
        code: -32050,
        message: "No, and here is why: \u00fc",
        data: { nested: [{ retryable: false }], text: "x" },
      }),
  },
  {
    step: "URL elicitation required",
    needs: ["urls"],
    act: (client) =>
      call(client, "fail", {
        code: -32042,
        message: "Authorise first",
        data: {
          elicitations: [{
            mode: "url",
            elicitationId: "e-0",
            url: "https://example.com/authorise",
            message: "Please",
          }],
        },
      }),
  },
  {
    step: "an unknown method",
    act: (client) => say(client, "vendor/unknown", { a: 1 }),
  },

  {
    step: "progress with a string for a token",
    act: (client) => progress(client, 'token: \u00fc "7"'),
  },
  {
    step: "progress with a number for a token",
    act: (client) => progress(client, 7),
  },
  {
    step: "two calls at once with the same token",
    act: async (client) => {
      await Promise.all([progress(client, "same"), progress(client, "same")]);
    },
  },

  {
    step: "log level from before the first call is in force",
    act: async (client) => {
      await call(client, "log", { stream: "call" });
      await call(client, "log", { stream: "session" });
      await shown(client, "notifications/message", 4);
    },
  },
  {
    step: "log level changed",
    act: async (client) => {
      await say(client, "logging/setLevel", { level: "alert" });
      await call(client, "log", { stream: "call" });
      await say(client, "logging/setLevel", { level: "debug" });
      await call(client, "log", { stream: "call" });
    },
  },

  ...serverRequests(),

  {
    step: "the client's roots changed",
    needs: ["asked"],
    act: async (client) => {
      client.answer = (request) =>
        client.respond(request, {
          result: { roots: [{ uri: "file:///new", name: "new" }] },
        });
      await client.notify("notifications/roots/list_changed", {
        _meta: { "example.com/n": 1 },
      });
      await shown(client, "roots/list");
      await call(client, "observed", { method: "roots" });
    },
  },
  {
    step: "a notification of the client's that nobody knows",
    act: async (client) => {
      await client.notify("notifications/vendor/news", {
        text: "\u00fc",
        _meta: { "example.com/deep": [{}] },
      });
      await call(client, "observed", { method: "notifications/vendor/news" });
    },
  },
  {
    step: "a notification of the client's without params",
    act: async (client) => {
      await client.notify("notifications/vendor/bare");
      await call(client, "observed", { method: "notifications/vendor/bare" });
    },
  },
  {
    step: "notifications of the server's that nobody knows",
    act: async (client) => {
      const params = {
        text: "\u00fc",
        requestId: 1,
        progressToken: 2,
        _meta: { "example.com/deep": [{}] },
      };
      await call(client, "notify", {
        notifications: [
          { stream: "call", method: "notifications/vendor/a", params },
          { stream: "session", method: "notifications/vendor/b", params },
          { stream: "session", method: "notifications/vendor/bare" },
        ],
      });
      await shown(client, "notifications/vendor/bare");
    },
  },
  {
    step: "cancelled by the client",
    needs: ["streams"],
    act: async (client) => {
      const id = "to be cancelled";
      const hanging = await client.start("tools/call", client.callOf("hang"), {
        id,
      });
      await client.until(hanging, "its start", isOf("notifications/message"));
      await client.notify("notifications/cancelled", {
        requestId: id,
        reason: "no longer needed",
      });
      await call(client, "observed", { method: "cancelled" });
      hanging.drop();
      await hanging.over;
    },
  },
  {
    step: "cancelled although it is over",
    act: async (client) => {
      await client.notify("notifications/cancelled", {
        requestId: "long gone",
      });
      await say(client, "ping");
    },
  },

  {
    step: "prompts",
    act: async (client) => {
      await prompt(client, "plain");
      await prompt(client, "rich");
      await prompt(client, "review", { title: "Emma", tone: "fun\u00fc" });
    },
  },
  { step: "a prompt's missing argument", act: (c) => prompt(c, "review", {}) },
  { step: "an unknown prompt", act: (client) => prompt(client, "nope") },
  {
    step: "completion for a prompt",
    act: (client) =>
      say(client, "completion/complete", {
        ref: { type: "ref/prompt", name: `${client.prefix}review` },
        argument: { name: "tone", value: "f" },
        context: { arguments: { title: "Emma" } },
      }),
  },
  {
    step: "completion for a template",
    act: (client) =>
      say(client, "completion/complete", {
        ref: { type: "ref/resource", uri: "feature://item/{id}" },
        argument: { name: "id", value: "" },
      }),
  },
  {
    step: "resources",
    act: async (client) => {
      for (
        const uri of [
          "feature://text",
          "feature://bytes",
          "urn:example:odd%20one",
          "feature://item/7",
        ]
      ) await read(client, uri);
    },
  },
  {
    step: "a resource that its server does not have",
    act: (client) => read(client, "feature://item/none"),
  },
  {
    step: "a resource that nobody has",
    act: (client) => read(client, "nowhere://x"),
  },
  {
    step: "subscriptions",
    act: async (client) => {
      const uri = "feature://watched";
      await say(client, "resources/subscribe", { uri });
      await call(client, "touch", { uri });
      await shown(client, "notifications/resources/updated");
      await say(client, "resources/unsubscribe", { uri });
      await call(client, "touch", { uri });
    },
  },

  ...(["tools", "prompts", "resources"] as const).map((kind): Step => ({
    step: `the list of ${kind} grows`,
    act: async (client) => {
      await call(client, "grow", { kind });
      await shown(client, `notifications/${kind}/list_changed`);
      await list(client, `${kind}/list`);
    },
  })),
  {
    step: "what came late",
    act: async (client) => {
      await call(client, "late");
      await prompt(client, "late");
      await read(client, "feature://late");
    },
  },

  {
    step: "a stream that breaks off is taken up again",
    needs: ["resumable", "urls"],
    act: async (client) => {
      const broken = await client.call("break_off");
      const id = broken.lastEventId();
      if (id === undefined) throw new Error("the stream had no event id");
      const resumed = await client.resumeCall(id);
      await client.until(
        resumed,
        "the answer",
        (message) => at(message, "result") !== undefined,
      );
      resumed.drop();
      await resumed.over;
    },
  },
  {
    step: "a batch",
    needs: ["batches"],
    act: async (client) => {
      await client.batch([
        { jsonrpc: "2.0", id: "b1", method: "ping" },
        { jsonrpc: "2.0", method: "notifications/vendor/batched" },
        { jsonrpc: "2.0", id: 2, method: "ping", params: {} },
      ]);
      const method = "notifications/vendor/batched";
      await call(client, "observed", { method });
    },
  },
  {
    step: "a call in a batch",
    needs: ["batches"],
    act: (client) =>
      client.batch([
        { jsonrpc: "2.0", id: "b3", method: "ping" },
        {
          jsonrpc: "2.0",
          id: "b4",
          method: "tools/call",
          params: client.callOf("echo", { in: "a batch" }),
        },
      ]),
  },
  {
    step: "the GET stream is taken up again",
    needs: ["resumable", "urls"],
    act: async (client) => {
      const before = client.stream;
      const id = before?.lastEventId();
      if (id === undefined) throw new Error("the stream had no event id");
      before?.drop();
      await before?.over;
      const method = "notifications/vendor/missed";
      await call(client, "notify", {
        notifications: [1, 2].map((n) => ({
          stream: "session",
          method,
          params: { n },
        })),
      });
      client.stream = await client.listenAgain(id);
      await shown(client, method, 2);
    },
  },
  {
    // Last on the GET stream: what came too often, came before.
    step: "the server pings on the GET stream",
    act: async (client) => {
      client.answer = (request) => client.respond(request, { result: {} });
      await ask(client, { stream: "session", method: "ping" });
    },
  },
  {
    step: "DELETE",
    act: async (client) => {
      await client.end();
      await client.stream?.over;
    },
  },
  {
    step: "after DELETE",
    act: async (client) => {
      await say(client, "ping");
      await call(client, "echo");
      const stream = await client.listen();
      await stream.over;
    },
  },
];

/** Results with every kind of content, as the server is told to answer. */
function contents(): Step[] {
  const results: readonly {
    readonly what: string;
    readonly result: string;
    readonly needs?: readonly Feature[];
  }[] = [
    {
      what: "text, an image and audio",
      result: `{"content": [
        {"type": "text", "text": "", "annotations": {"audience": ["user"]}},
        {"type": "image", "data": "iVBORw0KGgo=", "mimeType": "image/png"},
        {"type": "audio", "data": "UklGRg==", "mimeType": "audio/wav",
          "_meta": {"example.com/k": "v"}}]}`,
    },
    {
      what: "embedded resources",
      result: `{"content": [
        {"type": "resource", "resource": {"uri": "feature://text",
          "mimeType": "text/plain", "text": "embedded", "_meta": {"k": 1}}},
        {"type": "resource", "resource": {"uri": "x:/y", "blob": "AAEC"}}]}`,
    },
    {
      what: "a link to a resource",
      needs: ["links"],
      result: `{"content": [
        {"type": "resource_link", "uri": "feature://text", "name": "text",
          "title": "A text", "description": "d", "mimeType": "text/plain",
          "annotations": {"priority": 0.25}}]}`,
    },
    {
      what: "structured content and unknown members",
      result: `{"content": [{"type": "text", "text": "{}", "unknown": [1]}],
        "structuredContent": {"z": {"9": 1, "1": 2}, "a": [[]], "n": null},
        "_meta": {"example.com/z": 1, "example.com/a": {"progressToken": 3}},
        "vendor": {"id": 4, "method": "tools/call", "params": {"name": "x"}}}`,
    },
    {
      what: "an error of the tool's",
      result: `{"content": [{"type": "text", "text": "no"}], "isError": true}`,
    },
    { what: "no content", result: `{"content": []}` },
    {
      what: "content of a kind to come",
      needs: ["new content"],
      result: `{"content": [{"type": "hologram", "data": {"n": 1}}]}`,
    },
  ];
  return results.map(({ what, result, needs = [] }) => ({
    step: `a result with ${what}`,
    needs,
    act: (client) =>
      call(client, "answer", { result: parseExactly(result) as JsonObject }),
  }));
}

/** Requests of the server's, on the stream of a call and on the session's. */
function serverRequests(): Step[] {
  const sampling = {
    messages: [{ role: "user", content: { type: "text", text: "Say \u00fc" } }],
    maxTokens: 100,
    systemPrompt: "Be brief",
    modelPreferences: { hints: [{ name: "small" }], costPriority: 0.5 },
    _meta: { "example.com/why": { deep: [1] } },
    vendor: { unknown: true },
  };
  const sampled = {
    role: "assistant",
    content: { type: "text", text: "\u00fc" },
    model: "small-1",
    stopReason: "endTurn",
    _meta: { "example.com/cost": 3 },
    vendor: [null],
  };
  const form = {
    mode: "form",
    message: "Who are you?",
    requestedSchema: {
      type: "object",
      properties: {
        name: { type: "string", title: "Name", default: "nobody" },
        age: { type: "integer", minimum: 0 },
        colour: { type: "string", enum: ["red", "green"] },
      },
      required: ["name"],
    },
  };
  const url = {
    mode: "url",
    elicitationId: "e-1",
    url: "https://example.com/sign-in?x=1",
    message: "Sign in",
  };
  const steps: readonly {
    readonly step: string;
    readonly needs?: readonly Feature[];
    readonly asked: JsonObject;
    readonly answer: (client: RecordingClient) => Answerer;
    readonly then?: (client: RecordingClient) => Promise<void>;
  }[] = [
    {
      step: "sampling on the call's stream",
      asked: {
        stream: "call",
        method: "sampling/createMessage",
        params: sampling,
      },
      answer: answering({ result: sampled }),
    },
    {
      step: "sampling on the GET stream",
      asked: {
        stream: "session",
        method: "sampling/createMessage",
        params: sampling,
      },
      answer: answering({ result: sampled }),
    },
    ...(["call", "session"] as const).map((stream) => ({
      step: `sampling with progress of the client, on the ${stream}'s stream`,
      asked: {
        stream,
        method: "sampling/createMessage",
        params: sampling,
        progress: true,
      },
      answer: (client: RecordingClient): Answerer => async (request) => {
        const progressToken = at(request, "params", "_meta", "progressToken");
        for (const progress of [1, 2]) {
          await client.notify("notifications/progress", {
            progressToken,
            progress,
            total: 2,
            message: "thinking",
          });
        }
        await client.respond(request, { result: sampled });
      },
    })),
    {
      step: "the client refuses",
      asked: {
        stream: "call",
        method: "sampling/createMessage",
        params: sampling,
      },
      answer: answering({
        error: {
          code: -1,
          message: "User rejected \u00fc",
          data: { why: [1] },
        },
      }),
    },
    {
      step: "roots",
      asked: { stream: "call", method: "roots/list" },
      answer: answering({
        result: {
          roots: [{ uri: "file:///home", name: "home", _meta: { k: 1 } }],
        },
      }),
    },
    {
      step: "roots that the client does not have",
      asked: { stream: "session", method: "roots/list" },
      answer: answering({
        error: { code: -32601, message: "Roots not supported" },
      }),
    },
    ...["accept", "decline", "cancel"].map((action) => ({
      step: `a form: ${action}`,
      needs: ["forms"] as const,
      asked: { stream: "call", method: "elicitation/create", params: form },
      answer: answering({
        result: {
          action,
          ...action === "accept"
            ? { content: { name: "J\u00fc", age: 7, colour: "red" } }
            : {},
          _meta: { "example.com/k": action },
        },
      }),
    })),
    {
      step: "a form on the GET stream",
      needs: ["forms"],
      asked: { stream: "session", method: "elicitation/create", params: form },
      answer: answering({ result: { action: "decline" } }),
    },
    {
      step: "a URL",
      needs: ["urls"],
      asked: { stream: "call", method: "elicitation/create", params: url },
      answer: answering({ result: { action: "accept" } }),
    },
    ...(["call", "session"] as const).map((stream) => ({
      step: `a request that nobody knows, on the ${stream}'s stream`,
      asked: {
        stream,
        method: "vendor/question",
        params: { id: 1, method: "x", name: "y", _meta: { k: [{}] } },
      },
      answer: answering({ result: { vendor: { id: 2, error: null } } }),
    })),
    {
      step: "the client answers twice",
      asked: { stream: "call", method: "roots/list" },
      answer: (client) => async (request) => {
        for (const uri of ["file:///first", "file:///second"]) {
          await client.respond(request, { result: { roots: [{ uri }] } });
        }
      },
    },
    {
      step: "a ping on the call's stream",
      asked: { stream: "call", method: "ping" },
      answer: answering({ result: {} }),
    },
    ...(["call", "session"] as const).map((stream, before) => ({
      step: `withdrawn by the server, on the ${stream}'s stream`,
      asked: {
        stream,
        method: "sampling/createMessage",
        params: sampling,
        withdrawnAfter: before + 1,
      },
      answer: (client: RecordingClient): Answerer => () =>
        client.notify("notifications/vendor/withdraw", { which: stream }),
      ...stream === "session"
        ? {
          then: (client: RecordingClient) =>
            shown(client, "notifications/cancelled"),
        }
        : {},
    })),
  ];
  return [
    ...steps.map(({ step, needs = [], asked, answer, then }): Step => ({
      step,
      needs: ["asked", ...needs],
      act: async (client) => {
        client.answer = answer(client);
        await ask(client, asked);
        await then?.(client);
      },
    })),
    {
      step: "the URL is done with",
      needs: ["asked", "urls"],
      act: async (client) => {
        const method = "notifications/elicitation/complete";
        await call(client, "notify", {
          notifications: ["session", "call"].map((stream) => ({
            stream,
            method,
            params: { elicitationId: "e-1" },
          })),
        });
        await shown(client, method);
      },
    },
    {
      step: "an answer to what nobody asked",
      act: async (client) => {
        await client.respond({ id: 4711 }, { result: {} });
      },
    },
  ];
}

function answering(
  outcome: { readonly result: unknown } | { readonly error: unknown },
): (client: RecordingClient) => Answerer {
  return (client) => (request) => client.respond(request, outcome);
}

async function say(
  client: RecordingClient,
  method: string,
  params?: JsonObject,
): Promise<void> {
  await client.request(method, params);
}

async function call(
  client: RecordingClient,
  tool: string,
  args?: JsonObject,
  meta?: JsonObject,
): Promise<void> {
  await client.call(tool, args, meta);
}

async function ask(client: RecordingClient, args: JsonObject): Promise<void> {
  await client.call("ask", args);
}

async function prompt(
  client: RecordingClient,
  name: string,
  args?: JsonObject,
): Promise<void> {
  await client.request("prompts/get", {
    name: client.prefix + name,
    ...args ? { arguments: args } : {},
    _meta: { "example.com/prompt": name },
  });
}

async function read(client: RecordingClient, uri: string): Promise<void> {
  await client.request("resources/read", { uri });
}

/** Calls with a token; the server tells of its progress. */
async function progress(
  client: RecordingClient,
  progressToken: unknown,
): Promise<void> {
  const method = "notifications/progress";
  await call(client, "notify", {
    notifications: [
      { stream: "call", method, params: { progress: 1, total: 3 } },
      { stream: "call", method, params: { progress: 2.5, message: "\u00fc" } },
      { stream: "call", method, params: { progress: 3, total: 3, vendor: [] } },
    ],
  }, { progressToken });
}

/** Lists to the last page. The ids do not tell how many there were. */
async function list(client: RecordingClient, method: string): Promise<void> {
  let cursor: unknown;
  let page = 0;
  do {
    const exchange = await client.request(
      method,
      cursor === undefined ? undefined : { cursor },
      { id: `page ${page++}` },
    );
    cursor = at(exchange.last(), "result", "nextCursor");
  } while (cursor !== undefined);
}

/** Waits until the GET stream has shown a message, so often in this step. */
async function shown(
  client: RecordingClient,
  method: string,
  times: number = 1,
): Promise<void> {
  if (client.stream === undefined) throw new Error("there is no GET stream");
  await client.until(client.stream, method, isOf(method), times);
}

function isOf(method: string): (message: unknown) => boolean {
  return (message) => at(message, "method") === method;
}
