import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { CALLER_VALID_MS, signCaller } from "../shared/sessions/caller.ts";
import { KeyRing } from "../shared/sessions/keys.ts";
import { callerOf, isGatewayPath } from "./caller.ts";

const keys = new KeyRing(new Uint8Array(32).fill(1));
const others = new KeyRing(new Uint8Array(32).fill(2));
const SETTINGS = { keys, path: "/mcp", identityHeader: "x-user" };
const NOW = 1_000_000;

function of(headers: Record<string, string>, path = "/mcp") {
  return callerOf(new Headers(headers), path, SETTINGS, NOW);
}

Deno.test("callerOf() believes the router's statement before the request", () => {
  const statement = signCaller(
    keys,
    { identity: "them", route: "/mcp/a/b", virtualServer: "a/b" },
    NOW,
  );
  const outcome = of({
    "x-mcp-caller": statement,
    "x-user": "me",
    "x-mcp-virtualserver": "c",
  });
  assert(outcome.kind === "caller");
  const { identity, route, virtualServer } = outcome.caller;
  assertEquals({ identity, route, virtualServer }, {
    identity: "them",
    route: "/mcp/a/b",
    virtualServer: "a/b",
  });
});

const FORGED = [
  { name: "garbage", value: "me" },
  { name: "empty", value: "" },
  {
    name: "signed by others",
    value: signCaller(others, { identity: "", route: "/mcp" }, NOW),
  },
  {
    name: "too old",
    value: signCaller(
      keys,
      { identity: "", route: "/mcp" },
      NOW - CALLER_VALID_MS,
    ),
  },
];
for (const { name, value } of FORGED) {
  Deno.test(`callerOf() refuses a statement that is ${name}`, () => {
    assertEquals(of({ "x-mcp-caller": value }), {
      kind: "refused",
      refusal: { kind: "forbidden caller" },
    });
  });
}

const DIRECT = [
  { name: "the path", path: "/mcp", want: { route: "/mcp" } },
  { name: "a final slash", path: "/mcp/", want: { route: "/mcp" } },
  {
    name: "a path below",
    path: "/mcp/team/v",
    want: { route: "/mcp/team/v", virtualServer: "team/v" },
  },
  {
    name: "a header",
    path: "/mcp",
    headers: { "x-mcp-virtualserver": "v" },
    want: { route: "/mcp", virtualServer: "v" },
  },
  {
    name: "path before header",
    path: "/mcp/team/v",
    headers: { "x-mcp-virtualserver": "other" },
    want: { route: "/mcp/team/v", virtualServer: "team/v" },
  },
];
for (const { name, path, headers, want } of DIRECT) {
  Deno.test(`callerOf() tells route and virtual server from ${name}`, () => {
    assertEquals(of(headers ?? {}, path), {
      kind: "caller",
      caller: { identity: "", ...want },
    });
  });
}

Deno.test("callerOf() tells callers apart by token and by header", () => {
  const identities = [
    {},
    { authorization: "Bearer one" },
    { authorization: "Bearer two" },
    { "x-user": "one" },
  ].map((headers) => {
    const outcome = of(headers as Record<string, string>);
    assert(outcome.kind === "caller");
    return outcome.caller.identity;
  });
  assertEquals(identities[0], "");
  assertEquals(new Set(identities).size, 4);
  assertNotEquals(identities[1], "");
});

Deno.test("isGatewayPath() knows the gateway's paths", () => {
  const paths = ["/mcp", "/mcp/", "/mcp/a/b", "/mcpx", "/", "/a/mcp"];
  assertEquals(paths.filter((path) => isGatewayPath(path, "/mcp")), [
    "/mcp",
    "/mcp/",
    "/mcp/a/b",
  ]);
});
