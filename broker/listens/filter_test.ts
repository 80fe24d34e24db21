import { assert, assertEquals } from "@std/assert";
import { scan } from "../../shared/jsonrpc/scanner.ts";
import { readListenFilter, writeListenFilter } from "./filter.ts";

const LIMITS = { subscriptionsPerSession: 2, subscriptionUriBytes: 8 };

function read(params: string | undefined) {
  const body = new TextEncoder().encode(
    `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen"${
      params === undefined ? "" : `,"params":${params}`
    }}`,
  );
  const request = scan(body);
  assert(request.kind === "request");
  return readListenFilter(body, request, LIMITS);
}

const READ = [
  { name: "nothing", filter: "{}", lists: [], uris: [] },
  {
    name: "changes of all lists",
    filter:
      '{"resourcesListChanged":true,"promptsListChanged":true,"toolsListChanged": true }',
    lists: ["tools", "prompts", "resources"],
    uris: [],
  },
  {
    name: "what is set to true only",
    filter: '{"toolsListChanged":false,"promptsListChanged":true}',
    lists: ["prompts"],
    uris: [],
  },
  {
    name: "resources, each once",
    filter: '{"resourceSubscriptions":["a:1","a\\u003a1","b:\u00e9"]}',
    lists: [],
    uris: ["a:1", "b:\u00e9"],
  },
  {
    name: "nothing that is unknown",
    filter: '{"tasks":true,"toolsListChanged":true}',
    lists: ["tools"],
    uris: [],
  },
] as const;
for (const { name, filter, lists, uris } of READ) {
  Deno.test(`readListenFilter() reads ${name}`, () => {
    assertEquals<unknown>(read(`{"notifications":${filter}}`), {
      kind: "filter",
      filter: { lists, uris },
    });
  });
}

const REFUSED = [
  { name: "no params", params: undefined, kind: "invalid params" },
  { name: "no filter", params: "{}", kind: "invalid params" },
  {
    name: "a filter that is a list",
    params: '{"notifications":[]}',
    kind: "invalid params",
  },
  {
    name: "a switch that is text",
    params: '{"notifications":{"toolsListChanged":"true"}}',
    kind: "invalid params",
  },
  {
    name: "a resource that is a number",
    params: '{"notifications":{"resourceSubscriptions":[1]}}',
    kind: "invalid params",
  },
  {
    name: "a resource instead of a list of them",
    params: '{"notifications":{"resourceSubscriptions":"a:1"}}',
    kind: "invalid params",
  },
  {
    name: "a URI that is too long",
    params: '{"notifications":{"resourceSubscriptions":["123456789"]}}',
    kind: "invalid params",
  },
  {
    name: "too many resources",
    params: '{"notifications":{"resourceSubscriptions":["a","b","c"]}}',
    kind: "too many subscriptions",
  },
] as const;
for (const { name, params, kind } of REFUSED) {
  Deno.test(`readListenFilter() refuses ${name}`, () => {
    const outcome = read(params);
    assertEquals(outcome.kind === "refused" && outcome.refusal.kind, kind);
  });
}

Deno.test("writeListenFilter() has what is granted, and nothing else", () => {
  assertEquals(writeListenFilter({ lists: [], uris: [] }), "{}");
  assertEquals(
    writeListenFilter({ lists: ["tools", "resources"], uris: ["a:1"] }),
    '{"toolsListChanged":true,"resourcesListChanged":true,"resourceSubscriptions":["a:1"]}',
  );
});
