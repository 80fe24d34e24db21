import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { config, server } from "../shared/_testing.ts";
import type { Catalog } from "../shared/catalog.ts";
import { scan } from "../shared/jsonrpc/scanner.ts";
import type { Era } from "../shared/mcp.ts";
import { RouteTable } from "../shared/routing/route_table.ts";
import { decideCall } from "./decide_call.ts";

const PARAM_HEADERS = [
  { header: "region", path: ["region"], type: "string" },
] as const;

const catalog: Catalog = {
  version: "1",
  config: "c",
  complete: true,
  urisComplete: true,
  servers: [
    { name: "found", ready: true, era: "stateless" },
    // Last known, while it is away.
    { name: "away", ready: false, era: "session" },
    { name: "told", ready: true, era: "session" },
  ],
  tools: {
    found_sql: {
      server: "found",
      name: "sql",
      paramHeaders: PARAM_HEADERS,
    },
  },
  prompts: {},
  resources: {},
  templates: [{ server: "found", uriTemplate: "memo://{id}" }],
};

const table = new RouteTable(
  config([
    server("found", { prefix: "found_" }),
    server("away", { prefix: "away_" }),
    // What the configuration says counts.
    server("told", { prefix: "told_", era: "stateless" }),
    server("unseen", { prefix: "unseen_" }),
  ]),
  catalog,
);

function decide(method: string, params: object, era: Era) {
  const bytes = new TextEncoder().encode(
    JSON.stringify({ jsonrpc: "2.0", id: "q", method, params }),
  );
  const request = scan(bytes);
  assert(request.kind === "request");
  const decision = decideCall(request, era, {
    bytes,
    table,
    virtualServer: undefined,
  });
  return { bytes, decision };
}

const CASES: readonly {
  name: string;
  tool: string;
  era: Era;
  want: string;
}[] = [
  {
    name: "of the stateless era at a server found to be of it",
    tool: "found_sql",
    era: "stateless",
    want: "call found sql",
  },
  {
    name: "of the session era at a server found to be of the other",
    tool: "found_sql",
    era: "session",
    want: "bridge found sql",
  },
  {
    name: "of the stateless era at a server that was of the session era",
    tool: "away_x",
    era: "stateless",
    want: "bridge away x",
  },
  {
    name: "of the session era at a server that was of it",
    tool: "away_x",
    era: "session",
    want: "call away x",
  },
  {
    name: "of the stateless era at a server configured for it",
    tool: "told_x",
    era: "stateless",
    want: "call told x",
  },
  {
    name: "of the session era at a server configured for the other",
    tool: "told_x",
    era: "session",
    want: "bridge told x",
  },
  {
    name: "of the session era at a server of which nothing is known",
    tool: "unseen_x",
    era: "session",
    want: "call unseen x",
  },
  {
    name: "of the stateless era at a server of which nothing is known",
    tool: "unseen_x",
    era: "stateless",
    want: "refuse catalog unavailable",
  },
  {
    name: "of a tool that there is not",
    tool: "nope",
    era: "stateless",
    want: "refuse unknown tool",
  },
];

for (const { name, tool, era, want } of CASES) {
  Deno.test(`decideCall() of a call ${name}: ${want}`, () => {
    const { decision } = decide("tools/call", { name: tool }, era);
    assertEquals(
      decision.kind === "refuse"
        ? `refuse ${decision.refusal.kind}`
        : decision.kind === "none"
        ? "none"
        : `${decision.kind} ${decision.server.name} ${decision.name}`,
      want,
    );
  });
}

Deno.test("decideCall() hands on which arguments headers mirror", () => {
  for (const era of ["session", "stateless"] as const) {
    const { decision } = decide("tools/call", { name: "found_sql" }, era);
    assert(decision.kind === "call" || decision.kind === "bridge");
    assertEquals(decision.paramHeaders, PARAM_HEADERS);
  }
});

Deno.test("decideCall() takes the prefix out of a body and changes nothing else of it", () => {
  const { decision } = decide(
    "tools/call",
    { arguments: { name: "found_sql" }, name: "found_sql" },
    "stateless",
  );
  assert(decision.kind === "call");
  assertEquals(
    new TextDecoder().decode(decision.body),
    '{"jsonrpc":"2.0","id":"q","method":"tools/call","params":' +
      '{"arguments":{"name":"found_sql"},"name":"sql"}}',
  );
});

Deno.test("decideCall() leaves a URI as it is", () => {
  const { bytes, decision } = decide(
    "resources/read",
    { uri: "memo://1" },
    "stateless",
  );
  assert(decision.kind === "call");
  assertStrictEquals(decision.body, bytes);
});

Deno.test("decideCall() has no business with what asks for no one thing", () => {
  const { decision } = decide("tools/list", {}, "stateless");
  assertEquals(decision, { kind: "none" });
});
