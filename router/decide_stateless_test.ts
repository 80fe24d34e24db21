import { assert, assertEquals } from "@std/assert";
import { config, server } from "../shared/_testing.ts";
import { scan } from "../shared/jsonrpc/scanner.ts";
import { RouteTable } from "../shared/routing/route_table.ts";
import type { HeaderEntry } from "./answer.ts";
import { decideStateless } from "./decide_stateless.ts";
import { readHead } from "./request_head.ts";

const table = new RouteTable(
  config([
    server("new", { prefix: "new_", era: "stateless" }),
    server("old", { prefix: "old_", era: "session" }),
  ]),
  {
    version: "1",
    config: "c",
    complete: true,
    urisComplete: true,
    servers: [],
    tools: Object.fromEntries(["new", "old"].map((name) => [`${name}_sql`, {
      server: name,
      name: "sql",
      paramHeaders: [
        { header: "region", path: ["region"], type: "string" },
        { header: "limit", path: ["options", "limit"], type: "integer" },
      ],
    }])),
    prompts: {},
    resources: {},
    templates: [],
  },
);

function decide(
  tool: string,
  args: string,
  headers: readonly HeaderEntry[],
): string {
  const bytes = new TextEncoder().encode(
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"${tool}","arguments":${args}}}`,
  );
  const message = scan(bytes);
  assert(message.kind === "request");
  const head = readHead({
    headers: [["mcp-method", "tools/call"], ["mcp-name", tool], ...headers],
    endOfStream: false,
  });
  const decision = decideStateless(message, head, {
    bytes,
    table,
    virtualServer: undefined,
  });
  return decision.kind === "refuse" ? decision.refusal.kind : decision.kind;
}

const CASES: readonly {
  name: string;
  args: string;
  headers: readonly HeaderEntry[];
  fits: boolean;
}[] = [
  {
    name: "headers that say what the arguments say",
    args: '{"region":"é","options":{"limit":42}}',
    headers: [
      ["mcp-param-region", "=?base64?w6k=?="],
      ["mcp-param-limit", "42.0"],
    ],
    fits: true,
  },
  {
    name: "no header for an argument that is not there, and one for null",
    args: '{"region":null}',
    headers: [],
    fits: true,
  },
  {
    name: "headers that the tool has not",
    args: "{}",
    headers: [["mcp-param-other", "x"], ["mcp-param-other", "y"]],
    fits: true,
  },
  {
    name: "another value",
    args: '{"region":"eu"}',
    headers: [["mcp-param-region", "us"]],
    fits: false,
  },
  {
    name: "a value and no header",
    args: '{"region":"eu"}',
    headers: [],
    fits: false,
  },
  {
    name: "Base64 that is none",
    args: '{"region":"é"}',
    headers: [["mcp-param-region", "=?base64?w6k?="]],
    fits: false,
  },
  {
    name: "a header that stands twice, the first one right",
    args: '{"region":"eu"}',
    headers: [["mcp-param-region", "eu"], ["mcp-param-region", "us"]],
    fits: false,
  },
];

for (const { name, args, headers, fits } of CASES) {
  Deno.test(`decideStateless() ${fits ? "takes" : "refuses"} ${name}, whatever the server's era`, () => {
    assertEquals(
      [decide("new_sql", args, headers), decide("old_sql", args, headers)],
      fits ? ["call", "bridge"] : ["header mismatch", "header mismatch"],
    );
  });
}

Deno.test("decideStateless() leaves to the server what the catalog does not know", () => {
  assertEquals(decide("new_unlisted", '{"region":"eu"}', []), "call");
});
