/**
 * Clients of the stateless era at real servers of the session era, through
 * Envoy: what either SDK for TypeScript and the one for Python make of a call
 * that is translated. They ask on the call's stream and on the session's.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { startEveryFeaturePython } from "../fixtures/every_feature_python.ts";
import { startEveryFeatureV1 } from "../fixtures/every_feature_v1.ts";
import { startEveryFeatureV2 } from "../fixtures/every_feature_v2.ts";
import { bearer } from "../support/bearer.ts";
import { startGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import type { RawReply } from "../support/raw_client.ts";
import { StatelessClient } from "../support/stateless_client.ts";
import { eventually } from "../support/wait.ts";

const SERVERS = ["v1", "v2", "python"] as const;

const setup = shared(async (stack) => {
  const python = stack.use(await startEveryFeaturePython());
  const urls = {
    v1: stack.use(startEveryFeatureV1()).url,
    v2: stack.use(startEveryFeatureV2()).url,
    python: python.url,
  };
  const gateway = stack.use(
    await startGateway({
      servers: SERVERS.map((name) => ({
        name,
        url: urls[name],
        prefix: `${name}_`,
        era: "session",
      })),
    }),
  );
  return { gateway };
});

/** What a client declares, and answers. */
const CAPABILITIES = {
  elicitation: { form: {}, url: {} },
  sampling: {},
  roots: {},
};

interface Exchange {
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly answer: Readonly<Record<string, unknown>>;
}

const EXCHANGES: readonly Exchange[] = [
  {
    method: "elicitation/create",
    params: {
      mode: "form",
      message: "Sure?",
      requestedSchema: {
        type: "object",
        properties: { sure: { type: "boolean" } },
      },
    },
    answer: { action: "accept", content: { sure: true } },
  },
  {
    method: "elicitation/create",
    params: {
      mode: "form",
      message: "Sure?",
      requestedSchema: { type: "object", properties: {} },
    },
    answer: { action: "decline" },
  },
  {
    method: "sampling/createMessage",
    params: {
      messages: [{ role: "user", content: { type: "text", text: "hi" } }],
      maxTokens: 10,
    },
    answer: {
      role: "assistant",
      model: "m",
      stopReason: "endTurn",
      content: { type: "text", text: "hello" },
    },
  },
  {
    method: "roots/list",
    params: {},
    answer: { roots: [{ uri: "file:///home", name: "home" }] },
  },
];

let callers = 0;

/** A caller that nobody else is: it shares its sessions with nobody. */
function newClient(
  capabilities: object = CAPABILITIES,
  meta: Readonly<Record<string, unknown>> = {},
): StatelessClient {
  return new StatelessClient(setup().gateway.url, {
    capabilities,
    meta,
    headers: bearer(`caller ${++callers}`),
  });
}

function textOf(reply: RawReply): string {
  const text = reply.message?.result?.content?.[0]?.text;
  assert(typeof text === "string", reply.text);
  return text;
}

