import { assert, assertEquals } from "@std/assert";
import { config, server } from "../shared/_testing.ts";
import { scan } from "../shared/jsonrpc/scanner.ts";
import { decideMessage } from "./decide_message.ts";
import { RouteTable } from "../shared/routing/route_table.ts";

const table = new RouteTable(
  config([server("weather", { prefix: "weather_" }), server("plain")]),
  {
    version: "1",
    config: "c",
    complete: true,
    urisComplete: true,
    servers: [],
    tools: {},
    prompts: { greet: { server: "plain", name: "greet" } },
    resources: { "memo://1": { server: "plain", name: "memo://1" } },
    templates: [{ server: "weather", uriTemplate: "sky://{city}" }],
  },
);

function decide(text: string) {
  const bytes = new TextEncoder().encode(text);
  const scanned = scan(bytes);
  assert(scanned.kind !== "malformed");
  return {
    bytes,
    decision: decideMessage(scanned, {
      bytes,
      table,
      virtualServer: undefined,
    }),
  };
}

function request(method: string, params: string): string {
  return `{"jsonrpc":"2.0","id":"q","method":"${method}","params":${params}}`;
}

const routed: readonly {
  name: string;
  text: string;
  want: [server: string, target: string, name: string];
  body?: string;
}[] = [
  {
    name: "a tool's call",
    text: request("tools/call", '{"name":"weather_now", "x":1e400}'),
    want: ["weather", "tool", "now"],
    body: request("tools/call", '{"name":"now", "x":1e400}'),
  },
  {
    name: "a prompt",
    text: request("prompts/get", '{"name":"weather_brief"}'),
    want: ["weather", "prompt", "brief"],
    body: request("prompts/get", '{"name":"brief"}'),
  },
  {
    name: "a prompt without a prefix",
    text: request("prompts/get", '{"name":"greet"}'),
    want: ["plain", "prompt", "greet"],
  },
  {
    name: "a resource",
    text: request("resources/read", '{"uri":"memo://1"}'),
    want: ["plain", "resource", "memo://1"],
  },
  {
    name: "a resource that a template describes",
    text: request("resources/read", '{"uri":"sky://Oslo"}'),
    want: ["weather", "resource", "sky://Oslo"],
  },
  {
    name: "a subscription",
    text: request("resources/subscribe", '{"uri":"memo://1"}'),
    want: ["plain", "resource", "memo://1"],
  },
  {
    name: "the end of one",
    text: request("resources/unsubscribe", '{"uri":"sky://Oslo"}'),
    want: ["weather", "resource", "sky://Oslo"],
  },
  {
    name: "a completion for a prompt",
    text: request(
      "completion/complete",
      '{"argument":{"name":"a","value":"b"},"ref":{"name":"weather_brief","type":"ref/prompt"}}',
    ),
    want: ["weather", "prompt", "brief"],
    body: request(
      "completion/complete",
      '{"argument":{"name":"a","value":"b"},"ref":{"name":"brief","type":"ref/prompt"}}',
    ),
  },
  {
    name: "a completion for a template",
    text: request(
      "completion/complete",
      '{"ref":{"type":"ref/resource","uri":"sky://{city}"}}',
    ),
    want: ["weather", "resource", "sky://{city}"],
  },
];

for (const { name, text, want, body } of routed) {
  Deno.test(`decideMessage() sends ${name} to its server`, () => {
    const { bytes, decision } = decide(text);
    if (decision.kind !== "call") throw new Error(JSON.stringify(decision));
    assertEquals(
      [decision.server.name, decision.target, decision.name],
      want,
    );
    if (body === undefined) assertEquals(decision.body === bytes, true);
    else assertEquals(new TextDecoder().decode(decision.body), body);
  });
}

