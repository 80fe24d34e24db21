/**
 * The script of the conversation: every method, every notification, requests
 * of the server, errors, in both directions, step by step.
 *
 * @module
 */

import { exactNumber } from "../support/exact_json.ts";
import { contentSteps } from "./_content_steps.ts";
import { serverRequestSteps } from "./_server_request_steps.ts";
import {
  ask,
  call,
  cancelled,
  list,
  progress,
  prompt,
  read,
  say,
  shown,
  type Step,
} from "./_steps.ts";
import { at } from "./_transcript.ts";

const BIG = exactNumber("9007199254740993");

/** The steps, in order. */
export const SCRIPT: readonly Step[] = [
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

  ...contentSteps(),

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

  ...serverRequestSteps(),

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
    needs: ["silent when cancelled"],
    act: async (client) => {
      const hanging = await cancelled(client);
      hanging.drop();
      await hanging.over;
    },
  },
  {
    step: "cancelled by the client, and answered",
    needs: ["answers when cancelled"],
    act: async (client) => {
      const hanging = await cancelled(client);
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
    step: "a call in a batch that tells of its progress",
    needs: ["batches"],
    act: (client) => {
      const method = "notifications/progress";
      const notifications = [1, 2].map((progress) => ({
        stream: "call",
        method,
        params: { progress, total: 2 },
      }));
      return client.batch([{
        jsonrpc: "2.0",
        id: "b5",
        method: "tools/call",
        params: client.callOf("notify", { notifications }, {
          progressToken: "batched",
        }),
      }]);
    },
  },
  {
    step: "a call in a batch that asks",
    needs: ["batches", "asked"],
    act: async (client) => {
      client.answer = (request) =>
        client.respond(request, { result: { roots: [] } });
      const asked = { stream: "call", method: "roots/list" };
      await client.batch([{
        jsonrpc: "2.0",
        id: "b6",
        method: "tools/call",
        params: client.callOf("ask", asked),
      }]);
    },
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
