import { assertEquals } from "@std/assert";
import { hear, type Heard } from "./hear.ts";

const SOURCE = { server: "weather", tag: "aBcDeF12" };

const CASES: readonly {
  readonly name: string;
  readonly data: string;
  readonly want: readonly Heard[];
}[] = [
  {
    name: "passes a notification on, byte for byte",
    data: '{"jsonrpc":"2.0", "method":"x/y","params":{"big":1e400}}',
    want: [{
      kind: "pass",
      text: '{"jsonrpc":"2.0", "method":"x/y","params":{"big":1e400}}',
    }],
  },
  {
    name: "gives a request an id that finds its way back",
    data: '{"jsonrpc":"2.0","id":7,"method":"roots/list"}',
    want: [{
      kind: "pass",
      text:
        '{"jsonrpc":"2.0","id":"mcpgw:aBcDeF12:weather:7","method":"roots/list"}',
    }],
  },
  {
    name: "keeps a changed list to itself",
    data: '{"jsonrpc":"2.0","method":"notifications/resources/list_changed"}',
    want: [{ kind: "changed", lists: ["resources", "templates"] }],
  },
  {
    name: "takes a batch apart",
    data:
      '[{"jsonrpc":"2.0","method":"a"}, {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}]',
    want: [
      { kind: "pass", text: '{"jsonrpc":"2.0","method":"a"}' },
      { kind: "changed", lists: ["tools"] },
    ],
  },
  {
    name: "drops a response",
    data: '{"jsonrpc":"2.0","id":7,"result":{}}',
    want: [{ kind: "dropped", why: "a response on another stream" }],
  },
  {
    name: "drops what is no message",
    data: "/messages?session=1",
    want: [{ kind: "dropped", why: "not a JSON-RPC message" }],
  },
  {
    name: "drops what begins like a batch",
    data: "[{",
    want: [{ kind: "dropped", why: "not a JSON-RPC message" }],
  },
  { name: "hears nothing in an empty batch", data: "[]", want: [] },
];
for (const { name, data, want } of CASES) {
  Deno.test(`hear() ${name}`, () => {
    assertEquals(hear(data, SOURCE), want);
  });
}
