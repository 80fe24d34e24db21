import { assertEquals } from "@std/assert";
import { config, server } from "../shared/_testing.ts";
import { scan } from "../shared/jsonrpc/scanner.ts";
import { RouteTable } from "../shared/routing/route_table.ts";
import type { HeaderEntry } from "./answer.ts";
import { decideBody } from "./decide_body.ts";
import { readHead } from "./request_head.ts";

const REVISION = "2026-07-28";
const META =
  `"_meta":{"io.modelcontextprotocol/protocolVersion":"${REVISION}",` +
  `"io.modelcontextprotocol/clientCapabilities":{}}`;

const table = new RouteTable(
  config([
    server("new", { prefix: "new_", era: "stateless" }),
    server("old", { prefix: "old_", era: "session" }),
  ]),
  undefined,
);

/** A request of the stateless era, complete. */
function request(method: string, params = ""): string {
  const members = params === "" ? META : `${params},${META}`;
  return `{"jsonrpc":"2.0","id":9007199254740993,"method":"${method}","params":{${members}}}`;
}

/** The headers that mirror it. */
function mirrors(method: string, name?: string): HeaderEntry[] {
  return [
    ["mcp-protocol-version", REVISION],
    ["mcp-method", method],
    ...(name === undefined ? [] : [["mcp-name", name] as const]),
  ];
}

function decide(body: string, headers: readonly HeaderEntry[]) {
  const bytes = new TextEncoder().encode(body);
  const head = readHead({ headers, endOfStream: false });
  return decideBody(scan(bytes), head, {
    bytes,
    table,
    virtualServer: undefined,
  });
}

/** `stateless call`, `session refuse unknown tool`. */
function short({ era, decision }: ReturnType<typeof decide>): string {
  return decision.kind === "refuse"
    ? `${era} refuse ${decision.refusal.kind}`
    : `${era} ${decision.kind}`;
}

const OLD_CALL =
  '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"old_x"}}';
const ID = "9007199254740993";

