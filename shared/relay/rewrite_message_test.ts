import { assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { rewriteServerMessage } from "./rewrite_message.ts";
import { readRoutedId } from "./routed_id.ts";

const SOURCE = { server: "weather", tag: "aBcDeF12" };
const ROUTED = "mcpgw:aBcDeF12:weather:";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

const CHANGED: readonly {
  readonly name: string;
  readonly json: string;
  readonly want: string;
  readonly kind: "request" | "notification";
  readonly id?: string;
}[] = [
  {
    name: "a request's number",
    json: '{"jsonrpc":"2.0","id":7,"method":"ping"}',
    want: `{"jsonrpc":"2.0","id":"${ROUTED}7","method":"ping"}`,
    kind: "request",
    id: "7",
  },
  {
    name: "a request's number beyond 2^53",
    json: '{"id":9007199254740993,"jsonrpc":"2.0","method":"ping"}',
    want: `{"id":"${ROUTED}9007199254740993","jsonrpc":"2.0","method":"ping"}`,
    kind: "request",
    id: "9007199254740993",
  },
  {
    name: "a request's string, and its white space around it",
    json: '{ "method" : "ping" , "id" : "a\\u0062 \\"" , "jsonrpc" : "2.0" }',
    want:
      `{ "method" : "ping" , "id" : "${ROUTED}\\"a\\\\u0062 \\\\\\"\\"" , "jsonrpc" : "2.0" }`,
    kind: "request",
    id: '"a\\u0062 \\""',
  },
  {
    name: "a request's progress token, wherever it stands",
    json:
      '{"params":{"a":1e400,"_meta":{"x":{"progressToken":1},"progressToken":"t","y":9007199254740993}},"jsonrpc":"2.0","id":0,"method":"sampling/createMessage"}',
    want:
      `{"params":{"a":1e400,"_meta":{"x":{"progressToken":1},"progressToken":"${ROUTED}\\"t\\"","y":9007199254740993}},"jsonrpc":"2.0","id":"${ROUTED}0","method":"sampling/createMessage"}`,
    kind: "request",
    id: "0",
  },
  {
    name: "a request's id and not the ids within it",
    json:
      '{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"id":1,"requestId":1,"progressToken":1,"more":{"id":1}},"unknown":[{"id":1}]}',
    want:
      `{"jsonrpc":"2.0","id":"${ROUTED}1","method":"elicitation/create","params":{"id":1,"requestId":1,"progressToken":1,"more":{"id":1}},"unknown":[{"id":1}]}`,
    kind: "request",
    id: "1",
  },
  {
    name: "a cancellation's request id",
    json:
      '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"reason":"é","requestId":3}}',
    want:
      `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"reason":"é","requestId":"${ROUTED}3"}}`,
    kind: "notification",
  },
  {
    name: "the last of repeated ids, which is what counts",
    json: '{"jsonrpc":"2.0","id":1,"id":2,"method":"roots/list"}',
    want: `{"jsonrpc":"2.0","id":1,"id":"${ROUTED}2","method":"roots/list"}`,
    kind: "request",
    id: "2",
  },
  {
    name: "a key with escapes",
    json: '{"jsonrpc":"2.0","\\u0069d":1,"m\\u0065thod":"roots/list"}',
    want:
      `{"jsonrpc":"2.0","\\u0069d":"${ROUTED}1","m\\u0065thod":"roots/list"}`,
    kind: "request",
    id: "1",
  },
  {
    name: "a message behind a byte order mark",
    json: '\ufeff{"jsonrpc":"2.0","id":1,"method":"roots/list"}',
    want: `\ufeff{"jsonrpc":"2.0","id":"${ROUTED}1","method":"roots/list"}`,
    kind: "request",
    id: "1",
  },
];
for (const { name, json, want, kind, id } of CHANGED) {
  Deno.test(`rewriteServerMessage() routes ${name}`, () => {
    const rewritten = rewriteServerMessage(encode(json), SOURCE);
    assertEquals(decodeWithMark(rewritten.bytes), want);
    assertEquals(rewritten.kind, kind);
    assertEquals("id" in rewritten ? rewritten.id : undefined, id);
  });
}

function decodeWithMark(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

const SAME: readonly {
  readonly name: string;
  readonly json: string;
  readonly want: Record<string, unknown>;
}[] = [
  {
    name: "a result, huge integers, repeated keys and all",
    json:
      '{"jsonrpc":"2.0","id":1,"result":{"id":9007199254740993,"id":1e400,"_meta":{"progressToken":1}}}',
    want: { kind: "response", id: "1" },
  },
  {
    name: "an error, of a request that the server could not read",
    json: '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"?"}}',
    want: { kind: "response", id: "null" },
  },
  {
    name: "an error without any id",
    json: '{"jsonrpc":"2.0","error":{"code":-32700,"message":"?"}}',
    want: { kind: "response", id: "null" },
  },
  {
    name: "progress, whose token is the client's",
    json:
      '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"requestId":1,"progress":1}}',
    want: { kind: "notification", method: "notifications/progress" },
  },
  {
    name: "a cancellation of nothing",
    json:
      '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":{"a":1}}}',
    want: { kind: "notification", method: "notifications/cancelled" },
  },
  {
    name: "a notification without params",
    json: '{"jsonrpc":"2.0","method":"notifications/cancelled"}',
    want: { kind: "notification", method: "notifications/cancelled" },
  },
  {
    name: "a request whose id is none",
    json: '{"jsonrpc":"2.0","id":null,"method":"ping"}',
    want: { kind: "malformed" },
  },
  {
    name: "a message of another JSON-RPC",
    json: '{"jsonrpc":"1.0","id":1,"method":"ping"}',
    want: { kind: "malformed" },
  },
  {
    name: "a message that says nothing",
    json: '{"jsonrpc":"2.0","id":1}',
    want: { kind: "malformed" },
  },
  {
    name: "broken JSON",
    json: '{"jsonrpc":"2.0","id":1,"method":"ping"',
    want: { kind: "malformed" },
  },
  { name: "nothing", json: "", want: { kind: "malformed" } },
  {
    name: "an array",
    json: '[{"jsonrpc":"2.0","id":1,"method":"ping"}]',
    want: { kind: "malformed" },
  },
];
for (const { name, json, want } of SAME) {
  Deno.test(`rewriteServerMessage() gives back ${name}`, () => {
    const input = encode(json);
    const { bytes, ...rest } = rewriteServerMessage(input, SOURCE);
    assertEquals(rest as Record<string, unknown>, want);
    assertStrictEquals(bytes, input);
  });
}

Deno.test("rewriteServerMessage() changes a request with params that are none only in its id", () => {
  for (const params of ["[1]", "null", '"a"', '{"_meta":[]}', '{"_meta":1}']) {
    const json = `{"jsonrpc":"2.0","id":1,"method":"ping","params":${params}}`;
    assertEquals(
      decode(rewriteServerMessage(encode(json), SOURCE).bytes),
      json.replace(":1,", `:"${ROUTED}1",`),
    );
  }
});

Deno.test("rewriteServerMessage() routes ids so that readRoutedId() finds the server's own", () => {
  const id = fc.oneof(
    fc.string({ unit: "binary" }).map((text) => JSON.stringify(text)),
    fc.bigInt().map(String),
  );
  fc.assert(fc.property(id, id, fc.string(), (id, token, server) => {
    const source = { ...SOURCE, server };
    const json =
      `{"jsonrpc":"2.0","id":${id},"method":"a","params":{"_meta":{"progressToken":${token}}}}`;
    const { bytes } = rewriteServerMessage(encode(json), source);
    const message = JSON.parse(decode(bytes));
    const own = (routed: string) => readRoutedId(JSON.stringify(routed));
    assertEquals(own(message.id), { ...source, id });
    assertEquals(own(message.params._meta.progressToken), {
      ...source,
      id: token,
    });
  }));
});

Deno.test("rewriteServerMessage() never throws, and reads what is not UTF-8", () => {
  const json = '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"?"}}';
  fc.assert(fc.property(fc.nat(json.length - 1), fc.nat(255), (at, byte) => {
    const bytes = encode(json);
    bytes[at] = byte;
    rewriteServerMessage(bytes, SOURCE);
  }));
  const bytes = encode(json);
  bytes[json.indexOf("?")] = 0xe9; // Latin-1
  const rewritten = rewriteServerMessage(bytes, SOURCE);
  assertEquals(rewritten.kind, "request");
  assertEquals(rewritten.bytes.includes(0xe9), true);
});
