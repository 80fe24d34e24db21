import { assertEquals } from "@std/assert";
import { discoverResult, listMembers } from "./results.ts";

const META = {
  "io.modelcontextprotocol/serverInfo": { name: "mcp-gateway", version: "7" },
};

Deno.test("listMembers() goes behind a list", () => {
  assertEquals(
    JSON.parse(
      `{"tools":[]${listMembers("7", { ttlMs: 5, cacheScope: "private" })}}`,
    ),
    {
      tools: [],
      resultType: "complete",
      ttlMs: 5,
      cacheScope: "private",
      _meta: META,
    },
  );
});

Deno.test("discoverResult() declares what is served, and nothing else", () => {
  const common = { version: "7", ttlMs: 5, cacheScope: "public" } as const;
  const hints = {
    resultType: "complete",
    ttlMs: 5,
    cacheScope: "public",
    _meta: META,
  };
  assertEquals(
    JSON.parse(discoverResult({
      ...common,
      instructions: "Use it.",
      watchesResources: true,
    })),
    {
      supportedVersions: ["2026-07-28"],
      capabilities: {
        tools: { listChanged: true },
        prompts: { listChanged: true },
        resources: { listChanged: true, subscribe: true },
        completions: {},
        logging: {},
      },
      instructions: "Use it.",
      ...hints,
    },
  );
  const bare = JSON.parse(discoverResult({
    ...common,
    instructions: undefined,
    watchesResources: false,
  }));
  assertEquals(bare.capabilities.resources, { listChanged: true });
  assertEquals(Object.hasOwn(bare, "instructions"), false);
});
