import { assertEquals } from "@std/assert";
import type { Status } from "../../shared/status.ts";
import { readBrokerStatus } from "./broker_status.ts";

const STATUS: Status = {
  version: "1",
  config: "abc",
  configProblems: ["one"],
  ready: true,
  servers: [{
    name: "team/weather",
    url: "http://weather.team/mcp",
    hostname: "weather.mcp.local",
    prefix: "weather_",
    state: "ready",
    since: "2026-01-01T00:00:00.000Z",
    era: "session",
    revision: "2025-11-25",
    tools: 3,
    prompts: 1,
    resources: 0,
    lastError: "it was slow",
    problems: ["a tool has no name"],
  }],
  virtualServers: [
    { name: "team/travel", tools: 1, prompts: 0, problems: [] },
  ],
  conflicts: [{ kind: "tool", name: "x", kept: "a/a", hidden: "b/b" }],
};

Deno.test("readBrokerStatus() keeps all that conditions are decided by", () => {
  const sent = JSON.parse(JSON.stringify(STATUS));
  sent.servers[0].latencyMs = 7;
  assertEquals(readBrokerStatus(sent), STATUS);
});

for (
  const { name, input } of [
    { name: "nothing", input: null },
    { name: "a text", input: "ready" },
    { name: "an object of another kind", input: { status: "ok" } },
    { name: "servers that are no list", input: { ready: true, servers: 3 } },
  ]
) {
  Deno.test(`readBrokerStatus() takes ${name} for no status`, () => {
    assertEquals(readBrokerStatus(input), undefined);
  });
}

Deno.test("readBrokerStatus() cuts what an object's status could not hold", () => {
  const read = readBrokerStatus({
    ready: false,
    servers: [{ lastError: "x".repeat(100_000), tools: 1e15, problems: 3 }],
  });
  const [server] = read?.servers ?? [];
  assertEquals(server?.lastError?.length, 2_000);
  assertEquals(server?.tools, 2 ** 31 - 1);
  assertEquals(server?.problems, []);
});