const relayed: readonly {
  name: string;
  text: string;
  want: [server: string | undefined, tag: string, message: string];
  body: string;
}[] = [
  {
    name: "a result by its id",
    text:
      '{"jsonrpc":"2.0", "id" : "mcpgw:aBcDeF12:weather:7" ,"result":{"n":1e400}}',
    want: ["weather", "aBcDeF12", "response"],
    body: '{"jsonrpc":"2.0", "id" : 7 ,"result":{"n":1e400}}',
  },
  {
    name: "an error by its id, a string",
    text:
      '{"error":{"code":-1,"message":"no"},"id":"mcpgw:aBcDeF12:plain:\\"a b\\"","jsonrpc":"2.0"}',
    want: ["plain", "aBcDeF12", "response"],
    body: '{"error":{"code":-1,"message":"no"},"id":"a b","jsonrpc":"2.0"}',
  },
  {
    name: "progress by its token",
    text:
      '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1,"progressToken":"mcpgw:aBcDeF12:weather:9007199254740993"}}',
    want: ["weather", "aBcDeF12", "notification"],
    body:
      '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1,"progressToken":9007199254740993}}',
  },
  {
    name: "a result for a server that is configured no more",
    text: '{"jsonrpc":"2.0","id":"mcpgw:aBcDeF12:gone:7","result":{}}',
    want: [undefined, "aBcDeF12", "response"],
    body: '{"jsonrpc":"2.0","id":7,"result":{}}',
  },
];

for (const { name, text, want, body } of relayed) {
  Deno.test(`decideMessage() relays ${name}`, () => {
    const { decision } = decide(text);
    if (decision.kind !== "relay") throw new Error(JSON.stringify(decision));
    assertEquals(
      [decision.server?.name, decision.tag, decision.message],
      want,
    );
    assertEquals(new TextDecoder().decode(decision.body), body);
  });
}

Deno.test("decideMessage() leaves a cancellation to who has the call", () => {
  const { decision } = decide(
    '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":9007199254740993}}',
  );
  assertEquals(decision, { kind: "cancel", requestId: "9007199254740993" });
});

const others: readonly { name: string; text: string; want: string }[] = [
  {
    name: "initialize to the broker",
    text: request("initialize", "{}"),
    want: "broker",
  },
  {
    name: "a notification to the broker",
    text:
      '{"jsonrpc":"2.0","method":"tools/call","params":{"name":"weather_x"}}',
    want: "broker",
  },
  {
    name: "a response to the broker",
    text: '{"jsonrpc":"2.0","id":1,"result":{}}',
    want: "broker",
  },
  {
    name: "a response without an id to the broker",
    text: '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"?"}}',
    want: "broker",
  },
  {
    name: "progress of nobody's to the broker",
    text:
      '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t"}}',
    want: "broker",
  },
  {
    name: "a cancellation of nothing to the broker",
    text: '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{}}',
    want: "broker",
  },
  {
    name: "a batch of answers to the broker",
    text: '[{"jsonrpc":"2.0","id":"mcpgw:aBcDeF12:weather:7","result":{}}]',
    want: "broker",
  },
  {
    name: "a batch to the broker",
    text: `[${request("tools/call", '{"name":"weather_now"}')}]`,
    want: "broker",
  },
  {
    name: "an unknown prompt nowhere",
    text: request("prompts/get", '{"name":"nope"}'),
    want: "unknown prompt",
  },
  {
    name: "an unknown resource nowhere",
    text: request("resources/read", '{"uri":"nope://1"}'),
    want: "unknown resource",
  },
  {
    name: "a method that is too long nowhere",
    text: request("m".repeat(129), "{}"),
    want: "unknown method",
  },
  ...[
    request("tools/call", `{"name":"weather_${"n".repeat(300)}"}`),
    request("resources/read", `{"uri":"sky://${"n".repeat(9000)}"}`),
    request("tools/call", '{"name":7}'),
    request("prompts/get", "{}"),
    request("resources/read", '{"uri":null}'),
    request("completion/complete", "{}"),
    request("completion/complete", '{"ref":[]}'),
    request("completion/complete", '{"ref":{"type":"ref/tool","name":"a"}}'),
    request("completion/complete", '{"ref":{"type":"ref/prompt"}}'),
    request(
      "completion/complete",
      '{"ref":{"type":"ref/prompt","name":"greet","Name":"weather_brief"}}',
    ),
  ].map((text) => ({
    name: `${text.slice(0, 120)} nowhere`,
    text,
    want: "invalid params",
  })),
];

for (const { name, text, want } of others) {
  Deno.test(`decideMessage() sends ${name}`, () => {
    const { decision } = decide(text);
    assertEquals(
      decision.kind === "refuse" ? decision.refusal.kind : decision.kind,
      want,
    );
  });
}