for (const server of SERVERS) {
  for (const stream of ["call", "session"]) {
    for (const { method, params, answer } of EXCHANGES) {
      const how = answer["action"] === undefined
        ? "answered"
        : `answered with ${answer["action"]}`;
      proves(
        `${server}: ${method} on the ${stream}'s stream becomes a question, and is ${how} by the retry`,
        async () => {
          const client = newClient();
          const call = {
            name: `${server}_ask`,
            arguments: {
              stream,
              method,
              ...(method === "roots/list" ? {} : { params }),
            },
          };
          const first = await client.request("tools/call", call);
          // deno-lint-ignore no-explicit-any -- looked into below
          const result = first.message?.result as any;
          assertEquals(result?.resultType, "input_required", first.text);
          const [key] = Object.keys(result.inputRequests);
          assertEquals(result.inputRequests[key!].method, method);
          if (method !== "roots/list") {
            assertEquals(result.inputRequests[key!].params, params);
          }
          const second = await client.request("tools/call", {
            ...call,
            inputResponses: { [key!]: answer },
            requestState: result.requestState,
          });
          const outcome = JSON.parse(textOf(second));
          assertEquals(outcome.result, answer, second.text);
        },
      );
    }

    proves(
      `${server}: a question on the ${stream}'s stream that the client did not declare gets an error, and the call ends`,
      async () => {
        const reply = await newClient({ roots: {} }).call(`${server}_ask`, {
          stream,
          method: "sampling/createMessage",
          params: { messages: [], maxTokens: 1 },
        });
        // A server may look at what was declared, and not even ask.
        const outcome = reply.message?.error ?? JSON.parse(textOf(reply)).error;
        assert(outcome !== undefined, reply.text);
      },
    );
  }

  proves(
    `${server}: progress comes under the client's token, before the answer`,
    async () => {
      const client = newClient();
      const reply = await client.send(
        `{"jsonrpc":"2.0","id":"p","method":"tools/call","params":{"name":"${server}_notify",` +
          `"arguments":{"notifications":[1,2].map},"_meta":{${client.meta},"progressToken":41}}}`
            .replace(
              "[1,2].map",
              JSON.stringify(
                [1, 2].map((progress) => ({
                  stream: "call",
                  method: "notifications/progress",
                  params: { progress, total: 2 },
                })),
              ),
            ),
        {
          headers: {
            "mcp-method": "tools/call",
            "mcp-name": `${server}_notify`,
          },
        },
      );
      const events = reply.text.split("\n")
        .filter((line) => line.startsWith("data: {"))
        .map((line) => JSON.parse(line.slice(6)));
      assertEquals(
        events.slice(0, -1).map((
          { method, params },
        ) => [method, params.progressToken, params.progress]),
        [["notifications/progress", 41, 1], ["notifications/progress", 41, 2]],
        reply.text,
      );
      assertEquals(events.at(-1).result.resultType, "complete");
    },
  );

  proves(
    `${server}: log messages come from the level on that the request names, and not without one`,
    async () => {
      const client = newClient();
      const levelsAt = async (level: string | undefined) => {
        const named = level === undefined
          ? ""
          : `,"io.modelcontextprotocol/logLevel":"${level}"`;
        const reply = await client.send(
          `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"${server}_log","arguments":{"stream":"call"},"_meta":{${client.meta}${named}}}}`,
          {
            headers: {
              "mcp-method": "tools/call",
              "mcp-name": `${server}_log`,
            },
          },
        );
        assertEquals(reply.status, 200, reply.text);
        return [...reply.text.matchAll(/"level":"(\w+)","logger"/g)]
          .map(([, level]) => level);
      };
      assertEquals(await levelsAt(undefined), []);
      assertEquals(await levelsAt("critical"), [
        "critical",
        "alert",
        "emergency",
      ]);
      assertEquals(await levelsAt("alert"), ["alert", "emergency"]);
    },
  );

  proves(
    `${server}: a client that leaves cancels its call at the server`,
    async () => {
      // It cannot be asked, so that all its calls are in one session.
      const client = newClient({}, {
        "io.modelcontextprotocol/logLevel": "emergency",
      });
      {
        await using hanging = await client.open("tools/call", {
          name: `${server}_hang`,
          arguments: {},
        });
        // It says so before it hangs; the client leaves behind that.
        await hanging.nextOf("notifications/message");
      }
      // In the same session: nobody else calls in this caller's name.
      const heard = await client.call(`${server}_observed`, {
        method: "cancelled",
      });
      assertEquals(JSON.parse(textOf(heard))[0].method, "cancelled");
      await eventually(async () => {
        const { bridge } = await setup().gateway.status();
        assertEquals(bridge?.runningCalls, 0);
      });
    },
  );

  proves(
    `${server}: errors, structured and large content cross as they are`,
    async () => {
      const client = newClient();
      const failed = await client.call(`${server}_fail`, {
        code: -32000,
        message: "no",
        data: { a: [1] },
      });
      assertEquals(failed.message?.error?.code, -32000, failed.text);
      assertEquals(failed.message?.error?.data as unknown, { a: [1] });
      const structured = await client.call(`${server}_structured`);
      assertMatch(structured.text, /"structuredContent":/);
      // What no double holds stays what it is.
      assertEquals(
        structured.text.match(/"odd": ?9007199254740993\b/g)?.length,
        1,
      );
      const large = await client.call(`${server}_large`, { size: 3_200_000 });
      assertEquals(textOf(large).length, 3_200_000);
      const late = await client.call(`${server}_late`);
      assertEquals(textOf(late), "late");
    },
  );

  proves(`${server}: prompts and completion are translated, too`, async () => {
    const client = newClient();
    const prompt = await client.request("prompts/get", {
      name: `${server}_review`,
      arguments: { title: "x" },
    });
    assertEquals(
      prompt.message?.result?.["resultType"],
      "complete",
      prompt.text,
    );
    const completion = await client.request("completion/complete", {
      ref: { type: "ref/prompt", name: `${server}_review` },
      argument: { name: "style", value: "f" },
    });
    assertEquals(
      // deno-lint-ignore no-explicit-any -- any result
      (completion.message?.result as any)?.completion.values,
      ["formal", "funny"],
      completion.text,
    );
  });
}

proves("a resource that is not there is −32602 with its URI", async () => {
  const uri = "feature://item/none";
  const { status, message, text } = await newClient().request(
    "resources/read",
    { uri },
  );
  assertEquals([status, message?.error?.code], [200, -32602], text);
  assertEquals(message?.error?.data?.["uri"], uri);
});
