/**
 * Clients of both official SDKs, servers of three implementations.
 *
 * @module
 */

import { assert, assertArrayIncludes, assertEquals } from "@std/assert";
import {
  Client as ClientV2,
  StreamableHTTPClientTransport as TransportV2,
} from "@modelcontextprotocol/client";
// @ts-types="@modelcontextprotocol/sdk/client"
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
// @ts-types="@modelcontextprotocol/sdk/client/streamableHttp"
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { startEverythingServer } from "../../shared/local/samples/everything_server.ts";
import { startPythonEcho } from "../fixtures/python_server.ts";
import { startSdkV1Server } from "../fixtures/sdk_v1_server.ts";
import { startGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import { SILENT } from "../../shared/_testing.ts";

/** What both SDKs' clients have in common here. */
interface AnyClient {
  getServerVersion(): { name: string } | undefined;
  listTools(): Promise<{ tools: { name: string }[] }>;
  callTool(
    params: { name: string; arguments?: Record<string, unknown> },
  ): Promise<{ content?: unknown }>;
  close(): Promise<void>;
}

const clients: readonly {
  name: string;
  connect: (url: string) => Promise<AnyClient>;
}[] = [
  {
    name: "the v1 SDK's client",
    async connect(url) {
      const client = new ClientV1({ name: "v1", version: "1.0.0" });
      await client.connect(new TransportV1(new URL(url)) as never);
      return client as unknown as AnyClient;
    },
  },
  {
    name: "the v2 client in the session era",
    async connect(url) {
      const client = new ClientV2({ name: "v2", version: "1.0.0" }, {
        versionNegotiation: { mode: "legacy" },
      });
      await client.connect(new TransportV2(new URL(url)));
      return client as unknown as AnyClient;
    },
  },
];

const calls: readonly {
  server: string;
  tool: string;
  arguments: Record<string, unknown>;
  text: string | RegExp;
}[] = [
  {
    server: "server-everything",
    tool: "everything_echo",
    arguments: { message: "hello" },
    text: "Echo: hello",
  },
  {
    server: "server-everything",
    tool: "everything_get-sum",
    arguments: { a: 20, b: 22 },
    text: /\b42\b/,
  },
  {
    server: "a v1 SDK server without a prefix",
    tool: "echo",
    arguments: { text: "Grüße", nested: { list: [1, null, true] } },
    text: '{"text":"Grüße","nested":{"list":[1,null,true]}}',
  },
  {
    server: "a Python server",
    tool: "py_python_echo",
    arguments: { text: "ß \u{1F600} \\ \n" },
    text: "ß \u{1F600} \\ \n",
  },
  {
    server: "a Python server",
    tool: "py_python_add",
    arguments: { first: 9007199254740991, second: 1 },
    text: "9007199254740992",
  },
];

const gateway = shared(async (stack) => {
  const [everything, python] = await Promise.all([
    startEverythingServer({ port: 0, log: SILENT }),
    startPythonEcho(),
  ]);
  stack.use(everything);
  stack.use(python);
  const sdk = stack.use(startSdkV1Server());
  return stack.use(
    await startGateway({
      servers: [
        { name: "everything", url: everything.url, prefix: "everything_" },
        { name: "sdk", url: sdk.url },
        { name: "python", url: python.url, prefix: "py_" },
      ],
    }),
  );
});

for (const { name, connect } of clients) {
  proves(
    `${name} initializes and lists the tools of every server`,
    async () => {
      const client = await connect(gateway().url);
      try {
        assert(client.getServerVersion()?.name, "serverInfo has no name");
        const { tools } = await client.listTools();
        const names = tools.map((tool) => tool.name);
        assertArrayIncludes(names, [
          "echo",
          "facts",
          ...calls.map((c) => c.tool),
        ]);
        assertEquals(new Set(names).size, names.length, "a name came twice");
      } finally {
        await client.close();
      }
    },
  );

  for (const call of calls) {
    proves(`${name} calls ${call.tool} of ${call.server}`, async () => {
      const client = await connect(gateway().url);
      try {
        const { content } = await client.callTool({
          name: call.tool,
          arguments: call.arguments,
        });
        const [block] = content as { type: string; text: string }[];
        assertEquals(block?.type, "text");
        if (typeof call.text === "string") {
          assertEquals(block?.text, call.text);
        } else assert(call.text.test(block?.text ?? ""), block?.text);
      } finally {
        await client.close();
      }
    });
  }
}
