import { assertEquals } from "@std/assert";
import { clientEntry, curlLine } from "./snippets.ts";

const URL = "http://127.0.0.1:8888/mcp";

Deno.test("clientEntry() is JSON in the form that clients share", () => {
  assertEquals(JSON.parse(clientEntry(URL)), {
    mcpServers: { gateway: { type: "http", url: URL } },
  });
});

Deno.test("curlLine() sends an initialize that a strict server takes", () => {
  const line = curlLine(URL);
  const body = JSON.parse(/-d '(.*)'$/.exec(line)?.[1] ?? "");
  assertEquals(body.method, "initialize");
  assertEquals(body.jsonrpc, "2.0");
  for (const part of [URL, "application/json, text/event-stream"]) {
    assertEquals(line.includes(part), true, part);
  }
});
