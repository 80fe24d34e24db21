import { assertEquals } from "@std/assert";
import { config, server } from "../../shared/_testing.ts";
import type { RequestCaller } from "../caller.ts";
import type { ListKind } from "../catalog/kinds.ts";
import { cacheScopeOf } from "./cache_hints.ts";

const VIRTUAL = [
  { name: "team/own", tools: ["mine_x"], prompts: [] },
  { name: "team/all", tools: ["echo"], prompts: [] },
];
const SHARED = config([server("plain")], VIRTUAL);
const OWN = config([
  server("plain"),
  server("mine", { prefix: "mine_", userSpecificList: true }),
], VIRTUAL);
const OFF = config([
  server("mine", {
    prefix: "mine_",
    userSpecificList: true,
    state: "Disabled",
  }),
], VIRTUAL);

function at(route: string, virtualServer?: string): RequestCaller {
  return {
    identity: "alice",
    route,
    ...(virtualServer === undefined ? {} : { virtualServer }),
  };
}

const CASES: readonly {
  name: string;
  kind: ListKind | undefined;
  caller?: RequestCaller;
  config?: typeof OWN;
  want: "public" | "private";
}[] = [
  { name: "what all see", kind: "tools", config: SHARED, want: "public" },
  { name: "tools that differ by caller", kind: "tools", want: "private" },
  { name: "prompts that differ by caller", kind: "prompts", want: "private" },
  { name: "resources, which never differ", kind: "resources", want: "public" },
  { name: "templates likewise", kind: "templates", want: "public" },
  { name: "what is no list", kind: undefined, want: "public" },
  {
    name: "tools of a server that is disabled",
    kind: "tools",
    config: OFF,
    want: "public",
  },
  {
    name: "a virtual server without what differs",
    kind: "tools",
    caller: at("/mcp/team/all", "team/all"),
    want: "public",
  },
  {
    name: "a virtual server with what differs",
    kind: "tools",
    caller: at("/mcp/team/own", "team/own"),
    want: "private",
  },
  {
    name: "the prompts of one whose tools differ",
    kind: "prompts",
    caller: at("/mcp/team/own", "team/own"),
    want: "public",
  },
  {
    name: "a virtual server that a header chose",
    kind: "tools",
    caller: at("/mcp", "team/all"),
    want: "private",
  },
  {
    name: "what is no list, of one that a header chose",
    kind: undefined,
    caller: at("/mcp", "team/all"),
    want: "private",
  },
];

for (const { name, kind, caller = at("/mcp"), want, ...one } of CASES) {
  Deno.test(`cacheScopeOf() has ${want} for ${name}`, () => {
    assertEquals(cacheScopeOf(kind, caller, one.config ?? OWN, "/mcp"), want);
  });
}
