import { assertEquals, assertMatch } from "@std/assert";
// @ts-types="@modelcontextprotocol/sdk/client"
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
// @ts-types="@modelcontextprotocol/sdk/client/streamableHttp"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
// @ts-types="@modelcontextprotocol/sdk/types"
import { ToolListChangedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { startNotesServer } from "./notes.ts";

async function connect(url: string): Promise<Client> {
  const client = new Client({ name: "test", version: "1.0.0" });
  await client.connect(
    new StreamableHTTPClientTransport(new URL(url)) as never,
  );
  return client;
}

async function say(
  client: Client,
  name: string,
  args: Record<string, unknown> = {},
): Promise<string> {
  const { content } = await client.callTool({ name, arguments: args });
  return (content as { text: string }[])[0]?.text ?? "";
}

Deno.test("startNotesServer() keeps notes that every session sees", async () => {
  await using server = startNotesServer();
  const [writer, reader] = [
    await connect(server.url),
    await connect(server.url),
  ];
  assertEquals(await say(reader, "list"), "No notes");
  assertMatch(
    await say(writer, "add", { text: "Buy milk", tags: ["home"] }),
    /^Note 1 /,
  );
  await say(writer, "add", { text: "Call Ada" });
  assertEquals(await say(reader, "list"), "1. Buy milk #home\n2. Call Ada");
  assertEquals(await say(reader, "list", { tag: "home" }), "1. Buy milk #home");
  assertEquals(await say(reader, "search", { text: "ada" }), "2. Call Ada");
  await say(writer, "remove", { id: 1 });
  assertEquals(await say(reader, "list"), "2. Call Ada");
  await writer.close();
  await reader.close();
});

Deno.test("startNotesServer() takes its writing tools away while it is locked, and says so", async () => {
  await using server = startNotesServer();
  const [owner, other] = [await connect(server.url), await connect(server.url)];
  const told = Promise.withResolvers<void>();
  other.setNotificationHandler(
    ToolListChangedNotificationSchema,
    () => told.resolve(),
  );
  const names = async (client: Client): Promise<string[]> =>
    (await client.listTools()).tools.map(({ name }) => name).sort();
  const open = ["add", "list", "lock", "remove", "search"];
  assertEquals(await names(other), open);
  await say(owner, "lock");
  await told.promise;
  assertEquals(await names(other), ["list", "search", "unlock"]);
  const late = await connect(server.url);
  assertEquals(await names(late), ["list", "search", "unlock"]);
  await say(owner, "unlock");
  assertEquals(await names(owner), open);
  for (const client of [owner, other, late]) await client.close();
});

Deno.test("startNotesServer() answers an unknown session with 404", async () => {
  await using server = startNotesServer();
  const response = await fetch(server.url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-session-id": crypto.randomUUID(),
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "ping" }),
  });
  assertEquals(response.status, 404);
  await response.body?.cancel();
});
