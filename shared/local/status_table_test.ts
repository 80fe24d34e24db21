import {
  assert,
  assertEquals,
  assertNotEquals,
  assertStringIncludes,
} from "@std/assert";
import type { ServerStatus, Status } from "../status.ts";
import { isSettled, statusKey, statusTable } from "./status_table.ts";

const weather: ServerStatus = {
  name: "weather",
  url: "http://127.0.0.1:9001/mcp",
  hostname: "weather.mcp.local",
  prefix: "",
  state: "ready",
  since: "2026-01-01T00:00:00Z",
  tools: 3,
  problems: [],
};

function status(given: Partial<Status> = {}): Status {
  return {
    version: "0",
    configProblems: [],
    ready: true,
    servers: [weather],
    conflicts: [],
    ...given,
  };
}

Deno.test("statusTable() says below the table what is wrong with a server", () => {
  const text = statusTable(status({
    servers: [
      weather,
      {
        ...weather,
        name: "b",
        state: "failed",
        lastError: "connection refused",
      },
      { ...weather, name: "c", problems: ["tool x left out: no name"] },
    ],
  }));
  assertEquals(text.split("\n").slice(4), [
    "  b: connection refused",
    "  c: tool x left out: no name",
  ]);
});

Deno.test("statusTable() does not bring up what has been overcome", () => {
  const text = statusTable(
    status({ servers: [{ ...weather, lastError: "was down" }] }),
  );
  assert(!text.includes("was down"));
});

Deno.test("statusTable() names the owner of a name that two claim", () => {
  const text = statusTable(status({
    conflicts: [{ kind: "tool", name: "get", kept: "a", hidden: "b" }],
  }));
  assertStringIncludes(text, "tool get: offered by a and b, a keeps it");
});

Deno.test("statusTable() counts prompts and resources where that is known", () => {
  const [, first, second] = statusTable(status({
    servers: [{ ...weather, prompts: 4, resources: 56 }, weather],
  })).split("\n").map((line) => line.split(/ {2,}/));
  assertEquals(first?.slice(4, 7), ["3", "4", "56"]);
  assertEquals(second?.slice(4, 7), ["3", "-", "-"]);
});

Deno.test("statusTable() says what is wrong with a virtual server", () => {
  const text = statusTable(status({
    virtualServers: [
      { name: "a/b", tools: 1, prompts: 0, problems: ["tool x: not there"] },
    ],
  }));
  assertStringIncludes(text, "  virtual server a/b: tool x: not there");
});

Deno.test("statusTable() says when there is nothing", () => {
  assertStringIncludes(statusTable(status({ servers: [] })), "(no servers)");
});

Deno.test("isSettled() waits for servers that connect, not for ones that fail", () => {
  const with_ = (state: ServerStatus["state"]) =>
    isSettled(status({ servers: [weather, { ...weather, state }] }));
  assertEquals(with_("connecting"), false);
  assertEquals(with_("failed"), true);
  assertEquals(with_("ready"), true);
});

Deno.test("statusKey() changes with what a person looks for, not with latency", () => {
  const key = (given: Partial<ServerStatus>) =>
    statusKey(status({ servers: [{ ...weather, ...given }] }));
  assertEquals(key({ latencyMs: 1 }), key({ latencyMs: 2 }));
  assertNotEquals(key({ state: "failed" }), key({}));
  assertNotEquals(key({ tools: 4 }), key({}));
  assertNotEquals(key({ prompts: 4 }), key({}));
  assertNotEquals(key({ resources: 4 }), key({}));
  assertNotEquals(key({ problems: ["a tool is left out"] }), key({}));
  const virtual = { name: "v", tools: 0, prompts: 0 };
  assertNotEquals(
    statusKey(status({ virtualServers: [{ ...virtual, problems: [] }] })),
    statusKey(status({ virtualServers: [{ ...virtual, problems: ["x"] }] })),
  );
});