const CASES: readonly {
  name: string;
  body: string;
  headers?: readonly HeaderEntry[];
  want: string;
  /** What the answer bears; left out where the decision has none. */
  id?: string | null;
}[] = [
  {
    name: "a call at a server of its era",
    body: request("tools/call", '"name":"new_x"'),
    headers: mirrors("tools/call", "new_x"),
    want: "stateless call",
    id: ID,
  },
  {
    name: "a call at a server of the other era",
    body: request("tools/call", '"name":"old_x"'),
    headers: mirrors("tools/call", "old_x"),
    want: "stateless bridge",
    id: ID,
  },
  {
    name: "a call of the session era at its server",
    body: OLD_CALL,
    want: "session call",
    id: "1",
  },
  {
    name: "a call of the session era at a server of the other",
    body: OLD_CALL.replace("old_x", "new_x"),
    headers: [["mcp-protocol-version", "2025-11-25"]],
    want: "session bridge",
    id: "1",
  },
  {
    name: "a name in Base64",
    body: request("tools/call", '"name":"new_é"'),
    headers: mirrors("tools/call", "=?base64?bmV3X8Op?="),
    want: "stateless call",
  },
  {
    name: "a name that only looks like Base64",
    body: request("tools/call", '"name":"new_=?BASE64?eA==?="'),
    headers: mirrors("tools/call", "new_=?BASE64?eA==?="),
    want: "stateless call",
  },
  {
    name: "Base64 that is none",
    body: request("tools/call", '"name":"new_x"'),
    headers: mirrors("tools/call", "=?base64?bmV3X3g?="),
    want: "stateless refuse header mismatch",
    id: ID,
  },
  {
    name: "another tool in the header than in the body",
    body: request("tools/call", '"name":"new_b"'),
    headers: mirrors("tools/call", "new_a"),
    want: "stateless refuse header mismatch",
    id: ID,
  },
  {
    name: "another method in the header than in the body",
    body: request("tools/call", '"name":"new_b"'),
    headers: mirrors("tools/list", "new_b"),
    want: "stateless refuse header mismatch",
    id: ID,
  },
  {
    name: "no Mcp-Name",
    body: request("tools/call", '"name":"new_b"'),
    headers: mirrors("tools/call"),
    want: "stateless refuse header mismatch",
    id: ID,
  },
  {
    name: "no Mcp-Method on a list",
    body: request("tools/list"),
    headers: [["mcp-protocol-version", REVISION]],
    want: "stateless refuse header mismatch",
    id: ID,
  },
  {
    name: "two of Mcp-Name, the first one right",
    body: request("tools/call", '"name":"new_b"'),
    headers: [...mirrors("tools/call", "new_b"), ["mcp-name", "new_a"]],
    want: "stateless refuse header mismatch",
    id: ID,
  },
  {
    name: "two of Mcp-Method",
    body: request("tools/list"),
    headers: [...mirrors("tools/list"), ["mcp-method", "tools/list"]],
    want: "stateless refuse header mismatch",
    id: ID,
  },
  {
    name:
      "headers that contradict, of a tool that there is not: the headers first",
    body: request("tools/call", '"name":"nope"'),
    headers: mirrors("tools/call", "new_a"),
    want: "stateless refuse header mismatch",
  },
  {
    name:
      "an envelope that is incomplete, under headers that contradict: the envelope first",
    body:
      '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"new_x"}}',
    headers: mirrors("tools/list"),
    want: "stateless refuse envelope incomplete",
    id: "7",
  },
  {
    name: "the envelope without the header",
    body: request("tools/list"),
    headers: [],
    want: "stateless refuse header mismatch",
    id: ID,
  },
  {
    name: "a revision that nobody speaks",
    body: request("tools/list").replace(REVISION, "2099-01-01"),
    headers: [["mcp-protocol-version", "2099-01-01"]],
    want: "stateless refuse unsupported revision",
    id: ID,
  },
  {
    name: "a revision that nobody speaks, in the header only",
    body: '{"jsonrpc":"2.0","id":7,"method":"tools/list"}',
    headers: [["mcp-protocol-version", "2099-01-01"]],
    want: "stateless refuse unsupported revision",
    id: "7",
  },
  {
    name: "initialize, whatever its header",
    body:
      '{"jsonrpc":"2.0","id":7,"method":"initialize","params":{"protocolVersion":"2099-01-01"}}',
    headers: [["mcp-protocol-version", "2099-01-01"]],
    want: "session broker",
    id: "7",
  },
  {
    name: "initialize with an envelope",
    body: request("initialize"),
    headers: mirrors("initialize"),
    want: "stateless broker",
    id: ID,
  },
  ...["server/discover", "tools/list", "subscriptions/listen", "ping"].map((
    method,
  ) => ({
    name: method,
    body: request(method),
    headers: mirrors(method),
    want: "stateless broker",
    id: ID,
  })),
  ...["resources/subscribe", "resources/unsubscribe"].map((method) => ({
    name: `${method}, which this era has not`,
    body: request(method, '"uri":"memo://1"'),
    headers: mirrors(method),
    want: "stateless broker",
    id: ID,
  })),
  {
    name: "a completion",
    body: request(
      "completion/complete",
      '"ref":{"type":"ref/prompt","name":"new_p"}',
    ),
    headers: mirrors("completion/complete"),
    want: "stateless call",
    id: ID,
  },
  {
    name: "a call without a name",
    body: request("tools/call", '"name":7'),
    headers: mirrors("tools/call", "x"),
    want: "stateless refuse invalid params",
    id: ID,
  },
  {
    name: "a notification",
    body:
      '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}',
    headers: [["mcp-protocol-version", REVISION]],
    want: "stateless accept",
    id: null,
  },
  {
    name: "a response",
    body: '{"jsonrpc":"2.0","id":1,"result":{}}',
    headers: [["mcp-protocol-version", REVISION]],
    want: "stateless refuse invalid request",
    id: null,
  },
  {
    name: "a batch",
    body: `[${request("tools/list")}]`,
    headers: mirrors("tools/list"),
    want: "stateless refuse invalid request",
    id: null,
  },
  {
    name: "a batch of a revision that nobody speaks",
    body: `[${OLD_CALL}]`,
    headers: [["mcp-protocol-version", "1.0"]],
    want: "stateless refuse unsupported revision",
    id: null,
  },
  {
    name: "a batch of the session era",
    body: `[${OLD_CALL}]`,
    headers: [["mcp-protocol-version", "2025-03-26"]],
    want: "session broker",
    id: null,
  },
  {
    name: "what is no JSON",
    body: '{"jsonrpc":"2.0","id":3,',
    headers: [["mcp-protocol-version", REVISION]],
    want: "stateless refuse parse error",
    id: "3",
  },
  {
    name: "what is no JSON, in the session era",
    body: "{",
    want: "session refuse parse error",
    id: null,
  },
  {
    name: "the answer to a question of the broker's own",
    body: '{"jsonrpc":"2.0","id":"mcpgw-bridge:aBcDeF12:x:1","result":{}}',
    headers: [["mcp-protocol-version", "2025-11-25"]],
    want: "session broker",
    id: null,
  },
  {
    name: "progress of a question of the broker's own",
    body:
      '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"mcpgw-bridge:a:b","progress":1}}',
    want: "session broker",
    id: null,
  },
];

for (const { name, body, headers = [], want, id } of CASES) {
  Deno.test(`decideBody() of ${name}: ${want}`, () => {
    const decided = decide(body, headers);
    assertEquals(short(decided), want);
    if (id === undefined) return;
    const { decision } = decided;
    assertEquals("id" in decision ? decision.id : "none", id);
  });
}
