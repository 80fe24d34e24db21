/**
 * What newer revisions brought passes through as it is, and what nobody can
 * use is said to be so.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { startRawServer } from "../fixtures/raw_server.ts";
import { ScriptedServer, ScriptedStream } from "../fixtures/scripted_server.ts";
import { startGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import { RawClient } from "../support/raw_client.ts";
import { CALL, result } from "./_sessions.ts";

/** What 2025-11-25 knows of a tool, and something that nobody knows. */
const DRESSED = {
  title: "Dressed",
  icons: [{
    src: "https://example.com/i.png",
    sizes: ["48x48"],
    theme: "dark",
  }],
  _meta: { "example.com/k": [1] },
  "x-vendor": { kept: [null] },
};
const AS_TASK = "as_task";

const setup = shared(async (stack) => {
  const dressed = stack.use(startRawServer({
    name: "dressed",
    pages: [[
      {
        name: "echo",
        ...DRESSED,
        inputSchema: { type: "object" },
        outputSchema: { type: "object" },
        annotations: { readOnlyHint: true, vendorHint: 1 },
        execution: { taskSupport: "optional", vendor: 1 },
      },
      { name: AS_TASK, execution: { taskSupport: "required" } },
    ]],
    prompts: [{ name: "ask", ...DRESSED }],
    resources: [{ uri: "dressed://1", name: "one", ...DRESSED }],
    templates: [{ uriTemplate: "dressed://{id}", name: "any", ...DRESSED }],
  }));
  const scripted = stack.use(new ScriptedServer("scripted"));
  const gateway = stack.use(
    await startGateway({
      servers: [
        { name: "dressed", url: dressed.url, prefix: "dressed_" },
        { name: "scripted", url: scripted.url, prefix: "scripted_" },
      ],
    }),
  );
  return { dressed, scripted, gateway };
});

proves(
  "icons, titles, annotations and unknown members of every list pass as they are",
  async () => {
    const { gateway } = setup();
    const client = await gateway.connect();
    const find = async (
      method: string,
      member: string,
      key: string,
      value: string,
    ) => {
      const { message } = await client.request(method);
      return (message?.result?.[member] as Record<string, unknown>[]).find((
        one,
      ) => one[key] === value);
    };
    assertEquals(await find("tools/list", "tools", "name", "dressed_echo"), {
      name: "dressed_echo",
      ...DRESSED,
      inputSchema: { type: "object" },
      outputSchema: { type: "object" },
      annotations: { readOnlyHint: true, vendorHint: 1 },
      execution: { taskSupport: "optional", vendor: 1 },
    });
    assertEquals(await find("prompts/list", "prompts", "name", "dressed_ask"), {
      name: "dressed_ask",
      ...DRESSED,
    });
    assertEquals(
      await find("resources/list", "resources", "uri", "dressed://1"),
      { uri: "dressed://1", name: "one", ...DRESSED },
    );
    assertEquals(
      await find(
        "resources/templates/list",
        "resourceTemplates",
        "uriTemplate",
        "dressed://{id}",
      ),
      { uriTemplate: "dressed://{id}", name: "any", ...DRESSED },
    );
  },
);

proves(
  "sampling with tools reaches the client as it is, and its answer the server",
  async () => {
    const { scripted, gateway } = setup();
    scripted.clear();
    const capabilities = {
      sampling: { tools: {}, context: {} },
      tasks: { list: {} },
    };
    const client = await gateway.connect({ capabilities });
    const stream = new ScriptedStream();
    scripted.script = ({ rpc }) =>
      rpc === "tools/call" ? stream.response : undefined;
    const params = {
      messages: [
        {
          role: "assistant",
          content: [{ type: "tool_use", id: "u1", name: "w", input: { a: 1 } }],
        },
        {
          role: "user",
          content: [{
            type: "tool_result",
            toolUseId: "u1",
            content: [],
            isError: false,
          }],
        },
      ],
      maxTokens: 5,
      tools: [{ name: "scripted_w", inputSchema: { type: "object" } }],
      toolChoice: { mode: "required" },
    };
    stream.write(
      `data: ${
        JSON.stringify({
          jsonrpc: "2.0",
          id: 1,
          method: "sampling/createMessage",
          params,
        })
      }\n\n`,
    );
    await using call = await client.open(CALL);
    const asked = await call.next();
    assertEquals(asked.params, params);
    const outcome = {
      role: "assistant",
      model: "m",
      stopReason: "toolUse",
      content: [{
        type: "tool_use",
        id: "u2",
        name: "scripted_w",
        input: { name: "scripted_x" },
      }],
    };
    assertEquals(
      (await client.send({ jsonrpc: "2.0", id: asked.id, result: outcome }))
        .status,
      202,
    );
    const told = scripted.requests.map(({ text }) =>
      text === "" ? {} : JSON.parse(text)
    );
    assertEquals(told.find(({ result }) => result !== undefined), {
      jsonrpc: "2.0",
      id: 1,
      result: outcome,
    });
    assertEquals(
      told.find(({ method }) => method === "initialize").params.capabilities,
      { sampling: { tools: {}, context: {} } },
    );
    stream.write(result("5"));
    stream.end();
  },
);

proves(
  "tasks are not ours to give, and what looks like them passes",
  async () => {
    const { dressed, scripted, gateway } = setup();
    const client = new RawClient(gateway.url);
    const { message } = await client.initialize();
    const declared = message?.result?.capabilities as Record<string, unknown>;
    assertEquals(declared.tasks, undefined);
    for (
      const method of [
        "tasks/get",
        "tasks/result",
        "tasks/list",
        "tasks/cancel",
      ]
    ) {
      const reply = await client.request(method, { taskId: "1" });
      assertEquals(reply.message?.error?.code, -32601, method);
    }
    assert((await client.toolNames()).includes(`dressed_${AS_TASK}`));
    const { servers } = await gateway.status();
    assertMatch(
      servers.find(({ name }) => name === "dressed")?.problems.join() ?? "",
      /as_task.*as a task only/,
    );
    dressed.clear();
    const args = { task: { ttl: 1 }, taskId: "t" };
    const meta = { "io.modelcontextprotocol/related-task": { taskId: "t" } };
    const reply = await client.request("tools/call", {
      name: "dressed_echo",
      arguments: args,
      task: { ttl: 60000 },
      _meta: meta,
    });
    assertEquals(reply.status, 200);
    const sent =
      JSON.parse(new TextDecoder().decode(dressed.of("tools/call")[0]!.body))
        .params;
    assertEquals([sent.arguments, sent._meta], [args, meta]);
    scripted.clear();
    scripted.script = ({ rpc, id }) => {
      if (rpc !== "tools/call") return undefined;
      return Response.json({
        jsonrpc: "2.0",
        id: JSON.parse(id),
        result: { content: [], task: { taskId: "t" }, _meta: meta },
      });
    };
    const answer = await client.call("scripted_ask");
    assertEquals(answer.message?.result, {
      content: [],
      task: { taskId: "t" },
      _meta: meta,
    });
  },
);
