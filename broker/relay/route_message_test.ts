import { assert, assertEquals } from "@std/assert";
import { scan } from "../../shared/jsonrpc/scanner.ts";
import { routeMessage } from "./route_message.ts";

const ROUTED = "mcpgw:aBcDeF12:weather:";

const CASES: readonly {
  readonly name: string;
  readonly message: string;
  readonly capabilities?: Readonly<Record<string, unknown>>;
  /** Where it goes, and what it is there. */
  readonly want: readonly [to: string, text?: string];
}[] = [
  {
    name: "keeps initialized",
    message: '{"jsonrpc":"2.0","method":"notifications/initialized"}',
    want: ["nobody"],
  },
  {
    name: "sends a cancellation to all, byte for byte",
    message:
      '{ "jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1e0} }',
    want: [
      "all",
      '{ "jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1e0} }',
    ],
  },
  {
    name: "sends progress with a server's token to that server",
    message:
      `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"${ROUTED}\\"t\\"","progress":0.50}}`,
    want: [
      "weather aBcDeF12",
      '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":0.50}}',
    ],
  },
  {
    name: "sends progress with any other token to all",
    message:
      '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":1}}',
    want: [
      "all",
      '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":1}}',
    ],
  },
  {
    name: "sends an answer to the server that asked",
    message: `{"jsonrpc":"2.0","id":"${ROUTED}7","result":{"a":1.0}}`,
    capabilities: { roots: {} },
    want: ["weather aBcDeF12", '{"jsonrpc":"2.0","id":7,"result":{"a":1.0}}'],
  },
  {
    name: "sends an error to the server that asked",
    message:
      `{"jsonrpc":"2.0","error":{"code":-1,"message":"no"},"id":"${ROUTED}7"}`,
    want: [
      "weather aBcDeF12",
      '{"jsonrpc":"2.0","error":{"code":-1,"message":"no"},"id":7}',
    ],
  },
  {
    name: "sends an answer to all where only a ping can have been asked",
    message: '{"jsonrpc":"2.0","id":7,"result":{}}',
    capabilities: { experimental: {} },
    want: ["all", '{"jsonrpc":"2.0","id":7,"result":{}}'],
  },
  ...["sampling", "elicitation", "roots"].map((name) => ({
    name: `keeps an answer that may be one about ${name}`,
    message: '{"jsonrpc":"2.0","id":7,"result":{}}',
    capabilities: { [name]: {} },
    want: ["nobody"] as const,
  })),
  {
    name: "keeps an error of a client that may have been asked anything",
    message:
      '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"?"}}',
    capabilities: { roots: {} },
    want: ["nobody"],
  },
];

function routed(
  body: string,
  at: number,
  capabilities = {},
): readonly [to: string, text?: string] {
  const bytes = new TextEncoder().encode(body);
  const scanned = scan(bytes);
  assert(scanned.kind !== "malformed", body);
  const message = scanned.kind === "batch" ? scanned.messages[at]! : scanned;
  assert(message.kind !== "request");
  const route = routeMessage(bytes, message, capabilities);
  const to = route.kind === "one"
    ? `${route.target.server} ${route.target.tag}`
    : route.kind;
  return route.kind === "nobody"
    ? [to]
    : [to, new TextDecoder().decode(route.bytes)];
}

for (const { name, message, capabilities, want } of CASES) {
  Deno.test(`routeMessage() ${name}`, () => {
    assertEquals(routed(message, 0, capabilities), want);
    const batch = `[{"jsonrpc":"2.0","method":"é"}, ${message} ,${message}]`;
    assertEquals(routed(batch, 1, capabilities), want, "in a batch");
  });
}

for (
  const [method, urgent] of [
    ["notifications/cancelled", true],
    ["notifications/roots/list_changed", false],
    ["notifications/cancelled/x", false],
  ] as const
) {
  Deno.test(`routeMessage() has ${method} ${urgent ? "go past" : "behind"} others`, () => {
    const bytes = new TextEncoder().encode(
      JSON.stringify({ jsonrpc: "2.0", method }),
    );
    const message = scan(bytes);
    assert(message.kind === "notification");
    const route = routeMessage(bytes, message, {});
    assert(route.kind === "all");
    assertEquals(route.urgent, urgent);
  });
}
